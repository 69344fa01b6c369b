//! `GET /`, `POST /`, `DELETE /{id}`.

use axum::{
    extract::{Extension, State},
    http::StatusCode,
};
use axum_users_auth::{
    AxumUsers, CurrentUser, Refusal, RequestContext,
    guard::{Active, Guard, Interactive, Verified},
    json::{Json, JsonObject},
    openapi::{ErrorDoc, Route},
    strategy::PersonalTokens,
};
use axum_users_core::{
    PersonalTokenError, PersonalTokenRecord, PersonalTokenRequest, PersonalTokenStore, StoreError,
    TokenDigest, User, UserApi, UserOf,
};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, Type},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    mount::{guarded_route, limited, ready, to_the_end, unsafe_route},
    refused::{Refused, TOKEN_BY_PASSWORD},
    time::rfc3339,
    users::Id,
};

/// Lets users make personal access tokens for their machines, list and end them; to be mounted under `/auth/tokens`, say.
///
/// `tokens` are those of the [`Backend::personal`](axum_users_auth::Backend::personal) of `users`. A token is shown once, when
/// it is made; making one asks for the present password, where changes of the account do. No token manages tokens. After
/// [`AxumUsers::verified_only`] it serves only users whose address is confirmed.
pub fn personal_tokens_router<A, S>(
    users: &AxumUsers<A>,
    tokens: &PersonalTokens<A::Store>,
) -> OpenApiRouter<S>
where
    A: UserApi<Store: PersonalTokenStore>,
    S: Clone + Send + Sync + 'static,
{
    let router = if users.is_verified_only() {
        routes::<A, Verified>(users, tokens)
    } else {
        routes::<A, Active>(users, tokens)
    };
    ready(users, to_the_end(router).layer(Extension(tokens.clone())))
}

/// Who manages personal access tokens.
type Own<G> = (Interactive, G);

fn routes<A, G>(users: &AxumUsers<A>, tokens: &PersonalTokens<A::Store>) -> OpenApiRouter<AxumUsers<A>>
where
    A: UserApi<Store: PersonalTokenStore>,
    G: Guard<UserOf<A>>,
{
    OpenApiRouter::default()
        .routes(list_route::<A, G>(users).into())
        .routes(create_route::<A, G>(users, tokens).into())
        .routes(end_route::<A, G>(users).into())
}

fn list_route<A, G>(users: &AxumUsers<A>) -> Route<AxumUsers<A>>
where
    A: UserApi<Store: PersonalTokenStore>,
    G: Guard<UserOf<A>>,
{
    guarded_route::<A, Own<G>>(users, Route::get("/", list::<A, G>), "personal_tokens:list")
        .tag("personal tokens")
        .summary("List one's personal access tokens")
        .description("The tokens that are good, the latest first, without their text.")
        .returns_shared::<PersonalTokenPage>(StatusCode::OK, "The tokens.")
}

fn create_route<A, G>(users: &AxumUsers<A>, tokens: &PersonalTokens<A::Store>) -> Route<AxumUsers<A>>
where
    A: UserApi<Store: PersonalTokenStore>,
    G: Guard<UserOf<A>>,
{
    let scopes = &tokens.rules().scopes;
    let scopes = if scopes.is_empty() {
        "There are no scopes here.".to_owned()
    } else {
        format!("Scopes are `{}`.", scopes.join("`, `"))
    };
    let create = Route::post("/", create::<A, G>);
    let mut route = guarded_route::<A, Own<G>>(users, create, "personal_tokens:create")
        .tag("personal tokens")
        .summary("Make a personal access token")
        .description(format!(
            "Makes a token for a machine, to be sent as `Authorization: Bearer`. Its text is in this answer and nowhere else. \
             {scopes}"
        ))
        .accepts_fields::<PersonalTokenRequest>()
        .validates()
        .fails_with(PersonalTokenError::DOCS)
        .returns_shared::<PersonalTokenCreated>(StatusCode::CREATED, "The token.");
    if users.manager().requires_current_password() {
        route = route.fails_with(&[TOKEN_BY_PASSWORD]);
    }
    unsafe_route(users, limited(users, route))
}

fn end_route<A, G>(users: &AxumUsers<A>) -> Route<AxumUsers<A>>
where
    A: UserApi<Store: PersonalTokenStore>,
    G: Guard<UserOf<A>>,
{
    let id = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(64));
    let end = Route::delete("/{id}", end::<A, G>);
    let route = guarded_route::<A, Own<G>>(users, end, "personal_tokens:end")
        .tag("personal tokens")
        .summary("End a personal access token")
        .description("The token is refused from now on.")
        .path_param("id", id, "The id of the token.")
        .fails_with(&[ErrorDoc::plain(
            StatusCode::NOT_FOUND,
            "The user has no token with this id.",
        )])
        .returns_empty(StatusCode::NO_CONTENT, "The token has ended.");
    unsafe_route(users, route)
}

