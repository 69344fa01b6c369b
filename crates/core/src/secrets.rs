//! One root secret, and the keys that are made of it.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    Secret,
    keys::{JwtKey, JwtKeys, KeyError, check_secret},
};

const LEAST: usize = 32;
const SALT: &[u8] = b"axum-users root secret v1";

/// The secrets of one family of users: one for each kind of token, so that a token of one kind is never taken for
/// another, not even where everything else about it is the same.
///
/// All come from one root secret by HKDF with SHA-256 (RFC 5869), with a label of family and purpose; each can be
/// replaced by a secret of its own, which is then used as it is. Two families, or two instances of an app that share a
/// root and a family name, have the same secrets.
///
/// ```
/// use axum_users_core::{Secret, Secrets};
///
/// let root = Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx");
/// let secrets = Secrets::from_root(&root, "users")?;
/// assert!(secrets.access().can_sign());
/// assert!(Secrets::from_root(&Secret::new("too short"), "users").is_err());
/// # Ok::<_, axum_users_core::KeyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Secrets {
    access: JwtKeys,
    reset: Vec<Secret>,
    verify: Vec<Secret>,
    limits: Secret,
}

impl Secrets {
    /// Splits `root`, of at least 32 bytes, for the family named `family`.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] and [`KeyError::Guessable`] for a root that is no secret.
    pub fn from_root(root: &Secret, family: &str) -> Result<Self, KeyError> {
        check_secret(root, LEAST)?;
        Ok(Self {
            access: JwtKeys::new(JwtKey::hs256(&derive(root, family, "access")?)?),
            reset: vec![derive(root, family, "reset")?],
            verify: vec![derive(root, family, "verify")?],
            limits: derive(root, family, "limits")?,
        })
    }

    /// Takes the tokens of an earlier root as well, and signs none with it: for the time after a change of roots. Call
    /// it after the setters that replace a secret, since they forget what was there before.
    ///
    /// # Errors
    /// As [`from_root`](Self::from_root).
    pub fn also_root(mut self, previous: &Secret, family: &str) -> Result<Self, KeyError> {
        check_secret(previous, LEAST)?;
        self.access = self
            .access
            .also_verify(JwtKey::hs256(&derive(previous, family, "access")?)?);
        self.reset.push(derive(previous, family, "reset")?);
        self.verify.push(derive(previous, family, "verify")?);
        Ok(self)
    }

    /// Signs access tokens with a secret of their own (HS256), of at least 32 bytes.
    ///
    /// # Errors
    /// [`KeyError`] where it is none.
    pub fn with_access(mut self, secret: &Secret) -> Result<Self, KeyError> {
        self.access = JwtKeys::new(JwtKey::hs256(secret)?);
        Ok(self)
    }

    /// Signs reset tokens with a secret of their own, of at least 32 bytes.
    ///
    /// # Errors
    /// [`KeyError`] where it is none.
    pub fn with_reset(mut self, secret: &Secret) -> Result<Self, KeyError> {
        check_secret(secret, LEAST)?;
        self.reset = vec![secret.clone()];
        Ok(self)
    }

    /// Signs verification tokens with a secret of their own, of at least 32 bytes.
    ///
    /// # Errors
    /// [`KeyError`] where it is none.
    pub fn with_verify(mut self, secret: &Secret) -> Result<Self, KeyError> {
        check_secret(secret, LEAST)?;
        self.verify = vec![secret.clone()];
        Ok(self)
    }

    /// The keys for access tokens.
    pub fn access(&self) -> JwtKeys {
        self.access.clone()
    }

    /// The secrets for reset tokens; the first signs.
    pub fn reset(&self) -> &[Secret] {
        &self.reset
    }

    /// The secrets for verification tokens; the first signs.
    pub fn verify(&self) -> &[Secret] {
        &self.verify
    }

    /// What the names of counters are hashed with.
    pub(crate) fn limits(&self) -> &Secret {
        &self.limits
    }
}

fn derive(root: &Secret, family: &str, purpose: &str) -> Result<Secret, KeyError> {
    let mut key = Zeroizing::new([0; LEAST]);
    // The length keeps a family from spelling the purpose of another.
    Hkdf::<Sha256>::new(Some(SALT), root.expose())
        .expand_multi_info(
            &[&len(family), family.as_bytes(), purpose.as_bytes()],
            key.as_mut_slice(),
        )
        .map_err(|_| KeyError::Invalid)?;
    Ok(Secret::new(key.to_vec()))
}

