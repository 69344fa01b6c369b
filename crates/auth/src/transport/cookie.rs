//! A cookie.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use cookie::Cookie;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};

use crate::{
    json::no_store,
    refusal::Challenge,
    strategy::IssuedToken,
    transport::{LoginAnswer, Transport},
};

/// Whether a browser sends the cookie with requests that another site causes (RFC 6265bis, section 5.6.7).
///
/// ```
/// use axum_users_auth::transport::{CookieTransport, SameSite};
///
/// let cookie = CookieTransport::new("session").same_site(SameSite::Strict);
/// # assert_eq!(cookie.wire_name(), "__Host-session");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SameSite {
    /// Only when the user follows a link to us.
    #[default]
    Lax,
    /// Never.
    Strict,
    /// Always, for a front end on another site.
    ///
    /// # Security
    /// The check of `Origin` is then all that stands against forged requests.
    None,
}

/// A cookie that scripts cannot read, that travels over TLS only, and that is checked for requests of other sites.
///
/// On the wire it is called `__Host-NAME` as long as the other attributes allow it: `Secure`, `Path=/`, no `Domain`
/// (RFC 6265bis, section 4.1.3.2). It lives as long as its token.
///
/// ```
/// use axum_users_auth::transport::CookieTransport;
///
/// assert_eq!(CookieTransport::new("session").wire_name(), "__Host-session");
/// assert_eq!(CookieTransport::new("session").path("/app").wire_name(), "__Secure-session");
/// ```
#[derive(Debug, Clone)]
pub struct CookieTransport {
    name: String,
    exact_name: bool,
    path: String,
    domain: Option<String>,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    lives: Lives,
}

/// How long a browser keeps the cookie.
#[derive(Debug, Clone, Copy)]
enum Lives {
    AsItsToken,
    For(Duration),
    UntilBrowserCloses,
}

impl CookieTransport {
    /// A cookie of this name, which gets the prefix that its attributes allow.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            exact_name: false,
            path: "/".to_owned(),
            domain: None,
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            lives: Lives::AsItsToken,
        }
    }

    /// Uses the name as it is, without a prefix; for clients that know the cookie already.
    ///
    /// # Security
    /// Without `__Host-` a neighbouring subdomain, or an attacker on the network, can plant a cookie of this name.
    #[must_use]
    pub fn insecure_exact_name(mut self) -> Self {
        self.exact_name = true;
        self
    }

    /// Sends the cookie only below this path; `/` by default.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Shares the cookie with the subdomains of this domain; by default only the host that set it gets it.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Whether requests that another site causes carry the cookie; [`SameSite::Lax`] by default.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Lets the browser forget the cookie when it is closed, instead of keeping it as long as its token.
    #[must_use]
    pub fn until_browser_closes(mut self) -> Self {
        self.lives = Lives::UntilBrowserCloses;
        self
    }

    /// Lets the browser keep the cookie this long, in whole seconds, instead of as long as its token.
    ///
    /// The token's own expiry still decides: a cookie that outlives its token signs nobody in.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.lives = Lives::For(age);
        self
    }

    /// Sends the cookie over plain HTTP too.
    ///
    /// # Security
    /// Whoever sees the traffic has the session. Browsers take `Secure` cookies from `http://localhost` as it is.
    #[must_use]
    pub fn insecure_plain_http(mut self) -> Self {
        self.secure = false;
        self
    }

    /// Lets scripts of the page read the cookie.
    ///
    /// # Security
    /// Any script that gets into the page can take the session away.
    #[must_use]
    pub fn insecure_readable_by_scripts(mut self) -> Self {
        self.http_only = false;
        self
    }

    /// The name that browsers see.
    pub fn wire_name(&self) -> Cow<'_, str> {
        if self.exact_name || !self.secure {
            Cow::Borrowed(&self.name)
        } else if self.path == "/" && self.domain.is_none() {
            Cow::Owned(format!("__Host-{}", self.name))
        } else {
            Cow::Owned(format!("__Secure-{}", self.name))
        }
    }

    fn set(&self, value: &str, max_age: Option<Duration>, headers: &mut HeaderMap) {
        let mut cookie = Cookie::build((self.wire_name().into_owned(), value.to_owned()))
            .path(self.path.clone())
            .secure(self.secure)
            .http_only(self.http_only)
            .same_site(match self.same_site {
                SameSite::Lax => cookie::SameSite::Lax,
                SameSite::Strict => cookie::SameSite::Strict,
                SameSite::None => cookie::SameSite::None,
            });
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain.clone());
        }
        if let Some(age) = max_age {
            let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            cookie = cookie.max_age(cookie::time::Duration::seconds(seconds));
        }
        if let Ok(value) = HeaderValue::try_from(cookie.build().to_string()) {
            headers.append(header::SET_COOKIE, value);
        }
    }

    fn answer(&self, value: &str, max_age: Option<Duration>) -> Response {
        let mut response = no_store(StatusCode::NO_CONTENT.into_response());
        self.set(value, max_age, response.headers_mut());
        response
    }

    fn age_of(&self, token: &IssuedToken) -> Option<Duration> {
        match self.lives {
            Lives::AsItsToken => token.keep,
            Lives::For(age) => Some(age),
            Lives::UntilBrowserCloses => None,
        }
    }
}

