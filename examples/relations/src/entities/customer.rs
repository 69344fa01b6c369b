//! A customer: the user of this application.

use sea_orm::entity::prelude::*;

/// What the library needs, what this application keeps beside it, and what belongs to a customer.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: String,
    #[sea_orm(unique)]
    pub email_key: String,
    pub hashed_password: Option<String>,
    pub is_active: bool,
    pub is_verified: bool,
    pub is_superuser: bool,
    /// What the customer pays in.
    pub currency: String,
    #[sea_orm(has_one)]
    pub wallet: HasOne<super::wallet::Entity>,
    #[sea_orm(has_many)]
    pub orders: HasMany<super::order::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

axum_users::user_entity!(self);
