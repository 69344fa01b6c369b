//! What each operation's errors are on the wire.

use axum::http::StatusCode;
use axum_users_auth::{Refusal, openapi::ErrorDoc, refusal::FieldError};
use axum_users_core::{
    ChangeEmailError, DeleteError, Denied, InvalidPassword, LoginError, OwnConflict, OwnRule,
    PersonalTokenError, RegisterError, RequestError, ResetPasswordError, UpdateError, VerifyError,
};

/// An error whose answers are known before it happens, so that they can be documented.
pub(crate) trait Refused {
    /// The answers.
    const DOCS: &'static [ErrorDoc];

    /// The answer to this one.
    fn refusal(self) -> Refusal;
}

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const TOO_SHORT: &str = "Password should be at least 8 characters";
const TAKEN: &str = "VALUE_ALREADY_TAKEN";

const VALUE_TAKEN: ErrorDoc = ErrorDoc::coded(
    StatusCode::CONFLICT,
    TAKEN,
    "Another user has this value in a field that must be unique.",
)
.with_reason("nickname");

/// What a hook answers is the application's own; the document cannot know its code.
pub(crate) const DENIED: ErrorDoc = ErrorDoc::coded(
    StatusCode::FORBIDDEN,
    "DENIED_BY_APPLICATION",
    "The application forbids it, with a code and a reason of its own in the place of these.",
)
.with_reason("Why, in words for people");

fn coded(code: &'static str) -> Refusal {
    Refusal::coded(BAD, code)
}

fn password(code: &'static str, why: InvalidPassword) -> Refusal {
    coded(code).with_reason(why.reason).with_reason_code(why.code)
}

fn denied(denied: Denied) -> Refusal {
    Refusal::coded(StatusCode::FORBIDDEN, denied.code).with_reason(denied.reason)
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

const REGISTER_INVALID_PASSWORD: ErrorDoc = ErrorDoc::coded(
    BAD,
    "REGISTER_INVALID_PASSWORD",
    "The password is not good enough.",
)
.with_reason(TOO_SHORT);

impl Refused for RegisterError {
    const DOCS: &'static [ErrorDoc] = &[
        ErrorDoc::coded(
            BAD,
            "REGISTER_USER_ALREADY_EXISTS",
            "A user with this e-mail address exists already.",
        ),
        REGISTER_INVALID_PASSWORD,
        VALUE_TAKEN,
        DENIED,
    ];

    fn refusal(self) -> Refusal {
        match self {
            Self::AlreadyExists => coded("REGISTER_USER_ALREADY_EXISTS"),
            Self::InvalidPassword(why) => password("REGISTER_INVALID_PASSWORD", why),
            Self::OwnConflict(conflict) => own(conflict),
            Self::Denied(why) => denied(why),
            Self::Failed(failure) => failure.into(),
            _ => Refusal::internal(),
        }
    }
}

const LIMIT_REACHED: &str = "TOKEN_LIMIT_REACHED";

/// That a user has as many sessions as may be, where a login is refused then.
pub(crate) const TOO_MANY_SESSIONS: ErrorDoc = ErrorDoc::coded(
    StatusCode::FORBIDDEN,
    LIMIT_REACHED,
    "The user has as many sessions as may be.",
);

/// What may be met where nobody is told whether an address has an account.
pub(crate) const SILENT_REGISTRATION: &[ErrorDoc] = &[REGISTER_INVALID_PASSWORD, VALUE_TAKEN, DENIED];

/// That an address is not confirmed, where only confirmed users may sign in.
pub(crate) const NOT_VERIFIED: ErrorDoc = ErrorDoc::coded(
    BAD,
    "LOGIN_USER_NOT_VERIFIED",
    "The address of the user is not confirmed.",
);

impl Refused for LoginError {
    const DOCS: &'static [ErrorDoc] = &[
        ErrorDoc::coded(
            BAD,
            "LOGIN_BAD_CREDENTIALS",
            "No such user, a wrong password, or an inactive user.",
        ),
        DENIED,
    ];

    fn refusal(self) -> Refusal {
        match self {
            Self::BadCredentials => coded("LOGIN_BAD_CREDENTIALS"),
            Self::NotVerified => coded("LOGIN_USER_NOT_VERIFIED"),
            Self::TokenLimitReached => Refusal::coded(StatusCode::FORBIDDEN, LIMIT_REACHED),
            Self::Denied(why) => denied(why),
            Self::Failed(failure) => failure.into(),
            _ => Refusal::internal(),
        }
    }
}

