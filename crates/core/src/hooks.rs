//! Where an application joins in.

use std::{borrow::Cow, fmt, future::Future};

use crate::{Context, EmailAddress, EndSessions, Message, MessageKind, Password, Session, User};

/// Why a password is not good enough.
///
/// ```
/// use axum_users_core::{Context, InvalidPassword, Password, PasswordOwner, User, UserHooks};
///
/// struct House;
///
/// impl<U: User> UserHooks<U> for House {
///     async fn validate_password(
///         &self,
///         password: &Password,
///         _: PasswordOwner<'_, U>,
///         _: &Context,
///     ) -> Result<(), InvalidPassword> {
///         if password.expose().contains("camelot") {
///             return Err(InvalidPassword::new("house_name", "Not the name of the house"));
///         }
///         Ok(())
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct InvalidPassword {
    /// A stable code for programs, such as `too_short`.
    pub code: Cow<'static, str>,
    /// A sentence for people. It is shown to them, so it must not hold the password.
    pub reason: Cow<'static, str>,
}

impl InvalidPassword {
    /// Refuses a password with a code for programs and a sentence for people.
    pub fn new(code: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
        }
    }
}

/// The application's own "no" to an operation.
///
/// ```
/// use axum_users_core::{Context, Denied, EmailAddress, User, UserHooks};
///
/// struct House;
///
/// impl<U: User> UserHooks<U> for House {
///     async fn on_before_register(&self, email: &EmailAddress, _: &Context) -> Result<(), Denied> {
///         if email.domain() == "camelot.bt" {
///             return Ok(());
///         }
///         Err(Denied::new("INVITATION_REQUIRED", "Ask the king")) // 403
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct Denied {
    /// A stable code for programs, in capitals like the library's own: `INVITATION_REQUIRED`.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub reason: Cow<'static, str>,
}

impl Denied {
    /// Refuses an operation with a code for programs and a sentence for people.
    pub fn new(code: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
        }
    }
}

/// Whose password is about to be set.
///
/// ```
/// use axum_users_core::{MemoryUser, PasswordOwner};
///
/// let at_registration = PasswordOwner::<MemoryUser>::new("arthur@camelot.bt", None);
/// assert!(at_registration.user.is_none(), "there is no user yet");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct PasswordOwner<'a, U> {
    /// The address of the account, new or stored.
    pub email: &'a str,
    /// The user, where there is one already.
    pub user: Option<&'a U>,
}

// Derived impls would ask for `U: Copy`, though only a reference is kept.
impl<U> Clone for PasswordOwner<'_, U> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<U> Copy for PasswordOwner<'_, U> {}

impl<'a, U> PasswordOwner<'a, U> {
    /// The owner of the account with this address.
    pub fn new(email: &'a str, user: Option<&'a U>) -> Self {
        Self { email, user }
    }
}

/// An occasion to write mails; they are kept in the transaction of their cause.
///
/// ```
/// use axum_users_core::{Context, Message, MessageKind, Notice, User, UserHooks};
///
/// struct Mails;
///
/// impl<U: User> UserHooks<U> for Mails {
///     fn compose(&self, notice: &Notice<'_, U>, _: &Context) -> Vec<Message> {
///         match notice {
///             Notice::ResetPassword { user, token } => {
///                 let text = format!("Go to https://app.example.com/reset-password#token={token}");
///                 vec![Message::new(MessageKind::ResetPassword, user.email(), "Your password", text)]
///             }
///             _ => Vec::new(),
///         }
///     }
/// }
/// ```
#[non_exhaustive]
pub enum Notice<'a, U> {
    /// An address is to be confirmed with this token.
    Verify {
        /// Whose address.
        user: &'a U,
        /// The token for the link.
        token: &'a str,
    },
    /// A new password is to be set with this token.
    ResetPassword {
        /// Whose password.
        user: &'a U,
        /// The token for the link.
        token: &'a str,
    },
    /// A new address is to be confirmed with this token, from its own mailbox.
    ConfirmEmailChange {
        /// Whose address, with the old one still.
        user: &'a U,
        /// The new address: the mail goes there.
        email: &'a str,
        /// The token for the link.
        token: &'a str,
    },
    /// The address is to change; its present mailbox is told, and can undo it with this token.
    UndoEmailChange {
        /// Whose address, with the old one still.
        user: &'a U,
        /// The token for the link.
        token: &'a str,
    },
    /// The address has changed; its former mailbox is told.
    EmailChanged {
        /// The user as they were before: the mail goes to that address.
        user: &'a U,
    },
    /// The password has changed; its owner is told.
    PasswordChanged {
        /// Whose password.
        user: &'a U,
    },
    /// Somebody registers with the address of this user, who is told, and can set a new password with this token.
    AlreadyRegistered {
        /// Whose address.
        user: &'a U,
        /// The token for the link.
        token: &'a str,
    },
}

