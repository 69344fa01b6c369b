//! Bad days: what a client sees while something is refused, silent, cut off or held, and that all goes on by itself afterwards.

mod databases;
mod pool;
mod read_only;
mod redis;
mod smtp;
mod sqlite;

use std::future::IntoFuture;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Answer, App, Call, Database, OTHER_PASSWORD, PASSWORD, Token};

const EMAIL: &str = "arthur@camelot.bt";

/// All at the same time: what waits for a while waits once.
async fn at_once(calls: Vec<Call>) -> Vec<Answer> {
    let mut asked = JoinSet::new();
    for (index, call) in calls.into_iter().enumerate() {
        let answer = call.into_future();
        asked.spawn(async move { (index, answer.await) });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Is put off for a moment, and tells nothing else.
#[track_caller]
fn is_put_off(answer: &Answer) {
    let answer = answer.clone().refused(503, "SERVICE_UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), "1");
    answer.is_hardened();
}

fn change_password<D: Database>(app: &App<D>, by: &Token) -> Call {
    let body = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
    app.patch("/users/me").by(by).json(body)
}

fn register<D: Database>(app: &App<D>, email: &str) -> Call {
    let body = json!({"email": email, "password": PASSWORD});
    app.post("/auth/register").json(body)
}

/// What writes nothing, and what it answers.
fn reads<D: Database>(app: &App<D>, [jwt, opaque]: &[Token; 2]) -> [Call; 7] {
    [
        app.get("/users/me").by(jwt),
        app.get("/users/me").by(opaque),
        app.get("/users").by(jwt),
        app.get("/auth/sessions").by(opaque),
        app.try_login("jwt", EMAIL, PASSWORD),
        app.try_login("jwt", EMAIL, "wrong"),
        app.get("/users/me").bearer("junk"),
    ]
}

const READ: [u16; 7] = [200, 200, 200, 200, 200, 400, 401];

/// What writes.
fn writes<D: Database>(app: &App<D>, [jwt, opaque]: &[Token; 2], reset: &str) -> [Call; 7] {
    [
        app.try_login("token", EMAIL, PASSWORD),
        register(app, "kay@camelot.bt"),
        app.post("/auth/forgot-password").json(json!({ "email": EMAIL })),
        change_password(app, opaque),
        app.reset(reset, PASSWORD),
        app.post("/auth/token/logout").by(opaque),
        app.post("/auth/jwt/logout").by(jwt),
    ]
}
