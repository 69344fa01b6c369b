//! The table of the users.

use std::fmt;

use axum_users::migrations::{MigrateError, Migrations, up_with, user_columns};
use sea_orm::{
    DatabaseConnection, DbBackend,
    entity::prelude::*,
    sea_query::{ColumnDef, Table},
};

/// A user: what the library needs, and what this application keeps beside it.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) email: String,
    #[sea_orm(unique)]
    pub(crate) email_key: String,
    pub(crate) hashed_password: Option<String>,
    pub(crate) is_active: bool,
    pub(crate) is_verified: bool,
    pub(crate) is_superuser: bool,
    /// The application's own column.
    pub(crate) full_name: Option<String>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

axum_users::user_entity!(self);

/// Makes the table and those of the library beside it; answers how many migrations ran.
pub(crate) async fn migrate(db: &DatabaseConnection) -> Result<usize, MigrateError> {
    up_with::<Entity>(db, |tx| {
        Box::pin(async move {
            tx.execute_unprepared(&table(tx.get_database_backend())).await?;
            Ok(())
        })
    })
    .await
}

/// The same as text.
pub(crate) fn script(backend: DbBackend) -> String {
    format!(
        "{};\n{}",
        table(backend),
        Migrations::<Entity>::new().print(backend)
    )
}

fn table(backend: DbBackend) -> String {
    let mut table = Table::create();
    table
        .table(Entity)
        .if_not_exists()
        .col(ColumnDef::new(Column::Id).uuid().not_null().primary_key());
    for mut column in user_columns(backend) {
        table.col(&mut column);
    }
    table.col(ColumnDef::new(Column::FullName).string_len(200).null());
    if backend == DbBackend::MySql {
        // Names are written in all scripts, whatever the server takes by itself.
        table.character_set("utf8mb4");
    }
    backend.build(&table).sql
}