impl Transport for CookieTransport {
    fn read<'h>(&self, headers: &'h HeaderMap) -> Option<Cow<'h, str>> {
        let name = self.wire_name();
        let mut found: Option<Cow<'h, str>> = None;
        for header in headers.get_all(header::COOKIE) {
            let Ok(text) = std::str::from_utf8(header.as_bytes()) else {
                continue;
            };
            for pair in text.split(';') {
                let Some((key, value)) = pair.trim().split_once('=') else {
                    continue;
                };
                if key != name {
                    continue;
                }
                let value = value
                    .strip_prefix('"')
                    .and_then(|value| value.strip_suffix('"'))
                    .unwrap_or(value);
                match &found {
                    // A planted second cookie must not decide who is signed in.
                    Some(first) if first != value => return Some(Cow::Borrowed("")),
                    _ => found = Some(Cow::Borrowed(value)),
                }
            }
        }
        found
    }

    fn sign_in(&self, token: &IssuedToken) -> Response {
        self.answer(token.expose(), self.age_of(token))
    }

    fn sign_out(&self) -> Response {
        self.answer("", Some(Duration::ZERO))
    }

    fn replace(&self, token: &IssuedToken, headers: &mut HeaderMap) {
        self.set(token.expose(), self.age_of(token), headers);
    }

    fn login_answer(&self) -> LoginAnswer {
        LoginAnswer::Cookie
    }

    fn scheme(&self) -> SecurityScheme {
        let value =
            ApiKeyValue::with_description(self.wire_name(), Cow::Borrowed("A cookie that the login sets."));
        SecurityScheme::ApiKey(ApiKey::Cookie(value))
    }

    fn challenge(&self) -> Option<Challenge> {
        None
    }

    fn is_ambient(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        let token_char = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic() && c != ';');
        if self.name.is_empty() || !self.name.chars().all(token_char) {
            return Err(
                "the name of a cookie has letters, digits and `-._` only (RFC 6265, section 4.1.1)"
                    .to_owned(),
            );
        }
        if !self.path.starts_with('/') || !plain(&self.path) {
            return Err("the path of a cookie begins with `/` and has neither blanks nor `;`".to_owned());
        }
        if self
            .domain
            .as_deref()
            .is_some_and(|domain| domain.is_empty() || !plain(domain))
        {
            return Err("the domain of a cookie is a host name".to_owned());
        }
        if matches!(self.lives, Lives::For(age) if age < Duration::from_secs(1)) {
            return Err("browsers drop a cookie with a `Max-Age` below a second at once".to_owned());
        }
        if self.same_site == SameSite::None && !self.secure {
            return Err(
                "browsers drop a cookie with `SameSite=None` that is not `Secure`; keep TLS on".to_owned(),
            );
        }
        if self.exact_name && self.name.starts_with("__Host-") && (self.domain.is_some() || self.path != "/")
        {
            return Err("browsers drop a `__Host-` cookie with a domain or another path than `/`".to_owned());
        }
        Ok(())
    }

    fn check_url(&self, url: &Uri) -> Result<(), String> {
        let host = url.host().unwrap_or_default().to_ascii_lowercase();
        if self.secure && url.scheme_str() == Some("http") && !is_this_machine(&host) {
            return Err(format!(
                "browsers keep the cookie `{}` over https only, and `{host}` is reached over http; serve it over https, or \
                 say `insecure_plain_http()` where nobody listens on the way",
                self.wire_name()
            ));
        }
        if let Some(domain) = &self.domain {
            let domain = domain.trim_start_matches('.').to_ascii_lowercase();
            let below = host
                .strip_suffix(&domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            if !below {
                return Err(format!(
                    "browsers refuse a cookie of the domain `{domain}` from `{host}`; name `{host}` or a domain above it"
                ));
            }
        }
        Ok(())
    }
}

