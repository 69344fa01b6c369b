//! Bad days: what a client sees while something is refused, silent, cut off or held, and that all goes on by itself afterwards.

mod databases;
mod pool;
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
