//! `EmailChangeStore`.

use axum_users::{
    Change, EmailChange, EmailChangeRecord, EmailChangeStore, EmailChangeToken, EmailKey, EndSessions,
    NewEmailChange, StoreError, Timestamp, User, normalize_email,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    SqliteUsers,
    failure::{store_error, unknown},
    users::Own,
};
use crate::customer::Customer;

impl EmailChangeStore for SqliteUsers {
    async fn find_email_change(
        &self,
        token: EmailChangeToken,
    ) -> Result<Option<EmailChangeRecord<i64>>, StoreError> {
        let (text, digest) = match token {
            EmailChangeToken::Confirm(digest) => {
                ("SELECT * FROM email_changes WHERE confirm_digest = ?", digest)
            }
            EmailChangeToken::Undo(digest) => ("SELECT * FROM email_changes WHERE undo_digest = ?", digest),
            _ => return Err(StoreError::fault("an unknown kind of token")),
        };
        let find = sqlx::query(text).bind(digest.as_bytes().as_slice());
        let row = find.fetch_optional(&self.pool).await.map_err(store_error)?;
        row.map(|row| record(&row)).transpose().map_err(store_error)
    }
}

fn record(row: &SqliteRow) -> Result<EmailChangeRecord<i64>, sqlx::Error> {
    let mut record = EmailChangeRecord::new(
        row.try_get("id")?,
        row.try_get("user_id")?,
        row.try_get::<String, _>("old_email")?,
        row.try_get("old_verified")?,
        row.try_get::<String, _>("new_email")?,
        Timestamp::from_millis(row.try_get("expires_at")?),
    );
    let confirmed_at: Option<i64> = row.try_get("confirmed_at")?;
    record.confirmed_at = confirmed_at.map(Timestamp::from_millis);
    Ok(record)
}

/// Whether somebody else than this user can still come back to an address.
pub(super) async fn is_kept(
    tx: &mut SqliteConnection,
    email: &EmailKey,
    user_id: i64,
    at: Timestamp,
) -> Result<bool, sqlx::Error> {
    let find = sqlx::query(
        "SELECT 1 FROM email_changes WHERE old_email_key = ? AND user_id <> ? AND confirmed_at IS NOT NULL AND expires_at > ?",
    );
    let find = find.bind(email.as_str()).bind(user_id).bind(at.as_millis());
    Ok(find.fetch_optional(tx).await?.is_some())
}

/// What a change does to changes of address before the user is written; false where the one it is about is not as it must be.
pub(super) async fn settle(
    tx: &mut SqliteConnection,
    id: i64,
    change: &Change<Own>,
) -> Result<bool, sqlx::Error> {
    match change.email_change {
        EmailChange::Confirm { id: row, undo_until } => {
            let confirm = sqlx::query(
                "UPDATE email_changes SET confirmed_at = ?, expires_at = ? \
                 WHERE id = ? AND user_id = ? AND confirmed_at IS NULL",
            );
            let confirm = confirm.bind(change.at.as_millis()).bind(undo_until.as_millis());
            Ok(confirm.bind(row).bind(id).execute(tx).await?.rows_affected() == 1)
        }
        EmailChange::Undo { id: row, confirmed } => {
            let this = sqlx::query(
                "DELETE FROM email_changes WHERE id = ? AND user_id = ? AND (confirmed_at IS NOT NULL) = ?",
            );
            let this = this.bind(row).bind(id).bind(confirmed);
            if this.execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(false);
            }
            let later = sqlx::query("DELETE FROM email_changes WHERE user_id = ? AND id > ?");
            later.bind(id).bind(row).execute(tx).await?;
            Ok(true)
        }
        EmailChange::Forget => {
            let all = sqlx::query("DELETE FROM email_changes WHERE user_id = ?");
            all.bind(id).execute(tx).await?;
            Ok(true)
        }
        EmailChange::Keep | EmailChange::Cancel | EmailChange::Ask(_) => Ok(true),
        _ => Err(unknown("change of address")),
    }
}

/// What becomes of the one that waits, once the user is written.
pub(super) async fn follow(
    tx: &mut SqliteConnection,
    before: &Customer,
    change: &Change<Own>,
) -> Result<(), sqlx::Error> {
    let is_dropped = matches!(change.email_change, EmailChange::Cancel | EmailChange::Ask(_));
    if is_dropped || change.end_sessions != EndSessions::None {
        let waiting = sqlx::query("DELETE FROM email_changes WHERE user_id = ? AND confirmed_at IS NULL");
        waiting.bind(before.id).execute(&mut *tx).await?;
    }
    match &change.email_change {
        EmailChange::Ask(new) => wait(tx, before, new).await,
        _ => Ok(()),
    }
}

async fn wait(tx: &mut SqliteConnection, before: &Customer, new: &NewEmailChange) -> Result<(), sqlx::Error> {
    let key = normalize_email(&before.email).map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    let insert = sqlx::query(
        "INSERT INTO email_changes (user_id, confirm_digest, undo_digest, old_email, old_email_key, old_verified, \
         new_email, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    );
    let insert = insert
        .bind(before.id)
        .bind(new.confirm.as_bytes().as_slice())
        .bind(new.undo.as_bytes().as_slice())
        .bind(&before.email)
        .bind(key.as_str())
        .bind(before.is_verified())
        .bind(new.email.as_str())
        .bind(new.expires_at.as_millis());
    insert.execute(tx).await?;
    Ok(())
}
