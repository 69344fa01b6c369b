//! What an error of the database means.

use axum_users::{OwnConflict, OwnRule, StoreError};
use sqlx::error::ErrorKind;

/// `SQLITE_BUSY`, `_LOCKED`, `_READONLY`, `_IOERR`, `_FULL` and `_CANTOPEN`: it may go better the next time.
const PASSING: [i32; 6] = [5, 6, 8, 10, 13, 14];

/// Tells a database that cannot be used now, which is answered with 503, from one that is broken.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    let passing = match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            let code: i32 = error.code().and_then(|code| code.parse().ok()).unwrap_or(0);
            PASSING.contains(&(code & 0xff))
        }
        _ => false,
    };
    if passing {
        StoreError::unavailable(error)
    } else {
        StoreError::fault(error)
    }
}

/// Why a row of `users` was not written.
pub(crate) enum Refusal {
    EmailTaken,
    Own(OwnConflict),
}

/// Tells a row that was refused for its values from a failure.
pub(crate) fn refusal(error: sqlx::Error) -> Result<Refusal, sqlx::Error> {
    match error.as_database_error().map(sqlx::error::DatabaseError::kind) {
        Some(ErrorKind::UniqueViolation) => Ok(Refusal::EmailTaken),
        Some(ErrorKind::CheckViolation) => {
            let column = Some("full_name".to_owned());
            Ok(Refusal::Own(OwnConflict::new(OwnRule::Invalid, column)))
        }
        _ => Err(error),
    }
}

/// Whether a row was refused because the user that it belongs to is not there.
pub(crate) fn has_no_user(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
}

/// A command of a later version of the library: not to be taken for done.
pub(super) fn unknown(what: &str) -> sqlx::Error {
    sqlx::Error::Protocol(format!("an unknown {what}"))
}
