//! `GET /`, `PATCH` and `DELETE /{id}`, `POST /end-others`, `POST /end-all`, and the same for superusers below `/users/{user_id}`.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use axum_users_auth::{
    AxumUsers, CurrentUser, Refusal, RequestContext,
    guard::{Active, Guard, Interactive, Superuser, Verified},
    json::{Json, JsonObject},
    openapi::{ErrorDoc, Route},
};
use axum_users_core::{
    Context, EndSessions, IdFor, RevocationReason, SessionNameRequest, Stored, TokenRecord, User, UserApi,
    UserId, UserOf,
};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, Type},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    mount::{guarded_route, ready, to_the_end, unsafe_route},
    time::rfc3339,
};

/// Lets users see and end their sessions, and superusers those of others; to be mounted under `/auth/sessions`, say.
///
/// It shows the sessions of all backends that keep a list: opaque tokens. JSON Web Tokens are not listed, but end with all
/// others. Personal access tokens are not taken here. After [`AxumUsers::verified_only`] it serves only users whose address is
/// confirmed.
pub fn sessions_router<A: UserApi, S>(users: &AxumUsers<A>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let router = if users.is_verified_only() {
        routes::<A, Verified>(users)
    } else {
        routes::<A, Active>(users)
    };
    ready(users, to_the_end(router))
}

fn routes<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> OpenApiRouter<AxumUsers<A>> {
    OpenApiRouter::default()
        .routes(list_route::<A, G>(users).into())
        .routes(rename_route::<A, G>(users).into())
        .routes(end_route::<A, G>(users).into())
        .routes(end_others_route::<A, G>(users).into())
        .routes(end_all_route::<A, G>(users).into())
        .routes(list_of_user_route::<A, G>(users).into())
        .routes(end_all_of_user_route::<A, G>(users).into())
        .routes(end_of_user_route::<A, G>(users).into())
}

/// Who manages their own sessions.
type Own<G> = (Interactive, G);
/// Who manages the sessions of others.
type Admin<G> = (Interactive, Superuser, G);

fn own_route<A: UserApi, G: Guard<UserOf<A>>>(
    users: &AxumUsers<A>,
    route: Route<AxumUsers<A>>,
    id: &str,
) -> Route<AxumUsers<A>> {
    guarded_route::<A, Own<G>>(users, route, id).tag("sessions")
}

fn admin_route<A: UserApi, G: Guard<UserOf<A>>>(
    users: &AxumUsers<A>,
    route: Route<AxumUsers<A>>,
    id: &str,
) -> Route<AxumUsers<A>> {
    guarded_route::<A, Admin<G>>(users, route, id)
        .tag("sessions")
        .path_param("user_id", <IdFor<A> as UserId>::schema(), "The key of the user.")
}

fn list_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    own_route::<A, G>(users, Route::get("/", list::<A, G>), "sessions:list")
        .summary("List one's sessions")
        .description(
            "The devices on which the user is signed in, the latest first. The present session is marked.",
        )
        .returns_shared::<SessionPage>(StatusCode::OK, "The sessions.")
}

fn rename_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let route = own_route::<A, G>(users, Route::patch("/{id}", rename::<A, G>), "sessions:rename")
        .summary("Name a session")
        .description("Gives a session a name by which its owner knows it.")
        .path_param("id", session_id(), "The id of the session.")
        .accepts_fields::<SessionNameRequest>()
        .validates()
        .fails_with(&[NO_SUCH_SESSION])
        .returns_empty(StatusCode::NO_CONTENT, "The session has the name.");
    unsafe_route(users, route)
}

fn end_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let route = own_route::<A, G>(users, Route::delete("/{id}", end::<A, G>), "sessions:end")
        .summary("End a session")
        .description("Signs the user out on one device.")
        .path_param("id", session_id(), "The id of the session.")
        .fails_with(&[NO_SUCH_SESSION])
        .returns_empty(StatusCode::NO_CONTENT, "The session has ended.");
    unsafe_route(users, route)
}

fn end_others_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let end = Route::post("/end-others", end_others::<A, G>);
    let route = own_route::<A, G>(users, end, "sessions:end_others")
        .summary("End all other sessions")
        .description(
            "Signs the user out everywhere else. Where the present token cannot live on, the answer brings another one in \
             `Authentication-Info` or `Set-Cookie`.",
        )
        .returns_empty(StatusCode::NO_CONTENT, "All other sessions have ended.");
    unsafe_route(users, route)
}

