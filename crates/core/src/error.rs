//! How operations fail.

use std::{error::Error, time::Duration};

use crate::{Denied, HashError, InvalidPassword, OwnConflict, StoreError};

type Source = Box<dyn Error + Send + Sync>;

/// An operation was not carried out, whatever was asked for.
///
/// ```
/// use axum_users_core::{Failure, StoreError};
///
/// let down = Failure::from(StoreError::unavailable("the pool is empty"));
/// match down {
///     Failure::Unavailable { retry_after, .. } => assert_eq!(retry_after.as_secs(), 1), // 503
///     _ => unreachable!("a fault of ours: 500"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Something that is needed is down or too busy: the request may be repeated later.
    #[error("not available at the moment")]
    Unavailable {
        /// How long to wait before asking again.
        retry_after: Duration,
        /// What was down.
        #[source]
        source: Source,
    },
    /// Too much was tried: the [limits](crate::RateLimits) say when to come back.
    #[error("too many requests")]
    TooManyRequests {
        /// How long to wait before asking again.
        retry_after: Duration,
    },
    /// A fault of ours or of the application.
    #[error("internal failure")]
    Internal(#[source] Source),
}

const RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable {
                retry_after: RETRY_AFTER,
                source: Box::new(error),
            },
            StoreError::Fault(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<HashError> for Failure {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy { retry_after } => Self::Unavailable {
                retry_after,
                source: Box::new(error),
            },
            HashError::Random => Self::Unavailable {
                retry_after: RETRY_AFTER,
                source: Box::new(error),
            },
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl Failure {
    /// A fault of ours, with its cause.
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::Internal(source.into())
    }
}

macro_rules! operation_error {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $(($inner:ty))?: $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, thiserror::Error)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* #[error($text)] $variant $(($inner))?,)*
            /// For a reason that has nothing to do with what was asked.
            #[error(transparent)]
            Failed(#[from] Failure),
        }

        impl From<StoreError> for $name {
            fn from(error: StoreError) -> Self {
                Self::Failed(error.into())
            }
        }

        impl From<HashError> for $name {
            fn from(error: HashError) -> Self {
                Self::Failed(error.into())
            }
        }
    };
}

operation_error! {
    /// Why an account was not made.
    ///
    /// ```
    /// use axum_users_core::{RegisterError, UserApi, UserManager};
    ///
    /// async fn import<A: UserApi>(manager: &UserManager<A>, body: A::Create) -> Result<bool, RegisterError> {
    ///     match manager.register(body, &manager.context()).await {
    ///         Ok(_) => Ok(true),
    ///         Err(RegisterError::AlreadyExists) => Ok(false), // was there before
    ///         Err(error) => Err(error), // in a handler `?` makes a `Refusal` of it
    ///     }
    /// }
    /// ```
    RegisterError {
        /// Another account has the address.
        AlreadyExists: "the address has an account already",
        /// The password is not good enough.
        InvalidPassword(InvalidPassword): "the password is not good enough",
        /// Whether the new password is known from a breach could not be looked up, and the policy refuses it then.
        PasswordUnchecked: "the password cannot be checked at the moment",
        /// The database refused a value of the application's own columns.
        OwnConflict(OwnConflict): "a value of an own column was refused",
        /// A hook refused.
        Denied(Denied): "refused by the application",
    }
}

operation_error! {
    /// Why nobody was signed in.
    ///
    /// ```
    /// use axum_users_core::LoginError;
    ///
    /// fn in_words(error: &LoginError) -> &'static str {
    ///     match error {
    ///         LoginError::NotVerified => "Follow the link in the mail first",
    ///         LoginError::TokenLimitReached => "Sign out elsewhere first",
    ///         LoginError::Failed(_) => "Come back later",
    ///         _ => "Wrong address or password",
    ///     }
    /// }
    /// # assert_eq!(in_words(&LoginError::BadCredentials), "Wrong address or password");
    /// ```
    LoginError {
        /// No such user, an inactive one, or a wrong password: nobody learns which.
        BadCredentials: "bad credentials",
        /// The password is right, and the address is not confirmed.
        NotVerified: "the address is not confirmed",
        /// The password is right, and the user has as many sessions as may be.
        TokenLimitReached: "the user has as many sessions as may be",
        /// A hook refused.
        Denied(Denied): "refused by the application",
    }
}

