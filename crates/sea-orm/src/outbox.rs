//! Mails that wait to be sent.

use std::time::Duration;

use axum_users_core::{Leased, Message, MessageKind, Outbox, StoreError, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Value};

use crate::{SeaOrmUsers, UserEntity};

impl<E: UserEntity> Outbox for SeaOrmUsers<E> {
    /// Takes messages; each lease counts as an attempt, so that one that kills its worker is not tried for ever.
    async fn lease(&self, limit: u32, now: Timestamp, lease: Duration) -> Result<Vec<Leased>, StoreError> {
        let mut leased = self.repeated(|| self.try_lease(limit, now, lease)).await?;
        leased.sort_by_key(|leased| leased.id);
        Ok(leased)
    }

    async fn sent(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.run(
            &self.sql.finish,
            [now.as_millis().into(), "sent".into(), id.into()],
        )
        .await
    }

    async fn retry(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.run(&self.sql.retry, [at.as_millis().into(), id.into()])
            .await
    }

    async fn release(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.run(&self.sql.release, [at.as_millis().into(), id.into()])
            .await
    }

    async fn give_up(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.run(
            &self.sql.finish,
            [now.as_millis().into(), "given_up".into(), id.into()],
        )
        .await
    }
}

impl<E: UserEntity> SeaOrmUsers<E> {
    async fn try_lease(&self, limit: u32, now: Timestamp, lease: Duration) -> Result<Vec<Leased>, DbErr> {
        let until = now.plus(lease).as_millis();
        let due: [Value; 2] = [now.as_millis().into(), i64::from(limit).into()];
        if self.sql.backend != DbBackend::MySql {
            let values = due.into_iter().chain([until.into()]);
            let rows = self
                .db
                .query_all_raw(self.sql.with(&self.sql.lease, values))
                .await?;
            return rows.iter().map(read).collect();
        }
        let tx = self.begin().await?;
        let work = async {
            let rows = tx.query_all_raw(self.sql.with(&self.sql.lease, due)).await?;
            let leased = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            if !leased.is_empty() {
                let marks = vec!["?"; leased.len()].join(", ");
                let text = format!(
                    "UPDATE {} SET due_at = ?, attempts = attempts + 1 WHERE id IN ({marks})",
                    self.sql.outbox
                );
                let values = std::iter::once(until).chain(leased.iter().map(|leased| leased.id));
                tx.execute_raw(self.sql.dynamic(&text, values.map(Value::from).collect()))
                    .await?;
            }
            Ok(leased)
        };
        match work.await {
            Ok(leased) => tx.commit().await.map(|()| leased),
            Err(err) => {
                tx.rollback().await?;
                Err(err)
            }
        }
    }
}

fn read(row: &QueryResult) -> Result<Leased, DbErr> {
    let kind: String = row.try_get_by_index(2)?;
    let kind = MessageKind::from_name(&kind);
    let to: String = row.try_get_by_index(3)?;
    let subject: String = row.try_get_by_index(4)?;
    let text: Option<String> = row.try_get_by_index(5)?;
    let mut message = Message::new(kind, to, subject, text.unwrap_or_default());
    message.html = row.try_get_by_index(6)?;
    let attempts: i32 = row.try_get_by_index(1)?;
    Ok(Leased::new(
        row.try_get_by_index(0)?,
        u32::try_from(attempts).unwrap_or(0),
        message,
    ))
}
