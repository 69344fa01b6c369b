//! How a token travels.

mod bearer;
mod cookie;

use std::{borrow::Cow, fmt};

use axum::{
    http::{HeaderMap, Uri},
    response::Response,
};
use utoipa::openapi::security::SecurityScheme;

use crate::{refusal::Challenge, strategy::IssuedToken};

pub use self::{
    bearer::{BearerResponse, BearerTransport},
    cookie::{CookieTransport, SameSite},
};

/// How a login is answered, for the document.
///
/// ```
/// use axum_users_auth::transport::{BearerTransport, LoginAnswer, Transport};
///
/// assert_eq!(BearerTransport::new().login_answer(), LoginAnswer::Body);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginAnswer {
    /// 200 with [`BearerResponse`].
    Body,
    /// 204 with `Set-Cookie`.
    Cookie,
}

/// How a token travels between client and server.
///
/// [`BearerTransport`] and [`CookieTransport`] are ready; an application may write its own, for an API key in a header say.
///
/// ```
/// use axum_users_auth::{Backend, strategy::Strategy, transport::Transport};
/// use axum_users_core::{IdFor, UserApi};
///
/// /// A transport of the application's own is used as those of the library are.
/// fn backend<A: UserApi>(header: impl Transport, strategy: impl Strategy<IdFor<A>>) -> Backend<A> {
///     Backend::new("key", header, strategy)
/// }
/// ```
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// The token that a request presents; `None` where it presents none.
    ///
    /// What is presented but cannot be a token is answered as an empty text, so that the request counts as one with a bad
    /// token.
    fn read<'h>(&self, headers: &'h HeaderMap) -> Option<Cow<'h, str>>;

    /// The answer to a login.
    fn sign_in(&self, token: &IssuedToken) -> Response;

    /// The answer to a logout.
    fn sign_out(&self) -> Response;

    /// Hands the client a token that takes the place of the one it presented, beside an answer that is about something else.
    ///
    /// By default the client gets none, and has to log in again.
    fn replace(&self, token: &IssuedToken, headers: &mut HeaderMap) {
        let _ = (token, headers);
    }

    /// How a login is answered, for the document.
    fn login_answer(&self) -> LoginAnswer;

    /// The security scheme of the document; an empty `tokenUrl` is filled in later.
    fn scheme(&self) -> SecurityScheme;

    /// How a 401 asks for this transport (RFC 9110, section 11.6.1), if there is a way.
    fn challenge(&self) -> Option<Challenge>;

    /// Whether browsers send the token by themselves, as they do with cookies.
    ///
    /// # Security
    /// Such a transport is checked for requests that another site caused (OWASP, Cross-Site Request Forgery Prevention).
    fn is_ambient(&self) -> bool {
        false
    }

    /// What is wrong with the settings, if anything is; asked once, at start-up.
    ///
    /// # Errors
    /// A sentence that says what to do.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Why a browser would not keep or send the token where people reach the application at `url`, if it would not.
    ///
    /// # Errors
    /// A sentence that says what to do.
    fn check_url(&self, url: &Uri) -> Result<(), String> {
        let _ = url;
        Ok(())
    }
}
