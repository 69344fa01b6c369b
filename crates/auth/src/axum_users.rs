//! The users of a family, as handlers and routers know them.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::{FromRef, Request, State},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use axum_users_core::{
    Authentication, Claim, Context, Epoch, Failure, IdFor, LoginError, Password, RevocationReason, Revoked,
    SecurityEvent, SetupError, SignedIn, Timestamp, TokenEvent, User, UserApi, UserManager, UserOf,
    UserStore,
};
use utoipa::{
    ToSchema,
    openapi::{
        OpenApi,
        security::{ApiKey, SecurityScheme},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::{
    Backend, ErrorStyle, Refusal,
    background::Background,
    body::BodyLimit,
    context::{Addresses, from_request},
    current_user::{CurrentUser, Found},
    guard::{Guard, INSUFFICIENT_SCOPE, Interactive, PERSONAL_TOKEN_REFUSED, check_token},
    openapi::{BackendScheme, ErrorDoc, ErrorSchema, FinishError, SchemeNeed, finish, guarded},
    origin::TrustedOrigins,
    proxies::TrustedProxies,
    refusal::Challenge,
    strategy::{Grant, Issue, IssuedToken},
};

/// The users of a family: the manager, and the backends by which users are signed in.
///
/// Cheap to clone. It sits in the state of the application, where extractors find it by `FromRef`, and makes the routers.
/// Setters give a changed copy, so that a router can be mounted twice with other settings.
///
/// ```
/// use std::time::Duration;
/// use axum_users_auth::{AxumUsers, Backend, strategy::JwtStrategy, transport::BearerTransport};
/// use axum_users_core::{KeyError, Secret, Secrets, SessionStore, SetupError, UserApi, UserManager};
///
/// fn users<A: UserApi<Store: SessionStore, Hooks: Default>>(
///     store: A::Store,
///     root: &Secret,
/// ) -> Result<AxumUsers<A>, Box<dyn std::error::Error>> {
///     let secrets = Secrets::from_root(root, "users")?;
///     let jwt = JwtStrategy::new(secrets.access(), Duration::from_hours(1), store.clone());
///     let manager = UserManager::new(store, A::Hooks::default(), &secrets)?;
///     Ok(AxumUsers::new(manager, [Backend::new("jwt", BearerTransport::new(), jwt)])?)
/// }
/// ```
pub struct AxumUsers<A: UserApi> {
    manager: Arc<UserManager<A>>,
    backends: Arc<[Backend<A>]>,
    settings: Arc<Settings>,
    background: Background,
    addresses: Arc<Addresses>,
}

#[derive(Debug, Clone, Default)]
struct Settings {
    proxies: TrustedProxies,
    family: Option<String>,
    mount: Option<String>,
    style: ErrorStyle,
    origins: TrustedOrigins,
    body_limit: BodyLimit,
    verified_only: bool,
    json_login: bool,
    errors: Option<ErrorSchema>,
}

impl<A: UserApi> AxumUsers<A> {
    /// Serves the users of `manager`, who are signed in by one of `backends`, tried in this order.
    ///
    /// # Errors
    /// [`SetupError`] for two backends of one name or one cookie, a bad name, and settings of a transport that contradict each
    /// other.
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
            if let Some(cookie) = cookie_of(backend)
                && let Some(other) = backends
                    .iter()
                    .take(index)
                    .find(|other| cookie_of(other).as_ref() == Some(&cookie))
            {
                let text = format!(
                    "the backends `{}` and `{}` have one cookie, `{cookie}`; give one another name",
                    other.name(),
                    backend.name()
                );
                return Err(SetupError::Invalid(text));
            }
        }
        Ok(Self {
            manager: Arc::new(manager),
            backends,
            settings: Arc::default(),
            background: Background::default(),
            addresses: Arc::default(),
        })
    }

    /// Gives the manager other settings: a test another clock, say. Routers that were made before keep theirs.
    #[must_use]
    pub fn map_manager(mut self, change: impl FnOnce(UserManager<A>) -> UserManager<A>) -> Self {
        self.manager = Arc::new(change(UserManager::clone(&self.manager)));
        self
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

    /// Documents errors by the application's own type and media type, where a layer of it rewrites every [`Refusal`].
    ///
    /// [`finish`](Self::finish) puts it in the place of the library's schemas, in all answers that speak of them; named examples
    /// keep their names, which are the codes, and lose their bodies.
    ///
    /// ```
    /// # use axum_users_auth::AxumUsers;
    /// # use axum_users_core::UserApi;
    /// use serde::Serialize;
    /// use utoipa::ToSchema;
    ///
    /// /// RFC 9457.
    /// #[derive(Serialize, ToSchema)]
    /// struct Problem {
    ///     status: u16,
    ///     title: String,
    /// }
    ///
    /// fn documented<A: UserApi>(users: AxumUsers<A>) -> AxumUsers<A> {
    ///     users.error_schema::<Problem>("application/problem+json")
    /// }
    /// ```
    #[must_use]
    pub fn error_schema<T: ToSchema>(mut self, media_type: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.settings).errors = Some(ErrorSchema::of::<T>(media_type.into()));
        self
    }

    /// Says where people reach the application, `https://shop.example.com`, so that cookies which would never get there are
    /// found at start-up.
    ///
    /// # Errors
    /// [`SetupError`] for what is no such address, and for a backend whose token no browser would keep or send there: a
    /// `Secure` cookie over plain HTTP, but for this machine, and a cookie of another domain.
    pub fn public_url(self, url: &str) -> Result<Self, SetupError> {
        let refused = |text: String| Err(SetupError::Invalid(text));
        let place = match url.parse::<Uri>() {
            Ok(place) if matches!(place.scheme_str(), Some("http" | "https")) && place.host().is_some() => {
                place
            }
            _ => return refused("the public url is like `https://shop.example.com`".to_owned()),
        };
        for backend in self.backends.iter() {
            if let Err(problem) = backend.transport().check_url(&place) {
                return refused(format!("backend `{}`: {problem}", backend.name()));
            }
        }
        Ok(self)
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

    /// Believes a proxy at this address, or in this network (`10.0.0.0/8`), what it says about the client's address in
    /// `X-Forwarded-For`. The header is read from its right end, as long as who speaks is trusted.
    ///
    /// # Errors
    /// [`SetupError`] for what is neither.
    ///
    /// # Security
    /// Who can connect from there can claim any address.
    pub fn trust_proxy(mut self, network: &str) -> Result<Self, SetupError> {
        Arc::make_mut(&mut self.settings).proxies.add(network)?;
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

    /// The security schemes of the document by which the guard `G` lets somebody in.
    pub fn schemes_for<G: Guard<UserOf<A>>>(&self) -> Vec<SchemeNeed> {
        let scopes = G::scopes();
        self.backends
            .iter()
            .filter(|backend| G::accepts(backend.name()) && (G::PERSONAL_TOKENS || !backend.is_personal()))
            .map(|backend| {
                let mut need = SchemeNeed::new(self.scheme_name(backend));
                if backend.is_personal() {
                    need.scopes.clone_from(&scopes);
                }
                need
            })
            .collect()
    }

    /// The refusals of the document with which the guard `G` keeps out who is signed in.
    pub fn refusals_of<G: Guard<UserOf<A>>>(&self) -> Vec<ErrorDoc> {
        let mut refusals = Vec::new();
        if G::FORBIDS {
            refusals.push(FORBIDDEN);
        }
        if self.backends.iter().any(Backend::is_personal) {
            refusals.push(if G::PERSONAL_TOKENS {
                TOO_LITTLE_SCOPE
            } else {
                NO_PERSONAL_TOKENS
            });
        }
        refusals
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
            .map(|backend| {
                let scheme = BackendScheme::new(self.scheme_name(backend), backend.transport().scheme());
                if backend.has_login() {
                    scheme
                } else {
                    scheme.without_login()
                }
            })
            .collect();
        let mut api = finish(api, &schemes)?;
        if let Some(errors) = &self.settings.errors {
            errors.write(&mut api);
        }
        Ok(api)
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
        let (schemes, refusals) = (self.schemes_for::<G>(), self.refusals_of::<G>());
        let (types, paths, handlers) = guarded(routes, &schemes, &refusals, self.style());
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
        from_request(self.manager.clock().now(), parts, &self.settings.proxies)
    }

    /// The same for a request that may be limited by its client's address: says once in the log if that cannot be.
    pub(crate) fn limited_context(&self, parts: &Parts) -> Context {
        let context = self.context(parts);
        if self.manager.limits().is_on() {
            self.addresses.look(parts, &context, self.settings.proxies.any());
        }
        context
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
        let (_, token) = self.sign_in(backend, login, password, context).await?;
        Ok(token)
    }

    async fn sign_in(
        &self,
        backend: &Backend<A>,
        login: &str,
        password: Password,
        context: &Context,
    ) -> Result<(IdFor<A>, IssuedToken), LoginError> {
        let Authentication::SignedIn(stored) = self.manager.authenticate(login, password, context).await?
        else {
            return Err(LoginError::BadCredentials);
        };
        self.manager
            .admit(&stored, self.is_verified_only(), context)
            .await?;
        let id = stored.id();
        let grant = Grant::new(&id, stored.epoch, backend.name(), context);
        let token = match backend.strategy().issue(grant).await? {
            Issue::Issued(token) => token,
            Issue::NoUser => return Err(LoginError::BadCredentials),
            Issue::LimitReached => return Err(self.manager.too_many_sessions(&stored, context)),
        };
        self.manager
            .signed_in(&stored, &token.session, token.ended, context)
            .await;
        Ok((id, token))
    }

    /// Signs a user in as [`login`](Self::login) does, for a request with these headers: the session whose cookie a browser
    /// sends with it has its place taken, and ends (ASVS 5.0, 7.2.4).
    ///
    /// # Errors
    /// [`LoginError`]. Where the session before cannot be ended, it ends by its own time, and the log says so.
    pub async fn login_from(
        &self,
        headers: &HeaderMap,
        backend: &Backend<A>,
        login: &str,
        password: Password,
        context: &Context,
    ) -> Result<IssuedToken, LoginError> {
        let (id, token) = self.sign_in(backend, login, password, context).await?;
        if backend.transport().is_ambient()
            && let Some(before) = backend.transport().read(headers)
            && let Err(failure) = self.replace(backend, &before, &id, context).await
        {
            tracing::warn!(target: "axum_users", %failure, "a session whose place was taken could not be ended");
        }
        Ok(token)
    }

    /// Ends the session of the token `before`, if it is one of this user.
    async fn replace(
        &self,
        backend: &Backend<A>,
        before: &str,
        id: &IdFor<A>,
        context: &Context,
    ) -> Result<(), Failure> {
        let strategy = backend.strategy();
        let Some(claim) = strategy.read(before, backend.name(), context.now).await? else {
            return Ok(());
        };
        let Some(old) = self.resolve(&claim, context.now).await? else {
            return Ok(());
        };
        if old.user.id() != *id {
            return Ok(());
        }
        strategy.end(before, &old.session).await?;
        let which = Revoked::Session {
            backend: backend.name(),
            token_id: &old.session.token_id,
        };
        let reason = RevocationReason::Replaced;
        self.manager.session_ended(id, which, reason, context).await;
        Ok(())
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
        check_token::<UserOf<A>, (Interactive, G)>(&winner.signed_in.session)?;
        G::check(&winner.signed_in).map_err(|refusal| self.completed(refusal))?;
        let SignedIn { user, session, .. } = &winner.signed_in;
        let context = context.with_actor(&user.id());
        winner
            .backend
            .strategy()
            .end(&winner.token, session)
            .await
            .map_err(Refusal::from)?;
        self.manager().signed_out(user, session, &context).await;
        Ok(sign_out(backend, &winner.backend))
    }

    /// Lets the session of `current` live on after all others of its user were ended, at the epoch that holds now.
    ///
    /// The answer has headers with a new token, where the strategy cannot keep the old one. The change is made by then, so a
    /// failure only ends this session as well; it goes to the log.
    pub async fn keep_session<G>(
        &self,
        current: &CurrentUser<A, G>,
        epoch: Epoch,
        context: &Context,
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let found = current.found();
        let (backend, session) = (&found.backend, &found.signed_in.session);
        if epoch == session.epoch {
            return headers;
        }
        let id = found.signed_in.user.id();
        let grant = Grant::new(&id, epoch, backend.name(), context);
        match backend.strategy().carry(&found.token, session, grant).await {
            Ok(Some(token)) => backend.transport().replace(&token, &mut headers),
            Ok(None) => {}
            Err(failure) => tracing::warn!(target: "axum_users", %failure, "a session could not be kept"),
        }
        headers
    }

    /// Waits until all that is written off the path of requests has been written; for a graceful end, and for tests.
    pub async fn settle(&self) {
        self.background.settle().await;
    }

    /// Notes that a token was used, off the path of the request.
    pub(crate) fn note_use(&self, found: &Arc<Found<A>>, context: &Context) {
        let strategy = found.backend.strategy();
        let Some(noted) = strategy.due(&found.signed_in.session, context.now) else {
            return;
        };
        let (users, found, context) = (self.clone(), Arc::clone(found), context.clone());
        self.background.run(async move {
            let SignedIn { user, session, .. } = &found.signed_in;
            match found.backend.strategy().note_use(session, noted).await {
                Ok(true) if noted.expires_at.is_some() => {
                    let session = session.clone().until(noted.expires_at);
                    let event = TokenEvent::Renewed {
                        user_id: &user.id(),
                        session: &session,
                    };
                    users.manager().tell(event, &context).await;
                }
                Ok(_) => {}
                Err(failure) => {
                    tracing::warn!(target: "axum_users", %failure, "the use of a token could not be noted");
                }
            }
        });
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
                presented.winner = Some(Found::new(backend.clone(), token.into_owned(), signed_in));
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

    /// The refusal of one who is not signed in, with how to be; `bad_token` where a token was shown that is not good.
    pub fn unauthorized(&self, bad_token: bool) -> Refusal {
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

/// The cookie in which the token of a backend travels, if it does.
fn cookie_of<A: UserApi>(backend: &Backend<A>) -> Option<String> {
    match backend.transport().scheme() {
        SecurityScheme::ApiKey(ApiKey::Cookie(key)) => Some(key.name),
        _ => None,
    }
}

/// The answer to a logout of `backend` by a token of `other`, which may be the same.
pub(crate) fn sign_out<A: UserApi>(backend: &Backend<A>, other: &Backend<A>) -> Response {
    let mut response = backend.transport().sign_out();
    if other.name() != backend.name() {
        for cookie in other.transport().sign_out().headers().get_all(header::SET_COOKIE) {
            response.headers_mut().append(header::SET_COOKIE, cookie.clone());
        }
    }
    response
}

const FORBIDDEN: ErrorDoc = ErrorDoc::plain(StatusCode::FORBIDDEN, "The user may not do this.");

const NO_PERSONAL_TOKENS: ErrorDoc = ErrorDoc::coded(
    StatusCode::FORBIDDEN,
    PERSONAL_TOKEN_REFUSED,
    "A personal access token is not taken here.",
);

const TOO_LITTLE_SCOPE: ErrorDoc = ErrorDoc::coded(
    StatusCode::FORBIDDEN,
    INSUFFICIENT_SCOPE,
    "The personal access token lacks a scope that is needed here.",
);

/// The code of a request with a cookie that another site caused.
pub const CROSS_ORIGIN_REQUEST: &str = "CROSS_ORIGIN_REQUEST";

/// What a request presented.
pub(crate) struct Presented<A: UserApi> {
    pub(crate) winner: Option<Found<A>>,
    pub(crate) bad_token: bool,
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

/// What a state yields, it yields behind an `Arc` too, as many applications keep it.
#[diagnostic::do_not_recommend]
impl<A: UserApi, S> FromRef<Arc<S>> for AxumUsers<A>
where
    Self: FromRef<S>,
{
    fn from_ref(state: &Arc<S>) -> Self {
        <Self as FromRef<S>>::from_ref(state)
    }
}

// Derived impls would ask for `A: Clone` and `A: Debug`, which no application's marker needs to be.
impl<A: UserApi> Clone for AxumUsers<A> {
    fn clone(&self) -> Self {
        Self {
            manager: self.manager.clone(),
            backends: self.backends.clone(),
            settings: self.settings.clone(),
            background: self.background.clone(),
            addresses: Arc::clone(&self.addresses),
        }
    }
}

impl<A: UserApi> fmt::Debug for AxumUsers<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AxumUsers")
            .field("manager", &self.manager)
            .field("backends", &self.backends)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
