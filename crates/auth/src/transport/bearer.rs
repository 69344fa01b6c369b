//! The `Authorization` header.

use std::{borrow::Cow, fmt};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::security::{Flow, HttpAuthScheme, HttpBuilder, OAuth2, Password, Scopes, SecurityScheme},
};
use zeroize::Zeroize;

use crate::{
    json::{Json, no_store},
    refusal::Challenge,
    strategy::IssuedToken,
    transport::{LoginAnswer, Transport},
};

const AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("authentication-info");

/// `Authorization: Bearer …` (RFC 6750, section 2.1); neither query nor body is looked at.
///
/// ```
/// use axum::http::HeaderMap;
/// use axum_users_auth::transport::{BearerTransport, Transport};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("authorization", "Bearer abc".parse().unwrap());
/// assert_eq!(BearerTransport::new().read(&headers).as_deref(), Some("abc"));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct BearerTransport {
    without_login: bool,
}

impl BearerTransport {
    /// The transport.
    pub const fn new() -> Self {
        Self { without_login: false }
    }

    /// The same for tokens that no login makes: the document shows a plain bearer scheme, without a `tokenUrl`.
    pub const fn without_login() -> Self {
        Self { without_login: true }
    }
}

/// The answer to a login (RFC 6749, section 5.1).
#[derive(Clone, Serialize, ToSchema)]
#[non_exhaustive]
pub struct BearerResponse {
    /// The token.
    pub access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    pub token_type: String,
    /// How many seconds the token is good; absent where it never ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_in: Option<u64>,
}

impl Drop for BearerResponse {
    fn drop(&mut self) {
        self.access_token.zeroize();
    }
}

/// Shows no token.
impl fmt::Debug for BearerResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerResponse")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

impl Transport for BearerTransport {
    fn read<'h>(&self, headers: &'h HeaderMap) -> Option<Cow<'h, str>> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next()?;
        // Two credentials in one request are never guessed between (RFC 6750, section 2).
        if values.next().is_some() {
            return Some(Cow::Borrowed(""));
        }
        let Ok(text) = value.to_str() else {
            let bytes = value.as_bytes();
            let bearer = bytes
                .get(..7)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"bearer "));
            return bearer.then_some(Cow::Borrowed(""));
        };
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| Cow::Borrowed(token.trim_matches(' ')))
    }

    fn sign_in(&self, token: &IssuedToken) -> Response {
        let body = BearerResponse {
            access_token: token.expose().to_owned(),
            token_type: "bearer".to_owned(),
            expires_in: token.lifetime().map(|lifetime| lifetime.as_secs()),
        };
        (StatusCode::OK, Json(body)).into_response()
    }

    fn sign_out(&self) -> Response {
        no_store(StatusCode::NO_CONTENT.into_response())
    }

    /// `Authentication-Info` (RFC 9110, section 11.6.3) with the parameters of a login answer.
    fn replace(&self, token: &IssuedToken, headers: &mut HeaderMap) {
        let expires_in = token.lifetime().map_or_else(String::new, |lifetime| {
            format!(", expires_in={}", lifetime.as_secs())
        });
        let value = format!(
            "access_token=\"{}\", token_type=\"bearer\"{expires_in}",
            token.expose()
        );
        if let Ok(mut value) = HeaderValue::try_from(value) {
            value.set_sensitive(true);
            headers.insert(AUTHENTICATION_INFO, value);
        }
    }

    fn login_answer(&self) -> LoginAnswer {
        LoginAnswer::Body
    }

    fn scheme(&self) -> SecurityScheme {
        if self.without_login {
            let http = HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("A personal access token in the `Authorization` header."));
            return SecurityScheme::Http(http.build());
        }
        let flow = Flow::Password(Password::new("", Scopes::new()));
        SecurityScheme::OAuth2(OAuth2::with_description(
            [flow],
            "A token in the `Authorization` header.",
        ))
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(Challenge::bearer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                header::AUTHORIZATION,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        BearerTransport::new().read(&headers).map(Cow::into_owned)
    }

    #[test]
    fn the_answer_to_a_login_does_not_show_its_token() {
        let answer = BearerResponse {
            access_token: "abc".to_owned(),
            token_type: "bearer".to_owned(),
            expires_in: None,
        };
        assert!(!format!("{answer:?}").contains("abc"));
    }

    #[test]
    fn the_scheme_is_known_in_any_case_and_others_are_not() {
        assert_eq!(read(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(read(&["bEARER   abc "]).as_deref(), Some("abc"));
        assert_eq!(read(&["Basic abc"]), None);
        assert_eq!(read(&["abc"]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn what_cannot_be_a_token_is_a_bad_one() {
        assert_eq!(read(&["Bearer"]).as_deref(), Some(""));
        assert_eq!(read(&["Bearer abc", "Bearer def"]).as_deref(), Some(""));
        assert_eq!(read(&["Bearer \u{fc}"]).as_deref(), Some(""));
    }
}
