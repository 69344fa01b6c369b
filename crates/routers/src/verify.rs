//! `POST /request-verify-token`, `POST /verify`.

use axum::{extract::State, http::StatusCode};
use axum_users_auth::{
    AxumUsers, Refusal, RequestContext,
    json::{Json, JsonObject},
    openapi::Route,
};
use axum_users_core::{EmailRequest, TokenRequest, UserApi, VerifyError};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    mount::{limited, ready, route, to_the_end},
    refused::Refused,
};

/// Lets users confirm their address by a mailed token, to be mounted under `/auth`, say.
pub fn verify_router<A: UserApi, S>(users: &AxumUsers<A>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let request = route(users, Route::post("/request-verify-token", request_token::<A>), "verify:request-token")
        .tag("auth")
        .summary("Request a token to verify an address")
        .description(
            "Mails a token to an active user whose address is not confirmed. The answer is the same for every address.",
        )
        .accepts_fields::<EmailRequest>()
        .validates()
        .returns_null(StatusCode::ACCEPTED, "A token is mailed, if the address waits for one.");
    let verify = route(users, Route::post("/verify", verify::<A>), "verify:verify")
        .tag("auth")
        .summary("Verify an address")
        .description("Confirms the address to which the token was mailed.")
        .accepts_fields::<TokenRequest>()
        .validates()
        .fails_with(VerifyError::DOCS)
        .returns::<A::Read>(StatusCode::OK, "The user, whose address is confirmed now.");
    ready(
        users,
        to_the_end(
            OpenApiRouter::default()
                .routes(limited(users, request).into())
                .routes(limited(users, verify).into()),
        ),
    )
}

/// Mails a token.
async fn request_token<A: UserApi>(
    State(users): State<AxumUsers<A>>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<(StatusCode, Json<()>), Refusal> {
    let EmailRequest { email, .. } = body.read()?;
    users.manager().request_verify(&email, &context).await?;
    Ok((StatusCode::ACCEPTED, Json(())))
}

/// Confirms an address.
async fn verify<A: UserApi>(
    State(users): State<AxumUsers<A>>,
    RequestContext(context): RequestContext,
    body: JsonObject,
) -> Result<Json<A::Read>, Refusal> {
    let TokenRequest { token, .. } = body.read()?;
    let user = users.manager().verify(token.as_str(), &context).await?;
    Ok(Json(user.into()))
}