// Derived impls would ask for `U: Copy`, though only a reference is kept.
impl<U> Clone for Notice<'_, U> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<U> Copy for Notice<'_, U> {}

impl<'a, U: User> Notice<'a, U> {
    /// What the mail is for.
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Verify { .. } => MessageKind::Verify,
            Self::ResetPassword { .. } => MessageKind::ResetPassword,
            Self::ConfirmEmailChange { .. } => MessageKind::ConfirmEmailChange,
            Self::UndoEmailChange { .. } => MessageKind::UndoEmailChange,
            Self::EmailChanged { .. } => MessageKind::EmailChanged,
            Self::PasswordChanged { .. } => MessageKind::PasswordChanged,
            Self::AlreadyRegistered { .. } => MessageKind::AlreadyRegistered,
        }
    }

    /// The address to which the mail goes.
    pub fn to(&self) -> &'a str {
        match self {
            Self::ConfirmEmailChange { email, .. } => email,
            Self::Verify { user, .. }
            | Self::ResetPassword { user, .. }
            | Self::UndoEmailChange { user, .. }
            | Self::EmailChanged { user }
            | Self::PasswordChanged { user }
            | Self::AlreadyRegistered { user, .. } => user.email(),
        }
    }

    /// The token for the link, where the mail has one.
    pub fn token(&self) -> Option<&'a str> {
        match self {
            Self::Verify { token, .. }
            | Self::ResetPassword { token, .. }
            | Self::ConfirmEmailChange { token, .. }
            | Self::UndoEmailChange { token, .. }
            | Self::AlreadyRegistered { token, .. } => Some(token),
            Self::EmailChanged { .. } | Self::PasswordChanged { .. } => None,
        }
    }
}

impl<U> fmt::Debug for Notice<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verify { .. } => "Verify(…)",
            Self::ResetPassword { .. } => "ResetPassword(…)",
            Self::ConfirmEmailChange { .. } => "ConfirmEmailChange(…)",
            Self::UndoEmailChange { .. } => "UndoEmailChange(…)",
            Self::EmailChanged { .. } => "EmailChanged(…)",
            Self::PasswordChanged { .. } => "PasswordChanged(…)",
            Self::AlreadyRegistered { .. } => "AlreadyRegistered(…)",
        })
    }
}

/// A login that failed.
///
/// ```
/// use axum_users_core::{Context, FailedLogin, User, UserHooks};
///
/// struct Alarm;
///
/// impl<U: User> UserHooks<U> for Alarm {
///     async fn on_failed_login(&self, attempt: FailedLogin<'_, U>, context: &Context) {
///         if attempt.user.is_some_and(User::is_superuser) {
///             eprintln!("somebody tries the password of a superuser, from {:?}", context.client_address);
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct FailedLogin<'a, U> {
    /// The user that the login named, where there is one.
    pub user: Option<&'a U>,
}

impl<'a, U> FailedLogin<'a, U> {
    /// A failed login for this user, or for nobody.
    pub fn new(user: Option<&'a U>) -> Self {
        Self { user }
    }
}

/// What an update changed, by kind; the values are in the user that comes with it.
///
/// ```
/// use axum_users_core::{Context, Updated, User, UserHooks};
///
/// struct Sync;
///
/// impl<U: User> UserHooks<U> for Sync {
///     async fn on_after_update(&self, user: &U, changes: Updated, _: &Context) {
///         if changes.email {
///             println!("tell the newsletter about user {}", user.id());
///         }
///     }
/// }
/// ```
#[expect(clippy::struct_excessive_bools, reason = "independent facts, read by name")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Updated {
    /// The address is another one now.
    pub email: bool,
    /// The password is another one now.
    pub password: bool,
    /// The user was activated or deactivated.
    pub active: bool,
    /// The user became or ceased to be a superuser.
    pub superuser: bool,
    /// The address became confirmed or unconfirmed.
    pub verified: bool,
}

/// Why sessions ended.
///
/// ```
/// use axum_users_core::RevocationReason;
///
/// assert_eq!(RevocationReason::PasswordReset.as_str(), "password_reset");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevocationReason {
    /// Their owner logged out, of one or of all.
    Logout,
    /// Their owner ended them from another session.
    ByOwner,
    /// A superuser or a job ended them.
    ByAdmin,
    /// There were as many as may be, and a later one took the place.
    Limit,
    /// A login in the same browser took the place.
    Replaced,
    /// The password was changed.
    PasswordChanged,
    /// The password was set by a mailed token.
    PasswordReset,
    /// The address was changed, or a change of it undone.
    EmailChanged,
    /// The user was deactivated.
    Deactivated,
    /// The user was removed.
    Deleted,
}

