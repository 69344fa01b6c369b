//! The table of accounts.

use axum_users::{
    migrations::{MigrateError, up_with, user_columns},
    sea_orm::{
        self, ConnectionTrait, DatabaseConnection,
        entity::prelude::*,
        sea_query::{ColumnDef, Table},
    },
    user_entity,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An account: the seven columns of the library, and five of our own.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The address as it was typed.
    pub email: String,
    /// Its normal form.
    #[sea_orm(unique)]
    pub email_key: String,
    /// The hash of the password.
    pub hashed_password: Option<String>,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Whether the address is confirmed.
    pub is_verified: bool,
    /// Whether the user may manage others.
    pub is_superuser: bool,
    /// How the user is greeted.
    pub first_name: String,
    /// What others see, if the user likes.
    #[sea_orm(unique)]
    pub nickname: Option<String>,
    /// What the user pays for.
    pub plan: Plan,
    /// What staff notes about the user.
    pub note: Option<String>,
    /// Where the user came from; for our own statistics.
    pub campaign: Option<String>,
}

/// What a user pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Nothing.
    Free,
    /// The whole of it.
    Full,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

user_entity!(self);

/// Makes the table, and those beside it, where they are missing. Several processes may do so at once.
pub async fn migrate(db: &DatabaseConnection) -> Result<(), MigrateError> {
    up_with::<Entity>(db, |tx| {
        Box::pin(async move {
            let mut table = Table::create();
            table.table(Entity).if_not_exists();
            table.col(ColumnDef::new(Column::Id).uuid().not_null().primary_key());
            for column in user_columns(tx.get_database_backend()) {
                table.col(column);
            }
            table
                .col(ColumnDef::new(Column::FirstName).string_len(80).not_null())
                .col(ColumnDef::new(Column::Nickname).string_len(20).unique_key())
                .col(ColumnDef::new(Column::Plan).string_len(16).not_null())
                .col(ColumnDef::new(Column::Note).text())
                .col(ColumnDef::new(Column::Campaign).string_len(40));
            tx.execute(&table).await?;
            Ok(())
        })
    })
    .await?;
    Ok(())
}
