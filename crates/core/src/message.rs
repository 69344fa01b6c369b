//! A mail before it is sent.

use std::fmt;

/// What a mail is for.
///
/// ```
/// use axum_users_core::MessageKind;
///
/// assert_eq!(MessageKind::ResetPassword.as_str(), "reset_password");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// Carries the link that confirms an address.
    Verify,
    /// Carries the link that sets a new password.
    ResetPassword,
    /// A mail of the application's own.
    Other,
}

impl MessageKind {
    /// A short, stable name, fit for a database column and a log line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::ResetPassword => "reset_password",
            Self::Other => "other",
        }
    }
}

/// A mail, ready to be kept in an outbox.
///
/// `Debug` shows the kind alone: address and link are not for logs.
///
/// ```
/// use axum_users_core::{Message, MessageKind};
///
/// let mail = Message::new(MessageKind::Other, "arthur@camelot.bt", "The round table", "There is a seat left.")
///     .with_html("<p>There is a seat left.</p>");
/// assert!(!mail.is_decoy() && mail.into_decoy().is_decoy());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Message {
    /// What the mail is for.
    pub kind: MessageKind,
    /// The recipient; empty for a decoy, which is kept like any message and never sent.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
    /// The body as HTML, where there is one.
    pub html: Option<String>,
}

impl Message {
    /// A plain-text mail.
    pub fn new(
        kind: MessageKind,
        to: impl Into<String>,
        subject: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            to: to.into(),
            subject: subject.into(),
            text: text.into(),
            html: None,
        }
    }

    /// Adds an HTML body.
    #[must_use]
    pub fn with_html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// The same message without a recipient: it costs the outbox what a real one costs and is dropped by the worker.
    ///
    /// # Security
    /// Written for an address that nobody owns, so that asking for a mail takes the same work either way (ASVS 5.0, 6.3.8).
    #[must_use]
    pub fn into_decoy(mut self) -> Self {
        self.to.clear();
        self
    }

    /// Whether the message is never to be sent.
    pub fn is_decoy(&self) -> bool {
        self.to.is_empty()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
