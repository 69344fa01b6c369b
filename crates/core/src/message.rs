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
    /// Carries the link that confirms a new address, to that address.
    ConfirmEmailChange,
    /// Says that the address is to change, with the link that undoes it, to the old address.
    UndoEmailChange,
    /// Says that the address has changed, to the old address.
    EmailChanged,
    /// Says that the password has changed.
    PasswordChanged,
    /// Says to who registers again that there is an account, with the link that sets a new password.
    AlreadyRegistered,
    /// A mail of the application's own.
    Other,
}

impl MessageKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: &'static [Self] = &[
        Self::Verify,
        Self::ResetPassword,
        Self::ConfirmEmailChange,
        Self::UndoEmailChange,
        Self::EmailChanged,
        Self::PasswordChanged,
        Self::AlreadyRegistered,
        Self::Other,
    ];

    /// A short, stable name, fit for a database column and a log line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::ResetPassword => "reset_password",
            Self::ConfirmEmailChange => "confirm_email_change",
            Self::UndoEmailChange => "undo_email_change",
            Self::EmailChanged => "email_changed",
            Self::PasswordChanged => "password_changed",
            Self::AlreadyRegistered => "already_registered",
            Self::Other => "other",
        }
    }

    /// The kind with this [name](Self::as_str); [`Other`](Self::Other) for one that is not known.
    pub fn from_name(name: &str) -> Self {
        let known = Self::ALL.iter().find(|kind| kind.as_str() == name);
        known.copied().unwrap_or(Self::Other)
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
