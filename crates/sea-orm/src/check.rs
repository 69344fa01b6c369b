//! Whether the database is as the store needs it.

use axum_users_core::SetupError;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, IdenStatic, Iterable, Statement,
    Value, sea_query::ColumnType,
};

use crate::{
    UserEntity,
    failure::{Cause, cause, store_error},
    tables::{Tables, quote},
};

const TOKENS: [&str; 11] = [
    "id",
    "user_id",
    "backend",
    "digest",
    "epoch",
    "created_at",
    "last_seen_at",
    "expires_at",
    "name",
    "user_agent",
    "address",
];
const PERSONAL_TOKENS: [&str; 8] = [
    "id",
    "user_id",
    "digest",
    "name",
    "scopes",
    "created_at",
    "last_seen_at",
    "expires_at",
];
const EPOCHS: [&str; 2] = ["user_id", "epoch"];
const REVOKED: [&str; 2] = ["token_id", "expires_at"];
const EMAIL_CHANGES: [&str; 11] = [
    "id",
    "user_id",
    "confirm_digest",
    "undo_digest",
    "old_email",
    "old_email_key",
    "old_verified",
    "new_email",
    "created_at",
    "expires_at",
    "confirmed_at",
];
const OUTBOX: [&str; 11] = [
    "id",
    "kind",
    "recipient",
    "subject",
    "body",
    "html",
    "created_at",
    "due_at",
    "attempts",
    "done_at",
    "outcome",
];

const MAKE_IT: &str = "add it by a migration of yours; `axum_users::migrations::migrate` makes all that belongs to the ready-made users";

/// Whether the library's tables can refer to the table of the users: it is there, and its key is kept as the entity says.
///
/// # Errors
/// [`SetupError`] with what to do.
pub async fn check_key<E: UserEntity>(db: &impl ConnectionTrait) -> Result<(), SetupError> {
    let look = Look::of::<E>(db);
    look.columns(look.names.user(), &[E::ID.as_str()], MAKE_IT)
        .await?;
    look.key::<E>().await
}

/// Looks at everything; `login_by` is the column by which users log in beside their address.
pub(crate) async fn check<E: UserEntity>(
    db: &DatabaseConnection,
    login_by: Option<&str>,
) -> Result<(), SetupError> {
    db.ping().await.map_err(store_error)?;
    let look = Look::of::<E>(db);
    let own: Vec<&str> = E::Column::iter().map(|column| column.as_str()).collect();
    look.columns(look.names.user(), &own, MAKE_IT).await?;
    look.key::<E>().await?;
    let remedy = format!(
        "run the migrations: `axum_users_migrations::up::<Entity>(&db)` with the entity of `{}`, or \
         `axum_users_migrations::migrate(&db)` for the ready-made users",
        look.names.user()
    );
    for (table, columns) in [
        (look.names.tokens(), &TOKENS[..]),
        (look.names.personal_tokens(), &PERSONAL_TOKENS[..]),
        (look.names.epochs(), &EPOCHS[..]),
        (look.names.revoked(), &REVOKED[..]),
        (look.names.email_changes(), &EMAIL_CHANGES[..]),
        (look.names.outbox(), &OUTBOX[..]),
    ] {
        look.columns(&table, columns, &remedy).await?;
    }
    look.email_key(E::EMAIL_KEY.as_str()).await?;
    if let Some(column) = login_by {
        look.unique(column, "one login may be that of two users").await?;
    }
    look.settings().await
}

struct Look<'a, C> {
    db: &'a C,
    backend: DbBackend,
    names: Tables,
}

impl<'a, C: ConnectionTrait> Look<'a, C> {
    fn of<E: UserEntity>(db: &'a C) -> Self {
        Self {
            db,
            backend: db.get_database_backend(),
            names: Tables::of::<E>(),
        }
    }

    async fn key<E: UserEntity>(&self) -> Result<(), SetupError> {
        if *E::ID.def().get_column_type() == ColumnType::Uuid {
            self.uuid(E::ID.as_str()).await?;
        }
        Ok(())
    }

