//! `POST /forgot-password`, `POST /reset-password`.

use axum::{extract::State, http::StatusCode};
use axum_users_auth::{
    AxumUsers, Refusal, RequestContext,
    json::{Json, JsonObject},
    openapi::Route,
};
use axum_users_core::{EmailRequest, ResetPasswordError, ResetPasswordRequest, UserApi};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    mount::{limited, ready, route, to_the_end},
    refused::{Refused, unchecked},
};

/// Lets users set a new password by a mailed token, to be mounted under `/auth`, say.
///
/// A reset ends all sessions of the user and signs nobody in.
pub fn reset_password_router<A: UserApi, S>(users: &AxumUsers<A>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let forgot = route(
        users,
        Route::post("/forgot-password", forgot_password::<A>),
        "reset:forgot_password",
    )
    .tag("auth")
    .summary("Request a token to reset a password")
    .description("Mails a token to an active user. The answer is the same for every address.")
    .accepts_fields::<EmailRequest>()
    .validates()
    .returns_null(
        StatusCode::ACCEPTED,
        "A token is mailed, if the address belongs to a user.",
    );
    let reset = route(
        users,
        Route::post("/reset-password", reset_password::<A>),
        "reset:reset_password",
    )
    .tag("auth")
    .summary("Reset a password")
    .description("Sets a new password by a mailed token, and ends all sessions of the user.")
    .accepts_fields::<ResetPasswordRequest>()
    .validates()
    .fails_with(ResetPasswordError::DOCS)
    .fails_with(unchecked(users))
    .returns_null(StatusCode::OK, "The new password is set.");
    ready(
        users,
        to_the_end(
            OpenApiRouter::default()
                .routes(limited(users, forgot).into())
                .routes(limited(users, reset).into()),
        ),
    )
}

/// Mails a token.
async fn forgot_password<A: UserApi>(
    State(users): State<AxumUsers<A>>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<(StatusCode, Json<()>), Refusal> {
    let EmailRequest { email, .. } = body.read()?;
    users.manager().forgot_password(&email, &context).await?;
    Ok((StatusCode::ACCEPTED, Json(())))
}

/// Sets a new password.
async fn reset_password<A: UserApi>(
    State(users): State<AxumUsers<A>>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<Json<()>, Refusal> {
    let ResetPasswordRequest { token, password, .. } = body.read()?;
    users
        .manager()
        .reset_password(token.as_str(), password, &context)
        .await?;
    Ok(Json(()))
}
