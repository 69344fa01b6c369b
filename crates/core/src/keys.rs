//! Keys for signed tokens (JWS), and what a token must be to be believed.

use std::{collections::HashSet, fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, crypto::rust_crypto::DEFAULT_PROVIDER as CRYPTO, jwk::EllipticCurve,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{Secret, Timestamp, jwks::Public};

const MAX_TOKEN_BYTES: usize = 8 * 1024;
const MAX_JTI_BYTES: usize = 255;
const CLOCK_SKEW: Duration = Duration::from_mins(1);
const KID_LABEL: &[u8] = b"axum-users kid v1\0";

/// A key for signed tokens, bound to one algorithm (RFC 8725, section 3.1).
///
/// Its `kid` is derived from the key, so that it is the same wherever the key is: the thumbprint of a public key (RFC 7638,
/// SHA-256), which its private key has too; from an HMAC secret by HMAC, so that it gives nothing of the secret away.
///
/// ```
/// use axum_users_core::{JwtKey, JwtKeys, KeyError, Secret};
///
/// let key = JwtKey::hs256(&Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"))?;
/// assert_eq!((key.algorithm(), key.can_sign()), ("HS256", true));
/// let keys = JwtKeys::new(key);
/// # assert!(keys.can_sign());
/// # Ok::<_, KeyError>(())
/// ```
///
/// # Security
/// RSA keys verify only: signing with them in Rust leaks time (RUSTSEC-2023-0071).
#[derive(Clone)]
pub struct JwtKey {
    algorithm: Algorithm,
    name: &'static str,
    kid: String,
    signing: Option<EncodingKey>,
    verifying: DecodingKey,
    public: Option<Public>,
}

impl JwtKey {
    /// HMAC with SHA-256, from a secret of at least 32 bytes (RFC 7518, section 3.2).
    ///
    /// # Errors
    /// [`KeyError::TooShort`], and [`KeyError::Guessable`] for a secret out of a manual or of few different bytes.
    pub fn hs256(secret: &Secret) -> Result<Self, KeyError> {
        Self::hmac(Algorithm::HS256, "HS256", 32, secret)
    }

    /// HMAC with SHA-384, from a secret of at least 48 bytes.
    ///
    /// # Errors
    /// As [`hs256`](Self::hs256).
    pub fn hs384(secret: &Secret) -> Result<Self, KeyError> {
        Self::hmac(Algorithm::HS384, "HS384", 48, secret)
    }

    /// HMAC with SHA-512, from a secret of at least 64 bytes.
    ///
    /// # Errors
    /// As [`hs256`](Self::hs256).
    pub fn hs512(secret: &Secret) -> Result<Self, KeyError> {
        Self::hmac(Algorithm::HS512, "HS512", 64, secret)
    }

    /// ECDSA with P-256, from a private key (PEM, PKCS#8).
    ///
    /// # Errors
    /// [`KeyError::Invalid`] for anything else.
    pub fn es256(private_pem: &Secret) -> Result<Self, KeyError> {
        let signing = EncodingKey::from_ec_pem(private_pem.expose()).map_err(invalid)?;
        let (_, x, y) =
            (CRYPTO.key_utils.ec_pub_components_from_private_key)(signing.as_bytes(), Algorithm::ES256)
                .map_err(invalid)?;
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        Self::public(Algorithm::ES256, "ES256", DecodingKey::from_ec_der(&point))?.signing_with(signing)
    }

    /// ECDSA with P-256, from a public key (PEM, `SubjectPublicKeyInfo`, uncompressed): verifies only.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] for anything else.
    pub fn es256_public(public_pem: &str) -> Result<Self, KeyError> {
        let key = DecodingKey::from_ec_pem(public_only(public_pem)?).map_err(invalid)?;
        // A compressed point would have another `kid` than its private key.
        if key.try_get_as_bytes().map_err(invalid)?.len() != 65 {
            return Err(KeyError::Invalid);
        }
        Self::public(Algorithm::ES256, "ES256", key)
    }

    /// Ed25519, from a private key (PEM, PKCS#8).
    ///
    /// # Errors
    /// [`KeyError::Invalid`] for anything else.
    pub fn eddsa(private_pem: &Secret) -> Result<Self, KeyError> {
        let signing = EncodingKey::from_ed_pem(private_pem.expose()).map_err(invalid)?;
        let point = (CRYPTO.key_utils.ed_pub_components_from_private_key)(
            signing.as_bytes(),
            &EllipticCurve::Ed25519,
        )
        .map_err(invalid)?;
        Self::public(Algorithm::EdDSA, "EdDSA", DecodingKey::from_ed_der(&point))?.signing_with(signing)
    }

    /// Ed25519, from a public key (PEM, `SubjectPublicKeyInfo`): verifies only.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] for anything else.
    pub fn eddsa_public(public_pem: &str) -> Result<Self, KeyError> {
        let key = DecodingKey::from_ed_pem(public_only(public_pem)?).map_err(invalid)?;
        // jsonwebtoken slices the first 32 bytes and panics where there are fewer.
        if key.try_get_as_bytes().map_err(invalid)?.len() != 32 {
            return Err(KeyError::Invalid);
        }
        Self::public(Algorithm::EdDSA, "EdDSA", key)
    }

    /// RSA PKCS#1 v1.5 with SHA-256, from a public key of 2048 to 4096 bits (PEM): verifies only.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] below 2048 bits (RFC 7518, section 3.3), [`KeyError::Invalid`] for anything else.
    pub fn rs256_public(public_pem: &str) -> Result<Self, KeyError> {
        Self::rsa(Algorithm::RS256, "RS256", public_pem)
    }

    /// RSA PKCS#1 v1.5 with SHA-384: verifies only.
    ///
    /// # Errors
    /// As [`rs256_public`](Self::rs256_public).
    pub fn rs384_public(public_pem: &str) -> Result<Self, KeyError> {
        Self::rsa(Algorithm::RS384, "RS384", public_pem)
    }

    /// RSA PKCS#1 v1.5 with SHA-512: verifies only.
    ///
    /// # Errors
    /// As [`rs256_public`](Self::rs256_public).
    pub fn rs512_public(public_pem: &str) -> Result<Self, KeyError> {
        Self::rsa(Algorithm::RS512, "RS512", public_pem)
    }

    /// RSA PSS with SHA-256: verifies only.
    ///
    /// # Errors
    /// As [`rs256_public`](Self::rs256_public).
    pub fn ps256_public(public_pem: &str) -> Result<Self, KeyError> {
        Self::rsa(Algorithm::PS256, "PS256", public_pem)
    }

    /// RSA PSS with SHA-384: verifies only.
    ///
    /// # Errors
    /// As [`rs256_public`](Self::rs256_public).
    pub fn ps384_public(public_pem: &str) -> Result<Self, KeyError> {
        Self::rsa(Algorithm::PS384, "PS384", public_pem)
    }

    /// RSA PSS with SHA-512: verifies only.
    ///
    /// # Errors
    /// As [`rs256_public`](Self::rs256_public).
    pub fn ps512_public(public_pem: &str) -> Result<Self, KeyError> {
        Self::rsa(Algorithm::PS512, "PS512", public_pem)
    }

    /// Another `kid` than the derived one, such as the one another issuer writes.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = kid.into();
        self
    }

    /// What tokens name this key by (RFC 7515, section 4.1.4).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm of this key, as in the `alg` header: `HS256`, `ES256`, …
    pub fn algorithm(&self) -> &'static str {
        self.name
    }

    /// Whether the key can sign, or only verify.
    pub fn can_sign(&self) -> bool {
        self.signing.is_some()
    }

    /// What of the key may be seen by everybody; nothing of an HMAC secret.
    pub(crate) fn public_half(&self) -> Option<&Public> {
        self.public.as_ref()
    }

    fn hmac(
        algorithm: Algorithm,
        name: &'static str,
        least: usize,
        secret: &Secret,
    ) -> Result<Self, KeyError> {
        check_secret(secret, least)?;
        Ok(Self {
            algorithm,
            name,
            kid: short(&keyed_hash(secret.expose(), &[KID_LABEL, name.as_bytes()])?),
            signing: Some(EncodingKey::from_secret(secret.expose())),
            verifying: DecodingKey::from_secret(secret.expose()),
            public: None,
        })
    }

    fn rsa(algorithm: Algorithm, name: &'static str, public_pem: &str) -> Result<Self, KeyError> {
        let key = DecodingKey::from_rsa_pem(public_only(public_pem)?).map_err(invalid)?;
        let der = key.try_get_as_bytes().map_err(invalid)?;
        let (modulus, _) = (CRYPTO.key_utils.rsa_pub_components_from_public_key)(der).map_err(invalid)?;
        if modulus.len() < 256 {
            return Err(KeyError::TooShort { least: 256 });
        }
        Self::public(algorithm, name, key)
    }

    fn public(algorithm: Algorithm, name: &'static str, verifying: DecodingKey) -> Result<Self, KeyError> {
        let bytes = verifying.try_get_as_bytes().map_err(invalid)?;
        let public = match algorithm {
            Algorithm::ES256 => Public::p256(bytes),
            Algorithm::EdDSA => Public::ed25519(bytes),
            _ => {
                let (modulus, exponent) =
                    (CRYPTO.key_utils.rsa_pub_components_from_public_key)(bytes).map_err(invalid)?;
                Some(Public::rsa(&modulus, &exponent))
            }
        }
        .ok_or(KeyError::Invalid)?;
        (CRYPTO.verifier_factory)(&algorithm, &verifying).map_err(invalid)?;
        Ok(Self {
            algorithm,
            name,
            kid: public.thumbprint(),
            signing: None,
            verifying,
            public: Some(public),
        })
    }

    fn signing_with(mut self, signing: EncodingKey) -> Result<Self, KeyError> {
        (CRYPTO.signer_factory)(&self.algorithm, &signing).map_err(invalid)?;
        self.signing = Some(signing);
        Ok(self)
    }

    fn accepts(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        // Straight to the provider: the process-wide one panics where an app has enabled both of jsonwebtoken's.
        (CRYPTO.verifier_factory)(&self.algorithm, &self.verifying)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

/// Shows the `kid` and the algorithm only.
impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.name)
            .finish_non_exhaustive()
    }
}

