//! The application under test.

use std::{fmt, sync::Arc, time::Duration};

use axum::Router;
use axum_users_auth::{AxumUsers, Backend, strategy::JwtStrategy, transport::BearerTransport};
use axum_users_core::{RateLimits, Secret, Secrets, SessionStore, User as _, UserApi, UserManager, UserOf};

use crate::{Call, OutboxReader, TestClock, Token, UserFactory, fast_hasher, token::issue};

/// An application under test: its router, called without a socket, and its users, made and signed in without hashing.
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, routing::get};
/// use axum_users_auth::{AxumUsers, CurrentUser};
/// use axum_users_core::InMemoryUsers;
/// use axum_users_testing::{InMemoryApi, TestApp};
///
/// async fn hello(user: CurrentUser<InMemoryApi>) -> String {
///     format!("Hello {}", user.email)
/// }
///
/// fn router(users: &AxumUsers<InMemoryApi>) -> Router {
///     Router::new().route("/hello", get(hello)).with_state(users.clone())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = TestApp::over(InMemoryUsers::new(), (), router);
/// let arthur = app.user("arthur@camelot.bt").await;
/// let hello = app.get("/hello").as_user(&arthur).await.is(200);
/// assert_eq!(hello.text(), "Hello arthur@camelot.bt");
/// app.get("/hello").await.refused(401, "UNAUTHORIZED");
///
/// let token = app.token("jwt", &arthur).await;
/// app.clock().advance(Duration::from_hours(1));
/// app.get("/hello").by(&token).await.refused(401, "UNAUTHORIZED");
/// # }
/// ```
///
/// What the library writes beside a request has been written when the answer is there.
pub struct TestApp<A: UserApi> {
    router: Router,
    users: AxumUsers<A>,
    clock: TestClock,
    outbox: OutboxReader<A::Store>,
}

impl<A: UserApi> TestApp<A> {
    /// The application that `router` makes of `users`, who get a clock that stands still and a fast hasher before, and lose
    /// their rate limits, so that tests may try as often as they like.
    pub fn new(users: AxumUsers<A>, router: impl FnOnce(&AxumUsers<A>) -> Router) -> Self {
        let clock = TestClock::default();
        let users = for_tests(users, &clock);
        Self::of(router(&users), users, clock)
    }

    /// An application over `store` that is wired by the kit: users are signed in by the backend `jwt`, a bearer token of one
    /// hour. For handlers whose application has no function that makes its users.
    pub fn over(store: A::Store, hooks: A::Hooks, router: impl FnOnce(&AxumUsers<A>) -> Router) -> Self
    where
        A::Store: SessionStore,
    {
        let secrets = Secrets::from_root(&Secret::new(ROOT), "users").expect("the root is a secret");
        let jwt = JwtStrategy::new(secrets.access(), Duration::from_hours(1), store.clone());
        let manager = UserManager::new(store, hooks, &secrets).expect("threads can be started");
        let backends = [Backend::new("jwt", BearerTransport::new(), jwt)];
        Self::new(
            AxumUsers::new(manager, backends).expect("the backend is sound"),
            router,
        )
    }