fn end_all_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let route = own_route::<A, G>(
        users,
        Route::post("/end-all", end_all::<A, G>),
        "sessions:end_all",
    )
    .summary("End all sessions")
    .description("Signs the user out everywhere, here too.")
    .returns_empty(StatusCode::NO_CONTENT, "All sessions have ended.");
    unsafe_route(users, route)
}

fn list_of_user_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let list = Route::get("/users/{user_id}", list_of_user::<A, G>);
    admin_route::<A, G>(users, list, "sessions:list_of_user")
        .summary("List the sessions of a user")
        .description("The devices on which any user is signed in, for superusers.")
        .fails_with(&[NO_SUCH_USER])
        .returns_shared::<SessionPage>(StatusCode::OK, "The sessions.")
}

fn end_all_of_user_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let end = Route::delete("/users/{user_id}", end_all_of_user::<A, G>);
    let route = admin_route::<A, G>(users, end, "sessions:end_all_of_user")
        .summary("End all sessions of a user")
        .description("Signs any user out everywhere, for superusers.")
        .fails_with(&[NO_SUCH_USER])
        .returns_empty(StatusCode::NO_CONTENT, "All sessions have ended.");
    unsafe_route(users, route)
}

fn end_of_user_route<A: UserApi, G: Guard<UserOf<A>>>(users: &AxumUsers<A>) -> Route<AxumUsers<A>> {
    let end = Route::delete("/users/{user_id}/{id}", end_of_user::<A, G>);
    let route = admin_route::<A, G>(users, end, "sessions:end_of_user")
        .summary("End a session of a user")
        .description("Signs any user out on one device, for superusers.")
        .path_param("id", session_id(), "The id of the session.")
        .fails_with(&[ErrorDoc::plain(
            StatusCode::NOT_FOUND,
            "There is no user with this id, or no such session.",
        )])
        .returns_empty(StatusCode::NO_CONTENT, "The session has ended.");
    unsafe_route(users, route)
}

const NO_SUCH_SESSION: ErrorDoc =
    ErrorDoc::plain(StatusCode::NOT_FOUND, "The user has no session with this id.");
const NO_SUCH_USER: ErrorDoc = ErrorDoc::plain(StatusCode::NOT_FOUND, "There is no user with this id.");

fn session_id() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(128))
}

/// The sessions of a user.
#[derive(Debug, Serialize, ToSchema)]
struct SessionPage {
    /// The sessions, the latest first.
    items: Vec<SessionRead>,
}

/// A session of a user.
#[derive(Debug, Serialize, ToSchema)]
struct SessionRead {
    /// The id, by which it is named and ended.
    #[schema(example = "cookie.17")]
    id: String,
    /// The backend by which the user signed in.
    #[schema(example = "cookie")]
    backend: String,
    /// What its owner calls it.
    #[schema(required, example = "old laptop")]
    name: Option<String>,
    /// When it began.
    #[schema(required, format = DateTime)]
    created_at: String,
    /// When it was last used, to the minute; null until then.
    #[schema(required, format = DateTime)]
    last_seen_at: Option<String>,
    /// When it ends; null for never.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// The user agent with which it began.
    #[schema(
        required,
        example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    )]
    user_agent: Option<String>,
    /// The client address with which it began, where that is kept.
    #[schema(required, example = "203.0.113.9")]
    client_address: Option<String>,
    /// Whether it is the session of this very request.
    current: bool,
}

impl SessionRead {
    fn new(session: TokenRecord, current: Option<&str>) -> Self {
        Self {
            current: current == Some(&session.id),
            id: session.id,
            backend: session.backend,
            name: session.name,
            created_at: rfc3339(session.created_at),
            last_seen_at: session.last_seen_at.map(rfc3339),
            expires_at: session.expires_at.map(rfc3339),
            user_agent: session.user_agent,
            client_address: session.client_address.map(|address| address.to_string()),
        }
    }
}

fn page(sessions: Vec<TokenRecord>, current: Option<&str>) -> Json<SessionPage> {
    let items = sessions
        .into_iter()
        .map(|session| SessionRead::new(session, current));
    Json(SessionPage {
        items: items.collect(),
    })
}

/// The answer to a request about a session that may not be there.
fn done(found: bool) -> Result<StatusCode, Refusal> {
    if found {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::not_found())
    }
}

type Id = Result<Path<String>, PathRejection>;

fn text(id: Id) -> Result<String, Refusal> {
    id.map(|Path(id)| id).map_err(|_| Refusal::not_found())
}