/// The keys of one kind of token: the first signs, all verify.
///
/// To change a key, put the new one first and keep the old one until its tokens have expired:
///
/// ```
/// use axum_users_core::{JwtKey, JwtKeys, Secret, Timestamp, TokenPolicy};
/// use serde_json::json;
///
/// let old = JwtKey::hs256(&Secret::new("8Wn1xTq0-the-secret-of-last-year"))?;
/// let new = JwtKey::hs256(&Secret::new("k7Zb4mUe-the-secret-of-this-year"))?;
///
/// let token = JwtKeys::new(old.clone()).sign(&json!({"sub": "7", "aud": "app", "exp": 1_000}), "JWT")?;
/// let keys = JwtKeys::new(new).also_verify(old);
/// let claims = keys.verify(&token, &TokenPolicy::new("app"), Timestamp::from_secs(999))?;
/// assert_eq!(claims.subject(), "7");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct JwtKeys {
    first: JwtKey,
    others: Vec<JwtKey>,
}

impl JwtKeys {
    /// Signs and verifies with `key`; only verifies where it is a public key.
    pub fn new(key: JwtKey) -> Self {
        Self {
            first: key,
            others: Vec::new(),
        }
    }

    /// Verifies with `key` too, but never signs with it.
    #[must_use]
    pub fn also_verify(mut self, key: JwtKey) -> Self {
        self.others.push(key);
        self
    }

    /// All keys, the one that signs first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &JwtKey> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Whether the first key can sign.
    pub fn can_sign(&self) -> bool {
        self.first.can_sign()
    }

    /// Signs `claims` with the first key; the header has `alg`, `kid` and `typ` (RFC 8725, section 3.11).
    ///
    /// # Errors
    /// [`SignError`]: the key only verifies, the claims are no JSON object, or the token would pass the 8 KiB that
    /// [`verify`](Self::verify) takes.
    ///
    /// # Security
    /// Anybody can read the claims.
    pub fn sign(&self, claims: &impl Serialize, typ: &str) -> Result<String, SignError> {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: &'a str,
            kid: &'a str,
            typ: &'a str,
        }

