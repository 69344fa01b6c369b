//! What an operation's errors are on the wire, so that a handler of the application's own passes them on by `?`.

use axum::http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use axum_users_core::{
    ChangeEmailError, DeleteError, Denied, InvalidPassword, LoginError, OwnConflict, OwnRule,
    PersonalTokenError, RegisterError, RequestError, ResetPasswordError, StoreError, UpdateError,
    VerifyError,
};

use crate::{FieldError, Refusal};

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const TAKEN: &str = "VALUE_ALREADY_TAKEN";
const LIMIT_REACHED: &str = "TOKEN_LIMIT_REACHED";
const TOKEN_INVALID_CURRENT_PASSWORD: &str = "PERSONAL_TOKEN_INVALID_CURRENT_PASSWORD";

fn coded(code: &'static str) -> Refusal {
    Refusal::coded(BAD, code)
}

fn password(code: &'static str, why: InvalidPassword) -> Refusal {
    coded(code).with_reason(why.reason).with_reason_code(why.code)
}

fn password_unchecked() -> Refusal {
    Refusal::coded(StatusCode::SERVICE_UNAVAILABLE, "PASSWORD_CHECK_UNAVAILABLE")
        .with_header(RETRY_AFTER, HeaderValue::from_static("5"))
}

fn denied(denied: Denied) -> Refusal {
    denied.into()
}

impl From<Denied> for Refusal {
    /// 403 with the code and the reason.
    fn from(denied: Denied) -> Self {
        Self::coded(StatusCode::FORBIDDEN, denied.code).with_reason(denied.reason)
    }
}

impl From<StoreError> for Refusal {
    /// 503 with `Retry-After` where the store is down, else 500; the cause goes to the log alone.
    fn from(error: StoreError) -> Self {
        axum_users_core::Failure::from(error).into()
    }
}

fn own(conflict: OwnConflict) -> Refusal {
    if conflict.rule == OwnRule::Unique {
        let refusal = Refusal::coded(StatusCode::CONFLICT, TAKEN);
        return match conflict.column {
            Some(column) => refusal.with_reason(column),
            None => refusal,
        };
    }
    let (code, message) = ("not_storable", "The database does not take this value");
    Refusal::invalid(vec![match conflict.column {
        Some(column) => FieldError::in_body(&column, code, message),
        None => FieldError::whole_body(code, message),
    }])
}

impl From<RegisterError> for Refusal {
    /// As the routes of the library answer it.
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::AlreadyExists => coded("REGISTER_USER_ALREADY_EXISTS"),
            RegisterError::InvalidPassword(why) => password("REGISTER_INVALID_PASSWORD", why),
            RegisterError::PasswordUnchecked => password_unchecked(),
            RegisterError::OwnConflict(conflict) => own(conflict),
            RegisterError::Denied(why) => denied(why),
            RegisterError::Failed(failure) => failure.into(),
            _ => Self::internal(),
        }
    }
}

impl From<LoginError> for Refusal {
    /// As the routes of the library answer it.
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::BadCredentials => coded("LOGIN_BAD_CREDENTIALS"),
            LoginError::NotVerified => coded("LOGIN_USER_NOT_VERIFIED"),
            LoginError::TokenLimitReached => Self::coded(StatusCode::FORBIDDEN, LIMIT_REACHED),
            LoginError::Denied(why) => denied(why),
            LoginError::Failed(failure) => failure.into(),
            _ => Self::internal(),
        }
    }
}

impl From<RequestError> for Refusal {
    /// As the routes of the library answer it.
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Failed(failure) => failure.into(),
            _ => Self::internal(),
        }
    }
}

impl From<VerifyError> for Refusal {
    /// As the routes of the library answer it.
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::BadToken => coded("VERIFY_USER_BAD_TOKEN"),
            VerifyError::AlreadyVerified => coded("VERIFY_USER_ALREADY_VERIFIED"),
            VerifyError::Failed(failure) => failure.into(),
            _ => Self::internal(),
        }
    }
}

impl From<ResetPasswordError> for Refusal {
    /// As the routes of the library answer it.
    fn from(error: ResetPasswordError) -> Self {
        match error {
            ResetPasswordError::BadToken => coded("RESET_PASSWORD_BAD_TOKEN"),
            ResetPasswordError::InvalidPassword(why) => password("RESET_PASSWORD_INVALID_PASSWORD", why),
            ResetPasswordError::PasswordUnchecked => password_unchecked(),
            ResetPasswordError::Failed(failure) => failure.into(),
            _ => Self::internal(),
        }
    }
}

impl From<UpdateError> for Refusal {
    /// As the routes of the library answer it.
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::EmailAlreadyExists => coded("UPDATE_USER_EMAIL_ALREADY_EXISTS"),
            UpdateError::EmailChangeOff => Self::coded(StatusCode::FORBIDDEN, "UPDATE_USER_EMAIL_CHANGE_OFF"),
            UpdateError::InvalidPassword(why) => password("UPDATE_USER_INVALID_PASSWORD", why),
            UpdateError::PasswordUnchecked => password_unchecked(),
            UpdateError::InvalidCurrentPassword => coded("UPDATE_USER_INVALID_CURRENT_PASSWORD"),
            UpdateError::OwnConflict(conflict) => own(conflict),
            UpdateError::Denied(why) => denied(why),
            UpdateError::Missing => Self::not_found(),
            UpdateError::Failed(failure) => failure.into(),
            _ => Self::internal(),
        }
    }
}

impl From<ChangeEmailError> for Refusal {
    /// As the routes of the library answer it.
    fn from(error: ChangeEmailError) -> Self {
        match error {
            ChangeEmailError::BadToken => coded("CHANGE_EMAIL_BAD_TOKEN"),
            ChangeEmailError::EmailAlreadyExists => coded("CHANGE_EMAIL_ALREADY_EXISTS"),
            ChangeEmailError::Failed(failure) => failure.into(),
            _ => Self::internal(),
        }
    }
}

impl From<DeleteError> for Refusal {
    /// As the routes of the library answer it.
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::InvalidCurrentPassword => coded("DELETE_USER_INVALID_CURRENT_PASSWORD"),
            DeleteError::InUse => Self::coded(StatusCode::CONFLICT, "DELETE_USER_IN_USE"),
            DeleteError::Denied(why) => denied(why),
            DeleteError::Missing => Self::not_found(),
            DeleteError::Failed(failure) => failure.into(),
            _ => Self::internal(),
        }
    }
}

impl From<PersonalTokenError> for Refusal {
    /// As the routes of the library answer it.
    fn from(error: PersonalTokenError) -> Self {
        let invalid = |field, code, message| Self::invalid(vec![FieldError::in_body(field, code, message)]);
        match error {
            PersonalTokenError::InvalidCurrentPassword => coded(TOKEN_INVALID_CURRENT_PASSWORD),
            PersonalTokenError::UnknownScope => invalid("scopes", "unknown_scope", "There is no such scope"),
            PersonalTokenError::TooLong => invalid("expires_in", "too_long", "A token may not live as long"),
            PersonalTokenError::LimitReached => Self::coded(StatusCode::FORBIDDEN, LIMIT_REACHED),
            PersonalTokenError::Missing => Self::not_found(),
            PersonalTokenError::SessionEnded => Self::unauthorized([]),
            PersonalTokenError::Failed(failure) => failure.into(),
            _ => Self::internal(),
        }
    }
}
