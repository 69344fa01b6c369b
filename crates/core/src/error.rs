//! How operations fail.

use std::{error::Error, time::Duration};

use crate::{Denied, HashError, InvalidPassword, OwnConflict, StoreError};

type Source = Box<dyn Error + Send + Sync>;

/// An operation failed through no fault of the one who asked.
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
            /// Through no fault of the one who asked.
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
    RegisterError {
        /// Another account has the address.
        AlreadyExists: "the address has an account already",
        /// The password is not good enough.
        InvalidPassword(InvalidPassword): "the password is not good enough",
        /// The database refused a value of the application's own columns.
        OwnConflict(OwnConflict): "a value of an own column was refused",
        /// A hook refused.
        Denied(Denied): "refused by the application",
    }
}

operation_error! {
    /// Why nobody was signed in.
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
    RequestError {}
}

operation_error! {
    /// Why an address was not confirmed.
    VerifyError {
        /// The token is wrong, expired, used, or of another address than the present one.
        BadToken: "bad token",
        /// The address is confirmed already.
        AlreadyVerified: "already verified",
    }
}

operation_error! {
    /// Why a password was not set by a mailed token.
    ResetPasswordError {
        /// The token is wrong, expired, used, or the account has changed since.
        BadToken: "bad token",
        /// The password is not good enough; the token is still good.
        InvalidPassword(InvalidPassword): "the password is not good enough",
    }
}

operation_error! {
    /// Why a user was not changed.
    UpdateError {
        /// Another account has the address.
        EmailAlreadyExists: "the address has an account already",
        /// Users of this application cannot change their address themselves.
        EmailChangeOff: "addresses are not changed by their owners here",
        /// The new password is not good enough.
        InvalidPassword(InvalidPassword): "the password is not good enough",
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
    ChangeEmailError {
        /// The token is wrong, expired, used, or the change was overtaken by another one.
        BadToken: "bad token",
        /// Another account has the address by now.
        EmailAlreadyExists: "the address has an account already",
    }
}

operation_error! {
    /// Why a user was not removed.
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
    PersonalTokenError {
        /// The present password is absent or wrong.
        InvalidCurrentPassword: "the current password is wrong or missing",
        /// The application knows no such scope.
        UnknownScope: "a scope is not known",
        /// The token would live longer than the application lets it.
        TooLong: "the token would live too long",
        /// The user has as many as may be.
        LimitReached: "the user has as many personal access tokens as may be",
        /// The user is gone.
        Missing: "no such user",
    }
}
