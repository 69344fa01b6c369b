//! Running migrations, by one process at a time.

use std::{collections::HashSet, fmt, future::Future, pin::Pin, time::Duration};

use axum_users_core::{Clock as _, SystemClock};
use axum_users_sea_orm::{__private::is_busy, UserEntity};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait as _, SchemaManager};

use crate::migration::{HISTORY, Migrations, Migrator};

/// How long a process waits for another one that is migrating.
const PATIENCE: Duration = Duration::from_mins(1);

/// The tables could not be made.
///
/// ```
/// use axum_users_migrations::{MigrateError, migrate};
/// use sea_orm::DatabaseConnection;
///
/// async fn start(db: &DatabaseConnection) -> Result<(), MigrateError> {
///     match migrate(db).await {
///         Err(MigrateError::Busy) => Ok(println!("another process migrates; starting anyway")),
///         done => done.map(drop),
///     }
/// }
/// ```
#[non_exhaustive]
pub enum MigrateError {
    /// Another process has been migrating for longer than this one waits: a minute, on `SQLite` the busy timeout of the pool.
    Busy,
    /// The database refused a statement, or is not reachable.
    Database(DbErr),
}

/// `main` shows an error by its `Debug`: it says what to do, as `Display` does.
impl fmt::Debug for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "another process is migrating the database",
            Self::Database(_) => "the database could not be migrated",
        })
    }
}

impl std::error::Error for MigrateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Busy => None,
            Self::Database(err) => Some(err),
        }
    }
}

impl From<DbErr> for MigrateError {
    fn from(err: DbErr) -> Self {
        if is_busy(&err) {
            Self::Busy
        } else {
            Self::Database(err)
        }
    }
}

/// What [`up_with`] is given: migrations or statements of the application's own.
pub type OwnMigrations<'a> = Pin<Box<dyn Future<Output = Result<(), DbErr>> + Send + 'a>>;

/// Whether a migration ran.
///
/// ```
/// use axum_users_migrations::{MigrateError, Migrator, State};
/// use sea_orm::DatabaseConnection;
///
/// async fn is_up_to_date(db: &DatabaseConnection) -> Result<bool, MigrateError> {
///     let all = Migrator::state(db).await?;
///     Ok(all.iter().all(|migration| migration.state == State::Applied))
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It ran.
    Applied,
    /// It has yet to run.
    Pending,
}

/// A migration by name, and whether it ran.
///
/// ```
/// use axum_users_migrations::{MigrateError, Migrator};
/// use sea_orm::DatabaseConnection;
///
/// async fn show(db: &DatabaseConnection) -> Result<(), MigrateError> {
///     for migration in Migrator::state(db).await? {
///         println!("{}: {:?}", migration.name, migration.state);
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The name, which never changes.
    pub name: String,
    /// Whether it ran.
    pub state: State,
}

/// Makes the tables beside the table of `E`, or brings them up to date; answers how many migrations ran.
///
/// Safe to call from several processes at once, such as at the start of each: one runs, the others wait.
///
/// # Errors
/// [`MigrateError`]. On `PostgreSQL` and `SQLite` nothing has changed then; `MariaDB` and `MySQL` may keep tables that were
/// made before the error, which the next run accepts.
pub async fn up<E: UserEntity>(db: &DatabaseConnection) -> Result<usize, MigrateError> {
    run(db, |_| Box::pin(async { Ok(()) }), Migrations::<E>::new().list()).await
}

/// Runs migrations of the application's own, which make the table of `E` say, and then does what [`up`] does; all under one
/// lock.
///
/// What `own` does must be fit to be done again, as a migrator is and `CREATE TABLE IF NOT EXISTS`: it runs at each call.
///
/// ```
/// use axum_users_migrations::{MigrateError, up_with};
/// use axum_users_sea_orm::UserEntity;
/// use sea_orm::DatabaseConnection;
/// use sea_orm_migration::MigratorTrait;
///
/// async fn migrate<E: UserEntity, M: MigratorTrait + 'static>(
///     db: &DatabaseConnection,
/// ) -> Result<usize, MigrateError> {
///     up_with::<E>(db, |tx| Box::pin(M::up(tx, None))).await
/// }
/// ```
///
/// # Errors
/// Like [`up`], and where `own` fails.
pub async fn up_with<E: UserEntity>(
    db: &DatabaseConnection,
    own: impl for<'a> FnOnce(&'a DatabaseTransaction) -> OwnMigrations<'a> + Send,
) -> Result<usize, MigrateError> {
    run(db, own, Migrations::<E>::new().list()).await
}

/// Makes the table of the ready-made users and those beside it; else like [`up`].
///
/// # Errors
/// Like [`up`].
pub async fn migrate(db: &DatabaseConnection) -> Result<usize, MigrateError> {
    run(db, |_| Box::pin(async { Ok(()) }), Migrator::migrations()).await
}

impl<E: UserEntity> Migrations<E> {
    /// Which of the migrations ran by [`up`].
    ///
    /// # Errors
    /// [`MigrateError::Database`] where the database cannot be asked.
    pub async fn status(&self, db: &DatabaseConnection) -> Result<Vec<Status>, MigrateError> {
        status(db, self.list()).await
    }
}

impl Migrator {
    /// Which of the migrations ran.
    ///
    /// # Errors
    /// [`MigrateError::Database`] where the database cannot be asked.
    pub async fn state(db: &DatabaseConnection) -> Result<Vec<Status>, MigrateError> {
        status(db, Self::migrations()).await
    }
}

