//! What a mail server's URL says.

use std::{fmt, net::IpAddr};

use axum_users_core::SetupError;
use lettre::transport::smtp::authentication::Credentials;
use percent_encoding::percent_decode_str;
use url::Url;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// TLS by `STARTTLS`, or nothing at all (RFC 3207).
    StartTls,
    /// None.
    PlainText,
}

#[derive(Clone)]
pub(crate) struct SmtpUrl {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) protection: Protection,
    pub(crate) login: Option<Credentials>,
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpUrl")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("protection", &self.protection)
            .finish_non_exhaustive()
    }
}

impl SmtpUrl {
    pub(crate) fn parse(url: &Url) -> Result<Self, SetupError> {
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| invalid("must name a host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(invalid(
                "must have no path and no `#`; write special characters of a password percent-encoded",
            ));
        }
        let protection = protection(url, &host)?;
        let default_port = match protection {
            Protection::Implicit => 465,
            Protection::StartTls => 587,
            Protection::PlainText => 25,
        };
        Ok(Self {
            port: url.port().unwrap_or(default_port),
            protection,
            login: login(url)?,
            host,
        })
    }
}

fn protection(url: &Url, host: &str) -> Result<Protection, SetupError> {
    let mut tls = None;
    for (key, value) in url.query_pairs() {
        if key != "tls" || tls.replace(value).is_some() {
            return Err(invalid("knows no setting but one `tls`"));
        }
    }
    match (url.scheme(), tls.as_deref()) {
        ("smtps", None | Some("required")) => Ok(Protection::Implicit),
        ("smtp", None | Some("required")) => Ok(Protection::StartTls),
        ("smtp", Some("none")) if is_this_machine(host) => Ok(Protection::PlainText),
        ("smtp", Some("none")) => Err(invalid(
            "has `tls=none` for another machine; a net of your own may take `tls=insecure-none`",
        )),
        ("smtp", Some("insecure-none")) => Ok(Protection::PlainText),
        _ => Err(invalid("has an unknown `tls`; it is `required` or `none`")),
    }
}

fn login(url: &Url) -> Result<Option<Credentials>, SetupError> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(String::from)
            .map_err(|_| invalid("has a user name or a password that is not utf-8"))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) if !user.is_empty() => {
            Ok(Some(Credentials::new(decoded(user)?, decoded(password)?)))
        }
        _ => Err(invalid("must have both a user name and a password, or none")),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn invalid(why: &str) -> SetupError {
    SetupError::Invalid(format!("the url of the mail server {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<SmtpUrl, SetupError> {
        SmtpUrl::parse(&Url::parse(url).unwrap())
    }

    #[test]
    fn tls_is_required_unless_spelled_out() {
        for (url, port, protection) in [
            ("smtp://mail.example.com", 587, Protection::StartTls),
            (
                "smtp://mail.example.com:2525/?tls=required",
                2525,
                Protection::StartTls,
            ),
            ("smtps://mail.example.com", 465, Protection::Implicit),
            ("smtp://localhost?tls=none", 25, Protection::PlainText),
            ("smtp://127.0.0.1:1025?tls=none", 1025, Protection::PlainText),
            ("smtp://[::1]?tls=none", 25, Protection::PlainText),
            (
                "smtp://mailpit:1025?tls=insecure-none",
                1025,
                Protection::PlainText,
            ),
        ] {
            let parsed = parse(url).unwrap();
            assert_eq!((parsed.port, parsed.protection), (port, protection), "{url}");
        }
        assert_eq!(parse("smtp://[::1]?tls=none").unwrap().host, "::1");
    }

    #[test]
    fn what_is_doubtful_is_refused_without_its_secrets() {
        for url in [
            "smtp://u:hunter2@mail.example.com?tls=none",
            "smtp://u:hunter2@127.0.0.1.example.com?tls=none",
            "smtp://u:hunter2@mail.example.com?tls=opportunistic",
            "smtp://u:hunter2@mail.example.com?tls=none&tls=required",
            "smtp://u:hunter2@mail.example.com?TLS=none",
            "smtps://u:hunter2@mail.example.com?tls=none",
            "smtp://u:hunter2@mail.example.com/path",
            "smtp://u:hunter2@mail.example.com#x",
            "smtp://:hunter2@mail.example.com",
            "smtp://u@mail.example.com",
            "smtp://u:hunter2%ff@mail.example.com",
            "smtp:hunter2",
        ] {
            let text = parse(url).unwrap_err().to_string();
            assert!(!text.contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn login_is_percent_decoded_and_not_shown() {
        let parsed = parse("smtp://a%40b.example:p%2Fw+%C3%BC@mail.example.com").unwrap();
        let expected = Credentials::new("a@b.example".to_owned(), "p/w+ü".to_owned());
        assert!(parsed.login.as_ref() == Some(&expected));
        assert!(!format!("{parsed:?}").contains("p/w"));
    }
}