/// Whether browsers count the host as safe without TLS (W3C Secure Contexts, section 3.1).
fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum_users_core::{Epoch, Session, Timestamp};

    use super::*;

    fn read(transport: &CookieTransport, values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_static(value));
        }
        transport.read(&headers).map(Cow::into_owned)
    }

    #[test]
    fn the_cookie_is_found_by_its_exact_name() {
        let transport = CookieTransport::new("s");
        assert_eq!(read(&transport, &["a=b; __Host-s=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(read(&transport, &["a=b", "__Host-s=\"x\""]).as_deref(), Some("x"));
        assert_eq!(read(&transport, &["s=x; __host-s=y; __Host-ss=z"]), None);
    }

    #[test]
    fn two_different_cookies_of_the_name_sign_nobody_in() {
        let transport = CookieTransport::new("s");
        assert_eq!(read(&transport, &["__Host-s=x; __Host-s=y"]).as_deref(), Some(""));
        assert_eq!(
            read(&transport, &["__Host-s=x; __Host-s=x"]).as_deref(),
            Some("x")
        );
    }

    #[test]
    fn the_clearing_cookie_repeats_the_attributes() {
        let response = CookieTransport::new("s").sign_out();
        let cookie = response.headers()[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .to_owned();
        for part in [
            "__Host-s=;",
            "HttpOnly",
            "SameSite=Lax",
            "Secure",
            "Path=/",
            "Max-Age=0",
        ] {
            assert!(cookie.contains(part), "{cookie} lacks {part}");
        }
    }

    fn set_by(transport: &CookieTransport, lifetime: Option<Duration>) -> String {
        let now = Timestamp::from_secs(1_700_000_000);
        let session = Session::new("cookie", "1", Epoch(0))
            .since(now)
            .until(lifetime.map(|lifetime| now.plus(lifetime)));
        let response = transport.sign_in(&IssuedToken::new("t0ken".to_owned(), session));
        response.headers()[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn the_cookie_lives_as_its_token_or_as_long_as_is_said() {
        let (hour, day) = (Some(Duration::from_hours(1)), Duration::from_hours(24));
        let cookie = || CookieTransport::new("s");
        assert!(set_by(&cookie(), hour).contains("Max-Age=3600"));
        assert!(!set_by(&cookie(), None).contains("Max-Age"));
        for lifetime in [hour, None] {
            assert!(set_by(&cookie().max_age(day), lifetime).contains("Max-Age=86400"));
            assert!(!set_by(&cookie().until_browser_closes(), lifetime).contains("Max-Age"));
        }
    }

    #[test]
    fn settings_that_browsers_drop_are_refused() {
        assert!(
            CookieTransport::new("a")
                .max_age(Duration::from_millis(999))
                .check()
                .is_err()
        );
        assert!(
            CookieTransport::new("a")
                .max_age(Duration::from_secs(1))
                .check()
                .is_ok()
        );
        assert!(CookieTransport::new("a b").check().is_err());
        assert!(CookieTransport::new("a").path("x").check().is_err());
        assert!(
            CookieTransport::new("a")
                .same_site(SameSite::None)
                .insecure_plain_http()
                .check()
                .is_err()
        );
        assert!(CookieTransport::new("a").check().is_ok());
    }

    #[test]
    fn a_cookie_that_would_not_get_to_the_public_url_is_refused_with_what_to_do() {
        let cookie = || CookieTransport::new("session");
        let at = |cookie: CookieTransport, url: &'static str| cookie.check_url(&Uri::from_static(url));
        for url in [
            "https://shop.example.com",
            "https://shop.example.com/app",
            "http://localhost:8000",
            "http://shop.localhost",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
        ] {
            assert_eq!(at(cookie(), url), Ok(()), "{url}");
        }
        for url in [
            "http://shop.example.com",
            "http://10.0.0.1:8000",
            "http://localhost.example.com",
        ] {
            let problem = at(cookie(), url).unwrap_err();
            assert!(problem.contains("serve it over https"), "{problem}");
            assert_eq!(at(cookie().insecure_plain_http(), url), Ok(()), "{url}");
        }
        for domain in ["shop.example.com", "example.com", ".Example.com"] {
            assert_eq!(
                at(cookie().domain(domain), "https://shop.example.com"),
                Ok(()),
                "{domain}"
            );
        }
        for domain in ["hop.example.com", "www.shop.example.com", "example.org"] {
            let problem = at(cookie().domain(domain), "https://shop.example.com").unwrap_err();
            assert!(
                problem.contains("name `shop.example.com` or a domain above it"),
                "{problem}"
            );
        }
    }
}
