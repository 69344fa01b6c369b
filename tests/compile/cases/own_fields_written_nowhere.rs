//! Nothing says to which columns the own fields are written.

use axum_users::{AdminUpdate, IdOf, SeaOrmUsers, UserApi, UserCreate, UserRead, UserUpdate};
use axum_users::sea_orm_store::users::Entity;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

#[derive(Deserialize, ToSchema, Validate)]
struct Profile {
    first_name: String,
}

struct Api;

impl UserApi for Api {
    type Store = SeaOrmUsers<Entity>;
    type Hooks = ();
    type Read = UserRead<IdOf<Self::Store>>;
    type Create = UserCreate<Profile>;
    type Update = UserUpdate;
    type AdminRead = UserRead<IdOf<Self::Store>>;
    type AdminUpdate = AdminUpdate;
}

fn main() {}