        let key = &self.first;
        let signing = key.signing.as_ref().ok_or(SignError::VerifyOnly)?;
        let header = serde_json::to_vec(&Header {
            alg: key.name,
            kid: &key.kid,
            typ,
        })
        .map_err(|_| SignError::Claims)?;
        let claims = serde_json::to_vec(claims).map_err(|_| SignError::Claims)?;
        if !claims.starts_with(b"{") {
            return Err(SignError::Claims);
        }
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = (CRYPTO.signer_factory)(&key.algorithm, signing)
            .map_err(|_| SignError::Failed)?
            .try_sign(message.as_bytes())
            .map_err(|_| SignError::Failed)?;
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        if token.len() > MAX_TOKEN_BYTES {
            Err(SignError::TooLong)
        } else {
            Ok(token)
        }
    }

    /// Checks a token and gives its claims.
    ///
    /// In this order:
    /// - At most 8 KiB; three parts in base64url without padding, each spelt in the one canonical way.
    /// - A header with `alg`; with `kid`, the key of that name, without (tokens of other issuers) any key; and of these
    ///   only the ones made for exactly that algorithm. `crit`, `b64`, `jku`, `jwk`, `x5u` and `x5c` are refused, as are
    ///   names that occur twice, here and in the claims.
    /// - The signature, before any claim is read (RFC 8725, section 3.3).
    /// - `typ`, `aud` and `iss` as `policy` has them.
    /// - `exp`, required: expired from that very second on, without leeway. `nbf` and `iat`, where present: up to 60 s
    ///   ahead, since the clocks of several machines differ and a fresh token must not bounce; a leeway for `exp` would
    ///   only lengthen lives. All three are numbers, never text.
    /// - `sub`, required: text, not empty.
    ///
    /// # Errors
    /// [`TokenError`], for logs and tests: to the one who presented the token all its variants are one answer.
    ///
    /// # Security
    /// An ECDSA signature has two spellings. Go by [`VerifiedClaims::token_id`], never by the text of a token.
    pub fn verify(
        &self,
        token: &str,
        policy: &TokenPolicy,
        now: Timestamp,
    ) -> Result<VerifiedClaims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let header = strict_object(&decode(header)?)?;
        let payload = decode(payload)?;
        let signature = decode(signature)?;

        if ["crit", "b64", "jku", "jwk", "x5u", "x5c"]
            .iter()
            .any(|name| header.contains_key(*name))
        {
            return Err(TokenError::Header);
        }
        let alg = header
            .get("alg")
            .and_then(Value::as_str)
            .ok_or(TokenError::Header)?;
        let kid = optional_text(&header, "kid").ok_or(TokenError::Header)?;
        let typ = optional_text(&header, "typ").ok_or(TokenError::Header)?;

        let candidates: Vec<&JwtKey> = self
            .all()
            .filter(|key| key.name == alg && kid.is_none_or(|kid| key.kid == kid))
            .collect();
        if candidates.is_empty() {
            return Err(TokenError::UnknownKey);
        }
        if !candidates
            .iter()
            .any(|key| key.accepts(message.as_bytes(), &signature))
        {
            return Err(TokenError::Signature);
        }
        policy.check_typ(typ)?;
        VerifiedClaims::check(&payload, policy, now)
    }
}

/// What a token must say to be taken at one place: for whom it is and of which kind.
///
/// ```
/// use axum_users_core::TokenPolicy;
///
/// let policy = TokenPolicy::new("axum-users:jwt").issuer("https://login.example.com");
/// # let _ = policy;
/// ```
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    audience: String,
    issuer: Option<String>,
    typs: Vec<String>,
}

impl TokenPolicy {
    /// Takes tokens for `audience`: `aud` is this text or a list of texts with it.
    pub fn new(audience: impl Into<String>) -> Self {
        Self {
            audience: audience.into(),
            issuer: None,
            typs: Vec::new(),
        }
    }

    /// Takes tokens of this `typ`; called again, of either. Compared without regard to ASCII case and to
    /// `application/` (RFC 7515, section 4.1.9). By default `JWT` and none at all are taken, and no other.
    #[must_use]
    pub fn typ(mut self, typ: impl Into<String>) -> Self {
        self.typs.push(typ.into());
        self
    }

    /// Takes tokens of this issuer only. By default `iss` is not looked at.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    fn check_typ(&self, typ: Option<&str>) -> Result<(), TokenError> {
        let is = |wanted: &str, typ: &str| bare_typ(wanted).eq_ignore_ascii_case(bare_typ(typ));
        let taken = match typ {
            None => self.typs.is_empty(),
            Some(typ) if self.typs.is_empty() => is("JWT", typ),
            Some(typ) => self.typs.iter().any(|wanted| is(wanted, typ)),
        };
        if taken { Ok(()) } else { Err(TokenError::Type) }
    }

    fn is_addressed_by(&self, aud: &Value) -> bool {
        match aud {
            Value::String(one) => *one == self.audience,
            Value::Array(many) => {
                many.iter().all(Value::is_string) && many.iter().any(|one| *one == *self.audience)
            }
            _ => false,
        }
    }
}

/// The claims of a token that [`JwtKeys::verify`] has found good.
///
/// ```
/// use axum_users_core::{JwtKey, JwtKeys, Secret, Timestamp, TokenPolicy};
/// use serde_json::json;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = JwtKeys::new(JwtKey::hs256(&Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"))?);
/// let token = keys.sign(&json!({"sub": "7", "aud": "shop", "exp": 2_000_000_000, "role": "king"}), "JWT")?;
///
/// let claims = keys.verify(&token, &TokenPolicy::new("shop"), Timestamp::from_secs(1_767_225_600))?;
/// assert_eq!(claims.subject(), "7");
/// assert_eq!(claims.get("role"), Some(&json!("king")));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct VerifiedClaims {
    claims: Map<String, Value>,
    subject: String,
    jti: Option<String>,
    token_id: String,
    expires_at: Timestamp,
    issued_at: Option<Timestamp>,
}

impl VerifiedClaims {
    /// `sub`: whom the token is about. Never empty.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// `jti`, where the token has one.
    pub fn jti(&self) -> Option<&str> {
        self.jti.as_deref()
    }

    /// What to revoke the token by: `jti`, else the SHA-256 of its claims in hex. At most 255 bytes. The same for every
    /// spelling of a token.
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// `exp`: from this moment on the token is worth nothing.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// `iat`, where the token has one.
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// Any claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    fn check(payload: &[u8], policy: &TokenPolicy, now: Timestamp) -> Result<Self, TokenError> {
        let claims = strict_object(payload)?;

        let expires_at = moment(&claims, "exp")?.ok_or(TokenError::Claims)?;
        let not_before = moment(&claims, "nbf")?;
        let issued_at = moment(&claims, "iat")?;
        let subject = text(&claims, "sub")?.ok_or(TokenError::Claims)?;
        let jti = text(&claims, "jti")?;
        if jti.as_ref().is_some_and(|jti| jti.len() > MAX_JTI_BYTES) {
            return Err(TokenError::Claims);
        }

        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        if not_before
            .max(issued_at)
            .is_some_and(|moment| moment > now.plus(CLOCK_SKEW))
        {
            return Err(TokenError::NotYetValid);
        }
        if !claims.get("aud").is_some_and(|aud| policy.is_addressed_by(aud)) {
            return Err(TokenError::Audience);
        }
        if policy.issuer.is_some() && claims.get("iss").and_then(Value::as_str) != policy.issuer.as_deref() {
            return Err(TokenError::Issuer);
        }

        let token_id = jti.clone().unwrap_or_else(|| hex(&Sha256::digest(payload)));
        Ok(Self {
            claims,
            subject,
            jti,
            token_id,
            expires_at,
            issued_at,
        })
    }
}

/// Shows no claim.
impl fmt::Debug for VerifiedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedClaims(…)")
    }
}

