//! The ready-made family over the ready-made entity.

use std::marker::PhantomData;

use axum_users_core::{AdminUpdate, UserApi, UserCreate, UserHooks, UserRead, UserUpdate};
use sea_orm::entity::prelude::Uuid;

use crate::{SeaOrmUsers, users};

/// The ready-made family over the ready-made table, with the application's hooks: `type Api = UsersApi<MailHooks>;`.
///
/// An application with columns of its own implements [`UserApi`] itself.
///
/// ```
/// use axum_users_core::UserManager;
/// use axum_users_sea_orm::UsersApi;
///
/// type Api = UsersApi; // or `UsersApi<MailHooks>`
/// type Manager = UserManager<Api>;
/// # let _: Option<Manager> = None;
/// ```
pub struct UsersApi<H = ()>(PhantomData<fn() -> H>);

impl<H: UserHooks<users::Model>> UserApi for UsersApi<H> {
    type Store = SeaOrmUsers<users::Entity>;
    type Hooks = H;
    type Read = UserRead<Uuid>;
    type Create = UserCreate;
    type Update = UserUpdate;
    type AdminRead = UserRead<Uuid>;
    type AdminUpdate = AdminUpdate;
}

impl<H> std::fmt::Debug for UsersApi<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UsersApi")
    }
}
