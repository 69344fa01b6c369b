//! What is mounted where.

use axum::{Json, Router};
use axum_users::{
    Active, Scope, auth_router, change_email_router, openapi::FinishError, personal_tokens_router,
    register_router, reset_password_router, sessions_router, user_list_router, users_router, verify_router,
};
use serde::Serialize;
use utoipa::{OpenApi as _, ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    docs, health,
    users::{CurrentUser, Greet, Wired},
};

/// The API, and the document that describes it.
pub(crate) fn api(wired: &Wired) -> Result<(Router, OpenApi), FinishError> {
    let Wired { users, personal, .. } = wired;
    let mut router = OpenApiRouter::with_openapi(docs::About::openapi());
    for backend in users.backends().iter().filter(|backend| !backend.is_personal()) {
        router = router.nest(&format!("/auth/{}", backend.name()), auth_router(users, backend));
    }
    let (router, document) = router
        .nest("/auth", register_router(users))
        .nest("/auth", verify_router(users))
        .nest("/auth", reset_password_router(users))
        .nest("/auth", change_email_router(users))
        .nest("/auth/sessions", sessions_router(users))
        .nest("/auth/tokens", personal_tokens_router(users, personal))
        .nest("/users", users_router(users))
        .nest("/users", user_list_router(users))
        .nest("/health", health::router(users))
        .routes(users.guarded(MayBeGreeted::default(), routes!(authenticated_route)))
        .with_state(users.clone())
        .split_for_parts();
    Ok((router, users.finish(document)?))
}

/// Active users, and personal access tokens with the scope for it.
type MayBeGreeted = (Active, Scope<Greet>);

#[derive(Serialize, ToSchema)]
struct Greeting {
    #[schema(example = "Hello king.arthur@camelot.bt!")]
    message: String,
}

/// Greet the user
///
/// A guarded handler of the application's own.
#[utoipa::path(
    get,
    path = "/authenticated-route",
    tag = "example",
    responses((status = OK, description = "A greeting.", body = Greeting)),
)]
#[axum::debug_handler(state = crate::users::Users)]
async fn authenticated_route(user: CurrentUser<MayBeGreeted>) -> Json<Greeting> {
    Json(Greeting {
        message: format!("Hello {}!", user.email),
    })
}
