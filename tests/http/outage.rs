//! What is busy or gone for a while is said to be so, and works again by itself afterwards.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Condvar, Mutex, mpsc},
    task::Poll,
    time::Duration,
};

use axum_users::{Argon2Settings, HasherSettings, Password, PasswordHasher, Random, RandomError};
use serde_json::json;

use crate::harness::{
    App, BACKENDS, Call, Database, OTHER_PASSWORD, PASSWORD, Wiring, app, on_every_database,
};

const EMAIL: &str = "arthur@camelot.bt";
const NOBODY: &str = "nobody@camelot.bt";

on_every_database!(@on postgres Postgres: cut_connections_are_replaced_and_nobody_is_signed_out);
on_every_database!(@on mariadb MariaDb: cut_connections_are_replaced_and_nobody_is_signed_out);

/// Chance that keeps whoever asks for it waiting until the gate is opened.
#[derive(Debug)]
struct Gate {
    entered: Mutex<mpsc::Sender<()>>,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Random for Gate {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        let _ = self.entered.lock().unwrap().send(());
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
        bytes.fill(7);
        Ok(())
    }
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// Polls once, by which a hash is put into the queue.
async fn begun(hash: Pin<&mut impl Future>) {
    let mut hash = hash;
    poll_fn(|context| {
        assert!(hash.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_full_hashing_queue_is_503_with_a_time_to_come_back() {
    let app = app().await;
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    let reset = app.reset_token(EMAIL).await;

    let (entered, has_entered) = mpsc::channel();
    let gate = Arc::new(Gate {
        entered: Mutex::new(entered),
        open: Mutex::new(false),
        opened: Condvar::new(),
    });
    let settings = HasherSettings::new()
        .argon2(Argon2Settings::insecure_for_tests())
        .threads(1)
        .queue(1)
        .deadline(Duration::from_secs(42))
        .random(gate.clone());
    let hasher = PasswordHasher::new(&settings).unwrap();
    let app = app.rewired(Wiring::usual().hasher(hasher.clone()));
    let password = || Password::parse("whatever it is").unwrap();
    let mut first = pin!(hasher.hash(password()));
    begun(first.as_mut()).await;
    has_entered.recv().unwrap();
    let mut waiting = pin!(hasher.hash(password()));
    begun(waiting.as_mut()).await;

    let mut calls = vec![
        app.post("/auth/register")
            .json(json!({"email": "kay@camelot.bt", "password": PASSWORD})),
        app.reset(&reset, OTHER_PASSWORD),
        app.patch("/users/me")
            .by(&session)
            .json(json!({"password": OTHER_PASSWORD, "current_password": PASSWORD})),
        app.post("/users/me/delete")
            .by(&session)
            .json(json!({"current_password": PASSWORD})),
    ];
    for backend in BACKENDS {
        calls.push(app.try_login(backend, EMAIL, PASSWORD));
        calls.push(app.try_login(backend, NOBODY, PASSWORD));
    }
    for call in calls {
        let answer = call.await.refused(503, "SERVICE_UNAVAILABLE");
        assert_eq!(answer.header("retry-after"), "42");
        answer.is_hardened();
    }
    app.get("/users/me").by(&session).await.is(200);

    gate.open();
    first.await.unwrap();
    waiting.await.unwrap();
    app.try_login("jwt", EMAIL, PASSWORD).await.is(200);
    app.register("kay@camelot.bt").await;
    app.reset(&reset, OTHER_PASSWORD).await.is(200);
    app.try_login("jwt", EMAIL, OTHER_PASSWORD).await.is(200);
}

async fn cut_connections_are_replaced_and_nobody_is_signed_out<D: Database>(app: &App<D>) {
    app.superuser(EMAIL).await;
    for (backend, session) in app.login_everywhere(EMAIL).await {
        let calls = || -> [Call; 6] {
            [
                app.get("/users/me").by(&session),
                app.get("/users").by(&session),
                app.patch("/users/me").by(&session).json(json!({})),
                app.try_login(backend, EMAIL, PASSWORD),
                app.post("/auth/forgot-password").json(json!({ "email": NOBODY })),
                app.post("/auth/register")
                    .json(json!({"email": EMAIL, "password": PASSWORD})),
            ]
        };
        // The answer of each while all is well.
        let well = [
            200,
            200,
            200,
            if backend.starts_with("cookie") { 204 } else { 200 },
            202,
            400,
        ];
        for (index, good) in well.into_iter().enumerate() {
            app.db.cut().await;
            // More often than the pool has connections, each of which may fail once.
            let mut answers = Vec::new();
            for _ in 0..12 {
                let call = calls().into_iter().nth(index).unwrap();
                let answer = call.await;
                if answer.status != good {
                    let answer = answer.clone().refused(503, "SERVICE_UNAVAILABLE");
                    assert_eq!(answer.header("retry-after"), "1");
                }
                answers.push(answer.status);
            }
            assert_eq!(answers.last(), Some(&good), "{backend}: {answers:?}");
        }
    }
}
