//! What empties the queue.

use std::{
    collections::HashSet,
    fmt,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum_users_core::{Clock, Leased, Random, StoreError, SystemRandom, Timestamp, crash_point};
use tokio::time::{sleep, timeout};

use crate::{MailError, MailQueue, MailTransport, Wake, backoff};

const QUIET_WHILE_DOWN: Duration = Duration::from_mins(1);

/// Sends the mails that wait in an outbox, one after the other, for as long as the application runs.
///
/// Several workers, in one process or in many, may empty the same outbox. A mail that fails is tried again after half a
/// minute, a minute, two minutes and so on up to an hour; it is given up after ten tries, or at once where no further try can
/// help. A mail is sent twice only where a process ends between sending it and writing that down.
///
/// Everything is logged under the target `axum_users::mail`, by row and kind, never by address.
///
/// ```
/// use axum_users_core::{Outbox, SystemClock};
/// use axum_users_mail::{MailHooks, MailWorker, Mailer};
///
/// async fn work<O: Outbox>(
///     store: &O,
///     mailer: Mailer,
///     hooks: &MailHooks,
///     shutdown: impl Future<Output = ()> + Send,
/// ) {
///     MailWorker::new(store.clone(), mailer, SystemClock)
///         .woken_by(&hooks.wake_handle())
///         .run(shutdown)
///         .await;
/// }
/// ```
#[must_use = "a worker sends nothing until it runs"]
pub struct MailWorker<Q, M> {
    queue: Q,
    transport: M,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    wake: Wake,
    batch: u32,
    lease: Duration,
    poll: Duration,
    tries: u32,
    /// Sent, but the queue could not be told.
    unmarked: Mutex<HashSet<i64>>,
    stopping: AtomicBool,
    stop: Wake,
}

impl<Q, M> fmt::Debug for MailWorker<Q, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailWorker")
            .field("batch", &self.batch)
            .field("lease", &self.lease)
            .field("poll", &self.poll)
            .field("tries", &self.tries)
            .finish_non_exhaustive()
    }
}

/// How long the worker waits once it is woken: the request that caused the mail is answered first. What the worker does at the
/// same moment would show in the time of the answer that there is a mail, and with it an account.
const AFTER_THE_ANSWER: Duration = Duration::from_millis(50);

enum Fate {
    Sent,
    Again(Timestamp),
    GivenUp,
}

impl<Q: MailQueue, M: MailTransport> MailWorker<Q, M> {
    /// A worker that takes mails from `queue` (a store with an outbox, or a [`MemoryQueue`](crate::MemoryQueue)) and sends
    /// them by `transport`.
    pub fn new(queue: Q, transport: M, clock: impl Clock) -> Self {
        Self {
            queue,
            transport,
            clock: Arc::new(clock),
            random: Arc::new(SystemRandom),
            wake: Wake::new(),
            batch: 10,
            lease: Duration::from_mins(5),
            poll: Duration::from_secs(1),
            tries: 10,
            unmarked: Mutex::default(),
            stopping: AtomicBool::new(false),
            stop: Wake::new(),
        }
    }

    /// Sends a mail as soon as the hooks of this process write it, instead of at the next look.
    pub fn woken_by(mut self, wake: &Wake) -> Self {
        self.wake = wake.clone();
        self
    }

    /// How many mails are taken at once; 10 by default, at least 1.
    pub fn batch(mut self, mails: u32) -> Self {
        self.batch = mails.max(1);
        self
    }

    /// How long mails that were taken are kept from other workers; 5 minutes by default.
    ///
    /// It must be long enough for one mail. What has not been sent by then of those that were taken together is left for the
    /// next look.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long to wait between two looks where nothing wakes the worker; 1 second by default.
    pub fn poll_every(mut self, pause: Duration) -> Self {
        self.poll = pause;
        self
    }

    /// After how many tries a mail is given up; 10 by default, which takes three hours or a little more.
    pub fn give_up_after(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }

