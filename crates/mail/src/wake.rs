//! A nudge from the hooks to the worker.

use std::{future::Future, sync::Arc};

use tokio::sync::Notify;

/// Tells a worker of the same process that there is a mail, so that it need not wait for its next look.
///
/// Clones wake the same worker. A nudge that is lost costs no mail: the worker looks by itself too.
///
/// ```
/// use axum_users_core::{InMemoryUsers, SystemClock};
/// use axum_users_mail::{MailHooks, MailTransport, MailWorker};
///
/// async fn run(hooks: &MailHooks, store: InMemoryUsers, transport: impl MailTransport) {
///     let worker = MailWorker::new(store, transport, SystemClock).woken_by(&hooks.wake_handle());
///     worker.run(std::future::pending()).await;
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// A handle that wakes no one yet; hand it to [`MailWorker::woken_by`](crate::MailWorker::woken_by).
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes the worker, or keeps it from going to sleep.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    pub(crate) fn woken(&self) -> impl Future<Output = ()> {
        self.0.notified()
    }
}