operation_error! {
    /// Why a mail was not asked for; not having an account is no reason.
    ///
    /// ```
    /// use axum_users_core::{EmailAddress, RequestError, UserApi, UserManager};
    ///
    /// async fn invite<A: UserApi>(manager: &UserManager<A>, email: &EmailAddress) -> Result<(), RequestError> {
    ///     manager.forgot_password(email, &manager.context()).await // `Ok` for every address
    /// }
    /// ```
    RequestError {}
}

operation_error! {
    /// Why an address was not confirmed.
    ///
    /// ```
    /// use axum_users_core::{UserApi, UserManager, VerifyError};
    ///
    /// async fn confirm<A: UserApi>(manager: &UserManager<A>, token: &str) -> Result<(), VerifyError> {
    ///     match manager.verify(token, &manager.context()).await {
    ///         Ok(_) | Err(VerifyError::AlreadyVerified) => Ok(()), // a second click does no harm
    ///         Err(error) => Err(error),
    ///     }
    /// }
    /// ```
    VerifyError {
        /// The token is wrong, expired, used, or of another address than the present one.
        BadToken: "bad token",
        /// The address is confirmed already.
        AlreadyVerified: "already verified",
    }
}

operation_error! {
    /// Why a password was not set by a mailed token.
    ///
    /// ```
    /// use axum_users_core::ResetPasswordError;
    ///
    /// fn in_words(error: &ResetPasswordError) -> String {
    ///     match error {
    ///         ResetPasswordError::BadToken => "Ask for another mail".to_owned(),
    ///         ResetPasswordError::InvalidPassword(why) => why.reason.to_string(),
    ///         _ => "Come back later".to_owned(),
    ///     }
    /// }
    /// # assert_eq!(in_words(&ResetPasswordError::BadToken), "Ask for another mail");
    /// ```
    ResetPasswordError {
        /// The token is wrong, expired, used, or the account has changed since.
        BadToken: "bad token",
        /// The password is not good enough; the token is still good.
        InvalidPassword(InvalidPassword): "the password is not good enough",
        /// Whether the new password is known from a breach could not be looked up, and the policy refuses it then.
        PasswordUnchecked: "the password cannot be checked at the moment",
    }
}

operation_error! {
    /// Why a user was not changed.
    ///
    /// ```
    /// use axum_users_core::UpdateError;
    ///
    /// fn status(error: &UpdateError) -> u16 {
    ///     match error {
    ///         UpdateError::Missing => 404,
    ///         UpdateError::Denied(_) | UpdateError::EmailChangeOff => 403,
    ///         UpdateError::EmailAlreadyExists | UpdateError::InvalidPassword(_) => 400,
    ///         // `Refusal::from(error).status()` knows all of them.
    ///         _ => 500,
    ///     }
    /// }
    /// # assert_eq!(status(&UpdateError::Missing), 404);
    /// ```
    UpdateError {
        /// Another account has the address.
        EmailAlreadyExists: "the address has an account already",
        /// Users of this application cannot change their address themselves.
        EmailChangeOff: "addresses are not changed by their owners here",
        /// The new password is not good enough.
        InvalidPassword(InvalidPassword): "the password is not good enough",
        /// Whether the new password is known from a breach could not be looked up, and the policy refuses it then.
        PasswordUnchecked: "the password cannot be checked at the moment",
        /// E-mail or password were to change, and the present password is absent or wrong.
        InvalidCurrentPassword: "the current password is wrong or missing",
        /// The database refused a value of the application's own columns.
        OwnConflict(OwnConflict): "a value of an own column was refused",
        /// A hook refused.
        Denied(Denied): "refused by the application",
        /// The user is gone.
        Missing: "no such user",
    }
}