    /// A router that was made already, and one family of its users, prepared by [`for_tests`]: where an application has
    /// several families, each has a view of its own.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use axum_users_auth::{AxumUsers, CurrentUser};
    /// # use axum_users_auth::{Backend, strategy::JwtStrategy, transport::BearerTransport};
    /// use axum_users_core::UserApi;
    /// # use axum_users_core::{InMemoryUsers, Secret, Secrets, UserManager};
    /// # use axum_users_testing::InMemoryApi;
    /// use axum_users_testing::{TestApp, TestClock, for_tests};
    ///
    /// # type Staff = InMemoryApi; type Customers = InMemoryApi;
    /// # fn family(name: &str) -> AxumUsers<InMemoryApi> {
    /// #     let secrets = Secrets::from_root(&Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"), name).unwrap();
    /// #     let store = InMemoryUsers::new();
    /// #     let jwt = JwtStrategy::new(secrets.access(), std::time::Duration::from_hours(1), store.clone());
    /// #     let jwt = Backend::new("jwt", BearerTransport::new(), jwt);
    /// #     AxumUsers::new(UserManager::new(store, (), &secrets).unwrap(), [jwt]).unwrap()
    /// # }
    /// # fn staff() -> AxumUsers<InMemoryApi> { family("staff") }
    /// # fn customers() -> AxumUsers<InMemoryApi> { family("customers") }
    /// # fn router(staff: &AxumUsers<Staff>, customers: &AxumUsers<Customers>) -> Router {
    /// #     let desk = get(async |_: CurrentUser<Staff>| "desk");
    /// #     let shop = get(async |_: CurrentUser<Customers>| "shop");
    /// #     let desk: Router = Router::new().route("/desk", desk).with_state(staff.clone());
    /// #     desk.merge(Router::new().route("/shop", shop).with_state(customers.clone()))
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let clock = TestClock::default();
    /// let staff = for_tests(staff(), &clock);
    /// let customers = for_tests(customers(), &clock);
    /// let router = router(&staff, &customers);
    /// let staff = TestApp::of(router.clone(), staff, clock.clone());
    /// let customers = TestApp::of(router, customers, clock);
    ///
    /// let kay = staff.user("kay@camelot.bt").await;
    /// staff.get("/desk").as_user(&kay).await.is(200);
    /// let arthur = customers.user("arthur@camelot.bt").await;
    /// customers.get("/desk").as_user(&arthur).await.refused(401, "UNAUTHORIZED");
    /// # }
    /// ```
    pub fn of(router: Router, users: AxumUsers<A>, clock: TestClock) -> Self {
        Self {
            router,
            outbox: OutboxReader::new(users.manager().store().clone()),
            users,
            clock,
        }
    }

    /// The users.
    pub fn users(&self) -> &AxumUsers<A> {
        &self.users
    }

    /// The clock that users, tokens and mails go by.
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// The mails so far, where the store keeps some.
    pub fn outbox(&self) -> &OutboxReader<A::Store> {
        &self.outbox
    }

    /// A user with this address, who is made by awaiting the factory.
    pub fn user(&self, email: impl Into<String>) -> UserFactory<A> {
        UserFactory::new(self.users.clone(), email.into())
    }

    /// A token of the backend of this name, as a login of `user` would give it: without a password, and without asking hooks.
    ///
    /// # Panics
    /// Where there is no such backend, or it issues nothing to this user.
    pub async fn token(&self, backend: &str, user: &UserOf<A>) -> Token {
        let backends = self.users.backends();
        let found = backends.iter().find(|known| known.name() == backend);
        let found = found.unwrap_or_else(|| panic!("there is no backend `{backend}`"));
        issue(&self.users, found, &user.id()).await
    }

    /// A request that is sent by awaiting it.
    ///
    /// # Panics
    /// Where method or path are none.
    pub fn call(&self, method: &str, path: &str) -> Call<AxumUsers<A>> {
        Call::of(self.users.clone(), self.router.clone(), method, path)
    }

    /// A `GET`.
    pub fn get(&self, path: &str) -> Call<AxumUsers<A>> {
        self.call("GET", path)
    }

    /// A `POST`.
    pub fn post(&self, path: &str) -> Call<AxumUsers<A>> {
        self.call("POST", path)
    }

    /// A `PUT`.
    pub fn put(&self, path: &str) -> Call<AxumUsers<A>> {
        self.call("PUT", path)
    }

    /// A `PATCH`.
    pub fn patch(&self, path: &str) -> Call<AxumUsers<A>> {
        self.call("PATCH", path)
    }

    /// A `DELETE`.
    pub fn delete(&self, path: &str) -> Call<AxumUsers<A>> {
        self.call("DELETE", path)
    }
}

/// The same users with `clock` and [`fast_hasher`] and without rate limits, for a test that makes its router itself; see
/// [`TestApp::of`]. A test of limits turns them on again: `users.map_manager(|manager| manager.with_limits(RateLimits::new()))`.
pub fn for_tests<A: UserApi>(users: AxumUsers<A>, clock: &TestClock) -> AxumUsers<A> {
    users.map_manager(|manager| {
        manager
            .with_clock(Arc::new(clock.clone()))
            .with_hasher(fast_hasher())
            .with_limits(RateLimits::insecure_off())
    })
}

/// # Security
/// Everybody knows it.
const ROOT: &str = "of tests only: Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx";

impl<A: UserApi> fmt::Debug for TestApp<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestApp")
            .field("users", &self.users)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
