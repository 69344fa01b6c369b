//! Whether the process lives, and whether it can serve.

use std::time::Duration;

use axum::{Json, extract::State};
use axum_users::Refusal;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::users::Users;

const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn router<S: Clone + Send + Sync + 'static>(users: &Users) -> OpenApiRouter<S> {
    OpenApiRouter::default()
        .routes(routes!(live))
        .routes(routes!(ready))
        .with_state(users.clone())
}

#[derive(Serialize, ToSchema)]
struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Json<Health> = Json(Health { status: "ok" });

/// Is the process alive
#[utoipa::path(
    get,
    path = "/live",
    tag = "health",
    security(()),
    responses((status = OK, description = "It is.", body = Health)),
)]
async fn live() -> Json<Health> {
    OK
}

/// Can the process serve
#[utoipa::path(
    get,
    path = "/ready",
    tag = "health",
    security(()),
    responses(
        (status = OK, description = "The database answers.", body = Health),
        (status = SERVICE_UNAVAILABLE, description = "The database does not answer within a second.", body = axum_users::refusal::ErrorModel),
    ),
)]
#[axum::debug_handler(state = Users)]
async fn ready(State(users): State<Users>) -> Result<Json<Health>, Refusal> {
    match timeout(PATIENCE, users.manager().store().connection().ping()).await {
        Ok(Ok(())) => Ok(OK),
        _ => Err(Refusal::unavailable(PATIENCE)),
    }
}
