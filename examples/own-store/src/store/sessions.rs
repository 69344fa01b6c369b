//! `SessionStore`.

use axum_users::{
    Epoch, LimitPolicy, NewToken, OpaqueClaim, Purged, Session, SessionStore, SignedIn, StoreError, Subject,
    Timestamp, TokenDigest, TokenLimit, TokenRecord, TokenStored, TokenUse,
};
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor, sqlite::SqliteRow};

use super::{
    SqliteUsers,
    failure::{has_no_user, store_error},
    users::Found,
};
use crate::customer::{Customer, EPOCH, columns};

/// The condition for a token of user `?1` and backend `?2` that is good at `?3`.
macro_rules! live {
    () => {
        "user_id = ?1 AND backend = ?2 AND (expires_at IS NULL OR expires_at > ?3) \
         AND epoch = (SELECT users.epoch FROM users WHERE users.id = ?1)"
    };
}

impl SessionStore for SqliteUsers {
    async fn insert_token(&self, token: NewToken<i64>) -> Result<TokenStored, StoreError> {
        self.try_insert_token(&token).await.map_err(store_error)
    }

    async fn note_use(&self, noted: TokenUse) -> Result<bool, StoreError> {
        let note = sqlx::query(
            "UPDATE tokens SET last_seen_at = MAX(COALESCE(last_seen_at, ?1), ?1), \
             expires_at = CASE WHEN expires_at < ?2 THEN ?2 ELSE expires_at END \
             WHERE digest = ?3 AND (expires_at IS NULL OR expires_at > ?1)",
        )
        .bind(noted.seen_at.as_millis())
        .bind(noted.expires_at.map(Timestamp::as_millis))
        .bind(noted.digest.as_bytes().as_slice());
        let done = note.execute(&self.pool).await.map_err(store_error)?;
        Ok(done.rows_affected() > 0)
    }

    async fn end_token(&self, digest: &TokenDigest, backend: &str) -> Result<bool, StoreError> {
        let end = sqlx::query("DELETE FROM tokens WHERE digest = ? AND backend = ?")
            .bind(digest.as_bytes().as_slice())
            .bind(backend);
        let done = end.execute(&self.pool).await.map_err(store_error)?;
        Ok(done.rows_affected() > 0)
    }

