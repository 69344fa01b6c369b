//! Tokens, and the marks of those that ended before their time.

use axum_users_core::{IdOf, NewToken, SessionStore, StoreError, Timestamp, TokenDigest, TokenStored};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use crate::{
    SeaOrmUsers, UserEntity,
    failure::{Cause, cause, store_error},
    store::repeated,
};

/// How many characters of a user agent are kept.
const USER_AGENT: usize = 255;

/// How long the erased rows of the outbox are kept, for an operator to look at; milliseconds.
const KEEP_DONE: i64 = 7 * 24 * 60 * 60 * 1000;

impl<E: UserEntity> SessionStore for SeaOrmUsers<E> {
    async fn insert_token(&self, token: NewToken<IdOf<Self>>) -> Result<TokenStored, StoreError> {
        match repeated(|| self.try_insert_token(&token)).await? {
            Some(id) => Ok(TokenStored::Stored(id)),
            None => Ok(TokenStored::NoUser),
        }
    }

    async fn end_token(&self, digest: &TokenDigest, backend: &str) -> Result<bool, StoreError> {
        let values = [digest.as_bytes().to_vec().into(), backend.into()];
        let end = self.sql.with(&self.sql.end_token, values);
        let ended = repeated(|| self.db.execute_raw(end.clone())).await?;
        Ok(ended.rows_affected() > 0)
    }

    async fn revoke(&self, token_id: &str, until: Timestamp) -> Result<(), StoreError> {
        let values = [token_id.into(), until.as_millis().into()];
        let revoke = self.sql.with(&self.sql.revoke, values);
        repeated(|| self.db.execute_raw(revoke.clone())).await?;
        Ok(())
    }

    async fn purge(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let mut left = u64::from(batch);
        let now = now.as_millis();
        let texts = [
            (&self.sql.purge_tokens, now),
            (&self.sql.purge_revoked, now),
            (&self.sql.purge_outbox, now.saturating_sub(KEEP_DONE)),
        ];
        for (text, before) in texts {
            let limit = i64::try_from(left).unwrap_or(i64::MAX);
            let purge = self.sql.with(text, [before.into(), limit.into()]);
            let gone = repeated(|| self.db.execute_raw(purge.clone())).await?;
            left = left.saturating_sub(gone.rows_affected());
            if left == 0 {
                break;
            }
        }
        Ok(u64::from(batch) - left)
    }
}

impl<E: UserEntity> SeaOrmUsers<E> {
    /// The id of the new row; `None` where the user is gone.
    async fn try_insert_token(&self, token: &NewToken<IdOf<Self>>) -> Result<Option<i64>, DbErr> {
        let user_agent = token.user_agent.as_ref().map(|agent| {
            // PostgreSQL has no text with U+0000.
            agent
                .chars()
                .filter(|letter| *letter != '\0')
                .take(USER_AGENT)
                .collect::<String>()
        });
        let values = [
            token.user_id.clone().into(),
            token.backend.as_str().into(),
            token.digest.as_bytes().to_vec().into(),
            token.epoch.0.into(),
            token.created_at.as_millis().into(),
            None::<i64>.into(),
            token.expires_at.map(Timestamp::as_millis).into(),
            user_agent.into(),
            token.address.map(|address| address.to_string()).into(),
        ];
        let insert = self.sql.with(&self.sql.insert_token, values);
        let stored = if self.sql.backend == DbBackend::MySql {
            self.db
                .execute_raw(insert)
                .await
                .map(|done| i64::try_from(done.last_insert_id()).ok())
        } else {
            self.db
                .query_one_raw(insert)
                .await
                .and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose())
        };
        match stored {
            Err(err) if matches!(cause(&err), Cause::ForeignKey(_)) => Ok(None),
            Ok(None) => Err(DbErr::UnpackInsertId),
            stored => stored,
        }
    }

    /// Runs one of the texts.
    pub(crate) async fn run<const N: usize>(
        &self,
        text: &str,
        values: [sea_orm::Value; N],
    ) -> Result<(), StoreError> {
        self.db
            .execute_raw(self.sql.with(text, values))
            .await
            .map_err(store_error)?;
        Ok(())
    }
}
