//! `UserStore`.

use axum_users::{
    Accepts, Applied, Change, Claim, Compose, EmailKey, EndSessions, Epoch, Expected, Inserted, Message,
    NewUser, Removed, SetupError, SignedIn, StoreError, Stored, Timestamp, UserChanges, UserStore,
};
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor, sqlite::SqliteRow};

use super::{
    SqliteUsers, email_changes,
    failure::{Refusal, refusal, store_error, unknown},
    outbox::keep,
};
use crate::customer::{Customer, EPOCH, Profile, columns};

/// New values for the column of the application's own; `None` leaves it as it is.
#[derive(Default)]
pub(crate) struct Own {
    full_name: Option<String>,
}

impl Accepts<Profile> for SqliteUsers {
    fn columns(profile: Profile) -> Own {
        Own {
            full_name: profile.full_name,
        }
    }
}

/// A user with the epoch, read in one statement: a token that is issued to them dies with that epoch.
pub(super) struct Found(pub(super) Stored<Customer>);

impl FromRow<'_, SqliteRow> for Found {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let epoch = Epoch(row.try_get(EPOCH)?);
        Ok(Self(Stored::new(Customer::from_row(row)?).at_epoch(epoch)))
    }
}

pub(super) async fn find(
    db: impl SqliteExecutor<'_>,
    id: i64,
) -> Result<Option<Stored<Customer>>, sqlx::Error> {
    let text = concat!("SELECT ", columns!(), " FROM users WHERE id = ?");
    let found: Option<Found> = sqlx::query_as(text).bind(id).fetch_optional(db).await?;
    Ok(found.map(|Found(stored)| stored))
}

impl UserStore for SqliteUsers {
    type User = Customer;
    type Columns = Own;

    async fn find(&self, id: &i64) -> Result<Option<Stored<Customer>>, StoreError> {
        find(&self.pool, *id).await.map_err(store_error)
    }

    async fn find_by_email(&self, email: &EmailKey) -> Result<Option<Stored<Customer>>, StoreError> {
        let text = concat!("SELECT ", columns!(), " FROM users WHERE email_key = ?");
        let find = sqlx::query_as(text).bind(email.as_str());
        let found: Option<Found> = find.fetch_optional(&self.pool).await.map_err(store_error)?;
        Ok(found.map(|Found(stored)| stored))
    }

    async fn insert(
        &self,
        new: NewUser<Own>,
        compose: Compose<'_, Customer>,
    ) -> Result<Inserted<Customer>, StoreError> {
        self.try_insert(new, compose).await.map_err(store_error)
    }

    async fn update(&self, id: &i64, change: Change<Own>) -> Result<Applied<Customer>, StoreError> {
        self.try_update(*id, change).await.map_err(store_error)
    }

    async fn delete(&self, id: &i64, expect: Expected) -> Result<Removed, StoreError> {
        self.try_delete(*id, expect).await.map_err(store_error)
    }

    async fn resolve(
        &self,
        claim: &Claim<i64>,
        now: Timestamp,
    ) -> Result<Option<SignedIn<Customer>>, StoreError> {
        let resolved = match claim {
            Claim::Subject(subject) | Claim::Stateless(subject) if subject.session.is_over(now) => Ok(None),
            Claim::Stateless(subject) => find(&self.pool, subject.user_id)
                .await
                .map(|found| found.map(|stored| SignedIn::stateless(stored, subject))),
            Claim::Subject(subject) => self.subject(subject).await,
            Claim::Digest(opaque) => self.session(opaque, now).await,
            Claim::Personal(opaque) => self.personal_session(opaque, now).await,
            _ => Err(unknown("claim")),
        };
        resolved.map_err(store_error)
    }

    async fn enqueue(&self, messages: Vec<Message>, at: Timestamp) -> Result<(), StoreError> {
        let work = async {
            let mut tx = self.begin().await?;
            keep(&mut tx, &messages, at).await?;
            tx.commit().await
        };
        work.await.map_err(store_error)
    }

    fn keeps_email_changes(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<(), SetupError> {
        let tables = sqlx::query(
            "SELECT 1 FROM users, tokens, personal_tokens, revoked, email_changes, outbox LIMIT 0",
        );
        tables.execute(&self.pool).await.map_err(store_error)?;
        Ok(())
    }
}

impl SqliteUsers {
    async fn try_insert(
        &self,
        new: NewUser<Own>,
        compose: Compose<'_, Customer>,
    ) -> Result<Inserted<Customer>, sqlx::Error> {
        let text = concat!(
            "INSERT INTO users (email, email_key, hashed_password, is_active, is_verified, is_superuser, full_name) \
             VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING ",
            columns!()
        );
        let insert = sqlx::query_as(text)
            .bind(new.email.as_str())
            .bind(new.email.key().as_str())
            .bind(new.hashed_password.as_ref().map(axum_users::PasswordHash::as_str))
            .bind(new.is_active)
            .bind(new.is_verified)
            .bind(new.is_superuser)
            .bind(new.own.full_name);
        let mut tx = self.begin().await?;
        let user: Customer = match insert.fetch_one(&mut *tx).await.map_err(refusal) {
            Ok(user) => user,
            Err(Ok(Refusal::EmailTaken)) => return Ok(Inserted::EmailTaken),
            Err(Ok(Refusal::Own(conflict))) => return Ok(Inserted::OwnConflict(conflict)),
            Err(Err(error)) => return Err(error),
        };
        if email_changes::is_kept(&mut tx, new.email.key(), user.id, new.at).await? {
            return Ok(Inserted::EmailTaken);
        }
        keep(&mut tx, &compose(&user), new.at).await?;
        tx.commit().await?;
        Ok(Inserted::Created(user))
    }

