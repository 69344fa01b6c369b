//! What a security reviewer wants to see in a log.

use std::fmt::Display;

use crate::Context;

/// The `tracing` target of all security events.
pub const SECURITY_TARGET: &str = "axum_users::security";

/// Something that matters to security has happened (ASVS 5.0, 16.3).
///
/// Every event is written to the `tracing` target [`SECURITY_TARGET`] with its name, the key of the user where there is one,
/// the key of the one who acted, and the request id. No address, password or token is ever part of it.
///
/// ```
/// use axum_users_core::{Context, SecurityEvent, Timestamp};
///
/// let context = Context::new(Timestamp::from_secs(0)).with_request_id("req-7");
/// SecurityEvent::LoginFailed.emit(None, &context); // an event of `tracing` under `SECURITY_TARGET`
/// assert_eq!(SecurityEvent::LoginFailed.name(), "login_failed");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecurityEvent {
    /// An account was made.
    Registered,
    /// Somebody signed in.
    LoggedIn,
    /// A login failed.
    LoginFailed,
    /// The password was right, and the login was refused all the same: the address is not confirmed, or a hook said no.
    LoginRefused,
    /// Somebody signed out.
    LoggedOut,
    /// A mail to confirm an address was asked for.
    VerificationRequested,
    /// An address was confirmed.
    Verified,
    /// A mail to set a new password was asked for.
    PasswordResetRequested,
    /// A password was set by a mailed token.
    PasswordReset,
    /// A mailed token was refused.
    TokenRefused,
    /// A password was changed by its owner or a superuser.
    PasswordChanged,
    /// A password was hashed anew with the present settings.
    PasswordUpgraded,
    /// A new address waits for its mailbox to confirm it.
    EmailChangeRequested,
    /// An address was changed.
    EmailChanged,
    /// A change of address was undone from the old mailbox.
    EmailChangeUndone,
    /// One session was ended from another one, by its owner or by a superuser.
    SessionEnded,
    /// All sessions of a user, or all but one, were ended.
    SessionsEnded,
    /// A login was refused, since the user has as many sessions as may be.
    TokenLimitReached,
    /// A personal access token was made.
    PersonalTokenCreated,
    /// A personal access token was ended.
    PersonalTokenEnded,
    /// A user was deactivated.
    Deactivated,
    /// A user was activated again.
    Reactivated,
    /// A user became a superuser.
    SuperuserGranted,
    /// A user ceased to be a superuser.
    SuperuserWithdrawn,
    /// A user was removed.
    Deleted,
    /// The present password was asked for, and absent or wrong.
    CurrentPasswordRefused,
    /// A new password was taken though it could not be looked up whether it is known from a breach.
    PasswordCheckSkipped,
    /// A request with a cookie came from another site.
    CrossOriginRefused,
    /// A limit was reached; the field `limit` says which. Written once in each of its windows, so that nobody floods the log.
    RateLimited,
    /// The store of the limits failed, and this process counts by itself meanwhile.
    RateLimitsUnshared,
}

impl SecurityEvent {
    /// All events, in the order of their declaration.
    pub const ALL: &'static [Self] = &[
        Self::Registered,
        Self::LoggedIn,
        Self::LoginFailed,
        Self::LoginRefused,
        Self::LoggedOut,
        Self::VerificationRequested,
        Self::Verified,
        Self::PasswordResetRequested,
        Self::PasswordReset,
        Self::TokenRefused,
        Self::PasswordChanged,
        Self::PasswordUpgraded,
        Self::EmailChangeRequested,
        Self::EmailChanged,
        Self::EmailChangeUndone,
        Self::SessionEnded,
        Self::SessionsEnded,
        Self::TokenLimitReached,
        Self::PersonalTokenCreated,
        Self::PersonalTokenEnded,
        Self::Deactivated,
        Self::Reactivated,
        Self::SuperuserGranted,
        Self::SuperuserWithdrawn,
        Self::Deleted,
        Self::CurrentPasswordRefused,
        Self::PasswordCheckSkipped,
        Self::CrossOriginRefused,
        Self::RateLimited,
        Self::RateLimitsUnshared,
    ];

    /// The stable name of the event, as the log has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::LoggedIn => "logged_in",
            Self::LoginFailed => "login_failed",
            Self::LoginRefused => "login_refused",
            Self::LoggedOut => "logged_out",
            Self::VerificationRequested => "verification_requested",
            Self::Verified => "verified",
            Self::PasswordResetRequested => "password_reset_requested",
            Self::PasswordReset => "password_reset",
            Self::TokenRefused => "token_refused",
            Self::PasswordChanged => "password_changed",
            Self::PasswordUpgraded => "password_upgraded",
            Self::EmailChangeRequested => "email_change_requested",
            Self::EmailChanged => "email_changed",
            Self::EmailChangeUndone => "email_change_undone",
            Self::SessionEnded => "session_ended",
            Self::SessionsEnded => "sessions_ended",
            Self::TokenLimitReached => "token_limit_reached",
            Self::PersonalTokenCreated => "personal_token_created",
            Self::PersonalTokenEnded => "personal_token_ended",
            Self::Deactivated => "deactivated",
            Self::Reactivated => "reactivated",
            Self::SuperuserGranted => "superuser_granted",
            Self::SuperuserWithdrawn => "superuser_withdrawn",
            Self::Deleted => "deleted",
            Self::CurrentPasswordRefused => "current_password_refused",
            Self::PasswordCheckSkipped => "password_check_skipped",
            Self::CrossOriginRefused => "cross_origin_refused",
            Self::RateLimited => "rate_limited",
            Self::RateLimitsUnshared => "rate_limits_unshared",
        }
    }

    /// Writes the event about `user`, or about nobody known.
    pub fn emit(self, user: Option<&dyn Display>, context: &Context) {
        let user = user.map(tracing::field::display);
        let (actor, request_id) = (context.actor.as_deref(), context.request_id.as_deref());
        tracing::info!(target: SECURITY_TARGET, event = self.name(), user, actor, request_id);
    }

    /// Writes the event about a limit.
    pub(crate) fn emit_of(self, limit: &'static str, context: &Context) {
        let (actor, request_id) = (context.actor.as_deref(), context.request_id.as_deref());
        tracing::info!(target: SECURITY_TARGET, event = self.name(), limit, actor, request_id);
    }
}
