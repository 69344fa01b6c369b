//! Changes of address: they wait for their new mailbox, and may be undone from the old one.

use std::{fmt, future::Future};

use crate::{EmailAddress, IdOf, StoreError, Timestamp, TokenDigest, UserStore};

/// How users change their address themselves.
///
/// ```
/// use axum_users_core::{EmailPolicy, UserApi, UserManager};
///
/// fn hint<A: UserApi>(manager: &UserManager<A>) -> &'static str {
///     match manager.email_policy() {
///         EmailPolicy::Pending => "We mail a link to your new address",
///         EmailPolicy::Immediate => "Your address changes at once",
///         _ => "Ask us to change your address",
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmailPolicy {
    /// A new address waits until its own mailbox has confirmed it; the old mailbox is told and can undo it.
    Pending,
    /// A new address takes the place of the old one at once, unconfirmed.
    Immediate,
    /// Not at all, since nothing mails the link that would confirm it, or the store cannot keep what waits.
    Off,
}

/// A change of address about to wait. `Debug` shows no address.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::{EmailAddress, NewEmailChange, Timestamp, TokenDigest};
///
/// let now = Timestamp::from_secs(1_767_225_600);
/// let (confirm, undo) = (TokenDigest::of("a token"), TokenDigest::of("another one"));
/// let email = EmailAddress::parse("king@camelot.bt")?;
/// let change = NewEmailChange::new(confirm, undo, email, now.plus(Duration::from_hours(24)));
/// assert!(!format!("{change:?}").contains("king"));
/// # Ok::<_, axum_users_core::EmailError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct NewEmailChange {
    /// The digest of the token that goes to the new mailbox.
    pub confirm: TokenDigest,
    /// The digest of the token that goes to the old one.
    pub undo: TokenDigest,
    /// The new address.
    pub email: EmailAddress,
    /// Until when it can be confirmed.
    pub expires_at: Timestamp,
}

impl NewEmailChange {
    /// A change to `email` that these tokens confirm and undo.
    pub fn new(confirm: TokenDigest, undo: TokenDigest, email: EmailAddress, expires_at: Timestamp) -> Self {
        Self {
            confirm,
            undo,
            email,
            expires_at,
        }
    }
}

impl fmt::Debug for NewEmailChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEmailChange")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What becomes of the changes of address of a user, as part of a [`Change`](crate::Change).
///
/// Whatever ends sessions also drops the change that waits. A store that
/// [keeps none](UserStore::keeps_email_changes) ignores all of this.
///
/// ```
/// use axum_users_core::{Applied, Change, Clock, EmailChange, IdOf, StoreError, SystemClock, UserStore};
///
/// async fn cancel<S: UserStore>(store: &S, id: &IdOf<S>) -> Result<bool, StoreError> {
///     let mut change = Change::new(SystemClock.now());
///     change.email_change = EmailChange::Cancel;
///     Ok(matches!(store.update(id, change).await?, Applied::Applied(_)))
/// }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum EmailChange {
    /// They stay as they are.
    #[default]
    Keep,
    /// The one that waits is dropped.
    Cancel,
    /// All are dropped, those that could still be undone among them.
    Forget,
    /// One waits from now on, in the place of the one before. The old address and whether it is confirmed are noted
    /// from the user as they are at this moment.
    Ask(NewEmailChange),
    /// The one of this row is confirmed, and can be undone until then. [`Stale`](crate::Applied::Stale) where it does not
    /// wait any more.
    Confirm {
        /// The row.
        id: i64,
        /// Until when the old mailbox can undo it.
        undo_until: Timestamp,
    },
    /// The one of this row and all later ones are dropped. [`Stale`](crate::Applied::Stale) where it is gone, or was
    /// confirmed meanwhile.
    Undo {
        /// The row.
        id: i64,
        /// Whether it must have been confirmed, or must not.
        confirmed: bool,
    },
}