    /// Tokens and changes of address go with their user: `ON DELETE CASCADE`.
    async fn try_delete(&self, id: i64, expect: Expected) -> Result<Removed, sqlx::Error> {
        let mut tx = self.begin().await?;
        let Some(before) = find(&mut *tx, id).await? else {
            return Ok(Removed::Missing);
        };
        if !expect.holds_for(&before) {
            return Ok(Removed::Stale);
        }
        let delete = sqlx::query("DELETE FROM users WHERE id = ?").bind(id);
        delete.execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Removed::Removed)
    }

    /// Reads, compares and writes in one transaction. Where it is left early, nothing was written.
    async fn try_update(&self, id: i64, change: Change<Own>) -> Result<Applied<Customer>, sqlx::Error> {
        let mut tx = self.begin().await?;
        let Some(before) = find(&mut *tx, id).await? else {
            return Ok(Applied::Missing);
        };
        if !Expected::holds_for(&change.expect, &before) {
            return Ok(Applied::Stale);
        }
        if !email_changes::settle(&mut tx, id, &change).await? {
            return Ok(Applied::Stale);
        }
        let user = match write(&mut tx, id, &change.set, &change.own)
            .await
            .map_err(refusal)
        {
            Ok(user) => user,
            Err(Ok(Refusal::EmailTaken)) => return Ok(Applied::EmailTaken),
            Err(Ok(Refusal::Own(conflict))) => return Ok(Applied::OwnConflict(conflict)),
            Err(Err(error)) => return Err(error),
        };
        if let Some(email) = &change.set.email
            && email_changes::is_kept(&mut tx, email.key(), id, change.at).await?
        {
            return Ok(Applied::EmailTaken);
        }
        let epoch = end_sessions(&mut tx, id, before.epoch, change.end_sessions).await?;
        email_changes::follow(&mut tx, &before.user, &change).await?;
        let after = Stored::new(user).at_epoch(epoch);
        keep(&mut tx, &change.messages, change.at).await?;
        tx.commit().await?;
        Ok(Applied::Applied(after))
    }
}

/// Writes what is set and leaves the rest; answers the row as it is then.
async fn write(
    tx: &mut SqliteConnection,
    id: i64,
    set: &UserChanges,
    own: &Own,
) -> Result<Customer, sqlx::Error> {
    let text = concat!(
        "UPDATE users SET email = COALESCE(?, email), email_key = COALESCE(?, email_key), \
         hashed_password = COALESCE(?, hashed_password), is_active = COALESCE(?, is_active), \
         is_verified = COALESCE(?, is_verified), is_superuser = COALESCE(?, is_superuser), \
         full_name = COALESCE(?, full_name) WHERE id = ? RETURNING ",
        columns!()
    );
    let write = sqlx::query_as(text)
        .bind(set.email.as_ref().map(axum_users::EmailAddress::as_str))
        .bind(set.email.as_ref().map(|email| email.key().as_str()))
        .bind(set.hashed_password.as_ref().map(axum_users::PasswordHash::as_str))
        .bind(set.is_active)
        .bind(set.is_verified)
        .bind(set.is_superuser)
        .bind(&own.full_name)
        .bind(id);
    write.fetch_one(tx).await
}

/// Raises the epoch, which ends all sessions; answers the epoch that holds then.
async fn end_sessions(
    tx: &mut SqliteConnection,
    id: i64,
    before: Epoch,
    which: EndSessions,
) -> Result<Epoch, sqlx::Error> {
    let spared = match which {
        EndSessions::None => return Ok(before),
        EndSessions::AllExcept(digest) => Some(digest.as_bytes().to_vec()),
        EndSessions::All | EndSessions::Everything => None,
        _ => return Err(unknown("way to end sessions")),
    };
    let raise = sqlx::query_scalar("UPDATE users SET epoch = epoch + 1 WHERE id = ? RETURNING epoch");
    let epoch = raise.bind(id).fetch_one(&mut *tx).await?;
    if which == EndSessions::Everything {
        let end = sqlx::query("DELETE FROM personal_tokens WHERE user_id = ?");
        end.bind(id).execute(&mut *tx).await?;
    }
    let end = sqlx::query("DELETE FROM tokens WHERE user_id = ?1 AND (?2 IS NULL OR digest <> ?2)");
    end.bind(id).bind(spared).execute(&mut *tx).await?;
    // Only the spared one is left, and moves on if it was not dead already.
    let carry = sqlx::query("UPDATE tokens SET epoch = ? WHERE user_id = ? AND epoch = ?");
    carry
        .bind(epoch)
        .bind(id)
        .bind(before.0)
        .execute(&mut *tx)
        .await?;
    Ok(Epoch(epoch))
}
