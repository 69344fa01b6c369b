//! Nothing says how the own fields are read from the row.

use axum_users::{AdminUpdate, IdOf, SeaOrmUsers, UserApi, UserCreate, UserRead, UserUpdate};
use axum_users::sea_orm_store::users::Entity;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
struct Profile {
    first_name: String,
}

struct Api;

impl UserApi for Api {
    type Store = SeaOrmUsers<Entity>;
    type Hooks = ();
    type Read = UserRead<IdOf<Self::Store>, Profile>;
    type Create = UserCreate;
    type Update = UserUpdate;
    type AdminRead = UserRead<IdOf<Self::Store>>;
    type AdminUpdate = AdminUpdate;
}

fn main() {}
