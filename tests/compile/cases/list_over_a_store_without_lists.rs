//! A store that cannot list its users.

#[path = "../plain_store.rs"]
mod plain_store;

use axum_users::{
    Accepts, AdminUpdate, AxumUsers, IdOf, NoExtra, UserApi, UserCreate, UserRead, UserStore, UserUpdate, user_list_router,
};
use plain_store::PlainStore;
use utoipa_axum::router::OpenApiRouter;

struct Api;

impl Accepts<NoExtra> for PlainStore {
    fn columns(_: NoExtra) -> <Self as UserStore>::Columns {}
}

impl UserApi for Api {
    type Store = PlainStore;
    type Hooks = ();
    type Read = UserRead<IdOf<Self::Store>>;
    type Create = UserCreate;
    type Update = UserUpdate;
    type AdminRead = UserRead<IdOf<Self::Store>>;
    type AdminUpdate = AdminUpdate;
}

fn routes(users: &AxumUsers<Api>) -> OpenApiRouter {
    user_list_router(users)
}

fn main() {}
