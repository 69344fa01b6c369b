//! Any way a mail can leave.

use std::{fmt, future::Future, sync::Arc};

use axum_users_core::Message;

/// A way to send mails.
///
/// [`Mailer`](crate::Mailer) is the one that comes with the library. Implement this for an HTTP API of your provider:
///
/// ```
/// use axum_users_core::Message;
/// use axum_users_mail::{MailError, MailTransport};
///
/// struct Provider;
///
/// impl MailTransport for Provider {
///     async fn send(&self, message: &Message) -> Result<(), MailError> {
///         match post_to_provider(&message.to, &message.subject, &message.text).await {
///             200..=299 => Ok(()),
///             status @ 400..=499 => Err(MailError::permanent("refused").with_status(status)),
///             status => Err(MailError::temporary("provider").with_status(status)),
///         }
///     }
/// }
/// # async fn post_to_provider(_: &str, _: &str, _: &str) -> u16 { 202 }
/// ```
pub trait MailTransport: Send + Sync + 'static {
    /// Sends one mail; returns once it is in the hands of the next server.
    ///
    /// A future that is dropped before it is ready must leave the transport fit for the next mail.
    ///
    /// # Errors
    /// [`MailError`], which says whether another try can help.
    fn send(&self, message: &Message) -> impl Future<Output = Result<(), MailError>> + Send;
}

impl<T: MailTransport> MailTransport for Arc<T> {
    async fn send(&self, message: &Message) -> Result<(), MailError> {
        T::send(self, message).await
    }
}

/// Why a mail was not sent.
///
/// ```
/// use axum_users_mail::MailError;
///
/// let full = MailError::temporary("mailbox full").with_status(452);
/// assert!(!full.is_permanent(), "tried again later");
/// assert_eq!(full.status(), Some(452));
/// ```
///
/// # Security
/// Built from a fixed word and a number alone, so that it can be logged: what a server answers may quote the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailError {
    permanent: bool,
    class: &'static str,
    status: Option<u16>,
}

impl MailError {
    /// It did not work this time; `class` is a short word for the log, such as `timeout`.
    pub const fn temporary(class: &'static str) -> Self {
        Self {
            permanent: false,
            class,
            status: None,
        }
    }

    /// It will never work for this mail; `class` is a short word for the log, such as `recipient`.
    pub const fn permanent(class: &'static str) -> Self {
        Self {
            permanent: true,
            class,
            status: None,
        }
    }

    /// The same error with the status code that the server answered.
    #[must_use]
    pub const fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Whether another try is useless.
    pub const fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// What failed, as a short word.
    pub const fn class(&self) -> &'static str {
        self.class
    }

    /// The status code of SMTP (RFC 5321, 4.2) or of HTTP, where there was an answer.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = if self.permanent { "for good" } else { "for now" };
        write!(f, "the mail could not be sent {until}: {}", self.class)?;
        match self.status {
            Some(status) => write!(f, " ({status})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for MailError {}