operation_error! {
    /// Why a change of address was neither confirmed nor undone.
    ///
    /// ```
    /// use axum_users_core::ChangeEmailError;
    ///
    /// /// What the page behind the link of the mail says.
    /// fn hint(error: &ChangeEmailError) -> &'static str {
    ///     match error {
    ///         ChangeEmailError::BadToken => "This link is too old, or was used already",
    ///         ChangeEmailError::EmailAlreadyExists => "Somebody else has this address by now",
    ///         _ => "Try again in a moment",
    ///     }
    /// }
    /// # assert!(hint(&ChangeEmailError::BadToken).contains("link"));
    /// ```
    ChangeEmailError {
        /// The token is wrong, expired, used, or the change was overtaken by another one.
        BadToken: "bad token",
        /// Another account has the address by now.
        EmailAlreadyExists: "the address has an account already",
    }
}

operation_error! {
    /// Why a user was not removed.
    ///
    /// ```
    /// use axum_users_core::DeleteError;
    ///
    /// fn in_words(error: &DeleteError) -> &'static str {
    ///     match error {
    ///         DeleteError::InUse => "There are orders of this user",
    ///         DeleteError::Missing => "There is no such user",
    ///         _ => "The user stays",
    ///     }
    /// }
    /// # assert_eq!(in_words(&DeleteError::InUse), "There are orders of this user");
    /// ```
    DeleteError {
        /// The present password is absent or wrong.
        InvalidCurrentPassword: "the current password is wrong or missing",
        /// Rows of the application refer to the user.
        InUse: "rows of the application refer to the user",
        /// A hook refused.
        Denied(Denied): "refused by the application",
        /// The user is gone.
        Missing: "no such user",
    }
}

operation_error! {
    /// Why a personal access token was not made.
    ///
    /// ```
    /// use axum_users_core::PersonalTokenError;
    ///
    /// fn in_words(error: &PersonalTokenError) -> &'static str {
    ///     match error {
    ///         PersonalTokenError::UnknownScope => "There is no such scope",
    ///         PersonalTokenError::LimitReached => "End a token first",
    ///         _ => "No token was made",
    ///     }
    /// }
    /// # assert_eq!(in_words(&PersonalTokenError::LimitReached), "End a token first");
    /// ```
    PersonalTokenError {
        /// The present password is absent or wrong.
        InvalidCurrentPassword: "the current password is wrong or missing",
        /// The application knows no such scope.
        UnknownScope: "a scope is not known",
        /// The token would live longer than the application lets it.
        TooLong: "the token would live too long",
        /// The user has as many as may be.
        LimitReached: "the user has as many personal access tokens as may be",
        /// The session of who asks was ended meanwhile.
        SessionEnded: "the session has ended",
        /// The user is gone.
        Missing: "no such user",
    }
}

/// Why a new password was not taken.
pub(crate) enum PasswordRefused {
    Invalid(InvalidPassword),
    Unchecked,
    #[cfg(feature = "strength")]
    Failed(Failure),
}

macro_rules! from_password_refused {
    ($($name:ident),+) => {$(
        impl From<PasswordRefused> for $name {
            fn from(refused: PasswordRefused) -> Self {
                match refused {
                    PasswordRefused::Invalid(why) => Self::InvalidPassword(why),
                    PasswordRefused::Unchecked => Self::PasswordUnchecked,
                    #[cfg(feature = "strength")]
                    PasswordRefused::Failed(failure) => Self::Failed(failure),
                }
            }
        }
    )+};
}
from_password_refused!(RegisterError, ResetPasswordError, UpdateError);
