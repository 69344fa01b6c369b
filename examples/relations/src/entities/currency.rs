//! The currencies that wallets may hold.

use sea_orm::entity::prelude::*;

/// A currency by its code.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "currency")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    #[sea_orm(has_many)]
    pub wallets: HasMany<super::wallet::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
