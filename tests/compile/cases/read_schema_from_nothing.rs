//! Nothing says how this body is made from the row.

use axum_users::{AdminUpdate, IdOf, SeaOrmUsers, UserApi, UserCreate, UserRead, UserUpdate};
use axum_users::sea_orm_store::users::Entity;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
struct Shown {
    email: String,
}

struct Api;

impl UserApi for Api {
    type Store = SeaOrmUsers<Entity>;
    type Hooks = ();
    type Read = Shown;
    type Create = UserCreate;
    type Update = UserUpdate;
    type AdminRead = UserRead<IdOf<Self::Store>>;
    type AdminUpdate = AdminUpdate;
}

fn main() {}
