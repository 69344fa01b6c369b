//! Requests that another site caused.

use axum::http::{Method, header, request::Parts, uri::Authority};
use axum_users_core::SetupError;

/// The origins whose pages may cause requests with cookies: our own, and those that are listed.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedOrigins {
    listed: Vec<String>,
}

impl TrustedOrigins {
    /// Trusts `https://host[:port]`.
    pub(crate) fn add(&mut self, origin: &str) -> Result<(), SetupError> {
        let origin = origin.trim_end_matches('/').to_ascii_lowercase();
        let host = origin
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
        let plain = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']);
        if !host.is_some_and(|(_, host)| plain(host)) {
            let text =
                "a trusted origin is `https://host` or `https://host:port`, without a path and without `*`";
            return Err(SetupError::Invalid(text.to_owned()));
        }
        self.listed.push(origin);
        Ok(())
    }

    /// Whether a request may act by a token that the browser sent by itself.
    ///
    /// Safe methods pass, but for those that open a WebSocket, and so do clients that are no browsers: those send neither header. A browser says by
    /// `Sec-Fetch-Site`, and an older one by `Origin`, which site caused the request (OWASP, Cross-Site Request Forgery
    /// Prevention, "Fetch Metadata headers").
    pub(crate) fn allow(&self, parts: &Parts) -> bool {
        let headers = &parts.headers;
        // A socket that a page opens by a GET speaks for the user from then on, and no CORS stands before it.
        let opens_socket = headers.contains_key(header::UPGRADE);
        if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) && !opens_socket {
            return true;
        }
        let origin = headers
            .get(header::ORIGIN)
            .map(|origin| origin.to_str().unwrap_or("null"));
        if origin.is_some_and(|origin| {
            self.listed
                .iter()
                .any(|listed| listed.eq_ignore_ascii_case(origin))
        }) {
            return true;
        }
        if let Some(site) = headers.get("sec-fetch-site") {
            return site == "same-origin" || site == "none";
        }
        match origin {
            None => true,
            Some(origin) => is_own(origin, parts),
        }
    }
}

/// Whether the origin names the host that the request was sent to: over HTTP/2 the authority stands in place of `Host`
/// (RFC 9113, section 8.3.1).
fn is_own(origin: &str, parts: &Parts) -> bool {
    let host = match parts.headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        None => parts.uri.authority().map(Authority::as_str),
    };
    let of_origin = origin.split_once("://").map(|(_, host)| host);
    matches!((of_origin, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(method: Method, uri: &str, pairs: &[(&'static str, &'static str)]) -> Parts {
        let request = pairs.iter().fold(Request::builder(), |request, (name, value)| {
            request.header(*name, *value)
        });
        let request = request.method(method).uri(uri).body(()).unwrap();
        request.into_parts().0
    }

    fn allow_at(uri: &str, pairs: &[(&'static str, &'static str)]) -> bool {
        let mut origins = TrustedOrigins::default();
        origins.add("https://app.example.com/").unwrap();
        origins.allow(&parts(Method::POST, uri, pairs))
    }

    fn allow(pairs: &[(&'static str, &'static str)]) -> bool {
        allow_at("/", pairs)
    }

    #[test]
    fn without_a_host_header_the_authority_of_the_request_is_our_host() {
        let uri = "https://api.example.com/users/me";
        assert!(allow_at(uri, &[("origin", "https://api.example.com")]));
        assert!(!allow_at(uri, &[("origin", "https://evil.test")]));
        assert!(!allow_at(
            uri,
            &[
                ("origin", "https://api.example.com"),
                ("host", "other.example.com")
            ]
        ));
        assert!(!allow_at("/", &[("origin", "https://api.example.com")]));
    }

    #[test]
    fn clients_that_are_no_browsers_pass() {
        assert!(allow(&[]));
        assert!(allow(&[("host", "api.example.com")]));
    }

    #[test]
    fn our_own_pages_pass() {
        assert!(allow(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://api.example.com")
        ]));
        assert!(allow(&[("sec-fetch-site", "none")]));
        assert!(allow(&[
            ("origin", "https://api.example.com"),
            ("host", "api.example.com")
        ]));
    }

    #[test]
    fn listed_pages_pass_and_their_lookalikes_do_not() {
        assert!(allow(&[
            ("origin", "https://app.example.com"),
            ("sec-fetch-site", "same-site")
        ]));
        for origin in [
            "https://app.example.com.evil.test",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://evil.test",
            "null",
        ] {
            assert!(
                !allow(&[("origin", origin), ("host", "api.example.com")]),
                "{origin}"
            );
            assert!(
                !allow(&[("origin", origin), ("sec-fetch-site", "cross-site")]),
                "{origin}"
            );
        }
    }

    #[test]
    fn other_sites_and_sister_subdomains_are_refused() {
        assert!(!allow(&[("sec-fetch-site", "cross-site")]));
        assert!(!allow(&[("sec-fetch-site", "same-site")]));
        assert!(!allow(&[
            ("origin", "https://api.example.com:444"),
            ("host", "api.example.com")
        ]));
    }

    #[test]
    fn reading_is_always_allowed() {
        let parts = parts(Method::GET, "/", &[("sec-fetch-site", "cross-site")]);
        assert!(TrustedOrigins::default().allow(&parts));
    }

    #[test]
    fn what_is_no_origin_cannot_be_trusted() {
        for origin in [
            "",
            "*",
            "https://*.example.com",
            "example.com",
            "https://a/b",
            "ftp://a",
            "https://",
        ] {
            assert!(TrustedOrigins::default().add(origin).is_err(), "{origin}");
        }
    }

    #[test]
    fn a_get_that_opens_a_socket_is_looked_at() {
        let origins = TrustedOrigins::default();
        let from = |origin: &'static str| {
            let headers = [
                ("host", "shop.example.com"),
                ("upgrade", "websocket"),
                ("origin", origin),
            ];
            origins.allow(&parts(Method::GET, "/ws", &headers))
        };
        assert!(from("https://shop.example.com"));
        assert!(!from("https://evil.example.com"));
        assert!(origins.allow(&parts(
            Method::GET,
            "/ws",
            &[("host", "a"), ("upgrade", "websocket")]
        )));
    }
}
