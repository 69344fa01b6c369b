//! What is mounted where.

use axum::{Json, Router};
use axum_users::{
    Active, Any, Superuser, Verified, Via, auth_router, change_email_router, guard::BackendNames,
    openapi::FinishError, personal_tokens_router, register_router, reset_password_router, sessions_router,
    users_router, verify_router,
};
use serde::Serialize;
use utoipa::{OpenApi as _, ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::users::{CurrentUser, Users, Wired};

/// The API, and the document that describes it.
pub(crate) fn api(wired: &Wired) -> Result<(Router, OpenApi), FinishError> {
    let Wired { users, personal } = wired;
    let verified = users.mount("verified").verified_only();
    let mut router = OpenApiRouter::with_openapi(About::openapi());
    for backend in users.backends().iter().filter(|backend| !backend.is_personal()) {
        router = router.nest(&format!("/auth/{}", backend.name()), auth_router(users, backend));
        if backend.name() == Jwt::NAME {
            router = router.nest("/auth/verified", auth_router(&verified, backend));
        }
    }
    let (router, document) = router
        .nest("/auth", register_router(users))
        .nest("/auth", reset_password_router(users))
        .nest("/auth", verify_router(users))
        .nest("/auth", change_email_router(users))
        .nest("/auth/sessions", sessions_router(users))
        .nest("/auth/tokens", personal_tokens_router(users, personal))
        .nest("/users", users_router(users))
        .nest("/verified-users", users_router(&verified))
        .merge(own(users))
        .with_state(users.clone())
        .split_for_parts();
    Ok((router, users.finish(document)?))
}

fn own(users: &Users) -> OpenApiRouter<Users> {
    OpenApiRouter::default()
        .routes(users.guarded(Any, routes!(any)))
        .routes(routes!(optional))
        .routes(users.guarded(Verified, routes!(verified)))
        .routes(users.guarded(Superuser, routes!(superuser)))
        .routes(users.guarded((Verified, Superuser), routes!(verified_superuser)))
        .routes(routes!(optional_superuser))
        .routes(users.guarded(ByJwt::default(), routes!(jwt_only)))
        .routes(users.guarded(Active, routes!(authenticated_route)))
        .routes(routes!(health))
}

/// What the document says of the application as a whole.
#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "axum-users full profile",
    description = "Every router on every backend.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
))]
struct About;

/// The backend of JWTs.
struct Jwt;

impl Jwt {
    const NAME: &'static str = "jwt";
}

impl BackendNames for Jwt {
    const NAMES: &'static [&'static str] = &[Self::NAME];
}

type ByJwt = (Active, Via<Jwt>);

#[derive(Serialize, ToSchema)]
struct Who {
    /// The address of whoever asks; `null` where that is nobody.
    #[schema(required)]
    email: Option<String>,
}

fn who<G>(user: &CurrentUser<G>) -> Json<Who> {
    Json(Who {
        email: Some(user.email.clone()),
    })
}

fn perhaps<G>(user: Option<&CurrentUser<G>>) -> Json<Who> {
    Json(Who {
        email: user.map(|user| user.email.clone()),
    })
}

/// Whoever is signed in, active or not
#[utoipa::path(get, path = "/protected/any", tag = "protected", responses((status = OK, description = "Passed.", body = Who)))]
async fn any(user: CurrentUser<Any>) -> Json<Who> {
    who(&user)
}

/// Active users, and anybody
#[utoipa::path(
    get,
    path = "/protected/optional",
    tag = "protected",
    security((), ("jwt" = []), ("db" = []), ("cookie" = [])),
    responses((status = OK, description = "Passed.", body = Who)),
)]
async fn optional(user: Option<CurrentUser>) -> Json<Who> {
    perhaps(user.as_ref())
}

/// Active users whose address is confirmed
#[utoipa::path(get, path = "/protected/verified", tag = "protected", responses((status = OK, description = "Passed.", body = Who)))]
async fn verified(user: CurrentUser<Verified>) -> Json<Who> {
    who(&user)
}

/// Active superusers
#[utoipa::path(get, path = "/protected/superuser", tag = "protected", responses((status = OK, description = "Passed.", body = Who)))]
async fn superuser(user: CurrentUser<Superuser>) -> Json<Who> {
    who(&user)
}

/// Active superusers whose address is confirmed
#[utoipa::path(get, path = "/protected/verified-superuser", tag = "protected", responses((status = OK, description = "Passed.", body = Who)))]
async fn verified_superuser(user: CurrentUser<(Verified, Superuser)>) -> Json<Who> {
    who(&user)
}

/// Active superusers, and anybody
#[utoipa::path(
    get,
    path = "/protected/optional-superuser",
    tag = "protected",
    security((), ("jwt" = []), ("db" = []), ("cookie" = [])),
    responses((status = OK, description = "Passed.", body = Who)),
)]
async fn optional_superuser(user: Option<CurrentUser<Superuser>>) -> Json<Who> {
    perhaps(user.as_ref())
}

/// Active users, signed in by JWT
#[utoipa::path(get, path = "/protected/jwt-only", tag = "protected", responses((status = OK, description = "Passed.", body = Who)))]
async fn jwt_only(user: CurrentUser<ByJwt>) -> Json<Who> {
    who(&user)
}

#[derive(Serialize, ToSchema)]
struct Greeting {
    #[schema(example = "Hello king.arthur@camelot.bt!")]
    message: String,
}

/// Greet the user
#[utoipa::path(get, path = "/authenticated-route", tag = "protected", responses((status = OK, description = "A greeting.", body = Greeting)))]
async fn authenticated_route(user: CurrentUser) -> Json<Greeting> {
    Json(Greeting {
        message: format!("Hello {}!", user.email),
    })
}

/// Is the process alive
#[utoipa::path(get, path = "/health", tag = "health", security(()), responses((status = OK, description = "It is.", body = Who)))]
async fn health() -> Json<Who> {
    Json(Who { email: None })
}
