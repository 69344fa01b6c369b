//! The links that mails carry.

use axum_users_core::{MessageKind, SetupError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

const PLACE: &str = "{token}";
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Where the links of mails lead: pages of the application, which read the token and post it to the API.
///
/// By default `{public_url}/verify#token={token}`, and `/reset-password`, `/confirm-email-change` and `/undo-email-change` likewise.
///
/// ```
/// use axum_users_mail::Links;
///
/// let links = Links::new("https://app.example.com")
///     .reset_password_url("https://app.example.com/account/new-password#{token}");
/// # let _ = links;
/// ```
///
/// They are checked when they are handed to [`MailHooks`](crate::MailHooks).
///
/// # Security
/// Links come from here and never from a header of a request, so a forged `Host` cannot send a token elsewhere (OWASP
/// Forgot Password Cheat Sheet, "URL Tokens"). The token stands behind the `#`: browsers send that part to no server, so it
/// gets into no log and no `Referer`.
#[derive(Debug, Clone)]
#[must_use]
pub struct Links {
    public_url: String,
    verify: Option<String>,
    reset_password: Option<String>,
    confirm_email_change: Option<String>,
    undo_email_change: Option<String>,
    token_in_query: bool,
    plain_http: bool,
}

impl Links {
    /// Links to the application at this address, such as `https://app.example.com`; it may have a path.
    pub fn new(public_url: impl Into<String>) -> Self {
        Self {
            public_url: public_url.into(),
            verify: None,
            reset_password: None,
            confirm_email_change: None,
            undo_email_change: None,
            token_in_query: false,
            plain_http: false,
        }
    }

    /// Leads the mails that confirm an address elsewhere; `{token}` stands for the token, behind a `#`.
    pub fn verify_url(mut self, template: impl Into<String>) -> Self {
        self.verify = Some(template.into());
        self
    }

    /// Leads the mails that set a new password elsewhere; `{token}` stands for the token, behind a `#`.
    pub fn reset_password_url(mut self, template: impl Into<String>) -> Self {
        self.reset_password = Some(template.into());
        self
    }

    /// Leads the mails that confirm a new address elsewhere; `{token}` stands for the token, behind a `#`.
    pub fn confirm_email_change_url(mut self, template: impl Into<String>) -> Self {
        self.confirm_email_change = Some(template.into());
        self
    }

    /// Leads the mails that undo a change of address elsewhere; `{token}` stands for the token, behind a `#`.
    pub fn undo_email_change_url(mut self, template: impl Into<String>) -> Self {
        self.undo_email_change = Some(template.into());
        self
    }

    /// Allows `{token}` before a `#`, in the query or the path, for pages rendered by a server.
    ///
    /// # Security
    /// The token gets into access logs, browser histories and the `Referer` of whatever the page loads: such a page must send
    /// `Referrer-Policy: no-referrer` and must not log its queries.
    pub fn insecure_token_in_query(mut self) -> Self {
        self.token_in_query = true;
        self
    }

    /// Allows `http` for hosts other than this machine.
    ///
    /// # Security
    /// Whoever listens on the way can change the page that reads the token.
    pub fn insecure_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    pub(crate) fn check(&self) -> Result<CheckedLinks, SetupError> {
        let public = self.public_url.trim_end_matches('/');
        if public.contains(['#', '?']) {
            return Err(invalid("the public url", "must have no query and no `#`"));
        }
        self.check_url("the public url", public)?;
        let link = |what: &str, own: Option<&String>, page: &str| match own {
            Some(template) => self.check_link(what, template),
            None => self.check_link(what, &format!("{public}/{page}#token={PLACE}")),
        };
        let (confirm, undo) = (&self.confirm_email_change, &self.undo_email_change);
        Ok(CheckedLinks {
            verify: link("the verify url", self.verify.as_ref(), "verify")?,
            reset_password: link(
                "the reset password url",
                self.reset_password.as_ref(),
                "reset-password",
            )?,
            confirm_email_change: link(
                "the confirm e-mail change url",
                confirm.as_ref(),
                "confirm-email-change",
            )?,
            undo_email_change: link("the undo e-mail change url", undo.as_ref(), "undo-email-change")?,
        })
    }

    fn check_link(&self, what: &str, template: &str) -> Result<CheckedLink, SetupError> {
        let Some((before, after)) = template.split_once(PLACE) else {
            return Err(invalid(what, "must hold `{token}`"));
        };
        if after.contains(PLACE) {
            return Err(invalid(what, "must hold `{token}` only once"));
        }
        if !before.contains('#') && !self.token_in_query {
            return Err(invalid(
                what,
                "must have `{token}` behind a `#`, where no server logs it; \
                 `insecure_token_in_query` allows other places",
            ));
        }
        self.check_url(what, &format!("{before}token{after}"))?;
        // A token in the host name or the scheme would pass as a URL.
        self.check_url(what, before)?;
        Ok(CheckedLink {
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    fn check_url(&self, what: &str, text: &str) -> Result<(), SetupError> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(invalid(what, "must hold no spaces"));
        }
        let url = Url::parse(text)
            .map_err(|_| invalid(what, "must be a whole url, such as https://app.example.com"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(what, "must hold no user name and no password"));
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.plain_http || is_this_machine(&url) => Ok(()),
            "http" => Err(invalid(
                what,
                "must be https; `insecure_plain_http` allows http for other machines",
            )),
            _ => Err(invalid(what, "must be https")),
        }
    }
}

fn invalid(what: &str, why: &str) -> SetupError {
    SetupError::Invalid(format!("{what} of the mails {why}"))
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[derive(Debug)]
pub(crate) struct CheckedLinks {
    verify: CheckedLink,
    reset_password: CheckedLink,
    confirm_email_change: CheckedLink,
    undo_email_change: CheckedLink,
}

#[derive(Debug)]
struct CheckedLink {
    before: String,
    after: String,
}

impl CheckedLinks {
    /// `None` for a kind of mail that carries no link.
    pub(crate) fn link(&self, kind: MessageKind, token: &str) -> Option<String> {
        let link = match kind {
            MessageKind::Verify => &self.verify,
            MessageKind::ResetPassword | MessageKind::AlreadyRegistered => &self.reset_password,
            MessageKind::ConfirmEmailChange => &self.confirm_email_change,
            MessageKind::UndoEmailChange => &self.undo_email_change,
            _ => return None,
        };
        let token = utf8_percent_encode(token, UNRESERVED);
        Some(format!("{}{token}{}", link.before, link.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(links: &Links) -> String {
        links.check().unwrap_err().to_string()
    }

    #[test]
    fn defaults_have_the_token_behind_the_hash() {
        for public in ["https://app.example.com", "https://app.example.com/"] {
            let links = Links::new(public).check().unwrap();
            assert_eq!(
                links.link(MessageKind::Verify, "a.b-c_d").unwrap(),
                "https://app.example.com/verify#token=a.b-c_d"
            );
            assert_eq!(
                links.link(MessageKind::ResetPassword, "t").unwrap(),
                "https://app.example.com/reset-password#token=t"
            );
        }
    }

    #[test]
    fn path_of_the_public_url_is_kept() {
        let links = Links::new("https://example.com/app").check().unwrap();
        assert_eq!(
            links.link(MessageKind::Verify, "t").unwrap(),
            "https://example.com/app/verify#token=t"
        );
    }

    #[test]
    fn token_cannot_leave_its_place() {
        let links = Links::new("https://example.com").check().unwrap();
        let link = links.link(MessageKind::Verify, "a b\r\n\"<&#").unwrap();
        assert_eq!(link, "https://example.com/verify#token=a%20b%0D%0A%22%3C%26%23");
    }

    #[test]
    fn other_kinds_have_no_link() {
        let links = Links::new("https://example.com").check().unwrap();
        assert!(links.link(MessageKind::Other, "t").is_none());
    }

    #[test]
    fn http_is_for_this_machine_only() {
        for public in [
            "http://localhost:3000",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "http://app.localhost",
        ] {
            assert!(Links::new(public).check().is_ok(), "{public}");
        }
        for public in [
            "http://example.com",
            "http://localhost.example.com",
            "http://0.0.0.0",
        ] {
            assert!(refused(&Links::new(public)).contains("must be https"), "{public}");
            assert!(Links::new(public).insecure_plain_http().check().is_ok());
        }
    }

    #[test]
    fn what_is_no_public_url_is_refused() {
        for public in [
            "",
            "app.example.com",
            "/verify",
            "ftp://example.com",
            "javascript:alert(1)",
            "https://user:secret@example.com",
            "https://example.com?x",
            "https://example.com/#x",
            "https://exam ple.com",
            "https://example.com/\nx",
        ] {
            let text = refused(&Links::new(public));
            assert!(!text.contains("secret"));
        }
    }

    #[test]
    fn own_links_need_one_token_behind_the_hash() {
        let base = Links::new("https://example.com");
        for (template, why) in [
            ("https://app/verify", "must hold `{token}`"),
            ("https://app/verify#{token}{token}", "only once"),
            ("https://app/verify?token={token}", "behind a `#`"),
            ("https://app/{token}#x", "behind a `#`"),
            ("http://app/verify#{token}", "must be https"),
            ("verify#{token}", "whole url"),
        ] {
            assert!(
                refused(&base.clone().verify_url(template)).contains(why),
                "{template}"
            );
            assert!(refused(&base.clone().reset_password_url(template)).contains(why));
        }
    }

    #[test]
    fn token_in_query_is_a_spelled_out_choice() {
        let links = Links::new("https://example.com")
            .verify_url("https://example.com/verify?token={token}")
            .insecure_token_in_query();
        let link = links.check().unwrap().link(MessageKind::Verify, "t");
        assert_eq!(link.unwrap(), "https://example.com/verify?token=t");
        let host = links.verify_url("https://{token}.example.com/");
        assert!(host.check().is_err());
    }
}
