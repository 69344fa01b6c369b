//! Where mails wait to be sent.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum_users_core::{Leased, Message, Outbox, StoreError, Timestamp};

/// A place where mails wait, as the worker sees it: every [`Outbox`] is one, and [`MemoryQueue`].
///
/// ```
/// use axum_users_core::SystemClock;
/// use axum_users_mail::{MailQueue, MailTransport, MailWorker};
///
/// /// Sends what any queue has: a store with an outbox, or one in memory.
/// async fn send_all(queue: impl MailQueue, transport: impl MailTransport) {
///     MailWorker::new(queue, transport, SystemClock).run(std::future::pending()).await;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "no mails wait in `{Self}`",
    note = "a worker empties a store that implements `Outbox`, or the `MemoryQueue` of `MailHooks::from_memory`"
)]
pub trait MailQueue: Send + Sync + 'static {
    /// Takes up to `limit` mails that are due at `now`; nobody else gets them for `lease`.
    ///
    /// # Errors
    /// [`StoreError`] where the queue cannot be asked.
    fn take(
        &self,
        limit: u32,
        now: Timestamp,
        lease: Duration,
    ) -> impl Future<Output = Result<Vec<Leased>, StoreError>> + Send;

    /// A mail was sent: erases it.
    ///
    /// # Errors
    /// [`StoreError`] where that cannot be written down.
    fn done(&self, id: i64, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A mail was not sent: it is due again at `at`.
    ///
    /// # Errors
    /// [`StoreError`] where that cannot be written down.
    fn again(&self, id: i64, at: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A mail was not even tried: it is due again at `at`, and that it was taken does not count as a try.
    ///
    /// # Errors
    /// [`StoreError`] where that cannot be written down.
    fn put_back(&self, id: i64, at: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A mail will never be sent: erases it.
    ///
    /// # Errors
    /// [`StoreError`] where that cannot be written down.
    fn abandon(&self, id: i64, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl<O: Outbox> MailQueue for O {
    async fn take(&self, limit: u32, now: Timestamp, lease: Duration) -> Result<Vec<Leased>, StoreError> {
        self.lease(limit, now, lease).await
    }

    async fn done(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.sent(id, now).await
    }

    async fn again(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.retry(id, at).await
    }

    async fn put_back(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.release(id, at).await
    }

    async fn abandon(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.give_up(id, now).await
    }
}

/// Mails that wait in the memory of the process, for a store without an outbox.
///
/// Made by [`MailHooks::from_memory`](crate::MailHooks::from_memory). Clones share the mails.
///
/// **What waits here is lost when the process ends.** The queue is bounded (1000 mails): what comes while it is full is
/// dropped and logged, since a request must not wait for a mail server.
///
/// ```
/// use axum_users_mail::{Links, MailHooks, Templates};
///
/// let links = Links::new("https://app.example.com");
/// let (hooks, queue) = MailHooks::from_memory(&links, &Templates::new("Camelot"))?;
/// assert!(queue.is_empty()); // the worker gets the queue, the manager the hooks
/// # let _ = hooks;
/// # Ok::<_, axum_users_core::SetupError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryQueue(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    last_id: i64,
    mails: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    leased: Leased,
    due: Timestamp,
}

const MOST_IN_MEMORY: usize = 1000;

impl MemoryQueue {
    /// How many mails wait.
    pub fn len(&self) -> usize {
        self.with(|waiting| waiting.mails.len())
    }

    /// Whether no mail waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// False where the queue is full.
    pub(crate) fn push(&self, message: Message, now: Timestamp) -> bool {
        self.with(|waiting| {
            let fits = waiting.mails.len() < MOST_IN_MEMORY;
            if fits {
                waiting.last_id = waiting.last_id.wrapping_add(1);
                let leased = Leased::new(waiting.last_id, 0, message);
                waiting.mails.push_back(Entry { leased, due: now });
            }
            fits
        })
    }

    fn with<R>(&self, f: impl FnOnce(&mut Waiting) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, id: i64, change: impl FnOnce(&mut Entry)) {
        self.with(|waiting| {
            if let Some(entry) = waiting.mails.iter_mut().find(|entry| entry.leased.id == id) {
                change(entry);
            }
        });
    }

    fn erase(&self, id: i64) {
        self.with(|waiting| waiting.mails.retain(|entry| entry.leased.id != id));
    }
}

impl MailQueue for MemoryQueue {
    async fn take(&self, limit: u32, now: Timestamp, lease: Duration) -> Result<Vec<Leased>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.with(|waiting| {
            let due = waiting.mails.iter_mut().filter(|entry| entry.due <= now);
            due.take(limit)
                .map(|entry| {
                    let leased = entry.leased.clone();
                    entry.leased.attempts = entry.leased.attempts.saturating_add(1);
                    entry.due = now.plus(lease);
                    leased
                })
                .collect()
        }))
    }

    async fn done(&self, id: i64, _: Timestamp) -> Result<(), StoreError> {
        self.erase(id);
        Ok(())
    }

    async fn again(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.change(id, |entry| entry.due = at);
        Ok(())
    }

    async fn put_back(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.change(id, |entry| {
            entry.due = at;
            entry.leased.attempts = entry.leased.attempts.saturating_sub(1);
        });
        Ok(())
    }

    async fn abandon(&self, id: i64, _: Timestamp) -> Result<(), StoreError> {
        self.erase(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum_users_core::MessageKind;

    use super::*;

    #[test]
    fn full_queue_takes_no_more() {
        let queue = MemoryQueue::default();
        let now = Timestamp::from_secs(0);
        for _ in 0..MOST_IN_MEMORY {
            assert!(queue.push(Message::new(MessageKind::Other, "a@b.example", "s", "t"), now));
        }
        assert!(!queue.push(Message::new(MessageKind::Other, "a@b.example", "s", "t"), now));
    }

    #[tokio::test]
    async fn leased_mail_is_not_given_twice() {
        let queue = MemoryQueue::default();
        let now = Timestamp::from_secs(0);
        let lease = Duration::from_mins(1);
        queue.push(Message::new(MessageKind::Other, "a@b.example", "s", "t"), now);
        assert_eq!(queue.take(10, now, lease).await.unwrap().len(), 1);
        assert!(queue.take(10, now, lease).await.unwrap().is_empty());
        let again = queue.take(10, now.plus(lease), lease).await.unwrap();
        assert_eq!(again[0].attempts, 1);
        queue.put_back(again[0].id, now).await.unwrap();
        let untried = queue.take(10, now, lease).await.unwrap();
        assert_eq!(untried[0].attempts, 1, "what was not tried does not count");
    }
}
