//! A database that only reads.

use std::sync::Arc;

use axum_users::{
    SeaOrmUsers, connect,
    sea_orm::{ConnectionTrait, DatabaseConnection},
};

use super::{EMAIL, READ, at_once, is_put_off, reads, writes};
use crate::harness::{
    App, CONNECTIONS, Database, OTHER_PASSWORD, ShakyPostgres, Sqlite, Token, Wiring,
    account::{Profile, ProfilePatch, Shown, entity},
    on_every_database,
};

on_every_database!(@on file Sqlite:
    a_file_that_cannot_be_written_to_serves_who_is_signed_in_and_puts_writes_off
);
on_every_database!(@on postgres ShakyPostgres:
    a_server_that_does_not_write_serves_who_is_signed_in_and_puts_writes_off
);

async fn puts_writes_off<D: Database>(app: &App<D>, tokens: &[Token; 2], reset: &str) {
    for _ in 0..2 {
        for (call, good) in reads(app, tokens).into_iter().zip(READ) {
            call.await.is(good);
        }
        for answer in at_once(writes(app, tokens, reset).into()).await {
            is_put_off(&answer);
        }
    }
}

async fn a_server_that_does_not_write_serves_who_is_signed_in_and_puts_writes_off(app: &App<ShakyPostgres>) {
    app.superuser(EMAIL).await;
    let tokens = [app.login("jwt", EMAIL).await, app.login("token", EMAIL).await];
    let reset = app.reset_token(EMAIL).await;
    app.users.settle().await;
    for only_reads in ["on", "off"] {
        app.db.is_idle().await;
        // As it is of a server in recovery; for new connections.
        let database = app.db.name();
        let turn = format!("ALTER DATABASE {database} SET default_transaction_read_only = {only_reads}");
        app.db.beside().execute_unprepared(&turn).await.unwrap();
        app.db.proxy.cut().await;
        // A connection that was cut says so once.
        for _ in 0..CONNECTIONS {
            app.me(&tokens[0]).await;
        }
        if only_reads == "on" {
            puts_writes_off(app, &tokens, &reset).await;
        }
    }
    for token in &tokens {
        app.get("/users/me").by(token).await.is(200);
    }
    app.reset(&reset, OTHER_PASSWORD).await.is(200);
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

    let file = connect(&format!("{}?mode=ro", app.db.url())).await.unwrap();
    let readable = App::on(
        Arc::new(ReadOnly(file.clone())),
        app.clock.clone(),
        Wiring::usual(),
    );
    puts_writes_off(&readable, &tokens, &reset).await;
    readable.users.settle().await;
    file.close().await.unwrap();
    for token in &tokens {
        app.get("/users/me").by(token).await.is(200);
    }
    app.reset(&reset, OTHER_PASSWORD).await.is(200);
}
