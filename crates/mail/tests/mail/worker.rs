//! The worker and its queue.

use std::{
    io,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use axum_users_core::{Message, MessageKind, Random, RandomError, UserHooks as _};
use axum_users_mail::{MailError, MailHooks, MailTransport, MailWorker, Wake};
use tokio::sync::{Notify, oneshot};

use crate::{
    kit::{Ada, Pocket, TestClock, context, links, message, store_with, templates},
    store::Store,
};

const LONG: Duration = Duration::from_hours(24);

fn full_store(mails: usize) -> Store {
    let store = Store::default();
    store.add(vec![message("ada@example.org"); mails]);
    store
}

#[tokio::test]
async fn decoy_is_erased_and_never_sent() {
    let store = Store::default();
    store.add(vec![message("ada@example.org").into_decoy()]);
    let (pocket, _news) = Pocket::new();
    let worker = MailWorker::new(store.clone(), pocket.clone(), TestClock::new());
    assert_eq!(worker.run_once().await.unwrap(), 1);
    assert!(store.is_empty());
    assert_eq!(pocket.count(), 0);
}

#[derive(Debug)]
struct NoChance;
impl Random for NoChance {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.fill(0);
        Ok(())
    }
}

#[tokio::test]
async fn mail_that_keeps_failing_is_given_up_after_ten_tries() {
    let store = full_store(1);
    let (pocket, clock) = (Pocket::failing(MailError::temporary("test")), TestClock::new());
    let worker = MailWorker::new(store.clone(), pocket, clock.clone()).random(NoChance);
    let mut waited = 0;
    for wait in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
        assert_eq!(worker.run_once().await.unwrap(), 1);
        clock.advance(wait - 1);
        assert_eq!(worker.run_once().await.unwrap(), 0, "too early after {wait}");
        clock.advance(1);
        waited += wait;
    }
    assert_eq!(waited, 11_010);
    assert!(store.given_up.lock().unwrap().is_empty());
    assert_eq!(worker.run_once().await.unwrap(), 1);
    assert_eq!(*store.given_up.lock().unwrap(), [1]);
    assert!(store.is_empty());
}

#[tokio::test]
async fn no_more_than_a_batch_is_taken_at_once() {
    let store = full_store(5);
    let (pocket, _news) = Pocket::new();
    let worker = MailWorker::new(store.clone(), pocket.clone(), TestClock::new()).batch(2);
    for left in [3, 1, 0] {
        worker.run_once().await.unwrap();
        assert_eq!(store.rows().len(), left);
    }
    assert_eq!(pocket.count(), 5);
}

#[tokio::test]
async fn mail_that_was_sent_but_not_written_down_is_not_sent_again() {
    let (store, clock) = (full_store(1), TestClock::new());
    let (pocket, _news) = Pocket::new();
    let worker = MailWorker::new(store.clone(), pocket.clone(), clock.clone());
    store.deaf.store(true, Ordering::SeqCst);
    assert!(worker.run_once().await.is_err());
    store.deaf.store(false, Ordering::SeqCst);
    clock.advance(300);
    assert_eq!(worker.run_once().await.unwrap(), 1);
    assert!(store.is_empty());
    assert_eq!(pocket.count(), 1);
}

/// Takes a minute for each mail.
struct Slow(TestClock, Pocket);
impl MailTransport for Slow {
    async fn send(&self, message: &Message) -> Result<(), MailError> {
        self.0.advance(60);
        self.1.send(message).await
    }
}

