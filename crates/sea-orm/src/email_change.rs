//! Changes of address.

use axum_users_core::{
    EmailChange, EmailChangeRecord, EmailChangeStore, EmailChangeToken, EmailKey, IdOf, NewEmailChange,
    StoreError, Timestamp, User, normalize_email,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, QueryResult, Value};

use crate::{SeaOrmUsers, UserEntity, failure::store_error};

impl<E: UserEntity> EmailChangeStore for SeaOrmUsers<E> {
    async fn find_email_change(
        &self,
        token: EmailChangeToken,
    ) -> Result<Option<EmailChangeRecord<IdOf<Self>>>, StoreError> {
        let (text, digest) = match token {
            EmailChangeToken::Confirm(digest) => (&self.sql.email_change_by_confirm, digest),
            EmailChangeToken::Undo(digest) => (&self.sql.email_change_by_undo, digest),
            _ => return Ok(None),
        };
        let find = self.sql.with(text, [digest.as_bytes().to_vec().into()]);
        let row = self.once(self.db.query_one_raw(find)).await?;
        let record = row.map(|row| self.email_change(&row)).transpose();
        record.map_err(store_error)
    }
}

impl<E: UserEntity> SeaOrmUsers<E> {
    fn email_change(&self, row: &QueryResult) -> Result<EmailChangeRecord<IdOf<Self>>, DbErr> {
        let width = self.sql.width;
        let old_email: String = row.try_get_by_index(width + 1)?;
        let email: String = row.try_get_by_index(width + 3)?;
        let expires_at: i64 = row.try_get_by_index(width + 4)?;
        let confirmed_at: Option<i64> = row.try_get_by_index(width + 5)?;
        let mut record = EmailChangeRecord::new(
            row.try_get_by_index(width)?,
            E::Model::from_query_result(row, "")?.id(),
            old_email,
            row.try_get_by_index(width + 2)?,
            email,
            Timestamp::from_millis(expires_at),
        );
        record.confirmed_at = confirmed_at.map(Timestamp::from_millis);
        Ok(record)
    }

    /// Whether somebody else than this user can still come back to an address.
    pub(crate) async fn email_is_kept(
        &self,
        tx: &DatabaseTransaction,
        key: &EmailKey,
        user: Value,
        at: Timestamp,
    ) -> Result<bool, DbErr> {
        let values = [key.as_str().into(), user, at.as_millis().into()];
        let find = self.sql.with(&self.sql.email_is_kept, values);
        Ok(tx.query_one_raw(find).await?.is_some())
    }

    /// What must hold of changes of address for a change to be applied, and becomes true with it; false where it does not hold.
    pub(crate) async fn settle_email_change(
        &self,
        tx: &DatabaseTransaction,
        user: &Value,
        command: &EmailChange,
        at: Timestamp,
    ) -> Result<bool, DbErr> {
        let run = async |text: &str, values: Vec<Value>| {
            let done = tx.execute_raw(self.sql.with(text, values)).await?;
            Ok::<_, DbErr>(done.rows_affected())
        };
        match command {
            EmailChange::Confirm { id, undo_until } => {
                let values = vec![
                    at.as_millis().into(),
                    undo_until.as_millis().into(),
                    (*id).into(),
                    user.clone(),
                ];
                Ok(run(&self.sql.confirm_email_change, values).await? == 1)
            }
            EmailChange::Undo { id, confirmed } => {
                let values = vec![(*id).into(), user.clone(), (*confirmed).into()];
                if run(&self.sql.undo_email_change, values).await? == 0 {
                    return Ok(false);
                }
                run(
                    &self.sql.drop_later_email_changes,
                    vec![user.clone(), (*id).into()],
                )
                .await?;
                Ok(true)
            }
            EmailChange::Forget => {
                run(&self.sql.forget_email_changes, vec![user.clone()]).await?;
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    /// Drops the change that waits.
    pub(crate) async fn cancel_email_change(
        &self,
        tx: &DatabaseTransaction,
        user: &Value,
    ) -> Result<(), DbErr> {
        let cancel = self.sql.with(&self.sql.cancel_email_change, [user.clone()]);
        tx.execute_raw(cancel).await?;
        Ok(())
    }

    /// Lets a change of the address of `before` wait.
    pub(crate) async fn keep_email_change(
        &self,
        tx: &DatabaseTransaction,
        before: &E::Model,
        new: &NewEmailChange,
        at: Timestamp,
    ) -> Result<(), DbErr> {
        let key = normalize_email(before.email()).map_err(|err| DbErr::Custom(err.to_string()))?;
        let values = [
            before.id().into(),
            new.confirm.as_bytes().to_vec().into(),
            new.undo.as_bytes().to_vec().into(),
            before.email().into(),
            key.as_str().into(),
            before.is_verified().into(),
            new.email.as_str().into(),
            at.as_millis().into(),
            new.expires_at.as_millis().into(),
        ];
        tx.execute_raw(self.sql.with(&self.sql.ask_email_change, values))
            .await?;
        Ok(())
    }
}
