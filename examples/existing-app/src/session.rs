//! Signing in and out as the shop's pages have always done it.

use std::convert::Infallible;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use axum_users::{Any, Backend, LoginError, Password, Refusal, UsersApi};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{AppState, Problem, Users};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(sign_in, sign_out))
}

#[derive(Deserialize, ToSchema)]
struct SignIn {
    email: String,
    password: String,
}

/// Sign in
#[utoipa::path(
    post,
    path = "/",
    tag = "session",
    security(()),
    responses(
        (status = NO_CONTENT, description = "The cookie is set."),
        (status = BAD_REQUEST, description = "`WRONG_PASSWORD`", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[axum::debug_handler(state = AppState)]
async fn sign_in(
    State(users): State<Users>,
    Head(parts): Head,
    Json(body): Json<SignIn>,
) -> Result<Response, Refusal> {
    let cookie = cookie(&users)?;
    let context = users.context(&parts);
    // A page of another site must not sign anybody in.
    users.check_origin(cookie, &parts, &context)?;
    let password = Password::parse(&body.password).map_err(|_| wrong())?;
    let token = users.login(cookie, &body.email, password, &context).await;
    let token = token.map_err(|error| match error {
        LoginError::Failed(failure) => failure.into(),
        _ => wrong(),
    })?;
    Ok(cookie.transport().sign_in(&token))
}

/// Sign out
#[utoipa::path(
    delete,
    path = "/",
    tag = "session",
    responses(
        (status = NO_CONTENT, description = "The session has ended."),
        (status = UNAUTHORIZED, description = "`UNAUTHORIZED`", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[axum::debug_handler(state = AppState)]
async fn sign_out(State(users): State<Users>, Head(parts): Head) -> Result<Response, Refusal> {
    users.logout::<Any>(cookie(&users)?, &parts).await
}

/// All of a request but its body.
struct Head(Parts);

impl<S: Sync> FromRequestParts<S> for Head {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.clone()))
    }
}

fn cookie(users: &Users) -> Result<&Backend<UsersApi>, Refusal> {
    users.backends().first().ok_or_else(Refusal::internal)
}

fn wrong() -> Refusal {
    Refusal::coded(StatusCode::BAD_REQUEST, "WRONG_PASSWORD")
}
