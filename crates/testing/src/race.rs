//! Commands that run at the same moment.

use std::{future::Future, sync::Arc};

use tokio::sync::Barrier;

/// Starts all at the same moment, on several threads, and waits for them.
pub(crate) async fn race<T, R>(racers: impl IntoIterator<Item = R>) -> Vec<T>
where
    T: Send + 'static,
    R: Future<Output = T> + Send + 'static,
{
    let racers: Vec<R> = racers.into_iter().collect();
    let start = Arc::new(Barrier::new(racers.len()));
    let tasks: Vec<_> = racers
        .into_iter()
        .map(|racer| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                racer.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("no racer panics"));
    }
    results
}
