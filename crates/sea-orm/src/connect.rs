//! A connection pool with settings that fit this library.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum_users_core::SetupError;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use sea_orm::sqlx;
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tokio::time::Instant;

use crate::failure::store_error;

const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(3);
const PING_AFTER_IDLE: Duration = Duration::from_mins(1);
/// For how long after a command without an answer connections are looked at when they are given back.
#[cfg(any(feature = "postgres", feature = "mysql"))]
const SUSPICION: Duration = Duration::from_mins(1);

static LAST_WITHOUT_ANSWER: Mutex<Option<Instant>> = Mutex::new(None);

/// A command was given up, and its connection with it.
pub(crate) fn no_answer() {
    *LAST_WITHOUT_ANSWER.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

/// Whether a connection that is given back still answers. The pool asks by itself, but waits for ever: one that fell silent would
/// take its place in the pool with it until the system gives it up.
#[cfg(any(feature = "postgres", feature = "mysql"))]
async fn still_answers<C: sqlx::Connection>(connection: &mut C) -> Result<bool, sqlx::Error> {
    let last = *LAST_WITHOUT_ANSWER.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|last| last.elapsed() > SUSPICION) {
        return Ok(true);
    }
    match tokio::time::timeout(WAIT_FOR_CONNECTION, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// The options that [`connect`] uses, for an application that wants to change some of them.
///
/// A request waits 3 seconds for a connection and is then answered with 503. Connections are looked at before use only
/// after a minute without any; one that gave no answer is closed. `SQLite` gets write-ahead logging, enforced foreign keys,
/// 5 seconds of patience with a lock, and a new file where there is none; a database in memory gets a single connection
/// that is never closed.
///
/// # Security
/// No statement is logged, since its values may be addresses and digests.
pub fn connect_options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .acquire_timeout(WAIT_FOR_CONNECTION)
        .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    #[cfg(feature = "postgres")]
    options.map_sqlx_postgres_pool_opts(|pool| {
        pool.after_release(|connection, _| Box::pin(still_answers(connection)))
    });
    #[cfg(feature = "mysql")]
    options.map_sqlx_mysql_pool_opts(|pool| {
        pool.after_release(|connection, _| Box::pin(still_answers(connection)))
    });
    if url.starts_with("sqlite:") {
        if url.contains(":memory:") || url.contains("mode=memory") {
            options
                .max_connections(1)
                .min_connections(1)
                .idle_timeout(None)
                .max_lifetime(None);
        } else {
            options.max_connections(8);
        }
        #[cfg(feature = "sqlite")]
        options.map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                .busy_timeout(Duration::from_secs(5))
                .foreign_keys(true)
                .create_if_missing(true)
        });
    }
    options
}

/// Opens a pool with [`connect_options`].
///
/// # Errors
/// [`SetupError::Store`] where the database cannot be reached or refuses the credentials.
pub async fn connect(url: &str) -> Result<DatabaseConnection, SetupError> {
    Ok(Database::connect(connect_options(url))
        .await
        .map_err(store_error)?)
}
