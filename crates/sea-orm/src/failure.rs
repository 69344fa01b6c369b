//! What an error of the database means.

use std::{error::Error, fmt};

use axum_users_core::{OwnRule, StoreError};
use sea_orm::DbErr;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use sea_orm::{RuntimeErr, sqlx};

/// What went wrong, as far as the store acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "mysql")),
    expect(dead_code, reason = "only drivers tell causes")
)]
pub(crate) enum Cause {
    /// Lost a race with another transaction: the whole command may be run again.
    Conflict,
    /// Not reachable, or not in time.
    Unavailable,
    /// A value broke a rule of a table.
    Refused { rule: OwnRule, place: Place },
    /// A value refers to a row that is not there.
    ForeignKey(Place),
    /// The table is missing.
    NoTable,
    /// A column is missing.
    NoColumn,
    /// Anything else.
    Other,
}

/// Where a rule was broken, as far as the database says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "mysql")),
    expect(dead_code, reason = "only drivers tell causes")
)]
pub(crate) enum Place {
    Columns(Vec<String>),
    #[cfg_attr(not(feature = "mysql"), expect(dead_code, reason = "the others name columns"))]
    Index(String),
    Unknown,
}

#[cfg(feature = "mysql")]
impl Place {
    fn column(name: Option<&str>) -> Self {
        name.map_or(Self::Unknown, |name| Self::Columns(vec![name.to_owned()]))
    }
}

/// An error of the database without the values that it may quote.
#[derive(Debug)]
struct Redacted(String);

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Redacted {}

/// What an error of the database means for whoever asked: unavailable for a while, or a fault. The values that it may quote are
/// left out.
///
/// A `Refusal` is made of it by `?`: 503 with `Retry-After`, or 500, with the cause in the log. So handlers can ask the database
/// themselves:
///
/// ```
/// use axum_users_core::StoreError;
/// use axum_users_sea_orm::{store_error, users};
/// use sea_orm::{DatabaseConnection, EntityTrait, PaginatorTrait};
///
/// async fn how_many(db: &DatabaseConnection) -> Result<u64, StoreError> { // in a handler: Result<_, Refusal>
///     Ok(users::Entity::find().count(db).await.map_err(store_error)?)
/// }
/// ```
#[expect(clippy::needless_pass_by_value, reason = "the argument of `map_err`")]
pub fn store_error(err: DbErr) -> StoreError {
    let text = Redacted(describe(&err));
    match cause(&err) {
        Cause::Conflict | Cause::Unavailable => StoreError::unavailable(text),
        _ => StoreError::fault(text),
    }
}

