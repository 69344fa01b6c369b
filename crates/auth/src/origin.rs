//! Requests that another site caused.

use axum::http::{HeaderMap, Method, header};
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
    /// Safe methods pass, and so do clients that are no browsers: those send neither header. A browser says by
    /// `Sec-Fetch-Site`, and an older one by `Origin`, which site caused the request (OWASP, Cross-Site Request Forgery
    /// Prevention, "Fetch Metadata headers").
    pub(crate) fn allow(&self, method: &Method, headers: &HeaderMap) -> bool {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
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
            Some(origin) => is_own(origin, headers),
        }
    }
}

/// Whether the origin names the host that the request was sent to.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let of_origin = origin.split_once("://").map(|(_, host)| host);
    matches!((of_origin, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut origins = TrustedOrigins::default();
        origins.add("https://app.example.com/").unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        origins.allow(&Method::POST, &headers)
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
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert!(TrustedOrigins::default().allow(&Method::GET, &headers));
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
}