    /// One column of text, of all rows.
    async fn ask(&self, sql: &str, values: &[&str]) -> Result<Vec<String>, SetupError> {
        let values: Vec<Value> = values.iter().map(|value| (*value).into()).collect();
        let rows = self
            .db
            .query_all_raw(Statement::from_sql_and_values(self.backend, sql, values))
            .await;
        let texts = rows.and_then(|rows| {
            rows.iter()
                .map(|row| row.try_get_by_index(0))
                .collect::<Result<_, DbErr>>()
        });
        Ok(texts.map_err(store_error)?)
    }

    async fn columns(&self, table: &str, columns: &[&str], remedy: &str) -> Result<(), SetupError> {
        // SQLite takes a quoted name that it does not know for a text, unless the table's name stands before it.
        let named = |column: &str| format!("axum_users.{}", quote(self.backend, column));
        let list: Vec<String> = columns.iter().map(|column| named(column)).collect();
        let place = self.names.quoted(self.backend, table);
        // Unprepared: a prepared one would fail by itself after a migration has changed the table.
        let select = |list: &str| format!("SELECT {list} FROM {place} axum_users WHERE 1 = 0");
        let Err(err) = self.db.execute_unprepared(&select(&list.join(", "))).await else {
            return Ok(());
        };
        match cause(&err) {
            Cause::NoTable => Err(invalid(format!("table `{table}` is missing; {remedy}"))),
            Cause::NoColumn => {
                let mut missing = Vec::new();
                for column in columns {
                    if self.db.execute_unprepared(&select(&named(column))).await.is_err() {
                        missing.push(format!("`{column}`"));
                    }
                }
                Err(invalid(format!(
                    "table `{table}` has no column {}; {remedy}",
                    missing.join(", ")
                )))
            }
            _ => Err(store_error(err).into()),
        }
    }

    async fn uuid(&self, id: &str) -> Result<(), SetupError> {
        let table = self.names.user();
        let (found, fits) = match self.backend {
            DbBackend::Postgres => (self.postgres_type(id).await?, "uuid"),
            DbBackend::MySql => {
                let sql = "SELECT CAST(column_type AS CHAR) FROM information_schema.columns \
                           WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?";
                (self.ask(sql, &[table, id]).await?.pop(), "binary(16)")
            }
            _ => {
                let place = self.names.quoted(self.backend, table);
                let id = quote(self.backend, id);
                let sql = format!("SELECT typeof({id}) FROM {place} WHERE typeof({id}) <> 'blob' LIMIT 1");
                (self.ask(&sql, &[]).await?.pop(), "blob")
            }
        };
        match found {
            Some(found) if found != fits => Err(invalid(format!(
                "column `{id}` of table `{table}` holds UUIDs as {found}, where SeaORM reads and writes them as {fits}: convert \
                 the column and what refers to it in a migration of yours, or declare the key as a type that the column has"
            ))),
            _ => Ok(()),
        }
    }

    async fn postgres_type(&self, column: &str) -> Result<Option<String>, SetupError> {
        let sql = "SELECT format_type(atttypid, NULL)::text FROM pg_attribute \
                   WHERE attrelid = $1::regclass AND attname = $2 AND NOT attisdropped";
        let place = self.names.quoted(self.backend, self.names.user());
        Ok(self.ask(sql, &[&place, column]).await?.pop())
    }

    /// Whether no two rows have the same value in this column.
    async fn unique(&self, column: &str, or_else: &str) -> Result<(), SetupError> {
        let table = self.names.user();
        let place = self.names.quoted(self.backend, table);
        let found = match self.backend {
            DbBackend::Postgres => {
                let unique = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
                              WHERE i.indrelid = $1::regclass AND a.attname = $2 AND i.indisunique AND i.indisvalid \
                              AND i.indnkeyatts = 1 AND i.indpred IS NULL";
                self.ask(unique, &[&place, column]).await?
            }
            DbBackend::MySql => {
                let unique = "SELECT CAST(index_name AS CHAR) FROM information_schema.statistics \
                              WHERE table_schema = DATABASE() AND table_name = ? GROUP BY index_name \
                              HAVING MAX(non_unique) = 0 AND COUNT(*) = 1 AND MAX(column_name) = ? \
                              AND MAX(COALESCE(sub_part, 0)) = 0";
                self.ask(unique, &[table, column]).await?
            }
            _ => self.ask(&sqlite_index("l.name"), &[table, column]).await?,
        };
        if found.is_empty() {
            return Err(invalid(format!(
                "table `{table}` has no unique index on `{column}` alone; without it {or_else}: \
                 `CREATE UNIQUE INDEX {table}_{column} ON {place} ({})`",
                quote(self.backend, column)
            )));
        }
        Ok(())
    }