/// Whether a statement waited for another transaction, or for a lock, longer than it may.
pub fn is_busy(err: &DbErr) -> bool {
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    if let Some(sqlx::Error::Database(err)) = driver_error(err) {
        let code = err.code().unwrap_or_default();
        #[cfg(feature = "mysql")]
        if let Some(err) = err.try_downcast_ref::<sea_orm::SqlxMySqlError>() {
            return matches!(err.number(), 1205 | 3572);
        }
        #[cfg(feature = "sqlite")]
        if err.try_downcast_ref::<sea_orm::SqlxSqliteError>().is_some() {
            return code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6));
        }
        return code == "55P03";
    }
    let _ = err;
    false
}

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
pub(crate) fn cause(err: &DbErr) -> Cause {
    match err {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Cause::Unavailable,
        _ => Cause::Other,
    }
}

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
fn describe(err: &DbErr) -> String {
    err.to_string()
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
fn driver_error(err: &DbErr) -> Option<&sqlx::Error> {
    match err {
        DbErr::Conn(RuntimeErr::SqlxError(err))
        | DbErr::Exec(RuntimeErr::SqlxError(err))
        | DbErr::Query(RuntimeErr::SqlxError(err)) => Some(err),
        _ => None,
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) fn cause(err: &DbErr) -> Cause {
    if matches!(err, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
        return Cause::Unavailable;
    }
    match driver_error(err) {
        Some(
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed,
        ) => Cause::Unavailable,
        Some(sqlx::Error::Database(err)) => database_cause(err.as_ref()),
        _ => Cause::Other,
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
fn database_cause(err: &dyn sqlx::error::DatabaseError) -> Cause {
    #[cfg(feature = "postgres")]
    if let Some(err) = err.try_downcast_ref::<sea_orm::SqlxPostgresError>() {
        return postgres(err);
    }
    #[cfg(feature = "mysql")]
    if let Some(err) = err.try_downcast_ref::<sea_orm::SqlxMySqlError>() {
        return mysql(err.number(), err.code().unwrap_or_default(), err.message());
    }
    #[cfg(feature = "sqlite")]
    if err.try_downcast_ref::<sea_orm::SqlxSqliteError>().is_some() {
        let code = err.code().and_then(|code| code.parse().ok()).unwrap_or(0);
        return sqlite(code, err.message());
    }
    let _ = err;
    Cause::Other
}

/// Messages of MariaDB quote the value that was refused, those of PostgreSQL do for some: of such errors only the code is
/// told.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
fn describe(err: &DbErr) -> String {
    let Some(sqlx::Error::Database(database)) = driver_error(err) else {
        return err.to_string();
    };
    let code = database.code().unwrap_or_default();
    match database_cause(database.as_ref()) {
        Cause::Refused { .. } | Cause::ForeignKey(_) => format!("a value was refused, code {code}"),
        _ if code.starts_with("22") || code.starts_with("23") => format!("a value was refused, code {code}"),
        _ => format!("{} (code {code})", database.message()),
    }
}

#[cfg(feature = "postgres")]
fn postgres(err: &sea_orm::SqlxPostgresError) -> Cause {
    let code = err.code();
    let place = || {
        if let Some(column) = err.column() {
            return Place::Columns(vec![column.to_owned()]);
        }
        err.detail()
            .and_then(columns_of_key)
            .map_or(Place::Unknown, Place::Columns)
    };
    match code {
        "40001" | "40P01" => Cause::Conflict,
        "55P03" | "25006" => Cause::Unavailable,
        "42P01" | "3F000" => Cause::NoTable,
        "42703" => Cause::NoColumn,
        "23505" | "23P01" => Cause::Refused {
            rule: OwnRule::Unique,
            place: place(),
        },
        "23001" | "23503" => Cause::ForeignKey(place()),
        _ if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => Cause::Unavailable,
        _ if code.starts_with("22") || code.starts_with("23") => Cause::Refused {
            rule: OwnRule::Invalid,
            place: place(),
        },
        _ => Cause::Other,
    }
}

/// The columns in `Key (a, b)=(1, 2) already exists.`, whatever the language around them.
#[cfg(feature = "postgres")]
fn columns_of_key(detail: &str) -> Option<Vec<String>> {
    let (before, _) = detail.split_once(")=(")?;
    let (_, columns) = before.split_once('(')?;
    Some(
        columns
            .split(", ")
            .map(|column| column.trim_matches('"').to_owned())
            .collect(),
    )
}

#[cfg(feature = "mysql")]
fn mysql(number: u16, state: &str, message: &str) -> Cause {
    let column = || Place::column(mysql_column(message));
    match number {
        1213 | 1020 => Cause::Conflict,
        1040 | 1041 | 1053 | 1129 | 1203 | 1205 | 1226 | 1290 | 1317 | 1792 | 1836 | 1927 | 1969 | 2006
        | 2013 | 3024 | 3572 => Cause::Unavailable,
        1146 => Cause::NoTable,
        1054 => Cause::NoColumn,
        1022 | 1062 | 1169 | 1586 => Cause::Refused {
            rule: OwnRule::Unique,
            place: message
                .rsplit_once("for key '")
                .and_then(|(_, rest)| rest.strip_suffix('\''))
                .and_then(|index| index.rsplit('.').next())
                .map_or(Place::Unknown, |index| Place::Index(index.to_owned())),
        },
        1216 | 1452 => Cause::ForeignKey(Place::column(between(message, "FOREIGN KEY (`", "`)"))),
        1217 | 1451 | 1557 | 1761 | 1762 => Cause::ForeignKey(Place::Unknown),
        1048 | 1264 | 1265 | 1292 | 1364 | 1366 | 1406 => Cause::Refused {
            rule: OwnRule::Invalid,
            place: column(),
        },
        3819 | 4025 => Cause::Refused {
            rule: OwnRule::Invalid,
            place: Place::Unknown,
        },
        _ if state.starts_with("08") => Cause::Unavailable,
        _ if state.starts_with("22") || state.starts_with("23") => Cause::Refused {
            rule: OwnRule::Invalid,
            place: column(),
        },
        _ => Cause::Other,
    }
}

/// The column in `Data too long for column 'name' at row 1`, `… for column `db`.`table`.`name` at row 1`,
/// `Column 'name' cannot be null` and `Field 'name' doesn't have a default value`. The last mention counts: a value may
/// come before it.
#[cfg(feature = "mysql")]
fn mysql_column(message: &str) -> Option<&str> {
    let after = ["olumn '", "olumn `", "ield '"]
        .iter()
        .filter_map(|mark| message.rfind(mark).map(|at| at + mark.len()))
        .max()
        .and_then(|at| message.get(at..))?;
    let path = after.split(" at row").next().unwrap_or(after);
    let path = path.split("' ").next().unwrap_or(path);
    path.trim_matches(['\'', '`']).rsplit("`.`").next()
}

#[cfg(feature = "mysql")]
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.rsplit_once(start)?;
    rest.split_once(end).map(|(inside, _)| inside)
}

#[cfg(feature = "sqlite")]
fn sqlite(code: i32, message: &str) -> Cause {
    let columns = || match message.split_once("constraint failed: ") {
        Some((_, list)) if !list.starts_with("index '") => Place::Columns(
            list.split(", ")
                .filter_map(|path| path.rsplit('.').next())
                .map(str::to_owned)
                .collect(),
        ),
        _ => Place::Unknown,
    };
    match code {
        // A snapshot that another connection has overtaken.
        517 => return Cause::Conflict,
        1555 | 2067 | 2579 => {
            return Cause::Refused {
                rule: OwnRule::Unique,
                place: columns(),
            };
        }
        787 => return Cause::ForeignKey(Place::Unknown),
        // `ON DELETE RESTRICT` is a trigger inside.
        1811 if message.starts_with("FOREIGN KEY") => return Cause::ForeignKey(Place::Unknown),
        1299 => {
            return Cause::Refused {
                rule: OwnRule::Invalid,
                place: columns(),
            };
        }
        275 | 3091 => {
            return Cause::Refused {
                rule: OwnRule::Invalid,
                place: Place::Unknown,
            };
        }
        _ => {}
    }
    match code & 0xff {
        5 | 6 | 7 | 8 | 10 | 13 | 14 => Cause::Unavailable,
        1 if message.starts_with("no such table") => Cause::NoTable,
        1 if message.contains("no such column") || message.contains("has no column") => Cause::NoColumn,
        _ => Cause::Other,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    use super::*;

    #[cfg(feature = "postgres")]
    #[test]
    fn columns_are_found_in_the_detail_of_postgres() {
        assert_eq!(
            columns_of_key("Key (email_key)=(a)=(b) already exists."),
            Some(vec!["email_key".to_owned()])
        );
        assert_eq!(
            columns_of_key("Schlüssel »(tenant, \"Name\")=(1, x)« existiert bereits."),
            Some(vec!["tenant".to_owned(), "Name".to_owned()])
        );
        assert_eq!(columns_of_key("nothing here"), None);
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn columns_and_indexes_are_found_in_the_messages_of_mysql() {
        assert_eq!(
            mysql_column("Data too long for column 'nick' at row 1"),
            Some("nick")
        );
        assert_eq!(mysql_column("Column 'nick' cannot be null"), Some("nick"));
        assert_eq!(
            mysql_column("Field 'nick' doesn't have a default value"),
            Some("nick")
        );
        assert_eq!(
            mysql_column(
                "Incorrect string value: 'for column 'x'' for column `db`.`account`.`nick` at row 1"
            ),
            Some("nick")
        );
        let taken = mysql(
            1062,
            "23000",
            "Duplicate entry 'a' for key 'b' for key 'account.uq_nick'",
        );
        assert_eq!(
            taken,
            Cause::Refused {
                rule: OwnRule::Unique,
                place: Place::Index("uq_nick".to_owned())
            }
        );
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn columns_are_found_in_the_messages_of_sqlite() {
        let refused = sqlite(2067, "UNIQUE constraint failed: account.tenant, account.nick");
        let columns = vec!["tenant".to_owned(), "nick".to_owned()];
        assert_eq!(
            refused,
            Cause::Refused {
                rule: OwnRule::Unique,
                place: Place::Columns(columns)
            }
        );
        let refused = sqlite(2067, "UNIQUE constraint failed: index 'by_nick'");
        assert_eq!(
            refused,
            Cause::Refused {
                rule: OwnRule::Unique,
                place: Place::Unknown
            }
        );
        assert_eq!(sqlite(5, "database is locked"), Cause::Unavailable);
    }
}
