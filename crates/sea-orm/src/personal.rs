//! Personal access tokens.

use axum_users_core::{
    IdOf, NewPersonalToken, PersonalTokenRecord, PersonalTokenStore, StoreError, Timestamp, TokenStored,
    TokenUse,
};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use crate::{
    SeaOrmUsers, UserEntity,
    failure::store_error,
    session::{finish, row_id},
};

impl<E: UserEntity> PersonalTokenStore for SeaOrmUsers<E> {
    async fn insert_personal_token(
        &self,
        token: NewPersonalToken<IdOf<Self>>,
    ) -> Result<TokenStored, StoreError> {
        self.repeated(|| self.try_insert_personal(&token)).await
    }

    async fn note_personal_use(&self, noted: TokenUse) -> Result<bool, StoreError> {
        let seen_at = noted.seen_at.as_millis();
        let values = [
            seen_at.into(),
            seen_at.into(),
            noted.digest.as_bytes().to_vec().into(),
            seen_at.into(),
        ];
        self.touches(&self.sql.note_personal_use, values).await
    }

    async fn list_personal_tokens(
        &self,
        user_id: &IdOf<Self>,
        now: Timestamp,
    ) -> Result<Vec<PersonalTokenRecord>, StoreError> {
        let values = [user_id.clone().into(), now.as_millis().into()];
        let list = self.sql.with(&self.sql.list_personal, values);
        let rows = self.once(self.db.query_all_raw(list)).await?;
        let records = rows.iter().map(record);
        records.collect::<Result<_, _>>().map_err(store_error)
    }

    async fn end_personal_token(&self, user_id: &IdOf<Self>, id: &str) -> Result<bool, StoreError> {
        let Some(id) = row_id(id) else {
            return Ok(false);
        };
        let values = [id.into(), user_id.clone().into()];
        self.touches(&self.sql.end_personal, values).await
    }
}

impl<E: UserEntity> SeaOrmUsers<E> {
    /// Stores a token with its user locked, so that no other one is stored between the count and the row.
    async fn try_insert_personal(&self, token: &NewPersonalToken<IdOf<Self>>) -> Result<TokenStored, DbErr> {
        let key: Value = token.user_id.clone().into();
        let now = token.created_at.as_millis();
        let scopes = token.scopes.as_ref().map(serde_json::to_string).transpose();
        let scopes = scopes.map_err(|err| DbErr::Custom(err.to_string()))?;
        let insert = self.sql.with(
            &self.sql.insert_personal,
            [
                key.clone(),
                token.digest.as_bytes().to_vec().into(),
                token.name.as_str().into(),
                scopes.into(),
                now.into(),
                token.expires_at.map(Timestamp::as_millis).into(),
            ],
        );
        let tx = self.begin().await?;
        let work = async {
            if !self.lock(&tx, &key).await? {
                return Ok(TokenStored::NoUser);
            }
            let values = [key.clone(), key.clone(), now.into()];
            let (count, epoch) = self
                .count(&tx, self.sql.with(&self.sql.count_personal, values))
                .await?;
            if epoch != token.epoch {
                return Ok(TokenStored::Stale);
            }
            if count >= i64::from(token.most) {
                return Ok(TokenStored::LimitReached);
            }
            self.store_row(&tx, insert).await
        };
        let done = work.await;
        finish(tx, done).await
    }
}

/// The scopes in a column. One that cannot be read is an error: as none it would let the token do everything.
pub(crate) fn scopes(column: Option<String>) -> Result<Option<Vec<String>>, DbErr> {
    let scopes = column.map(|text| serde_json::from_str(&text)).transpose();
    scopes.map_err(|_| DbErr::Type("the scopes of a personal access token are no list of texts".to_owned()))
}

fn record(row: &QueryResult) -> Result<PersonalTokenRecord, DbErr> {
    let id: i64 = row.try_get_by_index(0)?;
    let name: String = row.try_get_by_index(1)?;
    let created_at: i64 = row.try_get_by_index(3)?;
    let last_seen_at: Option<i64> = row.try_get_by_index(4)?;
    let expires_at: Option<i64> = row.try_get_by_index(5)?;
    let mut record = PersonalTokenRecord::new(id.to_string(), name, Timestamp::from_millis(created_at));
    record.scopes = scopes(row.try_get_by_index(2)?)?;
    record.last_seen_at = last_seen_at.map(Timestamp::from_millis);
    record.expires_at = expires_at.map(Timestamp::from_millis);
    Ok(record)
}
