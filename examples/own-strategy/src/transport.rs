//! How a key travels: in the header `X-Api-Key`.

use std::borrow::Cow;

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use axum_users::{
    json::Json,
    refusal::Challenge,
    strategy::IssuedToken,
    transport::{LoginAnswer, Transport},
};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};

/// A token in a header of its own. No browser sends it by itself, so it needs no check of the origin.
#[derive(Debug)]
pub(crate) struct HeaderTransport;

impl Transport for HeaderTransport {
    fn read<'h>(&self, headers: &'h HeaderMap) -> Option<Cow<'h, str>> {
        let value = headers.get("x-api-key")?;
        Some(Cow::Borrowed(value.to_str().unwrap_or_default())) // what is no text is a bad token
    }

    fn sign_in(&self, token: &IssuedToken) -> Response {
        Json(serde_json::json!({ "access_token": token.expose(), "token_type": "api_key" })).into_response()
    }

    fn sign_out(&self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }

    fn login_answer(&self) -> LoginAnswer {
        LoginAnswer::Body
    }

    fn scheme(&self) -> SecurityScheme {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Api-Key")))
    }

    fn challenge(&self) -> Option<Challenge> {
        None
    }
}