/// The personal access tokens of a user.
#[derive(Debug, Serialize, ToSchema)]
struct PersonalTokenPage {
    /// The tokens, the latest first.
    items: Vec<PersonalTokenRead>,
}

/// A personal access token, without its text.
#[derive(Debug, Serialize, ToSchema)]
struct PersonalTokenRead {
    /// The id, by which it is ended.
    #[schema(example = "17")]
    id: String,
    /// What its owner calls it.
    #[schema(example = "nightly backup")]
    name: String,
    /// What it may be used for; null for all that its owner may do.
    #[schema(required)]
    scopes: Option<Vec<String>>,
    /// When it was made.
    #[schema(required, format = DateTime)]
    created_at: String,
    /// When it was last used, to the minute; null until then.
    #[schema(required, format = DateTime)]
    last_seen_at: Option<String>,
    /// When it ends; null for never.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
}

/// A personal access token that was just made.
#[derive(Serialize, ToSchema)]
struct PersonalTokenCreated {
    /// The token itself. It is not shown again.
    token: String,
    /// The id, by which it is ended.
    #[schema(example = "17")]
    id: String,
    /// What its owner calls it.
    #[schema(example = "nightly backup")]
    name: String,
    /// What it may be used for; null for all that its owner may do.
    #[schema(required)]
    scopes: Option<Vec<String>>,
    /// When it was made.
    #[schema(required, format = DateTime)]
    created_at: String,
    /// When it was last used; null, since it is new.
    #[schema(required, format = DateTime)]
    last_seen_at: Option<String>,
    /// When it ends; null for never.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
}

impl From<PersonalTokenRecord> for PersonalTokenRead {
    fn from(record: PersonalTokenRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            scopes: record.scopes,
            created_at: rfc3339(record.created_at),
            last_seen_at: record.last_seen_at.map(rfc3339),
            expires_at: record.expires_at.map(rfc3339),
        }
    }
}

/// Lists the tokens of whoever asks.
async fn list<A, G>(
    State(users): State<AxumUsers<A>>,
    user: CurrentUser<A, Own<G>>,
    RequestContext(context): RequestContext,
) -> Result<Json<PersonalTokenPage>, Refusal>
where
    A: UserApi<Store: PersonalTokenStore>,
    G: Guard<UserOf<A>>,
{
    let tokens = users.manager().personal_tokens(&user, &context).await;
    let items = tokens.map_err(unavailable)?.into_iter().map(Into::into).collect();
    Ok(Json(PersonalTokenPage { items }))
}

fn unavailable(error: StoreError) -> Refusal {
    axum_users_core::Failure::from(error).into()
}

/// Makes a token for whoever asks.
async fn create<A, G>(
    State(users): State<AxumUsers<A>>,
    Extension(tokens): Extension<PersonalTokens<A::Store>>,
    user: CurrentUser<A, Own<G>>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<(StatusCode, Json<PersonalTokenCreated>), Refusal>
where
    A: UserApi<Store: PersonalTokenStore>,
    G: Guard<UserOf<A>>,
{
    let request: PersonalTokenRequest = body.read()?;
    let context = context.with_actor(&user.id());
    let token = tokens
        .generate()
        .map_err(StoreError::unavailable)
        .map_err(unavailable)?;
    let digest = TokenDigest::of(&token);
    let record = users
        .manager()
        .create_personal_token(user.signed_in(), request, digest, tokens.rules(), &context)
        .await
        .map_err(|error| match error {
            PersonalTokenError::SessionEnded => users.unauthorized(true),
            error => error.into(),
        })?;
    let created = PersonalTokenCreated {
        token,
        id: record.id,
        name: record.name,
        scopes: record.scopes,
        created_at: rfc3339(record.created_at),
        last_seen_at: record.last_seen_at.map(rfc3339),
        expires_at: record.expires_at.map(rfc3339),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Ends a token of whoever asks.
async fn end<A, G>(
    State(users): State<AxumUsers<A>>,
    user: CurrentUser<A, Own<G>>,
    RequestContext(context): RequestContext,
    id: Id,
) -> Result<StatusCode, Refusal>
where
    A: UserApi<Store: PersonalTokenStore>,
    G: Guard<UserOf<A>>,
{
    let Ok(axum::extract::Path(id)) = id else {
        return Err(Refusal::not_found());
    };
    let context = context.with_actor(&user.id());
    let ended = users.manager().end_personal_token(&user, &id, &context).await;
    if ended.map_err(unavailable)? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::not_found())
    }
}
