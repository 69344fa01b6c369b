//! A SQLite file that somebody else writes to.

use axum_users::{
    connect,
    sea_orm::{SqliteTransactionMode, TransactionOptions, TransactionTrait},
};

use super::{EMAIL, READ, at_once, change_password, is_put_off, reads, register, writes};
use crate::harness::{App, OTHER_PASSWORD, Sqlite, on_every_database};

on_every_database!(@on file Sqlite:
    a_write_lock_that_is_held_puts_writes_off_and_lets_reads_through
);

async fn a_write_lock_that_is_held_puts_writes_off_and_lets_reads_through(app: &App<Sqlite>) {
    app.superuser(EMAIL).await;
    let tokens = [app.login("jwt", EMAIL).await, app.login("token", EMAIL).await];
    let reset = app.reset_token(EMAIL).await;
    // What notes the use of a token would be one more who waits to write.
    app.get("/users/me").by(&tokens[1]).await.is(200);
    app.users.settle().await;

    let other = connect(&app.db.url()).await.unwrap();
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
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
