//! `Outbox`.

use std::time::Duration;

use axum_users::{Leased, Message, MessageKind, Outbox, StoreError, Timestamp};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{SqliteUsers, failure::store_error};

/// Keeps mails in the transaction of their cause.
pub(super) async fn keep(
    tx: &mut SqliteConnection,
    messages: &[Message],
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    for message in messages {
        let keep = sqlx::query(
            "INSERT INTO outbox (kind, recipient, subject, body, html, due_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(message.kind.as_str())
        .bind(&message.to)
        .bind(&message.subject)
        .bind(&message.text)
        .bind(&message.html)
        .bind(at.as_millis());
        keep.execute(&mut *tx).await?;
    }
    Ok(())
}

impl Outbox for SqliteUsers {
    async fn lease(&self, limit: u32, now: Timestamp, lease: Duration) -> Result<Vec<Leased>, StoreError> {
        let take = sqlx::query(
            "UPDATE outbox SET attempts = attempts + 1, due_at = ?3 WHERE id IN \
             (SELECT id FROM outbox WHERE due_at <= ?1 ORDER BY due_at, id LIMIT ?2) \
             RETURNING id, attempts - 1, kind, recipient, subject, body, html",
        )
        .bind(now.as_millis())
        .bind(limit)
        .bind(now.plus(lease).as_millis());
        let rows = take.fetch_all(&self.pool).await.map_err(store_error)?;
        let leased: Result<Vec<_>, _> = rows.iter().map(leased).collect();
        let mut leased = leased.map_err(store_error)?;
        leased.sort_by_key(|leased| leased.id);
        Ok(leased)
    }

    async fn sent(&self, id: i64, _: Timestamp) -> Result<(), StoreError> {
        self.erase(id).await
    }

    async fn retry(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        let retry = sqlx::query("UPDATE outbox SET due_at = ? WHERE id = ?")
            .bind(at.as_millis())
            .bind(id);
        retry.execute(&self.pool).await.map_err(store_error)?;
        Ok(())
    }

    async fn release(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        let release =
            sqlx::query("UPDATE outbox SET due_at = ?, attempts = MAX(attempts - 1, 0) WHERE id = ?")
                .bind(at.as_millis())
                .bind(id);
        release.execute(&self.pool).await.map_err(store_error)?;
        Ok(())
    }

    async fn give_up(&self, id: i64, _: Timestamp) -> Result<(), StoreError> {
        self.erase(id).await
    }
}

impl SqliteUsers {
    async fn erase(&self, id: i64) -> Result<(), StoreError> {
        let erase = sqlx::query("DELETE FROM outbox WHERE id = ?").bind(id);
        erase.execute(&self.pool).await.map_err(store_error)?;
        Ok(())
    }
}

fn leased(row: &SqliteRow) -> Result<Leased, sqlx::Error> {
    let kind: String = row.try_get(2)?;
    let kind = [MessageKind::Verify, MessageKind::ResetPassword]
        .into_iter()
        .find(|known| known.as_str() == kind)
        .unwrap_or(MessageKind::Other);
    let (to, subject, text): (String, String, String) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
    let mut message = Message::new(kind, to, subject, text);
    message.html = row.try_get(6)?;
    Ok(Leased::new(row.try_get(0)?, row.try_get(1)?, message))
}
