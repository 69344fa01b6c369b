//! `POST /register`.

use axum::{extract::State, http::StatusCode};
use axum_users_auth::{
    AxumUsers, Refusal, RequestContext,
    json::{Json, JsonObject},
    openapi::Route,
};
use axum_users_core::{RegisterError, UserApi};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    mount::{read, ready, route, limited},
    refused::{Refused, unchecked},
};

/// Lets anyone make an account, to be mounted under `/auth`, say.
///
/// The account is active, unconfirmed and without privileges, whatever the body says. Nobody is signed in by it.
pub fn register_router<A: UserApi, S>(users: &AxumUsers<A>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let register = route(
        users,
        Route::post("/register", register::<A>),
        "register:register",
    )
    .tag("auth")
    .summary("Register")
    .description("Makes an account. Privileged fields in the body are ignored.")
    .accepts::<A::Create>()
    .validates()
    .fails_with(RegisterError::DOCS)
    .fails_with(unchecked(users))
    .returns::<A::Read>(StatusCode::CREATED, "The new user.");
    let register = limited(users, register);
    ready(users, OpenApiRouter::default().routes(register.into()))
}

/// Makes an account.
async fn register<A: UserApi>(
    State(users): State<AxumUsers<A>>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<(StatusCode, Json<A::Read>), Refusal> {
    let user = users
        .manager()
        .register(read(body)?, &context)
        .await
        .map_err(Refused::refusal)?;
    Ok((StatusCode::CREATED, Json(user.into())))
}
