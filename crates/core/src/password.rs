//! Passwords: as they are typed, as they are stored, and the threads that turn one into the other.

mod breached;
mod common;
mod context;
mod engine;
mod hash;
mod hasher;
mod policy;
mod pool;
mod settings;
#[cfg(feature = "strength")]
mod strength;

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

pub(crate) use self::policy::Judged;
#[cfg(feature = "strength")]
pub use self::strength::PasswordStrength;
pub use self::{
    breached::{BreachLookup, BreachLookupError, BreachedPasswords, WhenUnavailable},
    hash::PasswordHash,
    hasher::{HashCounts, HashError, PasswordHasher, Verdict},
    policy::PasswordPolicy,
    settings::{Argon2Settings, HasherError, HasherSettings},
};

/// A password as typed, ready to be hashed.
///
/// It is taken whole: no trimming, no case folding, no cutting (SP 800-63B-4 section 3.1.1.2, ASVS 5.0 6.2.8). The one
/// change is the normalization rule of RFC 8265 section 4.2.2, Unicode Normalization Form C, so that the same password
/// typed on another keyboard is the same password; of that profile it is this rule only, spaces stay as typed. **The
/// form never changes**, because stored hashes depend on it.
///
/// ```
/// use axum_users_core::Password;
///
/// let composed = Password::parse("caf\u{e9} society")?;
/// let decomposed = Password::parse("cafe\u{301} society")?;
/// assert_eq!(composed.expose(), decomposed.expose());
/// assert_eq!(composed.chars(), 12);
/// assert_eq!(format!("{composed:?}"), "Password(…)");
/// # Ok::<(), axum_users_core::PasswordError>(())
/// ```
///
/// # Security
/// `Debug` is redacted, there is no `Display` and no `==`, and the memory is wiped when the value is dropped. How long a
/// *new* password must be is the policy's matter, not this type's.
pub struct Password(Zeroizing<String>);

impl Password {
    /// The longest password that is looked at, in bytes of UTF-8 as typed: 1024, thus at least 256 characters.
    pub const MAX_BYTES: usize = 1024;

    /// Takes a password from outside.
    ///
    /// # Errors
    /// [`PasswordError::TooLong`] above [`MAX_BYTES`](Self::MAX_BYTES), which is checked before anything else;
    /// [`PasswordError::Nul`] where it holds U+0000.
    ///
    /// # Security
    /// The limit keeps a huge input from costing anything (OWASP Authentication Cheat Sheet, "Compare Password Hashes
    /// Using Safe Functions"); U+0000 would end a password early in bcrypt. Both hold wherever a password comes in: at
    /// login as well as where one is chosen.
    pub fn parse(typed: &str) -> Result<Self, PasswordError> {
        if typed.len() > Self::MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        if typed.contains('\0') {
            return Err(PasswordError::Nul);
        }
        if typed.is_ascii() {
            return Ok(Self(Zeroizing::new(typed.to_owned())));
        }
        // NFC grows UTF-8 at most threefold: with this room the text is never moved, so no copy of it stays unwiped.
        let mut text = Zeroizing::new(String::with_capacity(typed.len() * 3));
        text.extend(typed.nfc());
        Ok(Self(text))
    }

    /// The normalised text itself, for the policy that judges a new password.
    ///
    /// # Security
    /// Neither log nor store what this returns.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// For the estimate of strength, which is made on another thread.
    #[cfg(feature = "strength")]
    fn copy(&self) -> Self {
        Self(self.0.clone())
    }

    /// How many Unicode code points the normalised password has: the length that SP 800-63B-4 section 3.1.1.2 counts.
    pub fn chars(&self) -> usize {
        self.0.chars().count()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why an input cannot be a password at all.
///
/// ```
/// use axum_users_core::{Password, PasswordError};
///
/// assert_eq!(Password::parse(&"x".repeat(1025)).unwrap_err(), PasswordError::TooLong);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// It has more than [`Password::MAX_BYTES`] bytes.
    #[error("the password is too long")]
    TooLong,
    /// It holds U+0000.
    #[error("the password holds a null character")]
    Nul,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_spellings_are_one_password() {
        let composed = Password::parse("Ångström é").unwrap();
        let decomposed = Password::parse("A\u{30a}ngstro\u{308}m e\u{301}").unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
        assert_eq!(composed.chars(), 10);
    }

    #[test]
    fn compatibility_characters_and_spaces_stay_as_typed() {
        let password = Password::parse(" x²\u{3000}ﬁ ").unwrap();
        assert_eq!(password.expose(), " x²\u{3000}ﬁ ");
    }

    #[test]
    fn length_is_counted_in_bytes_as_typed() {
        assert!(Password::parse(&"a".repeat(1024)).is_ok());
        assert_eq!(
            Password::parse(&"a".repeat(1025)).unwrap_err(),
            PasswordError::TooLong
        );
        assert_eq!(
            Password::parse(&"e\u{301}".repeat(342)).unwrap_err(),
            PasswordError::TooLong
        );
    }

    #[test]
    fn length_is_checked_before_the_content() {
        assert_eq!(
            Password::parse(&"\0".repeat(1025)).unwrap_err(),
            PasswordError::TooLong
        );
    }

    #[test]
    fn null_character_is_refused_wherever_it_stands() {
        for typed in ["\0secret", "sec\0ret", "secret\0", "é\0"] {
            assert_eq!(Password::parse(typed).unwrap_err(), PasswordError::Nul);
        }
    }

    #[test]
    fn normalising_never_outgrows_the_room_made_for_it() {
        // U+1D160 has the worst expansion there is: 4 bytes become 12.
        let typed = "\u{1d160}".repeat(256);
        let password = Password::parse(&typed).unwrap();
        assert_eq!(password.expose().len(), typed.len() * 3);
        assert_eq!(password.0.capacity(), typed.len() * 3);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(
            format!("{:?}", Password::parse("hunter2 hunter2").unwrap()),
            "Password(…)"
        );
    }
}
