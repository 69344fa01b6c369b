//! Looking up whether a password is known from a breach.

use std::{error::Error, fmt, pin::Pin};

use super::Password;

/// The answer to a look-up, once it is there.
pub type BreachLookup<'a> = Pin<Box<dyn Future<Output = Result<bool, BreachLookupError>> + Send + 'a>>;

/// Somebody who knows the passwords of earlier breaches (NIST SP 800-63B-4, 3.1.1.2; ASVS 5.0, 6.2.12).
///
/// Asked for every new password that has passed all other checks, by
/// [`PasswordPolicy::breached`](crate::PasswordPolicy::breached). The crate `axum-users-breached` has one that asks a service
/// over HTTP; this trait is for a list of your own.
///
/// ```
/// use std::collections::HashSet;
///
/// use axum_users_core::{BreachLookup, BreachedPasswords, Password};
///
/// struct Listed(HashSet<String>);
///
/// impl BreachedPasswords for Listed {
///     fn is_breached<'a>(&'a self, password: &'a Password) -> BreachLookup<'a> {
///         Box::pin(async { Ok(self.0.contains(password.expose())) })
///     }
/// }
/// ```
///
/// # Security
/// Never send the password, nor a hash of it, to somebody else: send part of a hash, and compare what comes back here
/// (k-anonymity). End by yourself after a few seconds: the request waits.
pub trait BreachedPasswords: Send + Sync + 'static {
    /// Whether the password is known from a breach.
    ///
    /// # Errors
    /// [`BreachLookupError`] where that cannot be said; [`WhenUnavailable`] decides what happens then.
    fn is_breached<'a>(&'a self, password: &'a Password) -> BreachLookup<'a>;
}

/// A password could not be looked up. Its text and its sources go to the log: they must not hold the password or a hash.
///
/// ```
/// use axum_users_core::BreachLookupError;
///
/// /// How often a password was in a breach, as a service answers.
/// fn count(answer: &str) -> Result<u64, BreachLookupError> {
///     answer.trim().parse().map_err(BreachLookupError::new)
/// }
/// assert_eq!(count("busy").unwrap_err().to_string(), "the password could not be looked up");
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the password could not be looked up")]
pub struct BreachLookupError(#[source] Box<dyn Error + Send + Sync>);

impl BreachLookupError {
    /// A look-up that failed, with the reason.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// What happens to a new password that cannot be looked up.
///
/// ```
/// use axum_users_core::{BreachedPasswords, PasswordPolicy, WhenUnavailable};
///
/// fn policy(service: impl BreachedPasswords) -> PasswordPolicy {
///     PasswordPolicy::new().breached(service, WhenUnavailable::Accept)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenUnavailable {
    /// The request is refused: 503 with the code `PASSWORD_CHECK_UNAVAILABLE`. Nobody registers or changes a password while
    /// the service is down.
    Refuse,
    /// The password is taken, with `password_check_skipped` in the security log.
    Accept,
}

/// Shows no more than that there is one.
impl fmt::Debug for dyn BreachedPasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BreachedPasswords(…)")
    }
}
