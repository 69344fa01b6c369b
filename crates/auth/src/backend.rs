//! A transport and a strategy, under a name.

use std::{fmt, sync::Arc};

use axum_users_core::{IdFor, PersonalTokenStore, SetupError, UserApi};

use crate::{
    strategy::{PersonalTokens, Strategy},
    transport::{BearerTransport, Transport},
};

/// A way to be signed in: how the token travels, and what it is.
///
/// The name goes into paths of the document, token rows and audiences, so it is for ever.
///
/// ```
/// use std::time::Duration;
/// use axum_users_auth::{
///     Backend,
///     strategy::{DatabaseStrategy, JwtStrategy},
///     transport::{BearerTransport, CookieTransport},
/// };
/// use axum_users_core::{JwtKeys, SessionStore, UserApi};
///
/// fn backends<A: UserApi<Store: SessionStore>>(keys: JwtKeys, store: &A::Store) -> [Backend<A>; 2] {
///     let jwt = JwtStrategy::new(keys, Duration::from_hours(1), store.clone());
///     let opaque = DatabaseStrategy::new(store.clone(), Duration::from_hours(24));
///     [
///         Backend::new("jwt", BearerTransport::new(), jwt),
///         Backend::new("cookie", CookieTransport::new("session"), opaque),
///     ]
/// }
/// ```
pub struct Backend<A: UserApi> {
    name: Arc<str>,
    transport: Arc<dyn Transport>,
    strategy: Arc<dyn Strategy<IdFor<A>>>,
    personal: bool,
    login: bool,
}

impl<A: UserApi> Backend<A> {
    /// The backend `name`: 1 to 32 lower-case ASCII letters, digits, `-` and `_`.
    pub fn new(
        name: impl Into<Arc<str>>,
        transport: impl Transport,
        strategy: impl Strategy<IdFor<A>>,
    ) -> Self {
        Self {
            name: name.into(),
            transport: Arc::new(transport),
            strategy: Arc::new(strategy),
            personal: false,
            login: true,
        }
    }

    /// The backend `personal`: personal access tokens in the `Authorization` header. It has no login: `personal_tokens_router`
    /// makes its tokens.
    pub fn personal<S>(tokens: &PersonalTokens<S>) -> Self
    where
        S: PersonalTokenStore,
        PersonalTokens<S>: Strategy<IdFor<A>>,
    {
        Self {
            personal: true,
            login: false,
            ..Self::new(
                PersonalTokens::<S>::BACKEND,
                BearerTransport::without_login(),
                tokens.clone(),
            )
        }
    }

    /// The same backend with tokens in the hands of machines, as personal access tokens are: API keys of the configuration, say.
    ///
    /// No login makes them, so no `auth_router` is mounted for it, and the document shows on which routes they are refused. Its
    /// strategy says the same of every session: [`SessionKind::Personal`](axum_users_core::SessionKind::Personal), and scopes
    /// where a token has some.
    ///
    /// ```
    /// # use axum_users_auth::{Backend, strategy::Strategy, transport::Transport};
    /// # use axum_users_core::{IdFor, UserApi};
    /// fn api_keys<A: UserApi>(header: impl Transport, keys: impl Strategy<IdFor<A>>) -> Backend<A> {
    ///     Backend::new("api-key", header, keys).for_machines()
    /// }
    /// ```
    #[must_use]
    pub fn for_machines(mut self) -> Self {
        self.personal = true;
        self.login = false;
        self
    }

    /// The same backend without an `auth_router`: its login is a route of the application's own, or its tokens are issued by
    /// hand. [`finish`](crate::AxumUsers::finish) then asks for none.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use axum_users_auth::{Backend, strategy::DatabaseStrategy, transport::CookieTransport};
    /// # use axum_users_core::{SessionStore, UserApi};
    /// fn cookie<A: UserApi<Store: SessionStore>>(store: &A::Store) -> Backend<A> {
    ///     let opaque = DatabaseStrategy::new(store.clone(), Duration::from_hours(24));
    ///     Backend::new("cookie", CookieTransport::new("session"), opaque).without_login()
    /// }
    /// ```
    #[must_use]
    pub fn without_login(mut self) -> Self {
        self.login = false;
        self
    }

    /// Whether an `auth_router` signs in to it.
    pub fn has_login(&self) -> bool {
        self.login
    }

    /// Whether its tokens are in the hands of machines, as personal access tokens are: no login makes them.
    pub fn is_personal(&self) -> bool {
        self.personal
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the token travels.
    pub fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// What the token is.
    pub fn strategy(&self) -> &dyn Strategy<IdFor<A>> {
        &*self.strategy
    }

    pub(crate) fn check(&self) -> Result<(), SetupError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if self.name.is_empty() || self.name.len() > 32 || !self.name.bytes().all(allowed) {
            let text = "a backend is named with 1 to 32 lower-case ASCII letters, digits, `-` and `_`";
            return Err(SetupError::Invalid(text.to_owned()));
        }
        if !self.personal && &*self.name == PersonalTokens::<()>::BACKEND {
            let text = "the name `personal` is that of personal access tokens; give the backend another one";
            return Err(SetupError::Invalid(text.to_owned()));
        }
        self.transport
            .check()
            .and_then(|()| self.strategy.check())
            .map_err(|problem| SetupError::Invalid(format!("backend `{}`: {problem}", self.name)))
    }
}

impl<A: UserApi> Clone for Backend<A> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            transport: self.transport.clone(),
            strategy: self.strategy.clone(),
            personal: self.personal,
            login: self.login,
        }
    }
}

impl<A: UserApi> fmt::Debug for Backend<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("name", &self.name)
            .field("transport", &self.transport)
            .field("strategy", &self.strategy)
            .finish_non_exhaustive()
    }
}
