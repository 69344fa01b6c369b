//! Tokens, and the marks of those that ended before their time.

use axum_users_core::{
    Epoch, IdOf, LimitPolicy, NewToken, Purged, SessionStore, StoreError, Timestamp, TokenDigest, TokenLimit,
    TokenRecord, TokenStored, TokenUse, crash_point,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement, Value};

use crate::{
    SeaOrmUsers, UserEntity,
    failure::{Cause, cause, store_error},
};

/// How many characters of a user agent are kept.
const USER_AGENT: usize = 255;

/// How long the erased rows of the outbox are kept, for an operator to look at; milliseconds.
const KEEP_DONE: i64 = 7 * 24 * 60 * 60 * 1000;

impl<E: UserEntity> SessionStore for SeaOrmUsers<E> {
    async fn insert_token(&self, token: NewToken<IdOf<Self>>) -> Result<TokenStored, StoreError> {
        match token.limit {
            Some(limit) => self.repeated(|| self.try_insert_within(&token, limit)).await,
            None => {
                self.repeated(|| self.store_row(&self.db, self.insertion(&token)))
                    .await
            }
        }
    }

    async fn note_use(&self, noted: TokenUse) -> Result<bool, StoreError> {
        let seen_at = noted.seen_at.as_millis();
        let expires_at = noted.expires_at.map(Timestamp::as_millis);
        let values = [
            seen_at.into(),
            seen_at.into(),
            expires_at.into(),
            expires_at.into(),
            noted.digest.as_bytes().to_vec().into(),
            seen_at.into(),
        ];
        self.touches(&self.sql.note_use, values).await
    }

    async fn end_token(&self, digest: &TokenDigest, backend: &str) -> Result<bool, StoreError> {
        let values = [digest.as_bytes().to_vec().into(), backend.into()];
        self.touches(&self.sql.end_token, values).await
    }

    async fn list_tokens(
        &self,
        user_id: &IdOf<Self>,
        backend: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<TokenRecord>, StoreError> {
        let values = live(user_id, backend, now).chain([i64::from(limit).into()]);
        let list = self.sql.with(&self.sql.list_tokens, values);
        let rows = self.once(self.db.query_all_raw(list)).await?;
        let records = rows.iter().map(|row| record(row, backend));
        records.collect::<Result<_, _>>().map_err(store_error)
    }

    async fn name_token(
        &self,
        user_id: &IdOf<Self>,
        backend: &str,
        id: &str,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(id) = row_id(id) else {
            return Ok(false);
        };
        let named = [name.map(str::to_owned).into(), id.into()];
        let values = named.into_iter().chain(live(user_id, backend, now));
        self.touches(&self.sql.name_token, values).await
    }

    async fn end_token_by_id(
        &self,
        user_id: &IdOf<Self>,
        backend: &str,
        id: &str,
    ) -> Result<bool, StoreError> {
        let Some(id) = row_id(id) else {
            return Ok(false);
        };
        let values = [id.into(), user_id.clone().into(), backend.into()];
        self.touches(&self.sql.end_token_by_id, values).await
    }

    async fn revoke(&self, token_id: &str, until: Timestamp) -> Result<(), StoreError> {
        let values = [token_id.into(), until.as_millis().into()];
        self.touches(&self.sql.revoke, values).await?;
        Ok(())
    }

    async fn purge(&self, now: Timestamp, batch: u32) -> Result<Purged, StoreError> {
        let mut left = u64::from(batch);
        let mut purged = Purged::default();
        let now = now.as_millis();
        let texts = [
            (&self.sql.purge_tokens, now, true),
            (&self.sql.purge_personal, now, true),
            (&self.sql.purge_revoked, now, false),
            (&self.sql.purge_outbox, now.saturating_sub(KEEP_DONE), false),
            (&self.sql.purge_email_changes, now, false),
        ];
        for (text, until, is_token) in texts {
            let limit = i64::try_from(left).unwrap_or(i64::MAX);
            let purge = self.sql.with(text, [until.into(), limit.into()]);
            let gone = self.repeated(|| self.try_purge(purge.clone())).await?;
            if is_token {
                purged.tokens += gone;
            } else {
                purged.others += gone;
            }
            left = left.saturating_sub(gone);
            if left == 0 {
                break;
            }
        }
        Ok(purged)
    }
}

impl<E: UserEntity> SeaOrmUsers<E> {
    fn insertion(&self, token: &NewToken<IdOf<Self>>) -> Statement {
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
            token.client_address.map(|address| address.to_string()).into(),
        ];
        self.sql.with(&self.sql.insert_token, values)
    }

    /// Stores a token with its user locked, so that no other one is stored between the count and the row.
    async fn try_insert_within(
        &self,
        token: &NewToken<IdOf<Self>>,
        limit: TokenLimit,
    ) -> Result<TokenStored, DbErr> {
        let key: Value = token.user_id.clone().into();
        let tx = self.begin().await?;
        let work = async {
            if !self.lock(&tx, &key).await? {
                return Ok(TokenStored::NoUser);
            }
            match self.make_room(&tx, token, limit).await? {
                Ok(ended) => {
                    crash_point("token-room-made").await;
                    let stored = self.store_row(&tx, self.insertion(token)).await?;
                    Ok(with_ended(stored, ended))
                }
                Err(refused) => Ok(refused),
            }
        };
        let done = work.await;
        let done = finish(tx, done).await;
        crash_point("token-not-answered").await;
        done
    }

