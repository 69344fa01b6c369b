//! The one type family an application declares.

use crate::{CreateUser, ReadUser, UpdateUser, UserHooks, UserStore};

/// The user of a family.
pub type UserOf<A> = <<A as UserApi>::Store as UserStore>::User;

/// The key of a family's user.
pub type IdFor<A> = crate::IdOf<<A as UserApi>::Store>;

/// What an application decides about its users, in one place.
///
/// ```
/// use axum_users_core::{AdminUpdate, InMemoryUsers, UserApi, UserCreate, UserRead, UserUpdate};
/// use uuid::Uuid;
///
/// struct Api;
/// impl UserApi for Api {
///     type Store = InMemoryUsers;
///     type Hooks = ();
///     type Read = UserRead<Uuid>;
///     type Create = UserCreate;
///     type Update = UserUpdate;
///     type AdminRead = UserRead<Uuid>;
///     type AdminUpdate = AdminUpdate;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not declare a user API",
    label = "implement `UserApi` for it"
)]
pub trait UserApi: Send + Sync + 'static {
    /// Where users live.
    type Store: UserStore;
    /// The application's part in what happens to users; `()` for none.
    type Hooks: UserHooks<UserOf<Self>>;
    /// The body that shows users themselves.
    type Read: ReadUser<Self::Store>;
    /// The body that registers a user.
    type Create: CreateUser<Self::Store>;
    /// The body with which users change themselves.
    type Update: UpdateUser<Self::Store>;
    /// The body that shows a user to a superuser.
    type AdminRead: ReadUser<Self::Store>;
    /// The body with which a superuser changes a user.
    type AdminUpdate: UpdateUser<Self::Store>;
}