async fn status(
    db: &DatabaseConnection,
    list: Vec<Box<dyn MigrationTrait>>,
) -> Result<Vec<Status>, MigrateError> {
    db.ping().await?;
    // Without the table nothing ran; asking must not make it.
    let applied = applied(db).await.unwrap_or_default();
    let state = |name: &str| {
        if applied.contains(name) {
            State::Applied
        } else {
            State::Pending
        }
    };
    Ok(list
        .iter()
        .map(|migration| Status {
            name: migration.name().to_owned(),
            state: state(migration.name()),
        })
        .collect())
}

async fn run(
    db: &DatabaseConnection,
    own: impl for<'a> FnOnce(&'a DatabaseTransaction) -> OwnMigrations<'a> + Send,
    list: Vec<Box<dyn MigrationTrait>>,
) -> Result<usize, MigrateError> {
    let mut options = TransactionOptions::default();
    if db.get_database_backend() == DbBackend::Sqlite {
        options.sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
    }
    // On MariaDB the transaction ends with the first table that is made; it still holds on to the connection, which the lock
    // belongs to.
    let tx = db.begin_with_options(options).await?;
    let ran = match lock(&tx, PATIENCE).await {
        Ok(()) => {
            let ran = match own(&tx).await {
                Ok(()) => apply(&tx, list).await,
                Err(err) => Err(err.into()),
            };
            unlock(&tx).await;
            ran
        }
        Err(err) => Err(err),
    };
    match ran {
        Ok(ran) => {
            tx.commit().await?;
            Ok(ran)
        }
        Err(err) => {
            tx.rollback().await?;
            Err(err)
        }
    }
}

async fn lock(tx: &DatabaseTransaction, patience: Duration) -> Result<(), MigrateError> {
    match tx.get_database_backend() {
        DbBackend::Postgres => {
            let wait = format!("SET LOCAL lock_timeout = '{}ms'", patience.as_millis());
            tx.execute_unprepared(&wait).await?;
            // 0x6178757365727300 is "axusers".
            tx.execute_unprepared("SELECT pg_advisory_xact_lock(7023492757367976704)")
                .await?;
            Ok(())
        }
        DbBackend::MySql => {
            let sql = format!(
                "SELECT CAST(GET_LOCK({MYSQL_LOCK}, {}) AS SIGNED)",
                patience.as_secs()
            );
            let row = tx
                .query_one_raw(Statement::from_string(DbBackend::MySql, sql))
                .await?;
            let got: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
            if got == Some(1) {
                Ok(())
            } else {
                Err(MigrateError::Busy)
            }
        }
        // An immediate transaction is the lock.
        _ => Ok(()),
    }
}

/// Locks are the server's, not the database's, and their names have 64 characters at most.
const MYSQL_LOCK: &str = "CONCAT('axum_users:', SHA1(DATABASE()))";

async fn unlock(tx: &DatabaseTransaction) {
    if tx.get_database_backend() == DbBackend::MySql {
        let sql = format!("SELECT RELEASE_LOCK({MYSQL_LOCK})");
        // A lock that is not given back ends with its connection.
        let _ = tx
            .query_one_raw(Statement::from_string(DbBackend::MySql, sql))
            .await;
    }
}

async fn applied<C: ConnectionTrait>(db: &C) -> Result<HashSet<String>, DbErr> {
    let read = Statement::from_string(
        db.get_database_backend(),
        format!("SELECT version FROM {HISTORY}"),
    );
    db.query_all_raw(read)
        .await?
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect()
}

async fn apply(tx: &DatabaseTransaction, list: Vec<Box<dyn MigrationTrait>>) -> Result<usize, MigrateError> {
    let history = format!(
        "CREATE TABLE IF NOT EXISTS {HISTORY} (version varchar(255) NOT NULL PRIMARY KEY, applied_at bigint NOT NULL)"
    );
    tx.execute_unprepared(&history).await?;
    let applied = applied(tx).await?;
    let mut ran = 0;
    for migration in list
        .iter()
        .filter(|migration| !applied.contains(migration.name()))
    {
        migration.up(&SchemaManager::new(tx)).await?;
        let backend = tx.get_database_backend();
        let values = if backend == DbBackend::Postgres {
            "$1, $2"
        } else {
            "?, ?"
        };
        let note = format!("INSERT INTO {HISTORY} (version, applied_at) VALUES ({values})");
        let values = [migration.name().into(), SystemClock.now().as_secs().into()];
        tx.execute_raw(Statement::from_sql_and_values(backend, note, values))
            .await?;
        ran += 1;
    }
    Ok(ran)
}

#[cfg(all(test, feature = "postgres", feature = "mysql"))]
mod tests {
    use axum_users_sea_orm::connect;

    use super::*;

    #[tokio::test]
    async fn a_lock_that_another_process_keeps_is_busy() {
        for url in [
            "postgres://postgres@127.0.0.1:5432/postgres",
            "mysql://root@127.0.0.1:3306/mysql",
        ] {
            let db = match connect(url).await {
                Ok(db) => db,
                Err(err) => {
                    assert!(std::env::var_os("CI").is_none(), "{url} is not there: {err}");
                    eprintln!("SKIPPED: {url} is not there");
                    continue;
                }
            };
            let (first, second) = (db.begin().await.unwrap(), db.begin().await.unwrap());
            lock(&first, PATIENCE).await.unwrap();
            let late = lock(&second, Duration::from_millis(20)).await;
            assert!(matches!(late, Err(MigrateError::Busy)), "{late:?}");
            unlock(&first).await;
            first.rollback().await.unwrap();
            second.rollback().await.unwrap();
            lock(&db.begin().await.unwrap(), Duration::from_millis(20))
                .await
                .unwrap();
        }
    }
}
