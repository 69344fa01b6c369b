//! The store: one file for each trait of the library.

mod email_changes;
mod failure;
mod list;
mod outbox;
mod personal_tokens;
mod sessions;
mod users;

use std::{str::FromStr, time::Duration};

use sqlx::{
    SqlitePool, SqliteTransaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

/// The users of this application, in `SQLite`. Clones share the pool.
#[derive(Clone)]
pub(crate) struct SqliteUsers {
    pool: SqlitePool,
}

impl SqliteUsers {
    /// Opens `sqlite::memory:` or `sqlite://FILE`, and makes the tables that are not there.
    pub(crate) async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true);
        let pool = if url.contains(":memory:") {
            // A database in memory is gone with its connection.
            SqlitePoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
        } else {
            SqlitePoolOptions::new().max_connections(8)
        };
        let pool = pool
            .acquire_timeout(Duration::from_secs(3))
            .connect_with(options)
            .await?;
        sqlx::raw_sql(include_str!("schema.sql")).execute(&pool).await?;
        Ok(Self { pool })
    }

    #[cfg(test)]
    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Begins a transaction that writes. One that began by reading could not go on to write once another one has written.
    async fn begin(&self) -> Result<SqliteTransaction<'static>, sqlx::Error> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
    }
}
