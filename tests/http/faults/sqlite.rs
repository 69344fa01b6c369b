//! A SQLite file that somebody else writes to, and one that nobody can write to.

use std::sync::Arc;

use axum_users::{
    SeaOrmUsers, connect,
    sea_orm::{DatabaseConnection, SqliteTransactionMode, TransactionOptions, TransactionTrait},
};
use serde_json::json;

use super::{EMAIL, at_once, change_password, is_put_off, register};
use crate::harness::{
    App, Call, Database, OTHER_PASSWORD, PASSWORD, Sqlite, Token, Wiring,
    account::{Profile, ProfilePatch, Shown, entity},
    on_every_database,
};

on_every_database!(@on file Sqlite:
    a_write_lock_that_is_held_puts_writes_off_and_lets_reads_through
    a_file_that_cannot_be_written_to_serves_who_is_signed_in_and_puts_writes_off
);

fn url(app: &App<Sqlite>) -> String {
    format!("sqlite:{}/users.db", app.db.folder.display())
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

/// What writes; the answers where that works.
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

async fn a_write_lock_that_is_held_puts_writes_off_and_lets_reads_through(app: &App<Sqlite>) {
    app.superuser(EMAIL).await;
    let tokens = [app.login("jwt", EMAIL).await, app.login("token", EMAIL).await];
    let reset = app.reset_token(EMAIL).await;
    // What notes the use of a token would be one more who waits to write.
    app.get("/users/me").by(&tokens[1]).await.is(200);
    app.users.settle().await;

    let other = connect(&url(app)).await.unwrap();
    let mut options = TransactionOptions::default();
    options.sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
    let held = other.begin_with_options(options).await.unwrap();
    let writing = tokio::spawn(at_once(writes(app, &tokens, &reset).into()));
    for (call, good) in reads(app, &tokens).into_iter().zip(READ) {
        call.await.is(good);
    }
    assert!(!writing.is_finished(), "reads wait for nobody");
    for answer in writing.await.unwrap() {
        is_put_off(&answer);
    }
    held.rollback().await.unwrap();
    other.close().await.unwrap();

    for (call, good) in reads(app, &tokens).into_iter().zip(READ) {
        call.await.is(good);
    }
    change_password(app, &tokens[1]).await.is(200);
    app.try_login("token", EMAIL, OTHER_PASSWORD).await.is(200);
    register(app, "kay@camelot.bt").await.is(201);
}

/// A file that was opened for reading only.
struct ReadOnly(DatabaseConnection);

impl Database for ReadOnly {
    type Store = SeaOrmUsers<entity::Entity>;
    type Shown = Shown;
    type New = Profile;
    type Patch = ProfilePatch;

    async fn start() -> Option<Self> {
        None
    }

    fn store(&self) -> Self::Store {
        SeaOrmUsers::new(self.0.clone())
    }
}

async fn a_file_that_cannot_be_written_to_serves_who_is_signed_in_and_puts_writes_off(app: &App<Sqlite>) {
    app.superuser(EMAIL).await;
    let tokens = [app.login("jwt", EMAIL).await, app.login("token", EMAIL).await];
    let reset = app.reset_token(EMAIL).await;
    app.users.settle().await;

    let file = connect(&format!("{}?mode=ro", url(app))).await.unwrap();
    let readable = App::on(
        Arc::new(ReadOnly(file.clone())),
        app.clock.clone(),
        Wiring::usual(),
    );
    for _ in 0..2 {
        for (call, good) in reads(&readable, &tokens).into_iter().zip(READ) {
            call.await.is(good);
        }
        for answer in at_once(writes(&readable, &tokens, &reset).into()).await {
            is_put_off(&answer);
        }
    }
    readable.users.settle().await;
    file.close().await.unwrap();
    for token in &tokens {
        app.get("/users/me").by(token).await.is(200);
    }
    app.reset(&reset, OTHER_PASSWORD).await.is(200);
}
