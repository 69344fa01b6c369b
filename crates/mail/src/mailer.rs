//! The mailer that comes with the library.

use std::{path::PathBuf, time::Duration};

use axum_users_core::{Message, SetupError};
use lettre::message::Mailbox;
use url::Url;

use crate::{MailError, MailTransport, eml, mail_directory::MailDirectory, smtp::Smtp, smtp_url::SmtpUrl};

/// Sends mails by SMTP, or writes them to files while you develop.
///
/// | url | what it does |
/// | --- | --- |
/// | `smtp://user:password@mail.example.com` | port 587, TLS by `STARTTLS`; a server without it gets nothing |
/// | `smtps://user:password@mail.example.com` | port 465, TLS from the first byte |
/// | `smtp://localhost:1025?tls=none` | no TLS, to this machine only: a mail catcher |
/// | `smtp://mailpit:1025?tls=insecure-none` | no TLS, to any machine: for a net that nobody else listens in |
/// | `file:./mailbox` | one `.eml` file for each mail, in a directory that is made where it is missing |
///
/// User name and password are percent-encoded (`@` is `%40`); without them no login takes place.
///
/// ```
/// use axum_users_mail::Mailer;
///
/// let mailer = Mailer::from_url(
///     "smtp://user:password@mail.example.com",
///     "Example <no-reply@example.com>",
/// )?;
/// # let _ = mailer;
/// # Ok::<(), axum_users_core::SetupError>(())
/// ```
///
/// A connection is kept for half a minute for the next mail. A mail to a server that refuses the login, the certificate or
/// the sender is worth another try: only what the server says for good about the recipient or the mail itself is permanent.
///
/// # Security
/// With `tls=insecure-none` everybody on the way reads the password of the mail server and the links, and so can take
/// over accounts. Files hold working links: keep them from other users of the machine (they are readable by their owner
/// only, on Unix). An application that turns on the feature `tracing` of the crate lettre has every conversation, password
/// and link included, in its log at the level `debug`.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Smtp(Box<Smtp>),
    Directory(MailDirectory),
}

impl Mailer {
    /// A mailer for the server or the directory at `url`, which sends mails from the address `from`, with or without a name:
    /// `Example <no-reply@example.com>`.
    ///
    /// No connection is made yet.
    ///
    /// # Errors
    /// [`SetupError`] where one of the two is not as it must be, or the directory cannot be made. The text does not hold the
    /// url.
    pub fn from_url(url: &str, from: &str) -> Result<Self, SetupError> {
        if from.contains(char::is_control) {
            return Err(invalid_from());
        }
        let from = from.parse().map_err(|_| invalid_from())?;
        let way = if let Some(path) = url.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(SetupError::Invalid(
                    "the directory for mails must be named: file:./mailbox".into(),
                ));
            }
            Way::Directory(MailDirectory::create(PathBuf::from(path))?)
        } else {
            let url = Url::parse(url).map_err(|_| invalid_url())?;
            if !matches!(url.scheme(), "smtp" | "smtps") {
                return Err(invalid_url());
            }
            Way::Smtp(Box::new(Smtp::new(SmtpUrl::parse(&url)?)?))
        };
        Ok(Self { from, way })
    }

    /// How long the server may take to let us in, and again to take a mail; 10 seconds by default.
    ///
    /// A server that takes a mail after this time has it twice in the end.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        if let Way::Smtp(smtp) = &mut self.way {
            smtp.timeout = limit;
        }
        self
    }

    /// Trusts one more certificate, or all in a bundle, beside those of Mozilla: the authority of your company, or a
    /// server's own.
    ///
    /// # Errors
    /// [`SetupError`] where `pem` is not a certificate in PEM form (RFC 7468).
    pub fn trust_certificate(mut self, pem: &str) -> Result<Self, SetupError> {
        if let Way::Smtp(smtp) = &mut self.way {
            smtp.trust(pem)?;
        }
        Ok(self)
    }
}

impl MailTransport for Mailer {
    async fn send(&self, message: &Message) -> Result<(), MailError> {
        let mail = eml::build(&self.from, message)?;
        match &self.way {
            Way::Smtp(smtp) => smtp.send(mail.envelope(), &mail.formatted()).await,
            Way::Directory(directory) => directory.write(&mail.formatted()).await,
        }
    }
}

fn invalid_from() -> SetupError {
    SetupError::Invalid(
        "the sender of mails must be an address, such as Example <no-reply@example.com>".into(),
    )
}

fn invalid_url() -> SetupError {
    SetupError::Invalid("the url of the mail server must begin with smtp://, smtps:// or file:".into())
}
