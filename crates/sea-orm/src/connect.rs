//! A connection pool with settings that fit this library.

use std::time::Duration;

use axum_users_core::SetupError;
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use crate::failure::store_error;

const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(3);
const PING_AFTER_IDLE: Duration = Duration::from_mins(1);

/// The options that [`connect`] uses, for an application that wants to change some of them.
///
/// A request waits 3 seconds for a connection and is then answered with 503. Connections are looked at before use only
/// after a minute without any. `SQLite` gets write-ahead logging, enforced foreign keys, 5 seconds of patience with a lock,
/// and a new file where there is none; a database in memory gets a single connection that is never closed.
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
                .journal_mode(sea_orm::sqlx::sqlite::SqliteJournalMode::Wal)
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
