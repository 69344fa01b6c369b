//! Work off the path of requests.

use std::{fmt, future::Future, sync::Arc};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// How many writes may be under way at once, so that they leave the pool to requests.
const AT_ONCE: usize = 4;

/// Runs small writes beside requests. What finds no room is left out: the next request brings it again.
#[derive(Clone)]
pub(crate) struct Background {
    tasks: TaskTracker,
    room: Arc<Semaphore>,
}

impl Default for Background {
    fn default() -> Self {
        Self {
            tasks: TaskTracker::new(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Background {
    pub(crate) fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            return;
        };
        self.tasks.spawn(async move {
            work.await;
            drop(permit);
        });
    }

    pub(crate) async fn settle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background")
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}
