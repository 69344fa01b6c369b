//! `PersonalTokenStore`.

use axum_users::{
    NewPersonalToken, OpaqueClaim, PersonalTokenRecord, PersonalTokenStore, SessionKind, SignedIn,
    StoreError, Timestamp, TokenStored, TokenUse,
};
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    SqliteUsers,
    failure::{has_no_user, store_error},
    sessions::{moment, refused_at, signed_in},
};
use crate::customer::{Customer, EPOCH, columns};

impl PersonalTokenStore for SqliteUsers {
    async fn insert_personal_token(&self, token: NewPersonalToken<i64>) -> Result<TokenStored, StoreError> {
        self.try_insert_personal(&token).await.map_err(store_error)
    }

    async fn note_personal_use(&self, noted: TokenUse) -> Result<bool, StoreError> {
        let note = sqlx::query(
            "UPDATE personal_tokens SET last_seen_at = MAX(COALESCE(last_seen_at, ?1), ?1) \
             WHERE digest = ?2 AND (expires_at IS NULL OR expires_at > ?1)",
        )
        .bind(noted.seen_at.as_millis())
        .bind(noted.digest.as_bytes().as_slice());
        let done = note.execute(&self.pool).await.map_err(store_error)?;
        Ok(done.rows_affected() > 0)
    }

    async fn list_personal_tokens(
        &self,
        user_id: &i64,
        now: Timestamp,
    ) -> Result<Vec<PersonalTokenRecord>, StoreError> {
        let list = sqlx::query(
            "SELECT id, name, created_at, scopes, last_seen_at, expires_at FROM personal_tokens \
             WHERE user_id = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY created_at DESC, id DESC",
        )
        .bind(user_id)
        .bind(now.as_millis());
        let rows = list.fetch_all(&self.pool).await.map_err(store_error)?;
        let records = rows.iter().map(record);
        records.collect::<Result<_, _>>().map_err(store_error)
    }

    async fn end_personal_token(&self, user_id: &i64, id: &str) -> Result<bool, StoreError> {
        let Ok(id) = id.parse::<i64>() else {
            return Ok(false);
        };
        let end = sqlx::query("DELETE FROM personal_tokens WHERE id = ? AND user_id = ?")
            .bind(id)
            .bind(user_id);
        let done = end.execute(&self.pool).await.map_err(store_error)?;
        Ok(done.rows_affected() > 0)
    }
}

impl SqliteUsers {
    /// Counts and writes in one transaction, so that the limit holds however many are made at once.
    async fn try_insert_personal(&self, token: &NewPersonalToken<i64>) -> Result<TokenStored, sqlx::Error> {
        let scopes = token.scopes.as_ref().map(serde_json::to_string).transpose();
        let scopes = scopes.map_err(|error| sqlx::Error::Encode(error.into()))?;
        let mut tx = self.begin().await?;
        if let Some(refused) = refused_at(&mut tx, token.user_id, token.epoch).await? {
            return Ok(refused);
        }
        let live: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM personal_tokens WHERE user_id = ? AND (expires_at IS NULL OR expires_at > ?)",
        )
        .bind(token.user_id)
        .bind(token.created_at.as_millis())
        .fetch_one(&mut *tx)
        .await?;
        if live >= i64::from(token.most) {
            return Ok(TokenStored::LimitReached);
        }
        let insert = sqlx::query_scalar(
            "INSERT INTO personal_tokens (user_id, digest, name, scopes, created_at, expires_at) \
             VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(token.user_id)
        .bind(token.digest.as_bytes().as_slice())
        .bind(&token.name)
        .bind(scopes)
        .bind(token.created_at.as_millis())
        .bind(token.expires_at.map(Timestamp::as_millis));
        match insert.fetch_one(&mut *tx).await {
            Ok(id) => {
                tx.commit().await?;
                Ok(TokenStored::Stored { id, ended: 0 })
            }
            Err(error) if has_no_user(&error) => Ok(TokenStored::NoUser),
            Err(error) => Err(error),
        }
    }

    /// Whom a personal access token signs in. No epoch ends it.
    pub(super) async fn personal_session(
        &self,
        opaque: &OpaqueClaim,
        now: Timestamp,
    ) -> Result<Option<SignedIn<Customer>>, sqlx::Error> {
        let find = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            ", personal_tokens.id, personal_tokens.created_at, personal_tokens.last_seen_at, \
             personal_tokens.expires_at, personal_tokens.scopes \
             FROM personal_tokens JOIN users ON users.id = personal_tokens.user_id \
             WHERE personal_tokens.digest = ? \
             AND (personal_tokens.expires_at IS NULL OR personal_tokens.expires_at > ?)"
        ))
        .bind(opaque.digest.as_bytes().as_slice())
        .bind(now.as_millis());
        let Some(row) = find.fetch_optional(&self.pool).await? else {
            return Ok(None);
        };
        let mut signed_in = signed_in(&row, opaque)?;
        signed_in.session.kind = SessionKind::Personal;
        signed_in.session.scopes = scopes(&row, EPOCH + 5)?;
        Ok(Some(signed_in))
    }
}

/// The scopes in a column. What cannot be read is an error: as no scopes it would let the token do everything.
fn scopes(row: &SqliteRow, column: usize) -> Result<Option<Vec<String>>, sqlx::Error> {
    let text: Option<String> = row.try_get(column)?;
    let scopes = text.map(|text| serde_json::from_str(&text)).transpose();
    scopes.map_err(|error| sqlx::Error::Decode(error.into()))
}

fn record(row: &SqliteRow) -> Result<PersonalTokenRecord, sqlx::Error> {
    let id: i64 = row.try_get(0)?;
    let name: String = row.try_get(1)?;
    let created_at = Timestamp::from_millis(row.try_get(2)?);
    let mut record = PersonalTokenRecord::new(id.to_string(), name, created_at);
    record.scopes = scopes(row, 3)?;
    record.last_seen_at = moment(row, 4)?;
    record.expires_at = moment(row, 5)?;
    Ok(record)
}
