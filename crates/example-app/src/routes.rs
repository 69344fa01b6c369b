//! What is mounted where.

use axum::{Json, Router};
use axum_users::{
    Active, auth_router, openapi::FinishError, register_router, reset_password_router, user_list_router,
    users_router, verify_router,
};
use serde::Serialize;
use utoipa::{OpenApi as _, ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    docs, health,
    users::{CurrentUser, Users},
};

/// The API, and the document that describes it.
pub(crate) fn api(users: &Users) -> Result<(Router, OpenApi), FinishError> {
    let mut router = OpenApiRouter::with_openapi(docs::About::openapi());
    for backend in users.backends() {
        router = router.nest(&format!("/auth/{}", backend.name()), auth_router(users, backend));
    }
    let (router, document) = router
        .nest("/auth", register_router(users))
        .nest("/auth", verify_router(users))
        .nest("/auth", reset_password_router(users))
        .nest("/users", users_router(users))
        .nest("/users", user_list_router(users))
        .nest("/health", health::router(users))
        .routes(users.guarded(Active, routes!(authenticated_route)))
        .with_state(users.clone())
        .split_for_parts();
    Ok((router, users.finish(document)?))
}

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
#[axum::debug_handler(state = Users)]
async fn authenticated_route(user: CurrentUser) -> Json<Greeting> {
    Json(Greeting {
        message: format!("Hello {}!", user.email),
    })
}