    /// Ends as many of the oldest tokens as stand against a new one, or says why it is not to be stored.
    async fn make_room(
        &self,
        tx: &DatabaseTransaction,
        token: &NewToken<IdOf<Self>>,
        limit: TokenLimit,
    ) -> Result<Result<u64, TokenStored>, DbErr> {
        let live = || live(&token.user_id, &token.backend, token.created_at);
        let values = std::iter::once(token.user_id.clone().into()).chain(live());
        let (count, epoch) = self
            .count(tx, self.sql.with(&self.sql.count_tokens, values))
            .await?;
        if epoch != token.epoch {
            return Ok(Err(TokenStored::Stale));
        }
        let surplus = count.saturating_add(1).saturating_sub(i64::from(limit.most));
        if surplus <= 0 {
            return Ok(Ok(0));
        }
        if limit.most == 0 || limit.policy != LimitPolicy::EndOldest {
            return Ok(Err(TokenStored::LimitReached));
        }
        let oldest = live().chain([surplus.into()]);
        let end = self.sql.with(&self.sql.end_oldest_tokens, oldest);
        Ok(Ok(tx.execute_raw(end).await?.rows_affected()))
    }

    /// How many tokens there are, and the session epoch of their user.
    pub(crate) async fn count(
        &self,
        tx: &DatabaseTransaction,
        count: Statement,
    ) -> Result<(i64, Epoch), DbErr> {
        let row = tx.query_one_raw(count).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("a count without a row".to_owned()))?;
        Ok((row.try_get_by_index(0)?, Epoch(row.try_get_by_index(1)?)))
    }

    /// Inserts the row of a token.
    pub(crate) async fn store_row<C: ConnectionTrait>(
        &self,
        db: &C,
        insert: Statement,
    ) -> Result<TokenStored, DbErr> {
        let id = if self.sql.backend == DbBackend::MySql {
            db.execute_raw(insert)
                .await
                .map(|done| i64::try_from(done.last_insert_id()).ok())
        } else {
            db.query_one_raw(insert)
                .await
                .and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose())
        };
        match id {
            Ok(Some(id)) => Ok(TokenStored::Stored { id, ended: 0 }),
            Ok(None) => Err(DbErr::UnpackInsertId),
            Err(err) if matches!(cause(&err), Cause::ForeignKey(_)) => Ok(TokenStored::NoUser),
            Err(err) => Err(err),
        }
    }

    /// How many rows a purge removed.
    async fn try_purge(&self, purge: Statement) -> Result<u64, DbErr> {
        if self.sql.backend != DbBackend::MySql {
            return Ok(self.db.execute_raw(purge).await?.rows_affected());
        }
        // A statement alone would read repeatably, and lock the gaps into which new tokens go.
        let tx = self.begin().await?;
        let gone = tx.execute_raw(purge).await.map(|done| done.rows_affected());
        finish(tx, gone).await
    }

    /// Whether one of the texts finds a row.
    pub(crate) async fn touches(
        &self,
        text: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<bool, StoreError> {
        let statement = self.sql.with(text, values);
        let done = self.repeated(|| self.db.execute_raw(statement.clone())).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Runs one of the texts.
    pub(crate) async fn run<const N: usize>(&self, text: &str, values: [Value; N]) -> Result<(), StoreError> {
        self.once(self.db.execute_raw(self.sql.with(text, values)))
            .await?;
        Ok(())
    }
}

/// Commits what was done, or takes it back after an error.
pub(crate) async fn finish<T>(tx: DatabaseTransaction, done: Result<T, DbErr>) -> Result<T, DbErr> {
    match done {
        Ok(done) => tx.commit().await.map(|()| done),
        Err(err) => {
            tx.rollback().await?;
            Err(err)
        }
    }
}

/// The key of a row, as lists show it.
pub(crate) fn row_id(id: &str) -> Option<i64> {
    id.parse().ok()
}

/// The values by which the texts find the live tokens of a user of `backend`.
fn live<Id: Clone + Into<Value>>(
    user_id: &Id,
    backend: &str,
    now: Timestamp,
) -> impl Iterator<Item = Value> + use<Id> {
    [
        user_id.clone().into(),
        backend.into(),
        user_id.clone().into(),
        now.as_millis().into(),
    ]
    .into_iter()
}

fn with_ended(stored: TokenStored, ended: u64) -> TokenStored {
    match stored {
        TokenStored::Stored { id, .. } => TokenStored::Stored { id, ended },
        other => other,
    }
}

fn record(row: &QueryResult, backend: &str) -> Result<TokenRecord, DbErr> {
    let id: i64 = row.try_get_by_index(0)?;
    let created_at: i64 = row.try_get_by_index(2)?;
    let last_seen_at: Option<i64> = row.try_get_by_index(3)?;
    let expires_at: Option<i64> = row.try_get_by_index(4)?;
    let address: Option<String> = row.try_get_by_index(6)?;
    let mut record = TokenRecord::new(id.to_string(), backend, Timestamp::from_millis(created_at));
    record.name = row.try_get_by_index(1)?;
    record.last_seen_at = last_seen_at.map(Timestamp::from_millis);
    record.expires_at = expires_at.map(Timestamp::from_millis);
    record.user_agent = row.try_get_by_index(5)?;
    record.client_address = address.and_then(|address| address.parse().ok());
    Ok(record)
}
