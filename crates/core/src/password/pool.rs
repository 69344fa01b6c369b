//! A few threads of our own, a short queue before them, and no thread of the async runtime held up.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::{sync::oneshot, time::timeout};

use super::{hasher::HashError, settings::Size};

/// Threads that each own an `S` and lend it to one job after the other. They end when the pool is dropped.
pub(super) struct Pool<S> {
    queue: Sender<Job<S>>,
    deadline: Duration,
}

struct Job<S> {
    /// Taken by whoever is first: the thread by sending, the caller by closing or going away.
    started: oneshot::Sender<()>,
    queued: Instant,
    work: Box<dyn FnOnce(&mut S) + Send>,
}

impl<S: 'static> Pool<S> {
    pub(super) fn start(size: Size, make: impl Fn() -> S + Clone + Send + 'static) -> io::Result<Self> {
        let Size {
            threads,
            queue,
            deadline,
        } = size;
        let (sender, jobs) = bounded(queue);
        for index in 0..threads {
            let (jobs, make) = (jobs.clone(), make.clone());
            thread::Builder::new()
                .name(format!("hashing-{index}"))
                .spawn(move || serve(&jobs, deadline, make))?;
        }
        Ok(Self {
            queue: sender,
            deadline,
        })
    }

    /// Waits for a thread, at most as long as the deadline, then for the work to be done, however long that takes.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let (started, mut start) = oneshot::channel();
        let (done, result) = oneshot::channel();
        let job = Job {
            started,
            queued: Instant::now(),
            work: Box::new(move |state| drop(done.send(work(state)))),
        };
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => self.busy(),
            TrySendError::Disconnected(_) => HashError::Fault,
        })?;
        let in_time = timeout(self.deadline, &mut start).await;
        let has_started = in_time.map_or_else(
            |_| {
                start.close();
                start.try_recv().is_ok()
            },
            |outcome| outcome.is_ok(),
        );
        if !has_started {
            return Err(self.busy());
        }
        // The sender goes away unused only where the work panicked.
        result.await.map_err(|_| HashError::Fault)
    }

    /// By the deadline everything that waits now is done or turned away.
    fn busy(&self) -> HashError {
        HashError::Busy {
            retry_after: self.deadline.max(Duration::from_secs(1)),
        }
    }
}

fn serve<S>(jobs: &Receiver<Job<S>>, deadline: Duration, make: impl Fn() -> S) {
    step_back();
    let mut state = make();
    for job in jobs {
        if job.queued.elapsed() >= deadline || job.started.send(()).is_err() {
            continue;
        }
        if catch_unwind(AssertUnwindSafe(|| (job.work)(&mut state))).is_err() {
            tracing::error!("a hashing job panicked");
            state = make();
        }
    }
}

/// Lowers the priority of this thread, so that requests which hash nothing are served first.
#[cfg(any(target_os = "linux", target_os = "macos", windows))]
fn step_back() {
    use thread_priority::{ThreadPriority, set_current_thread_priority};

    // Niceness 10 on Linux: about a tenth of a core beside a busy thread. At the lowest priority a flood of other
    // requests would keep everybody from logging in.
    const BELOW_NORMAL: u8 = 22;
    if let Ok(priority) = ThreadPriority::try_from(BELOW_NORMAL)
        && let Err(error) = set_current_thread_priority(priority)
    {
        tracing::debug!(?error, "a hashing thread runs at normal priority");
    }
}

