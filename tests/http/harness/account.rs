//! A user table with columns of the application's own, as an application writes it.
#![expect(
    clippy::option_option,
    reason = "absent, `null` and a value are three things in a patch"
)]

use axum_users::{null_clears, sea_orm, user_entity};
use sea_orm::DeriveIntoActiveModel;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

/// The longest first name that the table takes; the struct of the body takes longer ones.
pub(crate) const FIRST_NAME: u32 = 40;

pub(crate) mod entity {
    use axum_users::sea_orm;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "account")]
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
        pub first_name: String,
        #[sea_orm(unique)]
        pub nickname: Option<String>,
        pub age: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
user_entity!(entity);

/// What a new account brings along. The last two try what must not work: columns that are the library's.
#[derive(Debug, Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "entity::ActiveModel")]
pub(crate) struct Profile {
    #[serde(default)]
    #[validate(length(max = 60, message = "At most 60 characters"))]
    first_name: String,
    #[serde(default)]
    nickname: Option<String>,
    #[serde(default)]
    #[validate(range(min = 0, max = 150))]
    age: Option<i32>,
    #[serde(default)]
    #[schema(ignore)]
    is_superuser: Option<bool>,
    #[serde(default)]
    #[schema(ignore)]
    hashed_password: Option<Option<String>>,
}

/// What may change of an account.
#[derive(Debug, Deserialize, ToSchema, Validate, DeriveIntoActiveModel)]
#[sea_orm(active_model = "entity::ActiveModel")]
pub(crate) struct ProfilePatch {
    #[validate(length(max = 60, message = "At most 60 characters"))]
    first_name: Option<String>,
    #[serde(default, deserialize_with = "null_clears")]
    nickname: Option<Option<String>>,
    #[serde(default, deserialize_with = "null_clears")]
    #[validate(range(min = 0, max = 150))]
    age: Option<Option<i32>>,
    #[schema(ignore)]
    is_verified: Option<bool>,
}

/// What is shown of an account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Shown {
    first_name: String,
    nickname: Option<String>,
    age: Option<i32>,
}

impl From<entity::Model> for Shown {
    fn from(account: entity::Model) -> Self {
        Self {
            first_name: account.first_name,
            nickname: account.nickname,
            age: account.age,
        }
    }
}
