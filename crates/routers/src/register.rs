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
    mount::{limited, ready, route},
    refused::{Refused, SILENT_REGISTRATION, unchecked},
};

/// Lets anyone make an account, to be mounted under `/auth`, say.
///
/// The account is active, unconfirmed and without privileges, whatever the body says. Nobody is signed in by it.
///
/// After [`UserManager::silent`](axum_users_core::UserManager::silent) the answer is 202 whether the address is free or not.
pub fn register_router<A: UserApi, S>(users: &AxumUsers<A>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let silent = users.manager().is_silent();
    let handler = if silent {
        Route::post("/register", register_silently::<A>)
    } else {
        Route::post("/register", register::<A>)
    };
    let register = route(users, handler, "register:register")
        .tag("auth")
        .summary("Register")
        .accepts::<A::Create>()
        .validates();
    let register = if silent {
        register
            .description(
                "Makes an account, if the address is free. The answer is the same for every address; what happened is mailed to \
                 it. Privileged fields in the body are ignored.",
            )
            .fails_with(SILENT_REGISTRATION)
            .returns_null(StatusCode::ACCEPTED, "A mail is on its way to the address.")
    } else {
        register
            .description("Makes an account. Privileged fields in the body are ignored.")
            .fails_with(RegisterError::DOCS)
            .returns::<A::Read>(StatusCode::CREATED, "The new user.")
    };
    let register = limited(users, register.fails_with(unchecked(users)));
    ready(users, OpenApiRouter::default().routes(register.into()))
}

/// Makes an account.
async fn register<A: UserApi>(
    State(users): State<AxumUsers<A>>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<(StatusCode, Json<A::Read>), Refusal> {
    let user = users.manager().register(body.read()?, &context).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Makes an account, or not, and does not say which.
async fn register_silently<A: UserApi>(
    State(users): State<AxumUsers<A>>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<(StatusCode, Json<()>), Refusal> {
    users.manager().register_silently(body.read()?, &context).await?;
    Ok((StatusCode::ACCEPTED, Json(())))
}
