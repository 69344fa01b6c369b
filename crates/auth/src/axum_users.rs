//! The users of a family, as handlers and routers know them.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use axum_users_core::{
    Authentication, Claim, Context, Failure, IdFor, LoginError, Password, SecurityEvent, SetupError,
    SignedIn, Timestamp, User, UserApi, UserManager, UserOf, UserStore,
};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::UtoipaMethodRouter;

use crate::{
    Backend, ErrorStyle, Refusal,
    body::BodyLimit,
    context::from_request,
    current_user::CurrentUser,
    guard::Guard,
    openapi::{BackendScheme, FinishError, finish, guarded},
    origin::TrustedOrigins,
    refusal::Challenge,
    strategy::{Grant, IssuedToken},
};

/// The users of a family: the manager, and the backends by which users are signed in.
///
/// Cheap to clone. It sits in the state of the application, where extractors find it by `FromRef`, and makes the routers.
/// Setters give a changed copy, so that a router can be mounted twice with other settings.
pub struct AxumUsers<A: UserApi> {
    manager: Arc<UserManager<A>>,
    backends: Arc<[Backend<A>]>,
    settings: Arc<Settings>,
}

#[derive(Debug, Clone, Default)]
struct Settings {
    family: Option<String>,
    mount: Option<String>,
    style: ErrorStyle,
    origins: TrustedOrigins,
    body_limit: BodyLimit,
    verified_only: bool,
    json_login: bool,
}

impl<A: UserApi> AxumUsers<A> {
    /// Serves the users of `manager`, who are signed in by one of `backends`, tried in this order.
    ///
    /// # Errors
    /// [`SetupError`] for two backends of one name, a bad name, and settings of a transport that contradict each other.
    pub fn new(
        manager: UserManager<A>,
        backends: impl IntoIterator<Item = Backend<A>>,
    ) -> Result<Self, SetupError> {
        let backends: Arc<[Backend<A>]> = backends.into_iter().collect();
        for (index, backend) in backends.iter().enumerate() {
            backend.check()?;
            if backends
                .iter()
                .take(index)
                .any(|other| other.name() == backend.name())
            {
                let text = format!(
                    "two backends are called `{}`; give one another name",
                    backend.name()
                );
                return Err(SetupError::Invalid(text));
            }
        }
        Ok(Self {
            manager: Arc::new(manager),
            backends,
            settings: Arc::default(),
        })
    }

