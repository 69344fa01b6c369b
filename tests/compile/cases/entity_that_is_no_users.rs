//! `user_entity!` is forgotten.

use axum_users::{AdminUpdate, SeaOrmUsers, UserApi, UserCreate, UserRead, UserUpdate, uuid::Uuid};

mod account {
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
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

struct Api;

impl UserApi for Api {
    type Store = SeaOrmUsers<account::Entity>;
    type Hooks = ();
    type Read = UserRead<Uuid>;
    type Create = UserCreate;
    type Update = UserUpdate;
    type AdminRead = UserRead<Uuid>;
    type AdminUpdate = AdminUpdate;
}

fn main() {}
