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
#[non_exhaustive]
pub enum Token {
    /// In the `Authorization` header.
    Bearer(String),
    /// In a cookie, as it is on the wire.
    Cookie {
        /// The name of the cookie.
        name: String,
        /// The token.
        value: String,
    },
    /// In a header of another name.
    Header {
        /// The name of the header.
        name: HeaderName,
        /// The token.
        value: String,
    },
}

impl Token {
    /// A token in the `Authorization` header.
    pub fn bearer(text: impl Into<String>) -> Self {
        Self::Bearer(text.into())
    }

    /// A token in the cookie of this name, as it is on the wire.
    pub fn cookie(name: &str, text: impl Into<String>) -> Self {
        Self::Cookie {
            name: name.to_owned(),
            value: text.into(),
        }
    }

    /// The token itself.
    pub fn text(&self) -> &str {
        match self {
            Self::Bearer(text) | Self::Cookie { value: text, .. } | Self::Header { value: text, .. } => text,
        }
    }

    pub(crate) fn present(&self, headers: &mut HeaderMap) {
        let (name, value) = match self {
            Self::Bearer(text) => (AUTHORIZATION, format!("Bearer {text}")),
            Self::Cookie { name, value } => (COOKIE, format!("{name}={value}")),
            Self::Header { name, value } => (name.clone(), value.clone()),
        };
        let value = HeaderValue::try_from(value).expect("a token has no control characters");
        headers.append(name, value);
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(_) => f.write_str("Bearer(..)"),
            Self::Cookie { name, .. } => write!(f, "Cookie({name}, ..)"),
            Self::Header { name, .. } => write!(f, "Header({name}, ..)"),
        }
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
            let name = HeaderName::try_from(key.name).expect("the document names a header");
            Token::Header { name, value: text }
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