impl RevocationReason {
    /// A short, stable name, fit for a log line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::ByOwner => "by_owner",
            Self::ByAdmin => "by_admin",
            Self::Limit => "limit",
            Self::Replaced => "replaced",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::EmailChanged => "email_changed",
            Self::Deactivated => "deactivated",
            Self::Deleted => "deleted",
        }
    }
}

/// Which sessions of a user ended.
///
/// ```
/// use axum_users_core::Revoked;
///
/// fn in_words(which: Revoked<'_>) -> String {
///     match which {
///         Revoked::Session { backend, .. } => format!("one session of {backend}"),
///         Revoked::Oldest { backend, count } => format!("the {count} oldest of {backend}"),
///         Revoked::Many(_) => "many".to_owned(),
///         _ => "something else".to_owned(),
///     }
/// }
/// assert_eq!(in_words(Revoked::Oldest { backend: "token", count: 2 }), "the 2 oldest of token");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked<'a> {
    /// One.
    Session {
        /// Its backend.
        backend: &'a str,
        /// The id of its token.
        token_id: &'a str,
    },
    /// A personal access token.
    PersonalToken {
        /// Its id.
        token_id: &'a str,
    },
    /// The oldest ones of a backend.
    Oldest {
        /// The backend.
        backend: &'a str,
        /// How many.
        count: u64,
    },
    /// As many as this says.
    Many(EndSessions),
}

/// Something has happened to tokens.
///
/// ```
/// use axum_users_core::{Context, TokenEvent, User, UserHooks};
///
/// struct Audit;
///
/// impl<U: User> UserHooks<U> for Audit {
///     async fn on_token(&self, event: TokenEvent<'_, U::Id>, _: &Context) {
///         match event {
///             TokenEvent::Issued { user_id, session, .. } => println!("{user_id} signed in by {}", session.backend),
///             TokenEvent::Revoked { reason, .. } => println!("revoked: {}", reason.as_str()),
///             _ => {}
///         }
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TokenEvent<'a, Id> {
    /// A session has begun, or a personal access token was made.
    Issued {
        /// Whose.
        user_id: &'a Id,
        /// The session.
        session: &'a Session,
    },
    /// The end of a session has been moved, since it is in use.
    Renewed {
        /// Whose.
        user_id: &'a Id,
        /// The session, with its new end.
        session: &'a Session,
    },
    /// Sessions ended before their time.
    Revoked {
        /// Whose.
        user_id: &'a Id,
        /// Which.
        which: Revoked<'a>,
        /// Why.
        reason: RevocationReason,
    },
    /// Tokens that had ended by themselves were removed.
    Expired {
        /// How many.
        count: u64,
    },
}

// Derived impls would ask for `Id: Copy`, though only a reference is kept.
impl<Id> Clone for TokenEvent<'_, Id> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Id> Copy for TokenEvent<'_, Id> {}