impl Refused for RequestError {
    const DOCS: &'static [ErrorDoc] = &[];

    fn refusal(self) -> Refusal {
        match self {
            Self::Failed(failure) => failure.into(),
            _ => Refusal::internal(),
        }
    }
}

impl Refused for VerifyError {
    const DOCS: &'static [ErrorDoc] = &[
        ErrorDoc::coded(
            BAD,
            "VERIFY_USER_BAD_TOKEN",
            "The token is wrong, expired, or of an earlier address.",
        ),
        ErrorDoc::coded(
            BAD,
            "VERIFY_USER_ALREADY_VERIFIED",
            "The address is confirmed already.",
        ),
    ];

    fn refusal(self) -> Refusal {
        match self {
            Self::BadToken => coded("VERIFY_USER_BAD_TOKEN"),
            Self::AlreadyVerified => coded("VERIFY_USER_ALREADY_VERIFIED"),
            Self::Failed(failure) => failure.into(),
            _ => Refusal::internal(),
        }
    }
}

impl Refused for ResetPasswordError {
    const DOCS: &'static [ErrorDoc] = &[
        ErrorDoc::coded(
            BAD,
            "RESET_PASSWORD_BAD_TOKEN",
            "The token is wrong, expired or used.",
        ),
        ErrorDoc::coded(
            BAD,
            "RESET_PASSWORD_INVALID_PASSWORD",
            "The password is not good enough; the token is still good.",
        )
        .with_reason(TOO_SHORT),
    ];

    fn refusal(self) -> Refusal {
        match self {
            Self::BadToken => coded("RESET_PASSWORD_BAD_TOKEN"),
            Self::InvalidPassword(why) => password("RESET_PASSWORD_INVALID_PASSWORD", why),
            Self::Failed(failure) => failure.into(),
            _ => Refusal::internal(),
        }
    }
}

const EMAIL_EXISTS: ErrorDoc = ErrorDoc::coded(
    BAD,
    "UPDATE_USER_EMAIL_ALREADY_EXISTS",
    "Another user has this e-mail address.",
);
const INVALID_PASSWORD: ErrorDoc = ErrorDoc::coded(
    BAD,
    "UPDATE_USER_INVALID_PASSWORD",
    "The new password is not good enough.",
)
.with_reason(TOO_SHORT);
const INVALID_CURRENT_PASSWORD: ErrorDoc = ErrorDoc::coded(
    BAD,
    "UPDATE_USER_INVALID_CURRENT_PASSWORD",
    "E-mail or password were to change, and `current_password` is missing or wrong.",
);

const EMAIL_CHANGE_OFF: ErrorDoc = ErrorDoc::coded(
    StatusCode::FORBIDDEN,
    "UPDATE_USER_EMAIL_CHANGE_OFF",
    "Users of this application cannot change their address themselves.",
);

/// What may be met by who changes a user.
#[derive(Clone, Copy)]
pub(crate) struct UpdateRules {
    /// The present password is asked for.
    pub(crate) by_password: bool,
    /// Whether an address has an account is told.
    pub(crate) telling: bool,
    /// Addresses are not changed here.
    pub(crate) email_off: bool,
}

impl UpdateRules {
    pub(crate) fn refusals(self) -> Vec<ErrorDoc> {
        let when = |holds: bool, refusal: ErrorDoc| holds.then_some(refusal);
        let all = [
            when(self.telling && !self.email_off, EMAIL_EXISTS),
            Some(INVALID_PASSWORD),
            when(self.by_password, INVALID_CURRENT_PASSWORD),
            when(self.email_off, EMAIL_CHANGE_OFF),
            Some(VALUE_TAKEN),
            Some(DENIED),
        ];
        all.into_iter().flatten().collect()
    }
}

impl Refused for UpdateError {
    const DOCS: &'static [ErrorDoc] = &[EMAIL_EXISTS, INVALID_PASSWORD, VALUE_TAKEN, DENIED];

