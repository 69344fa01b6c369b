//! Rows that exist with a user.

use std::{future::Future, pin::Pin};

use axum_users_core::{Denied, OwnConflict};
use sea_orm::DbErr;

/// What [`SeaOrmUsers::with_companion`](crate::SeaOrmUsers::with_companion) returns: the work on rows that go with a new user.
pub type CompanionFuture<'a> = Pin<Box<dyn Future<Output = Result<(), CompanionError>> + Send + 'a>>;

/// Why the rows that go with a new user were not written, and so the user was not either. `?` makes it of each of its causes.
///
/// ```
/// use axum_users_core::Denied;
/// use axum_users_sea_orm::{CompanionError, users};
/// use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement};
///
/// async fn take_a_seat(tx: &DatabaseTransaction, user: &users::Model) -> Result<(), CompanionError> {
///     let sql = "UPDATE seat SET user_id = $1 WHERE id = (SELECT min(id) FROM seat WHERE user_id IS NULL)";
///     let taken = Statement::from_sql_and_values(tx.get_database_backend(), sql, [user.id.into()]);
///     if tx.execute_raw(taken).await?.rows_affected() == 0 {
///         return Err(Denied::new("NO_SEAT_LEFT", "The table is full").into()); // 403
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompanionError {
    /// The application forbids it: 403 with its code.
    #[error("refused by the application")]
    Denied(Denied),
    /// A value of the user is in the way: 409 where another has it, else 422.
    #[error("a value of an own column was refused")]
    OwnConflict(OwnConflict),
    /// The database failed, or refused a row: 409 or 422 for a broken rule of a table, else 503 or 500.
    #[error("the database did not take the rows")]
    Database(#[source] DbErr),
}

impl From<Denied> for CompanionError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<OwnConflict> for CompanionError {
    fn from(conflict: OwnConflict) -> Self {
        Self::OwnConflict(conflict)
    }
}

impl From<DbErr> for CompanionError {
    fn from(err: DbErr) -> Self {
        Self::Database(err)
    }
}
