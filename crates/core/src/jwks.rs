//! Keys as everybody may see them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::{JwtKey, JwtKeys, KeyError};

/// The public halves of signing keys, as a JWK Set (RFC 7517): what others need to check our tokens.
///
/// ```
/// use axum_users_core::{JwtKey, JwtKeys, PublicKeys, Secret};
///
/// let hmac = JwtKey::hs256(&Secret::new("8Wn1xTq0-the-secret-of-this-year"))?;
/// assert!(PublicKeys::of(&JwtKeys::new(hmac)).is_err());
/// # Ok::<_, axum_users_core::KeyError>(())
/// ```
///
/// # Security
/// HMAC secrets are never part of it: who knows one can sign. Whoever checks a token by a public key must look at `alg`, `aud` and
/// `exp` as well, and does not learn of logouts, changed passwords and deactivated users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = JwkSet, description = "Public keys (RFC 7517).")]
#[non_exhaustive]
pub struct PublicKeys {
    /// The keys, the one that signs first.
    #[schema(inline)]
    pub keys: Vec<PublicKey>,
}

impl PublicKeys {
    /// The public halves of those of `keys` that have one.
    ///
    /// # Errors
    /// [`KeyError::NothingPublic`] where there is none: a set that is empty by mistake would be found out by others.
    pub fn of(keys: &JwtKeys) -> Result<Self, KeyError> {
        let keys: Vec<PublicKey> = keys.all().filter_map(PublicKey::of).collect();
        if keys.is_empty() {
            return Err(KeyError::NothingPublic);
        }
        Ok(Self { keys })
    }
}

/// A public key as a JWK (RFC 7517, RFC 7518 section 6, RFC 8037); the parameters of the key itself are texts in base64url.
///
/// ```
/// use axum_users_core::{PublicKey, PublicKeys};
///
/// fn find<'a>(set: &'a PublicKeys, kid: &str) -> Option<&'a PublicKey> {
///     set.keys.iter().find(|key| key.kid == kid)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(
    as = Jwk,
    description = "A public key as a JWK (RFC 7517, RFC 7518 section 6, RFC 8037); the parameters of the key itself are texts in base64url."
)]
#[non_exhaustive]
pub struct PublicKey {
    /// What tokens name the key by; its thumbprint (RFC 7638) unless another one was set.
    #[schema(example = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")]
    pub kid: String,
    /// Always `sig`.
    #[schema(example = "sig")]
    pub r#use: &'static str,
    /// The one algorithm of the key: `ES256`, `EdDSA`, `RS256`, …
    #[schema(example = "ES256")]
    pub alg: &'static str,
    /// The kind of key: `EC`, `OKP` or `RSA`.
    #[schema(example = "EC")]
    pub kty: &'static str,
    /// The curve: `P-256` or `Ed25519`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "P-256", nullable = false)]
    pub crv: Option<&'static str>,
    /// The point, or its first coordinate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub x: Option<String>,
    /// The second coordinate of the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub y: Option<String>,
    /// The modulus.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub n: Option<String>,
    /// The exponent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub e: Option<String>,
}

impl PublicKey {
    fn of(key: &JwtKey) -> Option<Self> {
        let mut shown = Self {
            kid: key.kid().to_owned(),
            r#use: "sig",
            alg: key.algorithm(),
            kty: "",
            crv: None,
            x: None,
            y: None,
            n: None,
            e: None,
        };
        match key.public_half()?.clone() {
            Public::P256 { x, y } => {
                (shown.kty, shown.crv, shown.x, shown.y) = ("EC", Some("P-256"), Some(x), Some(y));
            }
            Public::Ed25519 { x } => (shown.kty, shown.crv, shown.x) = ("OKP", Some("Ed25519"), Some(x)),
            Public::Rsa { n, e } => (shown.kty, shown.n, shown.e) = ("RSA", Some(n), Some(e)),
        }
        Some(shown)
    }
}

/// The parameters of a public key, in base64url.
#[derive(Clone)]
pub(crate) enum Public {
    P256 { x: String, y: String },
    Ed25519 { x: String },
    Rsa { n: String, e: String },
}