    fn refusal(self) -> Refusal {
        match self {
            Self::EmailAlreadyExists => coded("UPDATE_USER_EMAIL_ALREADY_EXISTS"),
            Self::EmailChangeOff => Refusal::coded(StatusCode::FORBIDDEN, "UPDATE_USER_EMAIL_CHANGE_OFF"),
            Self::InvalidPassword(why) => password("UPDATE_USER_INVALID_PASSWORD", why),
            Self::InvalidCurrentPassword => coded("UPDATE_USER_INVALID_CURRENT_PASSWORD"),
            Self::OwnConflict(conflict) => own(conflict),
            Self::Denied(why) => denied(why),
            Self::Missing => Refusal::not_found(),
            Self::Failed(failure) => failure.into(),
            _ => Refusal::internal(),
        }
    }
}

const CHANGE_EMAIL_BAD_TOKEN: ErrorDoc = ErrorDoc::coded(
    BAD,
    "CHANGE_EMAIL_BAD_TOKEN",
    "The token is wrong, expired, used, or of a change that another one has overtaken.",
);

/// What may be met by who undoes a change of address: the old one is kept for them.
pub(crate) const UNDO_EMAIL_CHANGE: &[ErrorDoc] = &[CHANGE_EMAIL_BAD_TOKEN];

impl Refused for ChangeEmailError {
    const DOCS: &'static [ErrorDoc] = &[
        CHANGE_EMAIL_BAD_TOKEN,
        ErrorDoc::coded(
            BAD,
            "CHANGE_EMAIL_ALREADY_EXISTS",
            "Another user has the address by now.",
        ),
    ];

    fn refusal(self) -> Refusal {
        match self {
            Self::BadToken => coded("CHANGE_EMAIL_BAD_TOKEN"),
            Self::EmailAlreadyExists => coded("CHANGE_EMAIL_ALREADY_EXISTS"),
            Self::Failed(failure) => failure.into(),
            _ => Refusal::internal(),
        }
    }
}

const IN_USE: ErrorDoc = ErrorDoc::coded(
    StatusCode::CONFLICT,
    "DELETE_USER_IN_USE",
    "Rows of the application refer to the user; nothing was removed.",
);

/// What superusers may meet who remove a user.
pub(crate) const DELETE_USER: &[ErrorDoc] = &[IN_USE, DENIED];

impl Refused for DeleteError {
    const DOCS: &'static [ErrorDoc] = &[
        DENIED,
        ErrorDoc::coded(
            BAD,
            "DELETE_USER_INVALID_CURRENT_PASSWORD",
            "`current_password` is missing or wrong.",
        ),
        IN_USE,
    ];

    fn refusal(self) -> Refusal {
        match self {
            Self::InvalidCurrentPassword => coded("DELETE_USER_INVALID_CURRENT_PASSWORD"),
            Self::InUse => Refusal::coded(StatusCode::CONFLICT, "DELETE_USER_IN_USE"),
            Self::Denied(why) => denied(why),
            Self::Missing => Refusal::not_found(),
            Self::Failed(failure) => failure.into(),
            _ => Refusal::internal(),
        }
    }
}

impl Refused for PersonalTokenError {
    const DOCS: &'static [ErrorDoc] = &[ErrorDoc::coded(
        StatusCode::FORBIDDEN,
        LIMIT_REACHED,
        "The user has as many personal access tokens as may be.",
    )];

    fn refusal(self) -> Refusal {
        let invalid =
            |field, code, message| Refusal::invalid(vec![FieldError::in_body(field, code, message)]);
        match self {
            Self::InvalidCurrentPassword => coded(TOKEN_INVALID_CURRENT_PASSWORD),
            Self::UnknownScope => invalid("scopes", "unknown_scope", "There is no such scope"),
            Self::TooLong => invalid("expires_in", "too_long", "A token may not live as long"),
            Self::LimitReached => Refusal::coded(StatusCode::FORBIDDEN, LIMIT_REACHED),
            Self::Missing => Refusal::not_found(),
            Self::Failed(failure) => failure.into(),
            _ => Refusal::internal(),
        }
    }
}

const TOKEN_INVALID_CURRENT_PASSWORD: &str = "PERSONAL_TOKEN_INVALID_CURRENT_PASSWORD";

/// That the present password was not shown, where it is asked for.
pub(crate) const TOKEN_BY_PASSWORD: ErrorDoc = ErrorDoc::coded(
    BAD,
    TOKEN_INVALID_CURRENT_PASSWORD,
    "`current_password` is missing or wrong.",
);