#[tokio::test]
async fn mails_are_not_sent_once_their_lease_is_over() {
    let (store, clock) = (full_store(10), TestClock::new());
    let (pocket, _news) = Pocket::new();
    let worker = MailWorker::new(store.clone(), Slow(clock.clone(), pocket), clock);
    assert_eq!(worker.run_once().await.unwrap(), 5);
    assert_eq!(store.rows().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn transport_that_hangs_does_not_hold_the_worker() {
    struct Hanging;
    impl MailTransport for Hanging {
        async fn send(&self, _: &Message) -> Result<(), MailError> {
            std::future::pending().await
        }
    }
    let store = full_store(1);
    let worker = MailWorker::new(store.clone(), Hanging, TestClock::new());
    assert_eq!(worker.run_once().await.unwrap(), 1);
    assert_eq!(store.rows()[&1].attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_woken_worker_lets_the_answer_go_first() {
    let store = Store::default();
    let hooks = MailHooks::outbox(&store, &links(), &templates()).unwrap();
    let (pocket, _news) = Pocket::new();
    let worker = MailWorker::new(store.clone(), pocket.clone(), TestClock::new())
        .poll_every(LONG)
        .woken_by(&hooks.wake_handle());
    let running = tokio::spawn(worker.run(std::future::pending()));
    tokio::time::sleep(Duration::from_millis(1)).await;
    store.add(vec![message("ada@example.org")]);
    hooks.on_after_register(&Ada, &context()).await;
    tokio::time::sleep(Duration::from_millis(49)).await;
    assert_eq!(pocket.count(), 0, "its work would show in the time of the answer");
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(pocket.count(), 1);
    running.abort();
}

#[tokio::test]
async fn hooks_wake_a_worker_that_would_sleep_for_a_day() {
    let store = Store::default();
    let hooks = MailHooks::outbox(&store, &links(), &templates()).unwrap();
    let (pocket, mut news) = Pocket::new();
    let worker = MailWorker::new(store.clone(), pocket, TestClock::new())
        .poll_every(LONG)
        .woken_by(&hooks.wake_handle());
    let running = tokio::spawn(worker.run(std::future::pending()));
    for _ in 0..3 {
        tokio::task::yield_now().await;
        store.add(vec![message("ada@example.org")]);
        hooks.on_after_register(&Ada, &context()).await;
        news.recv().await.unwrap();
    }
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn store_that_comes_back_finds_its_worker_waiting() {
    let store = full_store(1);
    store.down.store(true, Ordering::SeqCst);
    let (pocket, mut news) = Pocket::new();
    let worker = MailWorker::new(store.clone(), pocket, TestClock::new());
    let running = tokio::spawn(worker.run(std::future::pending()));
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(!running.is_finished());
    store.down.store(false, Ordering::SeqCst);
    news.recv().await.unwrap();
    running.abort();
}

/// Tells when it begins and waits to be let go.
struct Held {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
}
impl MailTransport for Held {
    async fn send(&self, _: &Message) -> Result<(), MailError> {
        self.begun.notify_one();
        self.go_on.notified().await;
        Ok(())
    }
}

#[tokio::test]
async fn shutdown_finishes_the_mail_in_hand_and_puts_the_others_back() {
    let (store, clock) = (full_store(3), TestClock::new());
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let held = Held {
        begun: begun.clone(),
        go_on: go_on.clone(),
    };
    let worker = MailWorker::new(store.clone(), held, clock.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(worker.run(async {
        let _ = stopped.await;
    }));
    begun.notified().await;
    stop.send(()).unwrap();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!running.is_finished());
    go_on.notify_one();
    running.await.unwrap();

    let waiting: Vec<_> = store.rows().iter().map(|(id, row)| (*id, row.attempts)).collect();
    assert_eq!(waiting, [(2, 0), (3, 0)], "what was put back has lost no try");
    let (pocket, _news) = Pocket::new();
    let next = MailWorker::new(store, pocket, clock);
    assert_eq!(next.run_once().await.unwrap(), 2);
}

#[tokio::test]
async fn idle_worker_ends_at_once() {
    let (pocket, _news) = Pocket::new();
    let worker = MailWorker::new(Store::default(), pocket, TestClock::new())
        .poll_every(LONG)
        .woken_by(&Wake::new());
    worker.run(async { tokio::task::yield_now().await }).await;
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);
impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_tells_row_kind_try_and_class_and_no_address() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // With only one dispatcher, what another thread logs first is judged by that thread, which listens to nothing.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    for error in [
        MailError::temporary("greeting").with_status(421),
        MailError::permanent("recipient").with_status(550),
    ] {
        let store = store_with(MessageKind::ResetPassword);
        let worker = MailWorker::new(store, Pocket::failing(error), TestClock::new());
        worker.run_once().await.unwrap();
    }
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for words in [
        "axum_users::mail",
        "row=1",
        "mail=\"reset_password\"",
        "attempt=1",
        "class=\"greeting\" status=421",
        "class=\"recipient\" status=550",
    ] {
        assert!(log.contains(words), "{words} in {log}");
    }
    for secret in ["ada", "example.org", "token", "https"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