    /// Where the chance in the waiting times comes from; the operating system by default.
    pub fn random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Sends mails until `shutdown` is ready; the mail in hand is finished then, the others are put back and lose no try.
    ///
    /// A store that is down is logged once a minute and asked again; the worker never ends by itself.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let mut work = pin!(self.work());
        tokio::select! {
            () = shutdown => {
                self.stopping.store(true, Ordering::Relaxed);
                self.stop.wake();
                work.await;
            }
            () = &mut work => {}
        }
    }

    /// Takes the mails that are due, at most one batch, and sends them; answers how many that were, decoys among them.
    ///
    /// For jobs and tests; [`run`](Self::run) does this over and over.
    ///
    /// # Errors
    /// [`StoreError`] where the queue fails; mails that were taken are due again when their lease ends.
    pub async fn run_once(&self) -> Result<usize, StoreError> {
        let begun = self.clock.now();
        let taken = self.queue.take(self.batch, begun, self.lease).await?;
        let mut handled = 0;
        let mut taken = taken.into_iter();
        for leased in taken.by_ref() {
            let left = begun.plus(self.lease).since(self.clock.now());
            if left.is_zero() {
                return Ok(handled);
            }
            if self.stopping.load(Ordering::Relaxed) {
                self.queue.put_back(leased.id, begun).await?;
                continue;
            }
            let fate = self.send(&leased, left).await;
            crash_point("mail-not-written-down").await;
            self.write_down(leased.id, fate).await?;
            handled += 1;
        }
        Ok(handled)
    }

    async fn work(&self) {
        let mut down_since: Option<Timestamp> = None;
        while !self.stopping.load(Ordering::Relaxed) {
            let full = usize::try_from(self.batch).unwrap_or(usize::MAX);
            match self.run_once().await {
                Ok(handled) => {
                    if down_since.take().is_some() {
                        tracing::info!(target: "axum_users::mail", "the queue of mails answers again");
                    }
                    if handled >= full {
                        continue;
                    }
                }
                Err(error) => {
                    let now = self.clock.now();
                    if down_since.is_none_or(|logged| now.since(logged) >= QUIET_WHILE_DOWN) {
                        down_since = Some(now);
                        tracing::error!(
                            target: "axum_users::mail",
                            %error,
                            "the queue of mails does not answer; trying again"
                        );
                    }
                    // A wake-up would only ask a store that is down more often.
                    tokio::select! {
                        () = self.stop.woken() => {}
                        () = sleep(self.poll) => {}
                    }
                    continue;
                }
            }
            tokio::select! {
                () = self.stop.woken() => {}
                () = self.wake.woken() => tokio::select! {
                    () = self.stop.woken() => {}
                    () = sleep(AFTER_THE_ANSWER.min(self.poll)) => {}
                },
                () = sleep(self.poll) => {}
            }
        }
    }

    async fn send(&self, leased: &Leased, left: Duration) -> Fate {
        if leased.message.is_decoy() || self.is_unmarked(leased.id) {
            return Fate::Sent;
        }
        let kind = leased.message.kind.as_str();
        let attempt = leased.attempts.saturating_add(1);
        let sending = timeout(left, self.transport.send(&leased.message));
        let error = match sending.await {
            Ok(Ok(())) => {
                tracing::debug!(target: "axum_users::mail", row = leased.id, mail = kind, attempt, "mail sent");
                return Fate::Sent;
            }
            Ok(Err(error)) => error,
            Err(_) => MailError::temporary("timeout"),
        };
        let (class, status) = (error.class(), error.status());
        if error.is_permanent() || attempt >= self.tries {
            tracing::error!(
                target: "axum_users::mail",
                row = leased.id, mail = kind, attempt, class, status,
                "mail given up"
            );
            return Fate::GivenUp;
        }
        let wait = backoff::delay(attempt, &*self.random);
        tracing::warn!(
            target: "axum_users::mail",
            row = leased.id, mail = kind, attempt, class, status, wait_secs = wait.as_secs(),
            "mail not sent; trying again"
        );
        Fate::Again(self.clock.now().plus(wait))
    }

    async fn write_down(&self, id: i64, fate: Fate) -> Result<(), StoreError> {
        let now = self.clock.now();
        match fate {
            Fate::Sent => {
                let done = self.queue.done(id, now).await;
                self.mark(id, done.is_ok());
                done
            }
            Fate::Again(at) => self.queue.again(id, at).await,
            Fate::GivenUp => self.queue.abandon(id, now).await,
        }
    }

    fn is_unmarked(&self, id: i64) -> bool {
        let unmarked = self.unmarked.lock();
        unmarked.unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    fn mark(&self, id: i64, written: bool) {
        let unmarked = self.unmarked.lock();
        let mut unmarked = unmarked.unwrap_or_else(PoisonError::into_inner);
        if written {
            unmarked.remove(&id);
        } else {
            unmarked.insert(id);
        }
    }
}
