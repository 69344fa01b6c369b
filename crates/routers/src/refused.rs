//! What each operation's errors are on the wire.

use axum::http::StatusCode;
use axum_users_auth::{AxumUsers, Refusal, openapi::ErrorDoc};
use axum_users_core::{
    ChangeEmailError, DeleteError, LoginError, PersonalTokenError, RegisterError, RequestError,
    ResetPasswordError, UpdateError, UserApi, VerifyError, WhenUnavailable,
};

/// An error whose answers are known before it happens, so that they can be documented.
pub(crate) trait Refused: Into<Refusal> {
    /// The answers.
    const DOCS: &'static [ErrorDoc];
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

const UNCHECKED: &str = "PASSWORD_CHECK_UNAVAILABLE";

const PASSWORD_UNCHECKED: ErrorDoc = ErrorDoc::coded(
    StatusCode::SERVICE_UNAVAILABLE,
    UNCHECKED,
    "Whether the new password is known from a breach cannot be looked up. Try again later.",
);

/// What may be met where a new password is looked up and not taken unseen.
pub(crate) fn unchecked<A: UserApi>(users: &AxumUsers<A>) -> &'static [ErrorDoc] {
    match users.manager().passwords().when_unavailable() {
        None | Some(WhenUnavailable::Accept) => &[],
        Some(_) => &[PASSWORD_UNCHECKED],
    }
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
}

impl Refused for RequestError {
    const DOCS: &'static [ErrorDoc] = &[];
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
}

impl Refused for PersonalTokenError {
    const DOCS: &'static [ErrorDoc] = &[ErrorDoc::coded(
        StatusCode::FORBIDDEN,
        LIMIT_REACHED,
        "The user has as many personal access tokens as may be.",
    )];
}

const TOKEN_INVALID_CURRENT_PASSWORD: &str = "PERSONAL_TOKEN_INVALID_CURRENT_PASSWORD";

/// That the present password was not shown, where it is asked for.
pub(crate) const TOKEN_BY_PASSWORD: ErrorDoc = ErrorDoc::coded(
    BAD,
    TOKEN_INVALID_CURRENT_PASSWORD,
    "`current_password` is missing or wrong.",
);
