//! The store does all that the traits promise.

use std::{env, fs, path::PathBuf};

use axum_users_testing::store_contract::{Skipped, StoreFixture};
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use crate::store::SqliteUsers;

/// A file for each property, so that connections race as they do in production.
struct InFile;

impl StoreFixture for InFile {
    type Store = SqliteUsers;

    async fn store(&self) -> Result<SqliteUsers, Skipped> {
        let path = env::temp_dir().join(format!("own-store-{}.sqlite", Uuid::new_v4()));
        let url = format!("sqlite://{}", path.display());
        Ok(SqliteUsers::open(&url).await.expect("a database in a new file"))
    }

    async fn outbox_text(&self, store: &SqliteUsers) -> Option<String> {
        let rows = sqlx::query("SELECT recipient || subject || body || COALESCE(html, '') FROM outbox");
        let rows = rows.fetch_all(store.pool()).await.expect("the rows");
        let text = |row: &SqliteRow| row.get::<String, _>(0);
        Some(rows.iter().map(text).collect())
    }

    async fn discard(&self, store: SqliteUsers) {
        let list = sqlx::query("SELECT file FROM pragma_database_list WHERE name = 'main'");
        let row = list.fetch_one(store.pool()).await.expect("the file");
        let file = PathBuf::from(row.get::<String, _>(0));
        store.pool().close().await;
        let _ = fs::remove_file(file);
    }
}

axum_users_testing::store_contract!(InFile);
axum_users_testing::email_change_contract!(InFile);
