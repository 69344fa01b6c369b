//! Removing what has expired.

use std::time::Duration;

use axum_users::{Purged, StoreError};
use tokio::time::{MissedTickBehavior, interval};

use crate::users::Users;

/// How many rows go at once.
const BATCH: u32 = 1000;

pub(crate) async fn once(users: &Users) -> Result<Purged, StoreError> {
    let manager = users.manager();
    manager.purge(BATCH, &manager.context()).await
}

/// Purges once an hour, until `stopped`. Several processes that do so at the same time only share the work.
pub(crate) async fn hourly(users: Users, stopped: impl Future<Output = ()>) {
    let mut hours = interval(Duration::from_hours(1));
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            _ = hours.tick() => {}
            () = &mut stopped => return,
        }
        match once(&users).await {
            Ok(purged) if purged.total() > 0 => {
                tracing::info!(
                    tokens = purged.tokens,
                    others = purged.others,
                    "removed what had expired"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "what has expired could not be removed; it is tried again in an hour");
            }
        }
    }
}