    /// Names the family, where an application has several: the name goes before operation ids, schema names and security
    /// schemes of the document.
    #[must_use]
    pub fn named(mut self, family: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.settings).family = Some(family.into());
        self
    }

    /// A view for a second mount of the same routers: the name goes before their operation ids.
    #[must_use]
    pub fn mount(&self, name: impl Into<String>) -> Self {
        let mut users = self.clone();
        Arc::make_mut(&mut users.settings).mount = Some(name.into());
        users
    }

    /// Routers made from this view serve only users whose address is confirmed.
    #[must_use]
    pub fn verified_only(mut self) -> Self {
        Arc::make_mut(&mut self.settings).verified_only = true;
        self
    }

    /// Login takes JSON beside the form of OAuth 2.
    #[must_use]
    pub fn json_login(mut self) -> Self {
        Arc::make_mut(&mut self.settings).json_login = true;
        self
    }

    /// How refusals are written; [`ErrorStyle::Full`] by default.
    #[must_use]
    pub fn error_style(mut self, style: ErrorStyle) -> Self {
        Arc::make_mut(&mut self.settings).style = style;
        self
    }

    /// How long a request body may be; 64 KiB by default.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.settings).body_limit = BodyLimit::new(bytes);
        self
    }

    /// Lets pages of another origin, such as `https://app.example.com`, act by cookie.
    ///
    /// # Errors
    /// [`SetupError`] for what is no origin.
    ///
    /// # Security
    /// Every script on that origin can then act as the user.
    pub fn trust_origin(mut self, origin: &str) -> Result<Self, SetupError> {
        Arc::make_mut(&mut self.settings).origins.add(origin)?;
        Ok(self)
    }

    /// What may happen to users, as plain functions.
    pub fn manager(&self) -> &UserManager<A> {
        &self.manager
    }

    /// The backends, in the order in which they are tried.
    pub fn backends(&self) -> &[Backend<A>] {
        &self.backends
    }

    /// How refusals are written.
    pub fn style(&self) -> ErrorStyle {
        self.settings.style
    }

    /// How long a request body may be.
    pub fn limit(&self) -> BodyLimit {
        self.settings.body_limit
    }

    /// Whether routers made from this view serve only users whose address is confirmed.
    pub fn is_verified_only(&self) -> bool {
        self.settings.verified_only
    }

    /// Whether login takes JSON too.
    pub fn takes_json_login(&self) -> bool {
        self.settings.json_login
    }

    /// The name of the family, if it has one.
    pub fn family(&self) -> Option<&str> {
        self.settings.family.as_deref()
    }

    /// The id of an operation, below the name of the mount.
    pub fn operation_id(&self, id: &str) -> String {
        match &self.settings.mount {
            Some(mount) => format!("{mount}:{id}"),
            None => id.to_owned(),
        }
    }

    /// What the security scheme of a backend is called in the document.
    pub fn scheme_name(&self, backend: &Backend<A>) -> String {
        match &self.settings.family {
            Some(family) => format!("{family}_{}", backend.name()),
            None => backend.name().to_owned(),
        }
    }

    /// What the security schemes of all backends are called in the document.
    pub fn scheme_names(&self) -> Vec<String> {
        self.backends
            .iter()
            .map(|backend| self.scheme_name(backend))
            .collect()
    }

    /// Finishes the document of the application once all routers are mounted: operation ids, security schemes, and the
    /// `tokenUrl` of each backend from the path where its login really is.
    ///
    /// # Errors
    /// [`FinishError`] for what would otherwise be lost in silence, with what to do.
    pub fn finish(&self, api: OpenApi) -> Result<OpenApi, FinishError> {
        let schemes: Vec<_> = self
            .backends
            .iter()
            .map(|backend| BackendScheme::new(self.scheme_name(backend), backend.transport().scheme()))
            .collect();
        finish(api, &schemes)
    }

    /// Guards handlers of the application's own, and says so in the document: the security schemes, 401, and 403 where the
    /// guard forbids. A handler that takes [`CurrentUser`] as well costs no second look-up.
    ///
    /// ```
    /// # use axum_users_auth::{AxumUsers, guard::Superuser};
    /// # use axum_users_core::UserApi;
    /// use utoipa_axum::{router::OpenApiRouter, routes};
    ///
    /// #[utoipa::path(get, path = "/statistics", responses((status = 200, body = String)))]
    /// async fn statistics() -> &'static str {
    ///     "forty-two users"
    /// }
    ///
    /// fn own_routes<A: UserApi>(users: &AxumUsers<A>) -> OpenApiRouter {
    ///     OpenApiRouter::new().routes(users.guarded(Superuser, routes!(statistics)))
    /// }
    /// ```
    pub fn guarded<G, S>(&self, _: G, routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S>
    where
        G: Guard<UserOf<A>>,
        S: Clone + Send + Sync + 'static,
    {
        let schemes: Vec<_> = self
            .backends
            .iter()
            .filter(|backend| G::accepts(backend.name()))
            .map(|backend| self.scheme_name(backend))
            .collect();
        let (types, paths, handlers) = guarded(routes, &schemes, G::FORBIDS, self.style());
        (
            types,
            paths,
            handlers.route_layer(from_fn_with_state(self.clone(), admit::<A, G>)),
        )
    }

    /// Lets only those into a router of the application's own whom the guard lets pass.
    pub fn protect<G, S>(&self, _: G, router: Router<S>) -> Router<S>
    where
        G: Guard<UserOf<A>>,
        S: Clone + Send + Sync + 'static,
    {
        router.route_layer(from_fn_with_state(self.clone(), admit::<A, G>))
    }

    /// What is known about a request.
    pub fn context(&self, parts: &Parts) -> Context {
        from_request(self.manager.clock().now(), parts)
    }

    /// Looks whether the wiring holds: the store is reachable and has all that is needed.
    ///
    /// # Errors
    /// [`SetupError`] with what to do.
    pub async fn check(&self) -> Result<(), SetupError> {
        self.manager.store().check().await
    }

    /// Signs a user in by login and password.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(
        &self,
        backend: &Backend<A>,
        login: &str,
        password: Password,
        context: &Context,
    ) -> Result<IssuedToken, LoginError> {
        let Authentication::SignedIn(stored) = self.manager.authenticate(login, password, context).await?
        else {
            return Err(LoginError::BadCredentials);
        };
        self.manager
            .admit(&stored, self.is_verified_only(), context)
            .await?;
        let id = stored.id();
        let grant = Grant::new(&id, stored.epoch, backend.name(), context);
        let token = backend
            .strategy()
            .issue(grant)
            .await?
            .ok_or(LoginError::BadCredentials)?;
        self.manager.signed_in(&stored, context).await;
        Ok(token)
    }

    /// Ends the session of whoever asks, for the logout of `backend`.
    ///
    /// The token of that backend goes first; where there is none, that of another backend is ended by its own strategy.
    ///
    /// # Errors
    /// [`Refusal`] where nobody is signed in, the guard refuses, another site caused the request, or the store fails.
    pub async fn logout<G: Guard<UserOf<A>>>(
        &self,
        backend: &Backend<A>,
        parts: &Parts,
    ) -> Result<Response, Refusal> {
        let context = self.context(parts);
        let presented = self
            .authenticate(&parts.headers, |_| true, Some(backend))
            .await
            .map_err(Refusal::from)?;
        let Some(winner) = presented.winner else {
            return Err(self.unauthorized(presented.bad_token));
        };
        self.check_origin(&winner.backend, parts, &context)?;
        G::check(&winner.signed_in).map_err(|refusal| self.completed(refusal))?;
        let context = context.with_actor(&winner.signed_in.user.id());
        winner
            .backend
            .strategy()
            .end(&winner.token, &winner.signed_in.session)
            .await
            .map_err(Refusal::from)?;
        self.manager().signed_out(&winner.signed_in.user, &context).await;
        let mut response = backend.transport().sign_out();
        if winner.backend.name() != backend.name() {
            let other = winner.backend.transport().sign_out();
            for cookie in other.headers().get_all(header::SET_COOKIE) {
                response.headers_mut().append(header::SET_COOKIE, cookie.clone());
            }
        }
        Ok(response)
    }

    /// Finds who is signed in, by the backends that `accepts` names, `first` before the others.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        accepts: fn(&str) -> bool,
        first: Option<&Backend<A>>,
    ) -> Result<Presented<A>, Failure> {
        let others = self
            .backends
            .iter()
            .filter(|backend| first.is_none_or(|first| first.name() != backend.name()));
        let mut presented = Presented {
            winner: None,
            bad_token: false,
        };
        for backend in first
            .into_iter()
            .chain(others)
            .filter(|backend| accepts(backend.name()))
        {
            let Some(token) = backend.transport().read(headers) else {
                continue;
            };
            presented.bad_token = true;
            let now = self.manager.clock().now();
            if let Some(claim) = backend.strategy().read(&token, backend.name(), now).await?
                && let Some(signed_in) = self.resolve(&claim, now).await?
            {
                let winner = Winner {
                    backend: backend.clone(),
                    token: token.into_owned(),
                    signed_in,
                };
                presented.winner = Some(winner);
                return Ok(presented);
            }
        }
        Ok(presented)
    }

    async fn resolve(
        &self,
        claim: &Claim<IdFor<A>>,
        now: Timestamp,
    ) -> Result<Option<SignedIn<UserOf<A>>>, Failure> {
        Ok(self.manager.store().resolve(claim, now).await?)
    }

    /// Refuses a request that another site caused, where its token came by itself.
    ///
    /// # Errors
    /// [`Refusal`] with 403 and the code `CROSS_ORIGIN_REQUEST`.
    pub fn check_origin(
        &self,
        backend: &Backend<A>,
        parts: &Parts,
        context: &Context,
    ) -> Result<(), Refusal> {
        if !backend.transport().is_ambient() || self.settings.origins.allow(parts) {
            return Ok(());
        }
        SecurityEvent::CrossOriginRefused.emit(None, context);
        Err(Refusal::coded(StatusCode::FORBIDDEN, CROSS_ORIGIN_REQUEST))
    }

    /// The refusal of one who is not signed in, with how to be.
    pub(crate) fn unauthorized(&self, bad_token: bool) -> Refusal {
        let mut challenges: Vec<Challenge> = Vec::new();
        for challenge in self
            .backends
            .iter()
            .filter_map(|backend| backend.transport().challenge())
        {
            let challenge = if bad_token {
                challenge.invalid_token()
            } else {
                challenge
            };
            if !challenges.contains(&challenge) {
                challenges.push(challenge);
            }
        }
        if challenges.is_empty() {
            challenges.push(Challenge::new("Cookie"));
        }
        Refusal::unauthorized(challenges)
    }
}

