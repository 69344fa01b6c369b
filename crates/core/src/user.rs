//! What a user is.

use std::{
    fmt::{Debug, Display},
    hash::Hash,
    ops::Deref,
};

use serde::Serialize;
use utoipa::{
    PartialSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};
use uuid::Uuid;

use crate::{EmailAddress, PasswordHash};

/// The key of a user.
///
/// Implemented for [`Uuid`], `i32` and `i64`; an application may implement it for a type of its own.
///
/// ```
/// use axum_users_core::UserId;
///
/// assert_eq!(i64::parse("7"), Some(7));
/// assert_eq!(i64::parse("007"), None, "one text for each id");
/// ```
pub trait UserId: Clone + Eq + Hash + Debug + Display + Serialize + Send + Sync + 'static {
    /// Reads the id from a path segment or from the `sub` of a token; `None` where the text is not an id.
    fn parse(text: &str) -> Option<Self>;

    /// How the id looks in the OpenAPI document.
    fn schema() -> RefOr<Schema>;
}

impl UserId for Uuid {
    fn parse(text: &str) -> Option<Self> {
        Self::parse_str(text).ok()
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
            .into()
    }
}

macro_rules! integer_id {
    ($($integer:ty),+) => {$(
        impl UserId for $integer {
            fn parse(text: &str) -> Option<Self> {
                let id: Self = text.parse().ok()?;
                (id.to_string() == text).then_some(id)
            }

            fn schema() -> RefOr<Schema> {
                <$integer as PartialSchema>::schema()
            }
        }
    )+};
}
integer_id!(i32, i64);

/// The six things the library needs to know about a user.
///
/// With SeaORM, `user_entity!` implements this for the model of your entity.
///
/// ```
/// use axum_users_core::User;
///
/// fn greeting(user: &impl User) -> String {
///     let hint = if user.is_verified() { "" } else { ", please confirm your address" };
///     format!("Hello {}{hint}", user.email())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a user",
    label = "this type does not implement `User`",
    note = "with SeaORM, write `user_entity!(your_entity_module);` beside the entity"
)]
pub trait User: Clone + Send + Sync + 'static {
    /// The type of the key.
    type Id: UserId;

    /// The key.
    fn id(&self) -> Self::Id;
    /// The address as it is stored, and as mail is sent to it.
    fn email(&self) -> &str;
    /// The hash of the password; `None` for a user who has none and so cannot log in with one.
    fn hashed_password(&self) -> Option<&str>;
    /// Whether the user may sign in at all.
    fn is_active(&self) -> bool;
    /// Whether the user has shown that the address is theirs.
    fn is_verified(&self) -> bool;
    /// Whether the user may manage other users.
    fn is_superuser(&self) -> bool;
}

/// How often all sessions of a user have been ended; a token of an earlier epoch is dead.
///
/// A user starts at epoch 0, for which no row is needed.
///
/// ```
/// use axum_users_core::Epoch;
///
/// assert!(Epoch(1) > Epoch::default(), "a token of an earlier epoch is over");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub i64);

/// A user as a store found it, with the session epoch that was read in the same moment.
///
/// The two belong together: a token issued for a password that was right at this epoch dies with it, even if the
/// password is changed between the check and the issue.
///
/// ```
/// use axum_users_core::{Epoch, Stored};
///
/// let stored = Stored::new("arthur").at_epoch(Epoch(2));
/// assert_eq!((stored.len(), stored.epoch), (6, Epoch(2)));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stored<U> {
    /// The user.
    pub user: U,
    /// The session epoch at which the user was read.
    pub epoch: Epoch,
}

impl<U> Stored<U> {
    /// A user at epoch 0, for stores without sessions.
    pub fn new(user: U) -> Self {
        Self {
            user,
            epoch: Epoch(0),
        }
    }

    /// The same user at `epoch`.
    #[must_use]
    pub fn at_epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = epoch;
        self
    }
}

impl<U> Deref for Stored<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.user
    }
}

/// New values for the columns that the library writes; `None` leaves a column as it is.
///
/// ```
/// use axum_users_core::UserChanges;
///
/// let mut changes = UserChanges::new();
/// assert!(changes.is_empty());
/// changes.is_verified = Some(true);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UserChanges {
    /// The address, with its normal form.
    pub email: Option<EmailAddress>,
    /// The hash of a password.
    pub hashed_password: Option<PasswordHash>,
    /// Whether the user may sign in.
    pub is_active: Option<bool>,
    /// Whether the address is confirmed.
    pub is_verified: Option<bool>,
    /// Whether the user may manage other users.
    pub is_superuser: Option<bool>,
}

impl UserChanges {
    /// No change at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.email.is_none()
            && self.hashed_password.is_none()
            && self.is_active.is_none()
            && self.is_verified.is_none()
            && self.is_superuser.is_none()
    }
}
