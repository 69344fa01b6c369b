//! What signs a request in.

use std::fmt;

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};
use axum_users_auth::{
    AxumUsers, Backend,
    strategy::{Grant, Issue},
};
use axum_users_core::{IdFor, UserApi, UserStore};
use utoipa::openapi::security::{ApiKey, SecurityScheme};

/// A token together with the header that it travels in.
///
/// [`TestApp::token`](crate::TestApp::token) issues one, [`Answer::token`](crate::Answer::token) takes one from a login, and
/// [`Call::by`](crate::Call::by) presents it.
///
/// ```
/// use axum_users_testing::Token;
///
/// assert_eq!(Token::bearer("abc").text(), "abc");
/// assert_eq!(Token::cookie("__Host-session", "abc").text(), "abc");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    name: HeaderName,
    value: HeaderValue,
}

impl Token {
    /// A token in the `Authorization` header.
    pub fn bearer(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(AUTHORIZATION, &format!("Bearer {text}"), text)
    }

    /// A token in the cookie of this name, as it is on the wire.
    pub fn cookie(name: &str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(COOKIE, &format!("{name}={text}"), text)
    }

    fn new(name: HeaderName, value: &str, text: String) -> Self {
        let value = HeaderValue::try_from(value).expect("a token has no control characters");
        Self { text, name, value }
    }

    /// The token itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn present(&self, headers: &mut HeaderMap) {
        headers.append(self.name.clone(), self.value.clone());
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").field(&self.name).finish()
    }
}

/// Issues a token of `backend` at the epoch of the user, and puts it where the document of the backend says.
pub(crate) async fn issue<A: UserApi>(users: &AxumUsers<A>, backend: &Backend<A>, id: &IdFor<A>) -> Token {
    let name = backend.name();
    let manager = users.manager();
    let stored = manager.store().find(id).await.expect("the store can be asked");
    let stored = stored.unwrap_or_else(|| panic!("there is no user {id} in the store"));
    let context = manager.context();
    let issued = backend
        .strategy()
        .issue(Grant::new(id, stored.epoch, name, &context))
        .await;
    let text = match issued {
        Ok(Issue::Issued(token)) => token.expose().to_owned(),
        other => panic!("backend `{name}` issued no token to {id}: {other:?}"),
    };
    let token = match backend.transport().scheme() {
        SecurityScheme::ApiKey(ApiKey::Cookie(key)) => Token::cookie(&key.name, text),
        SecurityScheme::ApiKey(ApiKey::Header(key)) => {
            let header = HeaderName::try_from(key.name).expect("the document names a header");
            Token::new(header, &text, text.clone())
        }
        _ => Token::bearer(text),
    };
    let mut headers = HeaderMap::new();
    token.present(&mut headers);
    assert_eq!(
        backend.transport().read(&headers).as_deref(),
        Some(token.text()),
        "the transport of backend `{name}` does not read tokens where its security scheme says; sign requests in by `header`"
    );
    token
}