/// The length of a text as eight bytes, to go before it in what is hashed.
pub(crate) fn len(text: &str) -> [u8; 8] {
    u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Timestamp, TokenPolicy};

    const ROOT: &str = "Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx";
    const OTHER: &str = "p9Kd2sLqXv7Ty4BnMz8RcWf5Gh1Ju6Ea";

    fn secrets(root: &str, family: &str) -> Secrets {
        Secrets::from_root(&Secret::from(root), family).unwrap()
    }

    fn all(secrets: &Secrets) -> [Vec<u8>; 3] {
        let access = JwtKeys::sign(&secrets.access, &json!({}), "JWT").unwrap();
        [
            access.into_bytes(),
            secrets.reset()[0].expose().to_vec(),
            secrets.verify()[0].expose().to_vec(),
        ]
    }

    #[test]
    fn the_same_root_and_family_give_the_same_secrets_everywhere() {
        assert_eq!(all(&secrets(ROOT, "users")), all(&secrets(ROOT, "users")));
    }

    #[test]
    fn the_derived_secrets_stay_what_they_are_from_one_version_to_the_next() {
        let verify = secrets(ROOT, "users").verify()[0]
            .expose()
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert_eq!(
            verify,
            "b97a020d669d036f1b9531dbcf5eeb58a649323b5657b5c91f932d03818bf9b6"
        );
    }

    #[test]
    fn every_purpose_and_family_and_root_has_a_secret_of_its_own() {
        let mut seen = Vec::new();
        for secrets in [
            secrets(ROOT, "users"),
            secrets(ROOT, "staff"),
            secrets(ROOT, ""),
            secrets(ROOT, "usersr"),
            secrets(OTHER, "users"),
        ] {
            seen.extend(all(&secrets));
        }
        seen.push(ROOT.into());
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn a_root_that_is_no_secret_is_refused() {
        for root in ["", "SECRET", &ROOT[..31]] {
            assert_eq!(
                Secrets::from_root(&Secret::from(root), "users").err(),
                Some(KeyError::TooShort { least: 32 })
            );
        }
        for root in ["a-string-secret-at-least-256-bits-long", &"x".repeat(99)] {
            assert_eq!(
                Secrets::from_root(&Secret::from(root), "users").err(),
                Some(KeyError::Guessable)
            );
        }
    }

    #[test]
    fn a_separate_secret_is_used_as_it_is_and_changes_no_other() {
        let plain = secrets(ROOT, "users");
        let own = plain.clone().with_reset(&Secret::from(OTHER)).unwrap();
        assert_eq!(own.reset()[0].expose(), OTHER.as_bytes());
        assert_eq!(own.verify()[0].expose(), plain.verify()[0].expose());
        let own = plain.clone().with_verify(&Secret::from(OTHER)).unwrap();
        assert_eq!(own.verify()[0].expose(), OTHER.as_bytes());
        assert_eq!(own.reset()[0].expose(), plain.reset()[0].expose());
        let raw = JwtKeys::new(JwtKey::hs256(&Secret::from(OTHER)).unwrap());
        let claims = json!({"sub": "7", "aud": "app", "exp": 9});
        let own = plain.with_access(&Secret::from(OTHER)).unwrap();
        assert_eq!(own.access().sign(&claims, "JWT"), raw.sign(&claims, "JWT"));
    }

    #[test]
    fn a_short_separate_secret_is_refused() {
        let short = Secret::from("SECRET");
        assert!(secrets(ROOT, "users").with_access(&short).is_err());
        assert!(secrets(ROOT, "users").with_reset(&short).is_err());
        assert!(secrets(ROOT, "users").with_verify(&short).is_err());
        assert!(secrets(ROOT, "users").also_root(&short, "users").is_err());
    }

    #[test]
    fn tokens_of_an_earlier_root_live_on() {
        let claims = json!({"sub": "7", "aud": "app", "exp": 9});
        let token = secrets(OTHER, "users").access().sign(&claims, "JWT").unwrap();
        let changed = secrets(ROOT, "users")
            .also_root(&Secret::from(OTHER), "users")
            .unwrap();
        let (policy, now) = (TokenPolicy::new("app"), Timestamp::from_secs(1));
        assert!(changed.access().verify(&token, &policy, now).is_ok());
        assert!(
            secrets(ROOT, "users")
                .access()
                .verify(&token, &policy, now)
                .is_err()
        );
        assert_eq!(
            changed.access().sign(&claims, "JWT"),
            secrets(ROOT, "users").access().sign(&claims, "JWT")
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?}",
            secrets(ROOT, "users").with_reset(&Secret::from(OTHER)).unwrap()
        );
        assert!(
            !shown.contains(ROOT) && !shown.contains(OTHER) && !shown.contains("112, 57"),
            "{shown}"
        );
    }
}