    async fn email_key(&self, key: &str) -> Result<(), SetupError> {
        self.unique(key, "two users may share an address").await?;
        let table = self.names.user();
        let place = self.names.quoted(self.backend, table);
        let collation = match self.backend {
            DbBackend::Postgres => {
                let collation = "SELECT CASE WHEN c.collname = 'default' THEN (SELECT d.datcollate::text \
                                 FROM pg_database d WHERE d.datname = current_database()) ELSE c.collname::text END \
                                 FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation \
                                 WHERE a.attrelid = $1::regclass AND a.attname = $2";
                self.ask(collation, &[&place, key]).await?
            }
            DbBackend::MySql => {
                let collation = "SELECT CAST(COALESCE(collation_name, 'none') AS CHAR) FROM information_schema.columns \
                                 WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?";
                self.ask(collation, &[table, key]).await?
            }
            _ => self.ask(&sqlite_index("c.coll"), &[table, key]).await?,
        };
        let (wanted, binary): (&str, fn(&str) -> bool) = match self.backend {
            DbBackend::Postgres => ("COLLATE \"C\"", |name| {
                matches!(
                    name,
                    "C" | "POSIX" | "ucs_basic" | "C.UTF-8" | "C.utf8" | "pg_c_utf8"
                )
            }),
            DbBackend::MySql => ("CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", |name| {
                name.ends_with("_bin")
            }),
            _ => ("COLLATE BINARY", |name| name.eq_ignore_ascii_case("BINARY")),
        };
        match collation.into_iter().find(|name| !binary(name)) {
            Some(name) => Err(invalid(format!(
                "column `{key}` of table `{table}` compares by {name}, under which two addresses may be one; declare it with \
                 `{wanted}`, as `axum_users_migrations::user_columns` does"
            ))),
            None => Ok(()),
        }
    }

    /// Settings without which what the store relies on does not hold.
    async fn settings(&self) -> Result<(), SetupError> {
        match self.backend {
            DbBackend::Sqlite => {
                let on = self
                    .ask("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys", &[])
                    .await?;
                if on.iter().any(|on| on != "1") {
                    return Err(invalid(
                        "SQLite does not enforce foreign keys on these connections; open the pool with \
                         `axum_users_sea_orm::connect`, or with `foreign_keys(true)`",
                    ));
                }
            }
            DbBackend::MySql => {
                let mode = self.ask("SELECT CAST(@@SESSION.sql_mode AS CHAR)", &[]).await?;
                if !mode
                    .iter()
                    .any(|mode| mode.contains("STRICT_TRANS_TABLES") || mode.contains("STRICT_ALL_TABLES"))
                {
                    return Err(invalid(
                        "the server cuts values that are too long instead of refusing them; add STRICT_TRANS_TABLES to its \
                         `sql_mode`",
                    ));
                }
                let engine = "SELECT CAST(engine AS CHAR) FROM information_schema.tables \
                              WHERE table_schema = DATABASE() AND table_name = ? AND engine <> 'InnoDB'";
                for table in [
                    self.names.user(),
                    &self.names.tokens(),
                    &self.names.personal_tokens(),
                    &self.names.epochs(),
                    &self.names.email_changes(),
                    &self.names.outbox(),
                ] {
                    if let Some(engine) = self.ask(engine, &[table]).await?.pop() {
                        return Err(invalid(format!(
                            "table `{table}` is kept by {engine}, which has no transactions: `ALTER TABLE {table} ENGINE=InnoDB`"
                        )));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The unique indexes of a table on a column alone.
fn sqlite_index(wanted: &str) -> String {
    format!(
        "SELECT {wanted} FROM pragma_index_list(?) l, pragma_index_xinfo(l.name) c \
         WHERE l.\"unique\" = 1 AND l.partial = 0 AND c.key = 1 AND c.name = ? \
         AND (SELECT COUNT(*) FROM pragma_index_xinfo(l.name) o WHERE o.key = 1) = 1"
    )
}

fn invalid(text: impl Into<String>) -> SetupError {
    SetupError::Invalid(text.into())
}