impl Public {
    /// From an uncompressed point (SEC 1, section 2.3.3).
    pub(crate) fn p256(point: &[u8]) -> Option<Self> {
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
        (y.len() == 32).then(|| Self::P256 {
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        })
    }

    pub(crate) fn ed25519(point: &[u8]) -> Option<Self> {
        (point.len() == 32).then(|| Self::Ed25519 {
            x: URL_SAFE_NO_PAD.encode(point),
        })
    }

    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        // RFC 7518, section 2: as few bytes as the number needs.
        let number = |bytes: &[u8]| {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            URL_SAFE_NO_PAD.encode(bytes.get(zeros..).unwrap_or_default())
        };
        Self::Rsa {
            e: number(exponent),
            n: number(modulus),
        }
    }

    /// RFC 7638 with SHA-256: over the required parameters, in the order of their names, without blanks.
    pub(crate) fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::P256 { x, y } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::{JwkSet, ThumbprintHash};
    use serde_json::json;

    use super::*;
    use crate::{Secret, Timestamp, TokenPolicy};

    const EC: &str = include_str!("../tests/keys/ec.pem");
    const ED: &str = include_str!("../tests/keys/ed.pem");
    const RSA_PUBLIC: &str = include_str!("../tests/keys/rsa-public.pem");

    fn all() -> JwtKeys {
        JwtKeys::new(JwtKey::es256(&Secret::from(EC)).unwrap())
            .also_verify(JwtKey::eddsa(&Secret::from(ED)).unwrap())
            .also_verify(JwtKey::rs256_public(RSA_PUBLIC).unwrap())
            .also_verify(JwtKey::hs256(&Secret::from("fedcba9876543210fedcba9876543210")).unwrap())
    }

    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        // RFC 7638, section 3.1, and RFC 8037, appendix A.3.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
                 tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n9\
                 1CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let rsa = Public::rsa(
            &[&[0], URL_SAFE_NO_PAD.decode(n).unwrap().as_slice()].concat(),
            &[0, 1, 0, 1],
        );
        assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let ed = Public::ed25519(&URL_SAFE_NO_PAD.decode(x).unwrap()).unwrap();
        assert_eq!(ed.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn others_read_our_set_and_find_the_same_thumbprints() {
        let json = serde_json::to_string(&PublicKeys::of(&all()).unwrap()).unwrap();
        let set: JwkSet = serde_json::from_str(&json).unwrap();
        assert_eq!(set.keys.len(), 3);
        for key in &set.keys {
            let theirs = key.thumbprint(ThumbprintHash::SHA256).unwrap();
            assert_eq!(key.common.key_id.as_deref(), Some(theirs.as_str()));
            assert!(key.is_supported());
        }
    }

    #[test]
    fn nothing_secret_is_in_the_set() {
        let set = serde_json::to_value(PublicKeys::of(&all()).unwrap()).unwrap();
        let names = |index: usize| -> Vec<String> {
            let key = set["keys"][index].as_object().unwrap();
            key.keys().cloned().collect()
        };
        assert_eq!(names(0), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!(names(1), ["alg", "crv", "kid", "kty", "use", "x"]);
        assert_eq!(names(2), ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!(set["keys"].as_array().unwrap().len(), 3);
        assert_eq!(set["keys"][2]["e"], "AQAB");
    }

    #[test]
    fn hmac_secrets_alone_are_no_set() {
        let keys = JwtKeys::new(JwtKey::hs256(&Secret::from("fedcba9876543210fedcba9876543210")).unwrap());
        assert_eq!(PublicKeys::of(&keys).err(), Some(KeyError::NothingPublic));
    }

    #[test]
    fn another_kid_is_published_as_it_is() {
        let key = JwtKey::es256(&Secret::from(EC)).unwrap().with_kid("2026-11");
        let keys = JwtKeys::new(key);
        assert_eq!(PublicKeys::of(&keys).unwrap().keys[0].kid, "2026-11");
        let token = keys
            .sign(&json!({"sub": "7", "aud": "app", "exp": 9}), "JWT")
            .unwrap();
        let (policy, now) = (TokenPolicy::new("app"), Timestamp::from_secs(1));
        assert!(keys.verify(&token, &policy, now).is_ok());
    }
}