/// Why a key is refused at the start.
///
/// ```
/// use axum_users_core::{KeyError, Secret, Secrets};
///
/// let weak = Secrets::from_root(&Secret::new("short"), "users");
/// assert!(matches!(weak, Err(KeyError::TooShort { .. })));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret or the modulus has fewer bytes than the algorithm needs (RFC 7518, sections 3.2 and 3.3).
    #[error("the key is too short: {least} bytes is the least")]
    TooShort {
        /// How many bytes it must have.
        least: usize,
    },
    /// The secret stands in a manual, or has too few different bytes (ASVS 5.0, 11.2.3).
    #[error("the secret can be guessed: make one with `openssl rand -base64 48`")]
    Guessable,
    /// None of the keys may be published: HMAC secrets are for those who sign.
    #[error("none of the keys has a public half")]
    NothingPublic,
    /// Not a key of the kind asked for: garbage, another algorithm, public in place of private or the reverse.
    #[error("not a key of the kind that was asked for")]
    Invalid,
}

/// `main` shows an error by its `Debug`: it says what to do, as `Display` does.
impl fmt::Debug for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a token could not be signed.
///
/// ```
/// use axum_users_core::{JwtKey, JwtKeys, Secret, SignError};
///
/// let keys = JwtKeys::new(JwtKey::hs256(&Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"))?);
/// assert_eq!(keys.sign(&"no object", "JWT").unwrap_err(), SignError::Claims);
/// # Ok::<_, axum_users_core::KeyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The first key is a public key.
    #[error("the first key only verifies")]
    VerifyOnly,
    /// The claims are not a JSON object.
    #[error("the claims are not a JSON object")]
    Claims,
    /// The token would be longer than 8 KiB.
    #[error("the token would be longer than 8 KiB")]
    TooLong,
    /// The signature could not be computed.
    #[error("the signature could not be computed")]
    Failed,
}

/// Why a token is refused. The texts repeat nothing of it.
///
/// ```
/// use axum_users_core::{JwtKey, JwtKeys, Secret, Timestamp, TokenError, TokenPolicy};
///
/// let keys = JwtKeys::new(JwtKey::hs256(&Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"))?);
/// let refused = keys.verify("nonsense", &TokenPolicy::new("shop"), Timestamp::from_secs(0));
/// assert!(matches!(refused, Err(TokenError::Malformed)));
/// # Ok::<_, axum_users_core::KeyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Longer than 8 KiB.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts of canonical base64url, or not JSON objects with unique names.
    #[error("the token is malformed")]
    Malformed,
    /// A header that is missing, of the wrong type, or not to be trusted.
    #[error("the token has a header that is not taken")]
    Header,
    /// No key of ours has this `kid` and this algorithm.
    #[error("the token names no key of ours")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the signature of the token is wrong")]
    Signature,
    /// A token of another kind (`typ`).
    #[error("the token is of another kind")]
    Type,
    /// A claim is missing or of the wrong type.
    #[error("the token has no claims that can be taken")]
    Claims,
    /// `exp` has come.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A token for somebody else (`aud`).
    #[error("the token is for another audience")]
    Audience,
    /// A token of somebody else (`iss`).
    #[error("the token is of another issuer")]
    Issuer,
}

/// Refuses what could be guessed before it is used as a key.
pub(crate) fn check_secret(secret: &Secret, least: usize) -> Result<(), KeyError> {
    const DOCUMENTED: [&str; 6] = [
        "a-string-secret-at-least-256-bits-long",
        "a-valid-string-secret-that-is-at-least-384-bits-long",
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
        "your-256-bit-secret-your-256-bit-secret",
    ];
    let bytes = secret.expose();
    if bytes.len() < least {
        return Err(KeyError::TooShort { least });
    }
    // A PEM here is a public key in the wrong place: the classic algorithm confusion, by configuration.
    if bytes.trim_ascii().starts_with(b"-----BEGIN") {
        return Err(KeyError::Invalid);
    }
    let different: HashSet<&u8> = bytes.iter().collect();
    let documented = DOCUMENTED
        .iter()
        .any(|known| bytes.trim_ascii().eq_ignore_ascii_case(known.as_bytes()));
    if documented || different.len() < 8 || bytes.starts_with(b"django-insecure-") {
        return Err(KeyError::Guessable);
    }
    Ok(())
}

/// HMAC-SHA-256 of the parts, one after the other.
pub(crate) fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], KeyError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| KeyError::Invalid)?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().into())
}

fn invalid(_: jsonwebtoken::errors::Error) -> KeyError {
    KeyError::Invalid
}

fn public_only(pem: &str) -> Result<&[u8], KeyError> {
    let pem = pem.trim();
    let public = ["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"];
    if public.iter().any(|start| pem.starts_with(start)) {
        Ok(pem.as_bytes())
    } else {
        Err(KeyError::Invalid)
    }
}

fn short(digest: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest.get(..8).unwrap_or(digest))
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

fn bare_typ(typ: &str) -> &str {
    match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    }
}

/// `None`: there, but no text. `Some(None)`: not there.
#[expect(
    clippy::option_option,
    reason = "absent and wrong are told apart on the next line of the caller"
)]
fn optional_text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<Option<&'a str>> {
    match map.get(name) {
        None => Some(None),
        Some(Value::String(text)) => Some(Some(text)),
        Some(_) => None,
    }
}

fn text(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, TokenError> {
    match optional_text(claims, name).ok_or(TokenError::Claims)? {
        // PostgreSQL takes no U+0000, so a subject with one would be a fault of the database later.
        Some(text) if text.is_empty() || text.contains('\0') => Err(TokenError::Claims),
        text => Ok(text.map(str::to_owned)),
    }
}

fn moment(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => seconds(value)
            .map(|secs| Some(Timestamp::from_secs(secs)))
            .ok_or(TokenError::Claims),
    }
}

/// Whole seconds from 1970 to the end of the year 9999.
fn seconds(value: &Value) -> Option<i64> {
    const LAST: i64 = 253_402_300_799;
    let Value::Number(number) = value else {
        return None;
    };
    if let Some(whole) = number.as_i64() {
        return (0..=LAST).contains(&whole).then_some(whole);
    }
    let fraction = number.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "the range has just been checked")]
    (0.0..=253_402_300_799.0)
        .contains(&fraction)
        .then_some(fraction.floor() as i64)
}

fn strict_object(json: &[u8]) -> Result<Map<String, Value>, TokenError> {
    serde_json::from_slice::<UniqueNames>(json).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(json).map_err(|_| TokenError::Malformed)
}