/// The application's part in what happens to users.
///
/// Every method has a default that does nothing, so an implementation names only what it needs; `()` is "no hooks", and a
/// tuple of hooks runs them in order. `on_before_*` may refuse. `on_after_*` run once the change is stored and cannot alter
/// the answer, but the request waits for them: hand slow work to a task.
///
/// ```
/// use axum_users_core::{Context, User, UserHooks};
///
/// struct Welcome;
/// impl<U: User> UserHooks<U> for Welcome {
///     async fn on_after_register(&self, user: &U, _: &Context) {
///         println!("user {} is here", user.id());
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of hooks for users of type `{U}`",
    note = "implement `UserHooks<{U}>` for it, or use `()` for no hooks"
)]
pub trait UserHooks<U: User>: Send + Sync + 'static {
    /// Names that the password of this user must not be made of, such as their own: see
    /// [`PasswordPolicy`](crate::PasswordPolicy). The address is one without being named here.
    fn password_words(&self, user: &U) -> Vec<String> {
        let _ = user;
        Vec::new()
    }

    /// Judges a password before it is set, after the library's own rules, but for the look-up of breaches.
    ///
    /// # Errors
    /// [`InvalidPassword`] with the reason to show.
    fn validate_password(
        &self,
        password: &Password,
        owner: PasswordOwner<'_, U>,
        context: &Context,
    ) -> impl Future<Output = Result<(), InvalidPassword>> + Send {
        let _ = (password, owner, context);
        async { Ok(()) }
    }

    /// Writes the mails for an occasion.
    ///
    /// Called inside the store's transaction where the occasion has one, so it must be quick and wait for nothing.
    fn compose(&self, notice: &Notice<'_, U>, context: &Context) -> Vec<Message> {
        let _ = (notice, context);
        Vec::new()
    }

    /// Whether these hooks get mails to people: whether what [`compose`](Self::compose) writes, or what
    /// [`on_after_notice`](Self::on_after_notice) is told, is sent.
    ///
    /// Users change their address themselves only if this is true, since the new one is confirmed by a mail. False by default.
    fn delivers_mail(&self) -> bool {
        false
    }

    /// Writes mails of the same size for an address that nobody owns; the library makes decoys of them.
    ///
    /// # Security
    /// Hooks that [`compose`](Self::compose) mails must write these too, or the time of an answer tells who has an account.
    fn compose_decoy(&self, kind: MessageKind, context: &Context) -> Vec<Message> {
        let _ = (kind, context);
        Vec::new()
    }

    /// Before an account is made.
    ///
    /// # Errors
    /// [`Denied`] refuses it.
    fn on_before_register(
        &self,
        email: &EmailAddress,
        context: &Context,
    ) -> impl Future<Output = Result<(), Denied>> + Send {
        let _ = (email, context);
        async { Ok(()) }
    }

    /// After an account was made.
    fn on_after_register(&self, user: &U, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (user, context);
        async {}
    }

    /// After the password was found right, before a session begins.
    ///
    /// # Errors
    /// [`Denied`] refuses the session.
    fn on_before_login(
        &self,
        user: &U,
        context: &Context,
    ) -> impl Future<Output = Result<(), Denied>> + Send {
        let _ = (user, context);
        async { Ok(()) }
    }

    /// After a session began.
    fn on_after_login(&self, user: &U, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (user, context);
        async {}
    }

    /// After a login failed.
    ///
    /// # Security
    /// What takes longer for a known user than for nobody tells them apart.
    fn on_failed_login(
        &self,
        attempt: FailedLogin<'_, U>,
        context: &Context,
    ) -> impl Future<Output = ()> + Send {
        let _ = (attempt, context);
        async {}
    }

    /// After a logout ended the session that was presented; [`on_token`](Self::on_token) hears of every end, this one too.
    fn on_after_logout(&self, user: &U, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (user, context);
        async {}
    }

    /// After something happened to tokens: one was issued, renewed or ended, or expired ones were removed.
    ///
    /// Renewals and removals are told off the path of any request.
    fn on_token(&self, event: TokenEvent<'_, U::Id>, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (event, context);
        async {}
    }

    /// Before a user is changed, by themselves or by a superuser.
    ///
    /// # Errors
    /// [`Denied`] refuses the change.
    fn on_before_update(
        &self,
        user: &U,
        changes: Updated,
        context: &Context,
    ) -> impl Future<Output = Result<(), Denied>> + Send {
        let _ = (user, changes, context);
        async { Ok(()) }
    }

    /// After a user was changed, by themselves or by a superuser.
    fn on_after_update(
        &self,
        user: &U,
        changes: Updated,
        context: &Context,
    ) -> impl Future<Output = ()> + Send {
        let _ = (user, changes, context);
        async {}
    }

    /// After the occasion of a notice was stored: a change of address or password, or a registration with a taken address.
    /// [`compose`](Self::compose) is the place to mail it, where there is an outbox. Verification and reset have hooks of
    /// their own.
    fn on_after_notice(&self, notice: &Notice<'_, U>, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (notice, context);
        async {}
    }

    /// After a token to confirm an address was made. [`compose`](Self::compose) is the place to mail it.
    ///
    /// # Security
    /// The request waits for this for existing users only: what takes long here tells who has an account.
    fn on_after_request_verify(
        &self,
        user: &U,
        token: &str,
        context: &Context,
    ) -> impl Future<Output = ()> + Send {
        let _ = (user, token, context);
        async {}
    }

    /// After an address was confirmed.
    fn on_after_verify(&self, user: &U, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (user, context);
        async {}
    }

    /// After a token to set a new password was made. [`compose`](Self::compose) is the place to mail it.
    ///
    /// # Security
    /// The request waits for this for existing users only: what takes long here tells who has an account.
    fn on_after_forgot_password(
        &self,
        user: &U,
        token: &str,
        context: &Context,
    ) -> impl Future<Output = ()> + Send {
        let _ = (user, token, context);
        async {}
    }

    /// After a password was set by a mailed token.
    fn on_after_reset_password(&self, user: &U, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (user, context);
        async {}
    }

    /// Before a user is removed.
    ///
    /// # Errors
    /// [`Denied`] keeps the user.
    fn on_before_delete(
        &self,
        user: &U,
        context: &Context,
    ) -> impl Future<Output = Result<(), Denied>> + Send {
        let _ = (user, context);
        async { Ok(()) }
    }

    /// After a user was removed.
    fn on_after_delete(&self, user: &U, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (user, context);
        async {}
    }
}

