//! The columns of a user, for a table of the application's own.

use sea_orm::{
    DbBackend,
    sea_query::{Alias, ColumnDef, ColumnType},
};

/// The type of a column for the normal form of an address: 320 characters in byte order.
///
/// `PostgreSQL`: `COLLATE "C"`; `MariaDB` and `MySQL`: `utf8mb4_bin`; `SQLite` compares bytes by itself.
///
/// # Security
/// Under a collation that ignores case or accents, one user could register with an address that another user's mail is
/// found by. (`utf8mb4_bin` ignores blanks at the end; a normal form has none.)
pub fn email_key_type(backend: DbBackend) -> ColumnType {
    ColumnType::custom(binary_text(backend, 320))
}

/// A text in byte order.
pub(crate) fn binary_text(backend: DbBackend, length: u32) -> String {
    match backend {
        DbBackend::Postgres => format!("varchar({length}) COLLATE \"C\""),
        DbBackend::MySql => format!("varchar({length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        _ => format!("varchar({length})"),
    }
}

/// A text of any letters, whatever the database's own character set.
pub(crate) fn wide_text(backend: DbBackend, length: u32) -> String {
    match backend {
        DbBackend::MySql => format!("varchar({length}) CHARACTER SET utf8mb4"),
        _ => format!("varchar({length})"),
    }
}

/// The columns that the library needs of a user beside the key, for the `Table::create()` of an application's own migration.
///
/// `email`, `email_key` (unique), `hashed_password`, `is_active`, `is_verified` and `is_superuser`. Add the key and what
/// else a user has, then let [`up`](crate::up) or [`Migrations`](crate::Migrations) make the tables beside it.
///
/// ```
/// use axum_users_migrations::user_columns;
/// use sea_orm::{DbBackend, sea_query::{ColumnDef, Table, PostgresQueryBuilder}};
///
/// let mut table = Table::create();
/// table.table("account").col(ColumnDef::new("id").uuid().not_null().primary_key());
/// for column in user_columns(DbBackend::Postgres) {
///     table.col(column);
/// }
/// table.col(ColumnDef::new("first_name").string_len(80).not_null());
/// let sql = table.to_string(PostgresQueryBuilder);
/// assert!(sql.contains(r#""email_key" varchar(320) COLLATE "C" NOT NULL UNIQUE"#), "{sql}");
/// ```
pub fn user_columns(backend: DbBackend) -> Vec<ColumnDef> {
    let column = |name: &str| ColumnDef::new(Alias::new(name));
    vec![
        ColumnDef::new_with_type(Alias::new("email"), ColumnType::custom(wide_text(backend, 320)))
            .not_null()
            .take(),
        ColumnDef::new_with_type(Alias::new("email_key"), email_key_type(backend))
            .not_null()
            .unique_key()
            .take(),
        column("hashed_password").string_len(1024).null().take(),
        column("is_active").boolean().not_null().take(),
        column("is_verified").boolean().not_null().take(),
        column("is_superuser").boolean().not_null().take(),
    ]
}