/// JSON in which no object has a name twice: of two values each reader would believe another.
struct UniqueNames;

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueNames {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with unique names")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = entries.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name occurs twice"));
            }
            entries.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;
    const OURS: &str = "0123456789abcdef0123456789abcdef-ours";
    const EC: &str = include_str!("../tests/keys/ec.pem");
    const EC_PUBLIC: &str = include_str!("../tests/keys/ec-public.pem");
    const ED: &str = include_str!("../tests/keys/ed.pem");
    const ED_PUBLIC: &str = include_str!("../tests/keys/ed-public.pem");
    const P384_PUBLIC: &str = include_str!("../tests/keys/p384-public.pem");
    const K1_PUBLIC: &str = include_str!("../tests/keys/secp256k1-public.pem");
    const RSA_PUBLIC: &str = include_str!("../tests/keys/rsa-public.pem");
    const RSA_SHORT: &str = include_str!("../tests/keys/rsa-1024-public.pem");
    const RSA_TOKENS: &str = include_str!("../tests/keys/rsa-tokens.txt");

    fn hs() -> JwtKey {
        JwtKey::hs256(&Secret::from(OURS)).unwrap()
    }

    fn keys() -> JwtKeys {
        JwtKeys::new(hs())
    }

    fn verify(token: &str) -> Result<VerifiedClaims, TokenError> {
        keys().verify(token, &TokenPolicy::new("app"), Timestamp::from_secs(NOW))
    }

    fn refusal(token: &str) -> TokenError {
        verify(token).expect_err(token)
    }

    /// A token signed with HMAC-SHA-256, its header and claims as given.
    fn raw(secret: &str, header: &str, claims: &str) -> String {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = keyed_hash(secret.as_bytes(), &[message.as_bytes()]).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn with_header(header: &str) -> String {
        raw(OURS, header, &good().to_string())
    }

    fn with_claims(claims: &str) -> String {
        raw(OURS, r#"{"alg":"HS256","typ":"JWT"}"#, claims)
    }

    fn good() -> Value {
        json!({"sub": "7", "aud": "app", "exp": NOW + 1})
    }

    fn changed(name: &str, value: Value) -> String {
        let mut claims = good();
        claims[name] = value;
        with_claims(&claims.to_string())
    }

    #[test]
    fn a_token_of_each_signing_key_is_taken_and_names_its_key() {
        for (key, alg) in [
            (hs(), "HS256"),
            (JwtKey::hs384(&Secret::from(OURS.repeat(2))).unwrap(), "HS384"),
            (JwtKey::hs512(&Secret::from(OURS.repeat(2))).unwrap(), "HS512"),
            (JwtKey::es256(&Secret::from(EC)).unwrap(), "ES256"),
            (JwtKey::eddsa(&Secret::from(ED)).unwrap(), "EdDSA"),
        ] {
            let kid = key.kid().to_owned();
            let keys = JwtKeys::new(key);
            let token = keys.sign(&good(), "at+jwt").unwrap();
            let header = strict_object(&decode(token.split('.').next().unwrap()).unwrap()).unwrap();
            assert_eq!(
                Value::Object(header),
                json!({"alg": alg, "kid": kid, "typ": "at+jwt"})
            );
            let policy = TokenPolicy::new("app").typ("at+jwt");
            let claims = keys.verify(&token, &policy, Timestamp::from_secs(NOW)).unwrap();
            assert_eq!(claims.subject(), "7");
            assert_eq!(claims.expires_at(), Timestamp::from_secs(NOW + 1));
        }
    }

    #[test]
    fn a_public_key_takes_the_tokens_of_its_private_key_and_signs_none() {
        for (private, public) in [
            (JwtKey::es256(&Secret::from(EC)), JwtKey::es256_public(EC_PUBLIC)),
            (JwtKey::eddsa(&Secret::from(ED)), JwtKey::eddsa_public(ED_PUBLIC)),
        ] {
            let (private, public) = (private.unwrap(), public.unwrap());
            assert_eq!(private.kid(), public.kid());
            assert!(private.can_sign() && !public.can_sign());
            let token = JwtKeys::new(private).sign(&good(), "JWT").unwrap();
            let keys = JwtKeys::new(public);
            assert!(
                keys.verify(&token, &TokenPolicy::new("app"), Timestamp::from_secs(NOW))
                    .is_ok()
            );
            assert_eq!(keys.sign(&good(), "JWT"), Err(SignError::VerifyOnly));
            assert!(!keys.can_sign());
        }
    }

    #[test]
    fn tokens_that_openssl_signed_with_rsa_are_taken_by_the_key_of_their_algorithm_alone() {
        let all = [
            JwtKey::rs256_public(RSA_PUBLIC),
            JwtKey::rs384_public(RSA_PUBLIC),
            JwtKey::rs512_public(RSA_PUBLIC),
            JwtKey::ps256_public(RSA_PUBLIC),
            JwtKey::ps384_public(RSA_PUBLIC),
            JwtKey::ps512_public(RSA_PUBLIC),
        ]
        .map(Result::unwrap);
        let mut count = 0;
        for line in RSA_TOKENS.lines() {
            let (alg, token) = line.split_once(' ').unwrap();
            for key in &all {
                let result = JwtKeys::new(key.clone()).verify(
                    token,
                    &TokenPolicy::new("app"),
                    Timestamp::from_secs(NOW),
                );
                if key.algorithm() == alg {
                    assert!(result.is_ok(), "{alg}");
                    count += 1;
                } else {
                    assert_eq!(result.unwrap_err(), TokenError::UnknownKey);
                }
            }
        }
        assert_eq!(count, 3);
    }

    #[test]
    fn a_token_of_fastapi_users_without_kid_is_taken() {
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIzZjhiN2QxZS05M2Y0LTRmMGItYjBmNi0wZDBmZDRjN2Y1YTEiLCJhdWQiOlsiZmFzdGFwaS11c2VyczphdXRoIl0sImV4cCI6MTcwMDAwMzYwMH0.5NF9YJuEMg4gVGAsFI8tTuRAoaAbkcABdLLH4acSnfs";
        let claims = keys()
            .verify(
                token,
                &TokenPolicy::new("fastapi-users:auth"),
                Timestamp::from_secs(NOW),
            )
            .unwrap();
        assert_eq!(claims.subject(), "3f8b7d1e-93f4-4f0b-b0f6-0d0fd4c7f5a1");
        assert_eq!(claims.jti(), None);
        assert_eq!(claims.token_id().len(), 64);
        assert_eq!(claims.issued_at(), None);
    }

    #[test]
    fn after_a_change_of_keys_old_tokens_live_and_new_ones_are_signed_anew() {
        let new = JwtKey::hs256(&Secret::from("fedcba9876543210fedcba9876543210")).unwrap();
        let old_token = keys().sign(&good(), "JWT").unwrap();
        let rotated = JwtKeys::new(new.clone()).also_verify(hs());
        let (policy, now) = (TokenPolicy::new("app"), Timestamp::from_secs(NOW));
        assert!(rotated.verify(&old_token, &policy, now).is_ok());
        assert!(
            rotated
                .verify(&with_claims(&good().to_string()), &policy, now)
                .is_ok()
        );
        let new_token = rotated.sign(&good(), "JWT").unwrap();
        assert!(JwtKeys::new(new.clone()).verify(&new_token, &policy, now).is_ok());
        assert_eq!(
            JwtKeys::new(new).verify(&old_token, &policy, now).unwrap_err(),
            TokenError::UnknownKey
        );
    }

    #[test]
    fn weak_keys_and_keys_of_another_kind_are_refused_at_the_start() {
        let short = |least| Some(KeyError::TooShort { least });
        assert_eq!(JwtKey::hs256(&Secret::from("")).err(), short(32));
        assert_eq!(JwtKey::hs256(&Secret::from("SECRET")).err(), short(32));
        assert_eq!(JwtKey::hs256(&Secret::from(&OURS[..31])).err(), short(32));
        assert_eq!(
            JwtKey::hs384(&Secret::from(&OURS.repeat(2)[..47])).err(),
            short(48)
        );
        assert_eq!(
            JwtKey::hs512(&Secret::from(&OURS.repeat(2)[..63])).err(),
            short(64)
        );
        for guessable in [
            "a-string-secret-at-least-256-bits-long",
            &"\0".repeat(64),
            &"SECRET".repeat(8),
        ] {
            assert_eq!(
                JwtKey::hs256(&Secret::from(guessable)).err(),
                Some(KeyError::Guessable)
            );
        }
        for pem in [EC_PUBLIC, RSA_PUBLIC, EC] {
            assert_eq!(JwtKey::hs256(&Secret::from(pem)).err(), Some(KeyError::Invalid));
        }
        for pem in [
            "",
            "garbage",
            EC_PUBLIC,
            ED,
            ED_PUBLIC,
            RSA_PUBLIC,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        ] {
            assert_eq!(
                JwtKey::es256(&Secret::from(pem)).err(),
                Some(KeyError::Invalid),
                "{pem}"
            );
        }
        for pem in ["", "garbage", EC, EC_PUBLIC, ED_PUBLIC, RSA_PUBLIC] {
            assert_eq!(
                JwtKey::eddsa(&Secret::from(pem)).err(),
                Some(KeyError::Invalid),
                "{pem}"
            );
        }
        for pem in [
            "",
            "garbage",
            EC,
            ED,
            ED_PUBLIC,
            P384_PUBLIC,
            K1_PUBLIC,
            RSA_PUBLIC,
        ] {
            assert_eq!(JwtKey::es256_public(pem).err(), Some(KeyError::Invalid), "{pem}");
        }
        for pem in [
            "",
            "garbage",
            EC,
            ED,
            EC_PUBLIC,
            RSA_PUBLIC,
            "-----BEGIN PUBLIC KEY-----\nMAwwBQYDK2VwAwMAAQI=\n-----END PUBLIC KEY-----",
        ] {
            assert_eq!(JwtKey::eddsa_public(pem).err(), Some(KeyError::Invalid), "{pem}");
        }
        for pem in ["", "garbage", EC, EC_PUBLIC, ED_PUBLIC] {
            assert_eq!(JwtKey::rs256_public(pem).err(), Some(KeyError::Invalid), "{pem}");
        }
        assert_eq!(JwtKey::ps256_public(RSA_SHORT).err(), short(256));
    }

    #[test]
    fn a_private_key_that_carries_the_public_key_of_another_is_refused() {
        let body: String = EC.lines().filter(|line| !line.starts_with('-')).collect();
        let mut der = STANDARD.decode(body).unwrap();
        *der.last_mut().unwrap() ^= 1;
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der)
        );
        assert_eq!(JwtKey::es256(&Secret::from(pem)).err(), Some(KeyError::Invalid));
    }

    #[test]
    fn alg_none_is_refused_in_every_spelling() {
        for alg in [
            r#""none""#,
            r#""None""#,
            r#""nOnE""#,
            r#""NONE""#,
            r#""""#,
            "null",
            "1",
            "[]",
        ] {
            let header = format!(r#"{{"alg":{alg},"typ":"JWT"}}"#);
            let signed = with_header(&header);
            let unsigned = format!("{}.", signed.rsplit_once('.').unwrap().0);
            for token in [signed, unsigned] {
                assert!(
                    matches!(refusal(&token), TokenError::Header | TokenError::UnknownKey),
                    "{alg}"
                );
            }
        }
        assert_eq!(refusal(&with_header(r#"{"typ":"JWT"}"#)), TokenError::Header);
    }

    #[test]
    fn an_algorithm_that_the_key_is_not_for_is_refused() {
        for alg in [
            "HS384", "HS512", "HS1", "hs256", "HS256 ", "RS256", "PS256", "ES256", "EdDSA", "dir", "A128KW",
        ] {
            assert_eq!(
                refusal(&with_header(&format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#))),
                TokenError::UnknownKey
            );
        }
        // The public key as HMAC secret.
        let token = raw(EC_PUBLIC, r#"{"alg":"HS256","typ":"JWT"}"#, &good().to_string());
        let keys = JwtKeys::new(JwtKey::es256_public(EC_PUBLIC).unwrap());
        let refused = keys
            .verify(&token, &TokenPolicy::new("app"), Timestamp::from_secs(NOW))
            .unwrap_err();
        assert_eq!(refused, TokenError::UnknownKey);
    }

    #[test]
    fn a_token_that_was_tampered_with_is_refused_and_the_real_one_still_works() {
        let token = with_claims(&good().to_string());
        let parts: Vec<&str> = token.split('.').collect();
        let forged = URL_SAFE_NO_PAD
            .encode(json!({"sub": "1", "aud": "app", "exp": NOW + 1, "is_superuser": true}).to_string());
        let other_header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
        let empty_tag = format!("{}.{}.", parts[0], parts[1]);
        assert_eq!(
            refusal(&format!("{}.{forged}.{}", parts[0], parts[2])),
            TokenError::Signature
        );
        assert_eq!(
            refusal(&format!("{other_header}.{}.{}", parts[1], parts[2])),
            TokenError::Signature
        );
        assert_eq!(refusal(&empty_tag), TokenError::Signature);
        let signature = decode(parts[2]).unwrap();
        for bit in 0..256 {
            let mut flipped = signature.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                refusal(&format!("{empty_tag}{}", URL_SAFE_NO_PAD.encode(flipped))),
                TokenError::Signature
            );
        }
        for cut in 0..32 {
            assert_eq!(
                refusal(&format!(
                    "{empty_tag}{}",
                    URL_SAFE_NO_PAD.encode(&signature[..cut])
                )),
                TokenError::Signature
            );
        }
        let extended = [signature.as_slice(), &[0]].concat();
        assert_eq!(
            refusal(&format!("{empty_tag}{}", URL_SAFE_NO_PAD.encode(extended))),
            TokenError::Signature
        );
        assert!(verify(&token).is_ok());
    }

    #[test]
    fn a_guessed_secret_is_refused() {
        for secret in [
            "",
            "secret",
            "SECRET",
            "changeme",
            "your-256-bit-secret",
            "a-string-secret-at-least-256-bits-long",
            "\0",
            "null",
        ] {
            assert_eq!(
                refusal(&raw(
                    secret,
                    r#"{"alg":"HS256","typ":"JWT"}"#,
                    &good().to_string()
                )),
                TokenError::Signature
            );
        }
    }

    #[test]
    fn claims_are_not_read_before_the_signature_fits() {
        assert_eq!(
            refusal(&raw("other", r#"{"alg":"HS256"}"#, "not JSON")),
            TokenError::Signature
        );
        assert_eq!(
            refusal(&raw("other", r#"{"alg":"HS256","typ":"x"}"#, r#"{"exp":0}"#)),
            TokenError::Signature
        );
    }

    #[test]
    fn an_expired_token_is_refused_from_the_second_on() {
        for exp in [NOW, NOW - 1, NOW - 90, NOW - 300, NOW - 3600, 0] {
            assert_eq!(refusal(&changed("exp", exp.into())), TokenError::Expired);
        }
        assert!(verify(&changed("exp", (NOW + 1).into())).is_ok());
        assert!(verify(&changed("exp", 1_700_000_001.9.into())).is_ok());
        assert_eq!(
            refusal(&changed("exp", 1_700_000_000.9.into())),
            TokenError::Expired
        );
    }

    #[test]
    fn exp_is_required_and_a_number_of_our_time() {
        assert_eq!(
            refusal(&with_claims(r#"{"sub":"7","aud":"app"}"#)),
            TokenError::Claims
        );
        for exp in [
            json!(null),
            json!(true),
            json!([]),
            json!([NOW + 9]),
            json!({}),
            json!("never"),
            json!((NOW + 9).to_string()),
            json!("0x7fffffff"),
            json!(-1),
            json!(-1.5),
            json!(253_402_300_800_i64),
            json!(u64::MAX),
            json!(1e300),
        ] {
            assert_eq!(refusal(&changed("exp", exp.clone())), TokenError::Claims, "{exp}");
        }
        for exp in [
            "1e400",
            "0x7fffffff",
            "NaN",
            "Infinity",
            "01700000009",
            "+1700000009",
        ] {
            assert_eq!(
                refusal(&with_claims(&format!(r#"{{"sub":"7","aud":"app","exp":{exp}}}"#))),
                TokenError::Malformed
            );
        }
    }

    #[test]
    fn nbf_and_iat_may_be_a_minute_ahead_and_no_more() {
        for name in ["nbf", "iat"] {
            assert!(verify(&changed(name, (NOW - 5).into())).is_ok());
            assert!(verify(&changed(name, (NOW + 60).into())).is_ok());
            assert_eq!(
                refusal(&changed(name, (NOW + 61).into())),
                TokenError::NotYetValid
            );
            for value in [
                json!(null),
                json!((NOW - 5).to_string()),
                json!(true),
                json!([NOW]),
                json!(-1),
            ] {
                assert_eq!(refusal(&changed(name, value)), TokenError::Claims);
            }
        }
        assert_eq!(
            verify(&changed("iat", (NOW - 5).into())).unwrap().issued_at(),
            Some(Timestamp::from_secs(NOW - 5))
        );
    }

    #[test]
    fn a_token_for_another_audience_is_refused() {
        for aud in [
            json!("fastapi-users:reset"),
            json!("fastapi-users:verify"),
            json!("App"),
            json!("app "),
            json!("ap"),
            json!(""),
            json!([]),
            json!(["other"]),
            json!([["app"]]),
            json!(["app", 1]),
            json!(null),
            json!(1),
            json!(true),
            json!({"app": 1}),
        ] {
            assert_eq!(
                refusal(&changed("aud", aud.clone())),
                TokenError::Audience,
                "{aud}"
            );
        }
        assert_eq!(
            refusal(&with_claims(&json!({"sub": "7", "exp": NOW + 9}).to_string())),
            TokenError::Audience
        );
        assert!(verify(&changed("aud", json!(["other", "app"]))).is_ok());
    }

    #[test]
    fn a_token_of_another_issuer_is_refused_where_one_is_set() {
        let policy = TokenPolicy::new("app").issuer("https://issuer.example");
        let verify = |token: &str| keys().verify(token, &policy, Timestamp::from_secs(NOW));
        assert!(verify(&changed("iss", "https://issuer.example".into())).is_ok());
        for iss in [
            json!("https://issuer.example/"),
            json!(null),
            json!(["https://issuer.example"]),
        ] {
            assert_eq!(verify(&changed("iss", iss)).unwrap_err(), TokenError::Issuer);
        }
        assert_eq!(
            verify(&with_claims(&good().to_string())).unwrap_err(),
            TokenError::Issuer
        );
    }

    #[test]
    fn sub_is_required_and_text() {
        for sub in [
            json!(7),
            json!(null),
            json!([]),
            json!(["7"]),
            json!({}),
            json!(true),
            json!(""),
            json!("7\0"),
        ] {
            assert_eq!(refusal(&changed("sub", sub.clone())), TokenError::Claims, "{sub}");
        }
        assert_eq!(
            refusal(&with_claims(&json!({"aud": "app", "exp": NOW + 9}).to_string())),
            TokenError::Claims
        );
    }

    #[test]
    fn a_token_of_another_kind_is_refused() {
        for typ in [r#""reset+jwt""#, r#""verify+jwt""#, r#""at+jwt""#, r#""""#] {
            assert_eq!(
                refusal(&with_header(&format!(r#"{{"alg":"HS256","typ":{typ}}}"#))),
                TokenError::Type
            );
        }
        for typ in ["null", "1", "[]"] {
            assert_eq!(
                refusal(&with_header(&format!(r#"{{"alg":"HS256","typ":{typ}}}"#))),
                TokenError::Header
            );
        }
        assert!(verify(&with_header(r#"{"alg":"HS256"}"#)).is_ok());
        assert!(verify(&with_header(r#"{"alg":"HS256","typ":"application/jwt"}"#)).is_ok());

        let policy = TokenPolicy::new("app").typ("at+jwt");
        for header in [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","typ":"JWT"}"#] {
            let refused = keys()
                .verify(&with_header(header), &policy, Timestamp::from_secs(NOW))
                .unwrap_err();
            assert_eq!(refused, TokenError::Type);
        }
        let both = policy.typ("JWT");
        assert!(
            keys()
                .verify(
                    &with_header(r#"{"alg":"HS256","typ":"JWT"}"#),
                    &both,
                    Timestamp::from_secs(NOW)
                )
                .is_ok()
        );
    }

    #[test]
    fn kid_only_chooses_among_our_keys() {
        for kid in [
            "../../dev/null",
            "/dev/null",
            "' OR '1'='1",
            "| sleep 9",
            "",
            "default",
        ] {
            let header = json!({"alg": "HS256", "kid": kid}).to_string();
            assert_eq!(refusal(&with_header(&header)), TokenError::UnknownKey);
            assert_eq!(
                refusal(&raw("", &header, &good().to_string())),
                TokenError::UnknownKey
            );
        }
        for kid in [json!(null), json!([hs().kid()]), json!(1), json!({})] {
            assert_eq!(
                refusal(&with_header(&json!({"alg": "HS256", "kid": kid}).to_string())),
                TokenError::Header
            );
        }
        assert_eq!(
            refusal(&with_header(
                &json!({"alg": "HS256", "kid": "k".repeat(100_000)}).to_string()
            )),
            TokenError::TooLong
        );
        assert!(
            verify(&with_header(
                &json!({"alg": "HS256", "kid": hs().kid()}).to_string()
            ))
            .is_ok()
        );
    }

    #[test]
    fn headers_that_bring_keys_or_change_the_rules_are_refused() {
        for header in [
            r#""jku":"https://evil.example""#,
            r#""x5u":"https://evil.example""#,
            r#""jwk":{"kty":"oct","k":""}"#,
            r#""x5c":[]"#,
            r#""crit":["exp"],"exp":1"#,
            r#""crit":[]"#,
            r#""b64":false"#,
            r#""b64":true"#,
        ] {
            assert_eq!(
                refusal(&with_header(&format!(r#"{{"alg":"HS256",{header}}}"#))),
                TokenError::Header,
                "{header}"
            );
        }
    }

    #[test]
    fn names_that_occur_twice_are_refused_at_any_depth() {
        assert_eq!(
            refusal(&with_header(r#"{"alg":"none","alg":"HS256"}"#)),
            TokenError::Malformed
        );
        assert_eq!(
            refusal(&with_header(r#"{"alg":"HS256","\u0061lg":"HS256"}"#)),
            TokenError::Malformed
        );
        let exp = NOW + 9;
        for claims in [
            format!(r#"{{"sub":"1","sub":"7","aud":"app","exp":{exp}}}"#),
            format!(r#"{{"sub":"7","aud":"app","exp":1,"exp":{exp}}}"#),
            format!(r#"{{"sub":"7","aud":"app","exp":{exp},"x":[{{"y":1,"y":2}}]}}"#),
        ] {
            assert_eq!(refusal(&with_claims(&claims)), TokenError::Malformed);
        }
    }

    #[test]
    fn what_is_not_json_objects_is_refused() {
        for json in [
            "",
            "null",
            "[]",
            "1",
            "\"x\"",
            "{",
            "{}{}",
            "\u{feff}{}",
            "{\"a\":NaN}",
            "{\"a\":\"\\ud800\"}",
        ] {
            assert!(
                matches!(refusal(&with_claims(json)), TokenError::Malformed),
                "{json}"
            );
            assert!(
                matches!(refusal(&with_header(json)), TokenError::Malformed),
                "{json}"
            );
        }
        assert_eq!(refusal(&with_claims(&"[".repeat(3000))), TokenError::Malformed);
        let not_utf8 = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(b"{\"alg\":\"\xff\"}"),
            URL_SAFE_NO_PAD.encode("{}")
        );
        assert_eq!(refusal(&not_utf8), TokenError::Malformed);
    }

    #[test]
    fn a_token_has_three_parts_and_one_spelling() {
        let token = with_claims(&good().to_string());
        let (h, rest) = token.split_once('.').unwrap();
        let (p, s) = rest.split_once('.').unwrap();
        for odd in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            "...".to_owned(),
            h.to_owned(),
            format!("{h}.{p}"),
            format!("{token}.{s}"),
            format!("{token}."),
            format!(".{token}"),
            format!("{token}..{s}"),
            format!(" {token}"),
            format!("{token} "),
            format!("{token}\n"),
            format!("{h}. {p}.{s}"),
            format!("{token}="),
            format!("{h}=.{p}.{s}"),
            format!("{h}.{p}==.{s}"),
            format!("{h}\0.{p}.{s}"),
            format!("{h}.{p}.{s}é"),
            "é.é.é".to_owned(),
        ] {
            assert_eq!(refusal(&odd), TokenError::Malformed, "{odd}");
        }
        assert_eq!(refusal(&"a".repeat(60_000)), TokenError::TooLong);

        // The last of 43 letters carries two bits that mean nothing.
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = alphabet
            .iter()
            .position(|letter| s.as_bytes().last() == Some(letter))
            .unwrap();
        assert_eq!(last % 4, 0);
        let respelt = format!("{h}.{p}.{}{}", &s[..s.len() - 1], char::from(alphabet[last + 1]));
        assert_eq!(refusal(&respelt), TokenError::Malformed);

        for n in 0.. {
            let token = changed("n", n.into());
            let (message, signature) = token.rsplit_once('.').unwrap();
            let standard = signature.replace('-', "+").replace('_', "/");
            if standard != signature {
                assert_eq!(refusal(&format!("{message}.{standard}")), TokenError::Malformed);
                break;
            }
        }
    }

    #[test]
    fn a_token_is_known_by_its_id_and_not_by_its_spelling() {
        let token = |claims: &Value| verify(&with_claims(&claims.to_string())).unwrap();
        let mut claims = good();
        let bare = token(&claims);
        assert_eq!(
            bare.token_id(),
            verify(&with_header(r#"{"typ":"JWT","alg":"HS256"}"#))
                .unwrap()
                .token_id()
        );
        assert_eq!(bare.token_id(), hex(&Sha256::digest(good().to_string())));
        claims["jti"] = "id-1".into();
        assert_eq!(token(&claims).token_id(), "id-1");
        assert_eq!(token(&claims).jti(), Some("id-1"));
        assert_eq!(token(&claims).get("jti"), Some(&json!("id-1")));
        for jti in [
            json!(1),
            json!(null),
            json!(""),
            json!([]),
            json!("x".repeat(256)),
        ] {
            assert_eq!(refusal(&changed("jti", jti)), TokenError::Claims);
        }
    }

    #[test]
    fn the_kid_of_a_key_is_fixed_and_can_be_chosen() {
        assert_eq!(hs().kid(), hs().kid());
        assert_eq!(hs().kid().len(), 11);
        assert_ne!(
            hs().kid(),
            JwtKey::hs256(&Secret::from(OURS.to_uppercase())).unwrap().kid()
        );
        let keys = JwtKeys::new(hs().with_kid("2026"));
        let token = keys.sign(&good(), "JWT").unwrap();
        assert!(
            keys.verify(&token, &TokenPolicy::new("app"), Timestamp::from_secs(NOW))
                .is_ok()
        );
        assert_eq!(refusal(&token), TokenError::UnknownKey);
    }

    #[test]
    fn claims_that_are_no_object_or_too_long_are_not_signed() {
        assert_eq!(keys().sign(&[1, 2], "JWT"), Err(SignError::Claims));
        assert_eq!(
            keys().sign(&json!({"x": "x".repeat(7000)}), "JWT"),
            Err(SignError::TooLong)
        );
    }

    #[test]
    fn debug_shows_neither_keys_nor_claims() {
        let shown = format!(
            "{:?} {:?}",
            keys(),
            verify(&with_claims(&good().to_string())).unwrap()
        );
        assert!(!shown.contains("0123456789") && !shown.contains("app"), "{shown}");
    }
}