impl<U: User> UserHooks<U> for () {}

macro_rules! tuple_of_hooks {
    ($($hook:ident $index:tt),+) => {
        impl<U: User, $($hook: UserHooks<U>),+> UserHooks<U> for ($($hook,)+) {
            fn password_words(&self, user: &U) -> Vec<String> {
                let mut words = Vec::new();
                $(words.extend(self.$index.password_words(user));)+
                words
            }
            async fn validate_password(&self, password: &Password, owner: PasswordOwner<'_, U>, context: &Context) -> Result<(), InvalidPassword> {
                $(self.$index.validate_password(password, PasswordOwner::new(owner.email, owner.user), context).await?;)+
                Ok(())
            }
            fn compose(&self, notice: &Notice<'_, U>, context: &Context) -> Vec<Message> {
                let mut messages = Vec::new();
                $(messages.extend(self.$index.compose(notice, context));)+
                messages
            }
            fn delivers_mail(&self) -> bool {
                $(<$hook as UserHooks<U>>::delivers_mail(&self.$index))||+
            }
            async fn on_after_notice(&self, notice: &Notice<'_, U>, context: &Context) {
                $(self.$index.on_after_notice(notice, context).await;)+
            }
            fn compose_decoy(&self, kind: MessageKind, context: &Context) -> Vec<Message> {
                let mut messages = Vec::new();
                $(messages.extend(self.$index.compose_decoy(kind, context));)+
                messages
            }
            async fn on_before_register(&self, email: &EmailAddress, context: &Context) -> Result<(), Denied> {
                $(self.$index.on_before_register(email, context).await?;)+
                Ok(())
            }
            async fn on_after_register(&self, user: &U, context: &Context) {
                $(self.$index.on_after_register(user, context).await;)+
            }
            async fn on_before_login(&self, user: &U, context: &Context) -> Result<(), Denied> {
                $(self.$index.on_before_login(user, context).await?;)+
                Ok(())
            }
            async fn on_after_login(&self, user: &U, context: &Context) {
                $(self.$index.on_after_login(user, context).await;)+
            }
            async fn on_failed_login(&self, attempt: FailedLogin<'_, U>, context: &Context) {
                $(self.$index.on_failed_login(FailedLogin::new(attempt.user), context).await;)+
            }
            async fn on_after_logout(&self, user: &U, context: &Context) {
                $(self.$index.on_after_logout(user, context).await;)+
            }
            async fn on_token(&self, event: TokenEvent<'_, U::Id>, context: &Context) {
                $(self.$index.on_token(event, context).await;)+
            }
            async fn on_before_update(&self, user: &U, changes: Updated, context: &Context) -> Result<(), Denied> {
                $(self.$index.on_before_update(user, changes, context).await?;)+
                Ok(())
            }
            async fn on_after_update(&self, user: &U, changes: Updated, context: &Context) {
                $(self.$index.on_after_update(user, changes, context).await;)+
            }
            async fn on_after_request_verify(&self, user: &U, token: &str, context: &Context) {
                $(self.$index.on_after_request_verify(user, token, context).await;)+
            }
            async fn on_after_verify(&self, user: &U, context: &Context) {
                $(self.$index.on_after_verify(user, context).await;)+
            }
            async fn on_after_forgot_password(&self, user: &U, token: &str, context: &Context) {
                $(self.$index.on_after_forgot_password(user, token, context).await;)+
            }
            async fn on_after_reset_password(&self, user: &U, context: &Context) {
                $(self.$index.on_after_reset_password(user, context).await;)+
            }
            async fn on_before_delete(&self, user: &U, context: &Context) -> Result<(), Denied> {
                $(self.$index.on_before_delete(user, context).await?;)+
                Ok(())
            }
            async fn on_after_delete(&self, user: &U, context: &Context) {
                $(self.$index.on_after_delete(user, context).await;)+
            }
        }
    };
}
tuple_of_hooks!(H0 0);
tuple_of_hooks!(H0 0, H1 1);
tuple_of_hooks!(H0 0, H1 1, H2 2);
tuple_of_hooks!(H0 0, H1 1, H2 2, H3 3);