/// By which of its two tokens a change of address is looked for.
///
/// ```
/// use axum_users_core::{EmailChangeToken, StoreError, TokenDigest};
///
/// /// In which column a store looks, and for what.
/// fn condition(token: EmailChangeToken) -> Result<(&'static str, TokenDigest), StoreError> {
///     match token {
///         EmailChangeToken::Confirm(digest) => Ok(("confirm_digest", digest)),
///         EmailChangeToken::Undo(digest) => Ok(("undo_digest", digest)),
///         _ => Err(StoreError::fault("an unknown kind of token")),
///     }
/// }
/// # assert!(condition(EmailChangeToken::Undo(TokenDigest::of("a token"))).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmailChangeToken {
    /// The one that went to the new mailbox.
    Confirm(TokenDigest),
    /// The one that went to the old mailbox.
    Undo(TokenDigest),
}

/// A change of address as it is stored. `Debug` shows no address.
///
/// ```
/// use axum_users_core::{EmailChangeRecord, Timestamp};
///
/// let until = Timestamp::from_secs(1_767_225_600);
/// let change = EmailChangeRecord::new(1, 7_i64, "arthur@camelot.bt", true, "king@camelot.bt", until);
/// assert!(change.confirmed_at.is_none(), "it waits");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct EmailChangeRecord<Id> {
    /// The row; later changes have larger ones.
    pub id: i64,
    /// Whose address.
    pub user_id: Id,
    /// The address before, as it was stored.
    pub old_email: String,
    /// Whether that one was confirmed.
    pub old_verified: bool,
    /// The new address.
    pub email: String,
    /// Until when it can be confirmed, or undone once it is.
    pub expires_at: Timestamp,
    /// When the new mailbox confirmed it.
    pub confirmed_at: Option<Timestamp>,
}

impl<Id> EmailChangeRecord<Id> {
    /// A change that waits.
    pub fn new(
        id: i64,
        user_id: Id,
        old_email: impl Into<String>,
        old_verified: bool,
        email: impl Into<String>,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id,
            user_id,
            old_email: old_email.into(),
            old_verified,
            email: email.into(),
            expires_at,
            confirmed_at: None,
        }
    }
}

impl<Id: fmt::Debug> fmt::Debug for EmailChangeRecord<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailChangeRecord")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("expires_at", &self.expires_at)
            .field("confirmed_at", &self.confirmed_at)
            .finish_non_exhaustive()
    }
}

/// A store that keeps changes of address until they are confirmed, and as long as they can be undone.
///
/// An implementation also carries out every [`EmailChange`] in [`UserStore::update`], answers true in
/// [`UserStore::keeps_email_changes`], and removes the changes of a user with the user and, once they are over, in
/// [`purge`](crate::SessionStore::purge). `email_change_contract` of `axum-users-testing` checks it.
///
/// ```
/// use axum_users_core::{EmailChangeToken, EmailChangeStore, StoreError, Timestamp, TokenDigest};
///
/// async fn waits(store: &impl EmailChangeStore, token: &str, now: Timestamp) -> Result<bool, StoreError> {
///     let token = EmailChangeToken::Confirm(TokenDigest::of(token));
///     let found = store.find_email_change(token).await?;
///     Ok(found.is_some_and(|change| change.confirmed_at.is_none() && change.expires_at > now))
/// }
/// ```
///
/// # Security
/// An address that somebody can still come back to is taken for everybody else, in [`insert`](UserStore::insert) and
/// [`update`](UserStore::update): else a thief of an account keeps its owner out by an account with the old address.
#[diagnostic::on_unimplemented(
    message = "`{Self}` keeps no changes of address",
    label = "`change_email_router` needs a store that implements `EmailChangeStore`"
)]
pub trait EmailChangeStore: UserStore {
    /// The change with this token, whether it waits, was confirmed, or is over.
    fn find_email_change(
        &self,
        token: EmailChangeToken,
    ) -> impl Future<Output = Result<Option<EmailChangeRecord<IdOf<Self>>>, StoreError>> + Send;
}