/// Lists the sessions of whoever asks.
async fn list<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    user: CurrentUser<A, Own<G>>,
    RequestContext(context): RequestContext,
) -> Result<Json<SessionPage>, Refusal> {
    let sessions = users.sessions(&user.id(), user.session().epoch, &context).await?;
    Ok(page(sessions, Some(&users.session_id(&user))))
}

/// Names a session of whoever asks.
async fn rename<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    user: CurrentUser<A, Own<G>>,
    RequestContext(context): RequestContext,
    id: Id,
    body: JsonObject,
) -> Result<StatusCode, Refusal> {
    let SessionNameRequest { name, .. } = body.read()?;
    let (id, epoch) = (text(id)?, user.session().epoch);
    let named = users
        .rename_session(&user.id(), epoch, &id, name.as_deref(), &context)
        .await?;
    done(named)
}

/// Ends a session of whoever asks.
async fn end<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    user: CurrentUser<A, Own<G>>,
    RequestContext(context): RequestContext,
    id: Id,
) -> Result<StatusCode, Refusal> {
    let context = context.with_actor(&user.id());
    let (id, epoch) = (text(id)?, user.session().epoch);
    let ended = users
        .end_session(&user.id(), epoch, &id, RevocationReason::ByOwner, &context)
        .await?;
    done(ended)
}

/// Ends all sessions of whoever asks but the present one.
async fn end_others<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    user: CurrentUser<A, Own<G>>,
    RequestContext(context): RequestContext,
) -> Result<(StatusCode, HeaderMap), Refusal> {
    let context = context.with_actor(&user.id());
    let headers = match users
        .manager()
        .end_other_sessions(user.signed_in(), &context)
        .await?
    {
        Some(stored) => users.keep_session(&user, stored.epoch, &context).await,
        None => HeaderMap::new(),
    };
    Ok((StatusCode::NO_CONTENT, headers))
}

async fn end_many<A: UserApi>(
    users: &AxumUsers<A>,
    id: &IdFor<A>,
    which: EndSessions,
    reason: RevocationReason,
    context: &Context,
) -> Result<Option<Stored<UserOf<A>>>, Refusal> {
    Ok(users.manager().end_sessions(id, which, reason, context).await?)
}

/// Ends all sessions of whoever asks.
async fn end_all<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    user: CurrentUser<A, Own<G>>,
    RequestContext(context): RequestContext,
) -> Result<Response, Refusal> {
    let context = context.with_actor(&user.id());
    end_many(
        &users,
        &user.id(),
        EndSessions::All,
        RevocationReason::ByOwner,
        &context,
    )
    .await?;
    Ok(users.sign_out(&user))
}

async fn owner<A: UserApi>(users: &AxumUsers<A>, id: &str) -> Result<Stored<UserOf<A>>, Refusal> {
    let id = <IdFor<A> as UserId>::parse(id).ok_or_else(Refusal::not_found)?;
    let stored = users.manager().find_stored(&id).await?;
    stored.ok_or_else(Refusal::not_found)
}

/// Lists the sessions of a user for a superuser.
async fn list_of_user<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    _: CurrentUser<A, Admin<G>>,
    RequestContext(context): RequestContext,
    id: Id,
) -> Result<Json<SessionPage>, Refusal> {
    let owner = owner(&users, &text(id)?).await?;
    let sessions = users.sessions(&owner.id(), owner.epoch, &context).await?;
    Ok(page(sessions, None))
}

/// Ends all sessions of a user for a superuser.
async fn end_all_of_user<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    actor: CurrentUser<A, Admin<G>>,
    RequestContext(context): RequestContext,
    id: Id,
) -> Result<StatusCode, Refusal> {
    let context = context.with_actor(&actor.id());
    let owner = owner(&users, &text(id)?).await?;
    let (which, reason) = (EndSessions::All, RevocationReason::ByAdmin);
    let ended = end_many(&users, &owner.id(), which, reason, &context).await?;
    done(ended.is_some())
}

/// Ends a session of a user for a superuser.
async fn end_of_user<A: UserApi, G: Guard<UserOf<A>>>(
    State(users): State<AxumUsers<A>>,
    actor: CurrentUser<A, Admin<G>>,
    RequestContext(context): RequestContext,
    ids: Result<Path<(String, String)>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Ok(Path((user_id, id))) = ids else {
        return Err(Refusal::not_found());
    };
    let context = context.with_actor(&actor.id());
    let owner = owner(&users, &user_id).await?;
    let ended = users
        .end_session(&owner.id(), owner.epoch, &id, RevocationReason::ByAdmin, &context)
        .await?;
    done(ended)
}