/// The code of a request with a cookie that another site caused.
pub const CROSS_ORIGIN_REQUEST: &str = "CROSS_ORIGIN_REQUEST";

/// What a request presented.
pub(crate) struct Presented<A: UserApi> {
    pub(crate) winner: Option<Winner<A>>,
    pub(crate) bad_token: bool,
}

/// The token that decided, its backend, and whom it stands for.
pub(crate) struct Winner<A: UserApi> {
    pub(crate) backend: Backend<A>,
    pub(crate) token: String,
    pub(crate) signed_in: SignedIn<UserOf<A>>,
}

impl<A: UserApi> AxumUsers<A> {
    /// A guard's 401 with how to authenticate, since guards do not know the backends.
    pub(crate) fn completed(&self, refusal: Refusal) -> Refusal {
        if refusal.status() == StatusCode::UNAUTHORIZED && refusal.headers().is_empty() {
            self.unauthorized(true)
        } else {
            refusal
        }
    }
}

/// Lets a request on whose user the guard lets pass.
async fn admit<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match CurrentUser::<A, G>::of(&users, &mut parts).await {
        Ok(_) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => refusal.into_response(),
    }
}

// Derived impls would ask for `A: Clone` and `A: Debug`, which no application's marker needs to be.
impl<A: UserApi> Clone for AxumUsers<A> {
    fn clone(&self) -> Self {
        Self {
            manager: self.manager.clone(),
            backends: self.backends.clone(),
            settings: self.settings.clone(),
        }
    }
}

impl<A: UserApi> fmt::Debug for AxumUsers<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AxumUsers")
            .field("manager", &self.manager)
            .field("backends", &self.backends)
            .field("settings", &self.settings)
            .finish()
    }
}
