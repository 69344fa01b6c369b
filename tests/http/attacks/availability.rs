//! Floods.

use std::{
    future::IntoFuture,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use axum_users::{PasswordHasher, Random, RandomError};
use axum_users_testing::fast_hasher_settings;
use serde_json::json;
use tokio::task::{JoinHandle, yield_now};

use crate::harness::{Answer, App, PASSWORD, SqliteInMemory, Wiring, app};

const EMAIL: &str = "arthur@camelot.bt";
const THREADS: usize = 2;
const FLOOD: usize = 24;

/// Holds every thread that makes a salt until it is opened.
#[derive(Debug, Default)]
struct Gate {
    /// How many wait, and whether it is open.
    state: Mutex<(usize, bool)>,
    opened: Condvar,
}

impl Gate {
    fn waiting(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.opened.notify_all();
    }
}

impl Random for Gate {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        let open = self.opened.wait_while(state, |(_, open)| !*open);
        drop(open.unwrap_or_else(PoisonError::into_inner));
        bytes.fill(7);
        Ok(())
    }
}

/// The application with all its hashing threads held, at most `queue` waiting, and the requests that hold them.
async fn held(
    app: &App<SqliteInMemory>,
    gate: &Arc<Gate>,
    queue: usize,
) -> (App<SqliteInMemory>, PasswordHasher, Vec<JoinHandle<Answer>>) {
    let random: Arc<dyn Random> = Arc::clone(gate) as _;
    let settings = fast_hasher_settings()
        .threads(THREADS)
        .queue(queue)
        .random(random);
    let hasher = PasswordHasher::new(&settings).unwrap();
    let app = app.rewired(Wiring::usual().hasher(hasher.clone()));
    let mut holding = Vec::new();
    for count in 0..THREADS {
        let body = json!({"email": format!("knight{count}@camelot.bt"), "password": PASSWORD});
        holding.push(tokio::spawn(app.post("/auth/register").json(body).into_future()));
        while gate.waiting() <= count {
            yield_now().await;
        }
    }
    (app, hasher, holding)
}

// On one thread: whoever blocked it would stop the test.
#[tokio::test(flavor = "current_thread")]
async fn a173_while_passwords_are_hashed_all_else_is_served() {
    let app = app().await;
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    let gate = Arc::new(Gate::default());
    let (app, hasher, holding) = held(&app, &gate, 64).await;
    let logins: Vec<_> = (0..FLOOD)
        .map(|_| tokio::spawn(app.try_login("token", EMAIL, PASSWORD).into_future()))
        .collect();
    for _ in 0..FLOOD {
        app.get("/users/me").by(&token).await.is(200);
        app.get("/users/me").await.is(401);
    }
    assert!(logins.iter().chain(&holding).all(|call| !call.is_finished()));
    assert!(
        hasher.counts().argon2 <= 2,
        "as many at once as there are threads: {hasher:?}"
    );
    gate.open();
    for login in logins {
        login.await.unwrap().is(200);
    }
    for call in holding {
        call.await.unwrap().is(201);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a173_who_finds_no_place_in_the_queue_is_put_off_at_once() {
    const QUEUE: usize = 4;
    let app = app().await;
    app.register(EMAIL).await;
    let gate = Arc::new(Gate::default());
    let (app, _, holding) = held(&app, &gate, QUEUE).await;
    let mut logins: Vec<_> = (0..FLOOD)
        .map(|_| tokio::spawn(app.try_login("token", EMAIL, PASSWORD).into_future()))
        .collect();
    while logins.iter().filter(|login| login.is_finished()).count() < FLOOD - QUEUE {
        yield_now().await;
    }
    let (put_off, waiting): (Vec<_>, Vec<_>) = logins.drain(..).partition(JoinHandle::is_finished);
    assert_eq!((put_off.len(), waiting.len()), (FLOOD - QUEUE, QUEUE));
    for login in put_off {
        let answer = login.await.unwrap().is(503);
        assert_ne!(answer.header("retry-after"), "", "{answer:?}");
    }
    gate.open();
    for login in waiting {
        login.await.unwrap().is(200);
    }
    for call in holding {
        call.await.unwrap().is(201);
    }
}