    async fn list_tokens(
        &self,
        user_id: &i64,
        backend: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<TokenRecord>, StoreError> {
        let list = sqlx::query(concat!(
            "SELECT id, created_at, name, last_seen_at, expires_at, user_agent, address FROM tokens WHERE ",
            live!(),
            " ORDER BY created_at DESC, id DESC LIMIT ?4"
        ))
        .bind(user_id)
        .bind(backend)
        .bind(now.as_millis())
        .bind(limit);
        let rows = list.fetch_all(&self.pool).await.map_err(store_error)?;
        let records = rows.iter().map(|row| record(row, backend));
        records.collect::<Result<_, _>>().map_err(store_error)
    }

    async fn name_token(
        &self,
        user_id: &i64,
        backend: &str,
        id: &str,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Ok(id) = id.parse::<i64>() else {
            return Ok(false);
        };
        let rename = sqlx::query(concat!("UPDATE tokens SET name = ?4 WHERE id = ?5 AND ", live!()))
            .bind(user_id)
            .bind(backend)
            .bind(now.as_millis())
            .bind(name)
            .bind(id);
        let done = rename.execute(&self.pool).await.map_err(store_error)?;
        Ok(done.rows_affected() > 0)
    }

    async fn end_token_by_id(&self, user_id: &i64, backend: &str, id: &str) -> Result<bool, StoreError> {
        let Ok(id) = id.parse::<i64>() else {
            return Ok(false);
        };
        let end = sqlx::query("DELETE FROM tokens WHERE id = ? AND user_id = ? AND backend = ?")
            .bind(id)
            .bind(user_id)
            .bind(backend);
        let done = end.execute(&self.pool).await.map_err(store_error)?;
        Ok(done.rows_affected() > 0)
    }

    async fn revoke(&self, token_id: &str, until: Timestamp) -> Result<(), StoreError> {
        let mark = sqlx::query(
            "INSERT INTO revoked (token_id, expires_at) VALUES (?, ?) \
             ON CONFLICT (token_id) DO UPDATE SET expires_at = MAX(expires_at, excluded.expires_at)",
        )
        .bind(token_id)
        .bind(until.as_millis());
        mark.execute(&self.pool).await.map_err(store_error)?;
        Ok(())
    }

    async fn purge(&self, now: Timestamp, batch: u32) -> Result<Purged, StoreError> {
        let texts = [
            "DELETE FROM tokens WHERE id IN \
             (SELECT id FROM tokens WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
            "DELETE FROM personal_tokens WHERE id IN \
             (SELECT id FROM personal_tokens WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
            "DELETE FROM revoked WHERE token_id IN \
             (SELECT token_id FROM revoked WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
            "DELETE FROM email_changes WHERE id IN \
             (SELECT id FROM email_changes WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        ];
        let mut gone = [0; 4];
        let mut left = i64::from(batch);
        for (text, gone) in texts.into_iter().zip(&mut gone) {
            let purge = sqlx::query(text).bind(now.as_millis()).bind(left);
            let done = purge.execute(&self.pool).await.map_err(store_error)?;
            *gone = done.rows_affected();
            left = left.saturating_sub_unsigned(*gone);
        }
        let [tokens, personal, marks, changes] = gone;
        Ok(Purged::new(tokens + personal, marks + changes))
    }
}

impl SqliteUsers {
    /// Counts and writes in one transaction, so that a limit holds however many log in at once.
    async fn try_insert_token(&self, token: &NewToken<i64>) -> Result<TokenStored, sqlx::Error> {
        let mut tx = self.begin().await?;
        let ended = match token.limit {
            Some(limit) => {
                if let Some(refused) = refused_at(&mut tx, token.user_id, token.epoch).await? {
                    return Ok(refused);
                }
                make_room(&mut tx, token, limit).await?
            }
            None => Some(0),
        };
        let Some(ended) = ended else {
            return Ok(TokenStored::LimitReached);
        };
        match insert(&mut *tx, token).await {
            Ok(id) => {
                tx.commit().await?;
                Ok(TokenStored::Stored { id, ended })
            }
            Err(error) if has_no_user(&error) => Ok(TokenStored::NoUser),
            Err(error) => Err(error),
        }
    }

    /// Whom a self-contained token signs in.
    pub(super) async fn subject(
        &self,
        subject: &Subject<i64>,
    ) -> Result<Option<SignedIn<Customer>>, sqlx::Error> {
        let Subject { user_id, session, .. } = subject;
        let find = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM users WHERE id = ? AND epoch = ? AND NOT EXISTS (SELECT 1 FROM revoked WHERE token_id = ?)"
        ))
        .bind(user_id)
        .bind(session.epoch.0)
        .bind(&session.token_id);
        let found: Option<Customer> = find.fetch_optional(&self.pool).await?;
        Ok(found.map(|user| SignedIn::new(user, session.clone())))
    }

    /// Whom an opaque token signs in.
    pub(super) async fn session(
        &self,
        opaque: &OpaqueClaim,
        now: Timestamp,
    ) -> Result<Option<SignedIn<Customer>>, sqlx::Error> {
        let find = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            ", tokens.id, tokens.created_at, tokens.last_seen_at, tokens.expires_at \
             FROM tokens JOIN users ON users.id = tokens.user_id AND users.epoch = tokens.epoch \
             WHERE tokens.digest = ? AND tokens.backend = ? \
             AND (tokens.expires_at IS NULL OR tokens.expires_at > ?)"
        ))
        .bind(opaque.digest.as_bytes().as_slice())
        .bind(&opaque.backend)
        .bind(now.as_millis());
        let row = find.fetch_optional(&self.pool).await?;
        row.map(|row| signed_in(&row, opaque)).transpose()
    }
}

