//! The table of the users, with a user name that is nobody else's.

use axum_users::{
    migrations::{MigrateError, up_with, user_columns},
    sea_orm::{
        self, DatabaseConnection,
        entity::prelude::*,
        sea_query::{ColumnDef, Table},
    },
};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
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
    /// The user name in its normal form.
    #[sea_orm(unique)]
    pub(crate) username: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

axum_users::user_entity!(self);

/// Makes the table and those of the library beside it. Several processes may do so at once.
pub(crate) async fn migrate(db: &DatabaseConnection) -> Result<(), MigrateError> {
    up_with::<Entity>(db, |tx| {
        Box::pin(async move {
            let mut table = Table::create();
            table.table(Entity).if_not_exists();
            table.col(ColumnDef::new(Column::Id).uuid().not_null().primary_key());
            for column in user_columns(tx.get_database_backend()) {
                table.col(column);
            }
            table.col(
                ColumnDef::new(Column::Username)
                    .string_len(super::username::MOST)
                    .not_null()
                    .unique_key(),
            );
            tx.execute(&table).await?;
            Ok(())
        })
    })
    .await?;
    Ok(())
}
