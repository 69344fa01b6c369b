//! Users as a test needs them.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use axum_users_auth::AxumUsers;
use axum_users_core::{
    Accepts, AdminUpdate, EmailAddress, IdOf, InMemoryUsers, Inserted, MemoryUser, NewUser, Password,
    UserApi, UserCreate, UserHooks, UserOf, UserRead, UserStore, UserUpdate,
};

use crate::fast_hasher;

/// The password of the users that [`TestApp::user`](crate::TestApp::user) makes.
pub const PASSWORD: &str = "excalibur in the lake";

/// A user who is made by awaiting this: active, unconfirmed, without privileges, with [`PASSWORD`].
///
/// The row is written by the store, as a registration would write it; no hook is asked, and no mail goes out.
///
/// ```
/// # use axum::Router;
/// # use axum_users_core::InMemoryUsers;
/// # use axum_users_testing::{InMemoryApi, TestApp};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let app = TestApp::<InMemoryApi>::over(InMemoryUsers::new(), (), |_| Router::new());
/// let arthur = app.user("arthur@camelot.bt").verified().superuser().await;
/// assert!(arthur.is_active && arthur.is_verified && arthur.is_superuser);
/// let mordred = app.user("mordred@camelot.bt").inactive().await;
/// assert!(!mordred.is_active);
/// # }
/// ```
#[must_use = "a user is made by awaiting the factory"]
pub struct UserFactory<A: UserApi> {
    users: AxumUsers<A>,
    email: String,
    password: Option<String>,
    is_active: bool,
    is_verified: bool,
    is_superuser: bool,
    own: ColumnsOf<A>,
}

type ColumnsOf<A> = <<A as UserApi>::Store as UserStore>::Columns;

impl<A: UserApi> UserFactory<A> {
    pub(crate) fn new(users: AxumUsers<A>, email: String) -> Self {
        Self {
            users,
            email,
            password: Some(PASSWORD.to_owned()),
            is_active: true,
            is_verified: false,
            is_superuser: false,
            own: ColumnsOf::<A>::default(),
        }
    }

    /// Has confirmed the address.
    pub fn verified(mut self) -> Self {
        self.is_verified = true;
        self
    }

    /// May manage other users.
    pub fn superuser(mut self) -> Self {
        self.is_superuser = true;
        self
    }

    /// May not sign in.
    pub fn inactive(mut self) -> Self {
        self.is_active = false;
        self
    }

    /// Has this password, whatever the rules of the application say about it.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Has no password at all.
    pub fn without_password(mut self) -> Self {
        self.password = None;
        self
    }

    /// Has these values in the application's own columns: the struct of a body, or whatever else the store accepts. With
    /// SeaORM that is an `ActiveModel` too.
    pub fn own<X>(mut self, own: X) -> Self
    where
        A::Store: Accepts<X>,
    {
        self.own = <A::Store as Accepts<X>>::columns(own);
        self
    }

    async fn make(self) -> UserOf<A> {
        let email =
            EmailAddress::parse(&self.email).unwrap_or_else(|error| panic!("{}: {error}", self.email));
        let mut hash = None;
        if let Some(password) = self.password {
            let password = Password::parse(&password).expect("a password");
            hash = Some(fast_hasher().hash(password).await.expect("the hasher is idle"));
        }
        let manager = self.users.manager();
        let mut new = NewUser::new(email, hash, self.own, manager.clock().now());
        new.is_active = self.is_active;
        new.is_verified = self.is_verified;
        new.is_superuser = self.is_superuser;
        match manager.store().insert(new, &|_| Vec::new()).await {
            Ok(Inserted::Created(user)) => user,
            Ok(Inserted::EmailTaken) => panic!("there is a user {} already", self.email),
            Ok(Inserted::OwnConflict(conflict)) => {
                panic!(
                    "{}: give the user other values by `own`: {conflict:?}",
                    self.email
                )
            }
            Ok(other) => panic!("{}: {:?}", self.email, std::mem::discriminant(&other)),
            Err(error) => panic!(
                "{}: {error:?} (columns of the application's own get their values by `own`)",
                self.email
            ),
        }
    }
}

impl<A: UserApi> IntoFuture for UserFactory<A> {
    type Output = UserOf<A>;
    type IntoFuture = Pin<Box<dyn Future<Output = UserOf<A>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

impl<A: UserApi> fmt::Debug for UserFactory<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserFactory")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

/// A ready-made family of users in memory, for what is generic over families: `TestApp::<InMemoryApi>::over(…)`.
///
/// ```
/// use axum_users_core::{InMemoryUsers, UserApi};
/// use axum_users_testing::InMemoryApi;
///
/// fn takes_any<A: UserApi<Store = InMemoryUsers>>() {}
/// takes_any::<InMemoryApi>();
/// ```
pub struct InMemoryApi<H = ()>(std::marker::PhantomData<fn() -> H>);

impl<H: UserHooks<MemoryUser>> UserApi for InMemoryApi<H> {
    type Store = InMemoryUsers;
    type Hooks = H;
    type Read = UserRead<IdOf<InMemoryUsers>>;
    type Create = UserCreate;
    type Update = UserUpdate;
    type AdminRead = UserRead<IdOf<InMemoryUsers>>;
    type AdminUpdate = AdminUpdate;
}

impl<H> fmt::Debug for InMemoryApi<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InMemoryApi")
    }
}
