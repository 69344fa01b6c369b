//! The text of an opaque token.

use std::sync::Arc;

use axum_users_core::{Random, RandomError, SetupError, SystemRandom, TokenDigest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// 32 bytes and 4 bytes, in base64url without padding.
const RANDOM_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;
const MAX_PREFIX: usize = 16;

/// Makes and recognises opaque tokens: an optional prefix, 256 random bits, a checksum.
///
/// The random part has 43 characters and the checksum 6, both base64url without padding; the checksum is the CRC-32 (IEEE)
/// of everything before it, one zero byte and the name of the backend, big-endian. So a leaked token is found by secret
/// scanners, and what is no token, or one of another backend, is refused without asking the store. Tokens of an earlier prefix
/// stay good.
///
/// ```
/// use axum_users_auth::strategy::OpaqueTokens;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let token = OpaqueTokens::with_prefix("shop_")?.generate("token")?;
/// assert!(token.starts_with("shop_"));
/// assert!(OpaqueTokens::digest(&token, "token").is_some());
/// assert!(OpaqueTokens::digest(&token, "another").is_none(), "of another backend");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OpaqueTokens {
    prefix: String,
    random: Arc<dyn Random>,
}

impl Default for OpaqueTokens {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            random: Arc::new(SystemRandom),
        }
    }
}

impl OpaqueTokens {
    /// Tokens that begin with `prefix`.
    ///
    /// # Errors
    /// [`SetupError`] for a prefix of more than 16 characters, or with others than ASCII letters, digits and `_`.
    pub fn with_prefix(prefix: impl Into<String>) -> Result<Self, SetupError> {
        Self::default().prefixed(prefix)
    }

    /// Those that users make for machines.
    pub(crate) fn personal() -> Self {
        Self {
            prefix: "pat_".to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn prefixed(mut self, prefix: impl Into<String>) -> Result<Self, SetupError> {
        let prefix = prefix.into();
        if prefix.len() > MAX_PREFIX || !is_prefix(&prefix) {
            let text = "a token prefix has at most 16 characters: ASCII letters, digits and `_`";
            return Err(SetupError::Invalid(text.to_owned()));
        }
        self.prefix = prefix;
        Ok(self)
    }

    pub(crate) fn begins(&self, text: &str) -> bool {
        text.starts_with(&self.prefix)
    }

    /// Takes chance from `random`.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// A new token of `backend`.
    ///
    /// # Errors
    /// [`RandomError`] where there is no chance to be had.
    pub fn generate(&self, backend: &str) -> Result<String, RandomError> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.random.fill(bytes.as_mut_slice())?;
        // With this room the text is never moved, so no copy of it stays unwiped.
        let mut text = String::with_capacity(self.prefix.len() + RANDOM_CHARS + CHECKSUM_CHARS);
        text.push_str(&self.prefix);
        BASE64_URL_SAFE_NO_PAD.encode_string(*bytes, &mut text);
        text.push_str(&checksum(&text, backend));
        Ok(text)
    }

    /// The digest of a token, if the text can be one of `backend`.
    ///
    /// # Security
    /// Anybody can make a text that passes: the checksum spares queries, and the row decides.
    pub fn digest(text: &str, backend: &str) -> Option<TokenDigest> {
        let split = text.len().checked_sub(CHECKSUM_CHARS)?;
        let (body, sum) = text.split_at_checked(split)?;
        let (prefix, random) = body.split_at_checked(body.len().checked_sub(RANDOM_CHARS)?)?;
        let decodes = || {
            BASE64_URL_SAFE_NO_PAD
                .decode(random)
                .is_ok_and(|bytes| bytes.len() == 32)
        };
        (prefix.len() <= MAX_PREFIX && is_prefix(prefix) && decodes() && checksum(body, backend) == sum)
            .then(|| TokenDigest::of(text))
    }
}

fn is_prefix(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn checksum(body: &str, backend: &str) -> String {
    let mut hasher = crc32fast::Hasher::new();
    for part in [body, "\0", backend] {
        hasher.update(part.as_bytes());
    }
    BASE64_URL_SAFE_NO_PAD.encode(hasher.finalize().to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_and_junk_is_not() {
        let tokens = OpaqueTokens::with_prefix("shop_").unwrap();
        let token = tokens.generate("db").unwrap();
        assert_eq!(token.len(), 5 + 43 + 6);
        assert!(OpaqueTokens::digest(&token, "db").is_some());
        for junk in [
            "",
            "x",
            "é",
            &token[1..],
            &token[..token.len() - 1],
            &format!("{token}x"),
            &token.to_uppercase(),
        ] {
            assert!(OpaqueTokens::digest(junk, "db").is_none(), "{junk}");
        }
    }

    #[test]
    fn tokens_of_an_earlier_prefix_stay_good() {
        let earlier = OpaqueTokens::default().generate("db").unwrap();
        assert!(OpaqueTokens::digest(&earlier, "db").is_some());
    }

    #[test]
    fn a_token_of_another_backend_is_junk() {
        let token = OpaqueTokens::default().generate("db").unwrap();
        for other in ["redis", "d", "dbb", ""] {
            assert!(OpaqueTokens::digest(&token, other).is_none(), "{other}");
        }
    }

    #[test]
    fn one_changed_letter_makes_it_junk() {
        let token = OpaqueTokens::default().generate("db").unwrap();
        for index in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[index] = if other[index] == b'A' { b'B' } else { b'A' };
            assert!(
                OpaqueTokens::digest(std::str::from_utf8(&other).unwrap(), "db").is_none(),
                "at {index}"
            );
        }
    }

    #[test]
    fn a_long_or_odd_prefix_is_refused() {
        assert!(OpaqueTokens::with_prefix("seventeen_letters").is_err());
        assert!(OpaqueTokens::with_prefix("a-b").is_err());
        assert!(OpaqueTokens::with_prefix("").is_ok());
    }
}
