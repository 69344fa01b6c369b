//! A password as it is stored.

use std::fmt;

use argon2::{
    Algorithm, Params, Version,
    password_hash::phc::{Output, Salt},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{Random, RandomError};

/// As in `/etc/shadow`.
const LOCKED: char = '!';

/// What is stored in place of a password: a PHC string, or a bcrypt string from an older system.
///
/// Fresh ones come from [`PasswordHasher::hash`](super::PasswordHasher::hash).
///
/// ```
/// use axum_users_core::PasswordHash;
///
/// let imported = PasswordHash::from_stored("$2b$12$…"); // of another application; replaced at the next login
/// assert_eq!(format!("{imported:?}"), "PasswordHash(…)");
/// ```
///
/// # Security
/// `Debug` is redacted, there is no `Display`, and the memory is wiped: a hash that leaks can be guessed against at leisure.
#[derive(Clone)]
pub struct PasswordHash(Zeroizing<String>);

impl PasswordHash {
    /// Takes a hash from the store, as it stands there; whether it can be used shows when a password is verified.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// What no password is right for: its owner sets another one by mail. No two are the same, so that no token bound to one is
    /// good for another.
    pub(crate) fn locked(random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes)?;
        Ok(Self(Zeroizing::new(format!(
            "{LOCKED}{}",
            URL_SAFE_NO_PAD.encode(bytes)
        ))))
    }

    /// Whether no password is right for it, on purpose.
    pub(super) fn is_locked(text: &str) -> bool {
        text.starts_with(LOCKED)
    }

    /// The text for the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text for the store, without a copy.
    pub fn into_string(mut self) -> String {
        std::mem::take(&mut *self.0)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// The most memory one hash may take, in KiB: what RFC 9106 section 4 recommends first, 2 GiB.
pub(super) const MAX_MEMORY: u32 = 2 * 1024 * 1024;
/// The most work one hash may be, in KiB times passes: some seconds.
pub(super) const MAX_WORK: u64 = 8 * 1024 * 1024;
/// Some seconds too.
const MAX_BCRYPT_COST: u32 = 17;
const MIN_BCRYPT_COST: u32 = 4;

/// Whether these parameters are within what one hash may cost.
pub(super) fn is_affordable(params: &Params) -> bool {
    params.m_cost() <= MAX_MEMORY && u64::from(params.m_cost()) * u64::from(params.t_cost()) <= MAX_WORK
}

/// A stored hash that can be checked.
pub(super) enum Stored {
    Argon2(Box<Argon2Hash>),
    Bcrypt,
}

/// The parts of a PHC string.
pub(super) struct Argon2Hash {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) params: Params,
    pub(super) salt: Salt,
    pub(super) tag: Output,
}

impl Stored {
    /// `None` for everything that cannot be checked, or only at a cost that no sane hash has: a damaged row must not
    /// take the memory of the machine.
    pub(super) fn recognise(text: &str) -> Option<Self> {
        if let Ok(parts) = text.parse::<bcrypt::HashParts>() {
            return (MIN_BCRYPT_COST..=MAX_BCRYPT_COST)
                .contains(&parts.get_cost())
                .then_some(Self::Bcrypt);
        }
        let phc = argon2::PasswordHash::new(text).ok()?;
        Some(Self::Argon2(Box::new(Argon2Hash {
            algorithm: phc.algorithm.as_str().parse().ok()?,
            // The reference implementation left the version out as long as there was only the first.
            version: phc.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?,
            params: Params::try_from(&phc).ok().filter(is_affordable)?,
            salt: phc.salt?,
            tag: phc.hash?,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT_AND_TAG: &str = "c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn is_recognised(text: &str) -> bool {
        Stored::recognise(text).is_some()
    }

    #[test]
    fn every_variant_of_argon2_is_recognised() {
        for head in [
            "argon2id$v=19",
            "argon2i$v=19",
            "argon2d$v=19",
            "argon2id$v=16",
            "argon2i",
        ] {
            assert!(
                is_recognised(&format!("${head}$m=65536,t=3,p=4${SALT_AND_TAG}")),
                "{head}"
            );
        }
    }

    #[test]
    fn hash_without_a_version_is_of_the_first_version() {
        let stored = Stored::recognise(&format!("$argon2i$m=65536,t=3,p=4${SALT_AND_TAG}"));
        assert!(matches!(stored, Some(Stored::Argon2(hash)) if hash.version == Version::V0x10));
    }

    #[test]
    fn hash_that_would_eat_the_machine_is_not_recognised() {
        for (params, fine) in [
            ("m=2097152,t=1,p=4", true),
            ("m=1048576,t=4,p=1", true),
            ("m=2097153,t=1,p=1", false),
            ("m=4294967295,t=1,p=1", false),
            ("m=8,t=4294967295,p=1", false),
            ("m=8,t=1,p=16777215", false),
        ] {
            assert_eq!(
                is_recognised(&format!("$argon2id$v=19${params}${SALT_AND_TAG}")),
                fine,
                "{params}"
            );
        }
    }

    #[test]
    fn every_prefix_of_bcrypt_is_recognised_within_sane_costs() {
        let rest = "L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u";
        for (head, fine) in [
            ("2a$04", true),
            ("2b$12", true),
            ("2x$12", true),
            ("2y$17", true),
            ("2b$18", false),
            ("2b$31", false),
            ("2b$03", false),
            ("2c$12", false),
        ] {
            assert_eq!(is_recognised(&format!("${head}${rest}")), fine, "{head}");
        }
    }

    #[test]
    fn rubbish_is_not_recognised() {
        for text in [
            "",
            "$",
            "!",
            "plain",
            "$argon2id$",
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA",
            "$argon2id$v=20$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
            "$2b$12$é6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3",
        ] {
            assert!(!is_recognised(text), "{text}");
        }
    }
}