/// The user in a row, and the session by its token: id, creation, last use and end stand after the columns of the user.
pub(super) fn signed_in(row: &SqliteRow, opaque: &OpaqueClaim) -> Result<SignedIn<Customer>, sqlx::Error> {
    let Found(stored) = Found::from_row(row)?;
    let id: i64 = row.try_get(EPOCH + 1)?;
    let created_at = Timestamp::from_millis(row.try_get(EPOCH + 2)?);
    let mut session = Session::new(opaque.backend.as_str(), id.to_string(), stored.epoch)
        .since(created_at)
        .until(moment(row, EPOCH + 4)?);
    session.digest = Some(opaque.digest);
    session.last_seen_at = moment(row, EPOCH + 3)?;
    Ok(SignedIn::new(stored.user, session))
}

/// A moment that may be none.
pub(super) fn moment(row: &SqliteRow, column: usize) -> Result<Option<Timestamp>, sqlx::Error> {
    let millis: Option<i64> = row.try_get(column)?;
    Ok(millis.map(Timestamp::from_millis))
}

/// Ends as many of the oldest tokens as stand against a new one; `None` where none may be ended.
async fn make_room(
    tx: &mut SqliteConnection,
    token: &NewToken<i64>,
    limit: TokenLimit,
) -> Result<Option<u64>, sqlx::Error> {
    let count: i64 = sqlx::query_scalar(concat!("SELECT COUNT(*) FROM tokens WHERE ", live!()))
        .bind(token.user_id)
        .bind(&token.backend)
        .bind(token.created_at.as_millis())
        .fetch_one(&mut *tx)
        .await?;
    let surplus = count + 1 - i64::from(limit.most);
    if surplus <= 0 {
        return Ok(Some(0));
    }
    if limit.most == 0 || limit.policy != LimitPolicy::EndOldest {
        return Ok(None);
    }
    let end = sqlx::query(concat!(
        "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE ",
        live!(),
        " ORDER BY created_at, id LIMIT ?4)"
    ))
    .bind(token.user_id)
    .bind(&token.backend)
    .bind(token.created_at.as_millis())
    .bind(surplus);
    Ok(Some(end.execute(tx).await?.rows_affected()))
}

/// Why nothing is stored for this user at this epoch, if the user is gone or at another one.
pub(super) async fn refused_at(
    tx: &mut SqliteConnection,
    user_id: i64,
    epoch: Epoch,
) -> Result<Option<TokenStored>, sqlx::Error> {
    let present: Option<i64> = sqlx::query_scalar("SELECT epoch FROM users WHERE id = ?")
        .bind(user_id)
        .fetch_optional(tx)
        .await?;
    Ok(match present {
        None => Some(TokenStored::NoUser),
        Some(present) if present != epoch.0 => Some(TokenStored::Stale),
        Some(_) => None,
    })
}

async fn insert(db: impl SqliteExecutor<'_>, token: &NewToken<i64>) -> Result<i64, sqlx::Error> {
    let insert = sqlx::query_scalar(
        "INSERT INTO tokens (user_id, backend, digest, epoch, created_at, expires_at, user_agent, address) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(token.user_id)
    .bind(&token.backend)
    .bind(token.digest.as_bytes().as_slice())
    .bind(token.epoch.0)
    .bind(token.created_at.as_millis())
    .bind(token.expires_at.map(Timestamp::as_millis))
    .bind(&token.user_agent)
    .bind(token.client_address.map(|address| address.to_string()));
    insert.fetch_one(db).await
}

fn record(row: &SqliteRow, backend: &str) -> Result<TokenRecord, sqlx::Error> {
    let id: i64 = row.try_get(0)?;
    let created_at = Timestamp::from_millis(row.try_get(1)?);
    let mut record = TokenRecord::new(id.to_string(), backend, created_at);
    record.name = row.try_get(2)?;
    record.last_seen_at = moment(row, 3)?;
    record.expires_at = moment(row, 4)?;
    record.user_agent = row.try_get(5)?;
    let address: Option<String> = row.try_get(6)?;
    record.client_address = address.and_then(|address| address.parse().ok());
    Ok(record)
}
