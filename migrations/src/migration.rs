//! The migrations.

use std::{fmt, marker::PhantomData};

use axum_users_core::crash_point;
use axum_users_sea_orm::{__private::check_key, Tables, UserEntity, users};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, DynIden,
    sea_query::{Alias, IntoIden},
};
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTrait, SchemaManager, async_trait::async_trait,
};

use crate::sql::{drop_tables, tables, users_table};

/// The table in which the migrations that ran are noted, apart from those of the application.
pub const HISTORY: &str = "axum_users_migrations";

/// The migrations for the tables beside the entity `E`, whose own table a migration of the application makes.
///
/// Run them with [`up`](crate::up), or add [`list`](Self::list) to the application's own migrator, after the migration that
/// makes the table of `E`. Each family of users has its own names, so that several share a history.
///
/// ```
/// use axum_users_migrations::Migrations;
/// use axum_users_sea_orm::users;
/// use sea_orm_migration::{MigrationTrait, MigratorTrait};
///
/// struct Migrator; // of the application
///
/// impl MigratorTrait for Migrator {
///     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
///         Migrations::<users::Entity>::new().list() // and your own
///     }
/// }
/// # assert!(!Migrator::migrations().is_empty());
/// ```
pub struct Migrations<E>(PhantomData<fn() -> E>);

impl<E: UserEntity> Migrations<E> {
    /// The migrations for `E`.
    #[expect(
        clippy::new_without_default,
        reason = "a marker that is only ever made by name"
    )]
    pub fn new() -> Self {
        Self(PhantomData)
    }

    /// The migrations, oldest first.
    pub fn list(&self) -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(OwnTables::<E>::new())]
    }

    /// The statements as text, for another migration tool.
    pub fn print(&self, backend: DbBackend) -> String {
        script(&tables::<E>(backend))
    }
}

impl<E> fmt::Debug for Migrations<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Migrations")
    }
}

/// The migrations for the ready-made users, with their own table.
///
/// [`migrate`](crate::migrate) runs them safely from several processes. `Migrator::up` of `SeaORM` does so for one process,
/// as long as the history holds no other family's migrations.
///
/// ```
/// use axum_users_migrations::Migrator;
/// use sea_orm::DbBackend;
///
/// let script = Migrator::print(DbBackend::Sqlite); // for whoever runs statements by hand
/// assert!(script.contains("CREATE TABLE"));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Migrator;

impl Migrator {
    /// The statements as text, for another migration tool.
    pub fn print(backend: DbBackend) -> String {
        let mut statements = users_table(backend);
        statements.extend(tables::<users::Entity>(backend));
        script(&statements)
    }
}

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(UsersTable), Box::new(OwnTables::<users::Entity>::new())]
    }

    fn migration_table_name() -> DynIden {
        Alias::new(HISTORY).into_iden()
    }
}

fn script(statements: &[String]) -> String {
    statements
        .iter()
        .flat_map(|statement| {
            [
                statement.as_str(),
                ";
",
            ]
        })
        .collect()
}

struct UsersTable;

impl MigrationName for UsersTable {
    fn name(&self) -> &'static str {
        "m20260101_000000_users"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait refuses a lifetime that the trait does not write"
)]
#[async_trait]
impl MigrationTrait for UsersTable {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, users_table(manager.get_database_backend())).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let names = Tables::of::<users::Entity>();
        let table = names.quoted(manager.get_database_backend(), names.user());
        run(manager, vec![format!("DROP TABLE IF EXISTS {table}")]).await
    }
}

struct OwnTables<E> {
    name: String,
    entity: PhantomData<fn() -> E>,
}

impl<E: UserEntity> OwnTables<E> {
    fn new() -> Self {
        let name = format!("m20260101_000001_{}_sessions_outbox", Tables::of::<E>().user());
        Self {
            name,
            entity: PhantomData,
        }
    }
}

impl<E> MigrationName for OwnTables<E> {
    fn name(&self) -> &str {
        &self.name
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait refuses a lifetime that the trait does not write"
)]
#[async_trait]
impl<E: UserEntity> MigrationTrait for OwnTables<E> {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        check_key::<E>(manager.get_connection())
            .await
            .map_err(|err| DbErr::Migration(err.to_string()))?;
        run(manager, tables::<E>(manager.get_database_backend())).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, drop_tables::<E>(manager.get_database_backend())).await
    }
}

async fn run(manager: &SchemaManager<'_>, statements: Vec<String>) -> Result<(), DbErr> {
    for statement in statements {
        manager.get_connection().execute_unprepared(&statement).await?;
        crash_point("migration-in-the-middle").await;
    }
    Ok(())
}