/// Elsewhere a thread has no priority of its own, or none that can be set safely.
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn step_back() {}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    fn pool(queue: usize, deadline: Duration) -> Pool<u32> {
        let size = Size {
            threads: 1,
            queue,
            deadline,
        };
        Pool::start(size, || 0).unwrap()
    }

    const LONG: Duration = Duration::from_mins(1);
    const SHORT: Duration = Duration::from_millis(500);

    /// Holds the only thread until the returned sender is dropped.
    async fn occupy(pool: &Arc<Pool<u32>>) -> mpsc::Sender<()> {
        let (release, wait) = mpsc::channel::<()>();
        let (signal, has_begun) = oneshot::channel();
        let pool = Arc::clone(pool);
        tokio::spawn(async move {
            pool.run(move |_| {
                signal.send(()).unwrap();
                wait.recv().unwrap_err();
            })
            .await
        });
        has_begun.await.unwrap();
        release
    }

    async fn queued(pool: &Pool<u32>, jobs: usize) {
        while pool.queue.len() < jobs {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn state_of_a_thread_is_kept_between_jobs() {
        let pool = pool(1, LONG);
        for turn in 1..=3 {
            let count = pool.run(|count| {
                *count += 1;
                *count
            });
            assert_eq!(count.await.unwrap(), turn);
        }
    }

    #[tokio::test]
    async fn full_queue_turns_away_at_once() {
        let pool = Arc::new(pool(1, LONG));
        let release = occupy(&pool).await;
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(|_| "done").await }
        });
        queued(&pool, 1).await;
        let refused = pool.run(|_| "never").await;
        assert!(matches!(refused, Err(HashError::Busy { retry_after }) if retry_after == LONG));
        drop(release);
        assert_eq!(waiting.await.unwrap().unwrap(), "done");
    }

    #[tokio::test]
    async fn job_that_waits_past_the_deadline_is_turned_away_and_never_done() {
        let pool = Arc::new(pool(8, SHORT));
        let release = occupy(&pool).await;
        let refused = pool.run(|count| *count += 100).await;
        assert!(
            matches!(refused, Err(HashError::Busy { retry_after }) if retry_after == Duration::from_secs(1))
        );
        drop(release);
        let count = loop {
            if let Ok(count) = pool.run(|count| *count).await {
                break count;
            }
        };
        assert_eq!(count, 0);
    }

    #[tokio::test]
    async fn thread_skips_a_job_past_its_deadline_though_its_caller_still_waits() {
        let (queue, jobs) = bounded(1);
        let (started, start) = oneshot::channel();
        let job = Job {
            started,
            queued: Instant::now().checked_sub(LONG).unwrap(),
            work: Box::new(|(): &mut ()| panic!("done too late")),
        };
        queue.send(job).unwrap();
        drop(queue);
        serve(&jobs, LONG, || ());
        assert!(start.await.is_err());
    }

    #[tokio::test]
    async fn job_that_started_in_time_is_waited_for_past_the_deadline() {
        let pool = pool(1, SHORT);
        let answer = pool.run(|_| {
            thread::sleep(SHORT * 3 / 2);
            "done"
        });
        assert_eq!(answer.await.unwrap(), "done");
    }

    #[tokio::test]
    async fn job_whose_caller_went_away_is_skipped() {
        let pool = Arc::new(pool(8, LONG));
        let release = occupy(&pool).await;
        let gone = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(|count| *count += 100).await }
        });
        queued(&pool, 1).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        drop(release);
        assert_eq!(pool.run(|count| *count).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn panic_is_a_fault_of_its_job_only_and_the_state_is_made_anew() {
        let pool = pool(1, LONG);
        pool.run(|count| *count = 7).await.unwrap();
        let failed: Result<(), _> = pool.run(|_| panic!("on purpose")).await;
        assert!(matches!(failed, Err(HashError::Fault)));
        assert_eq!(pool.run(|count| *count).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn threads_end_with_the_pool() {
        let state = Arc::new(());
        let alive = Arc::downgrade(&state);
        let size = Size {
            threads: 3,
            queue: 1,
            deadline: LONG,
        };
        let pool = Pool::start(size, move || Arc::clone(&state)).unwrap();
        pool.run(|_| ()).await.unwrap();
        drop(pool);
        timeout(LONG, async {
            while alive.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_thread_steps_back_and_the_one_that_asks_does_not() {
        fn nice() -> i64 {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let (_, fields) = stat.rsplit_once(')').unwrap();
            fields.split_whitespace().nth(16).unwrap().parse().unwrap()
        }
        let before = nice();
        let hashing = pool(1, LONG).run(|_| nice()).await.unwrap();
        assert!(hashing >= 10);
        assert_eq!(nice(), before);
    }
}
