//! The tokens that mails carry: to reset a password, to verify an address.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    Random, RandomError, Secret, Secrets, Timestamp,
    keys::{JwtKey, JwtKeys, KeyError, SignError, TokenPolicy, keyed_hash},
    secrets::len,
};

const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);
pub(crate) const LONGEST_LIFETIME: Duration = Duration::from_hours(24);

/// What a token of a mail is good for. A token of one purpose is refused for every other (RFC 8725, section 3.12): each
/// has its own secret, `aud` and `typ`.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::{OneTimeTokens, Secret, Secrets, TokenPurpose};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secrets = Secrets::from_root(&Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"), "users")?;
/// let tokens = OneTimeTokens::new(&secrets)?.lifetime(TokenPurpose::Reset, Duration::from_mins(20))?;
/// # let _ = tokens;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenPurpose {
    /// Set a new password.
    Reset,
    /// Prove that mail to the address is read.
    Verify,
}

impl TokenPurpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Verify => "verify",
        }
    }

    const fn typ(self) -> &'static str {
        match self {
            Self::Reset => "reset+jwt",
            Self::Verify => "verify+jwt",
        }
    }
}

/// What a token is bound to: it is worth something only as long as all of this is as it was.
///
/// ```
/// use axum_users_core::TokenFacts;
///
/// let facts = TokenFacts { subject: "7", email: "arthur@camelot.bt", password_hash: None, verified: false };
/// assert!(!format!("{facts:?}").contains("arthur"), "nothing of it gets into a log");
/// ```
#[derive(Clone, Copy)]
pub struct TokenFacts<'a> {
    /// The id of the user, as text.
    pub subject: &'a str,
    /// The user's address as it is stored, since mail goes there; only the case of ASCII letters does not count.
    pub email: &'a str,
    /// The stored hash of the password, where the user has one.
    pub password_hash: Option<&'a str>,
    /// Whether the address is verified already. Binds verification tokens only: who verifies an address between asking
    /// for a reset and following its link still resets.
    pub verified: bool,
}

/// Shows nothing.
impl fmt::Debug for TokenFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenFacts(…)")
    }
}

/// A token to put into a mail, or as it comes back from one. `Debug` shows nothing, there is no `Display`, and the memory is
/// wiped.
///
/// ```
/// use axum_users_core::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secrets = Secrets::from_root(&Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"), "users")?;
/// # let (tokens, now) = (OneTimeTokens::new(&secrets)?, Timestamp::from_secs(1_767_225_600));
/// let facts = TokenFacts { subject: "7", email: "arthur@camelot.bt", password_hash: None, verified: false };
/// let token = tokens.issue(TokenPurpose::Verify, &facts, now, &SystemRandom)?;
/// let link = format!("https://app.example.com/verify#token={}", token.as_str());
/// # assert!(link.len() > 50);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MailToken(Zeroizing<String>);

impl MailToken {
    /// The token itself: letters, digits, `-`, `_` and `.`, so it can stand in a URL as it is.
    ///
    /// # Security
    /// Who has it can do what it is for. It belongs into the mail and nowhere else.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As it comes back: whether it is any good is not known.
impl From<&str> for MailToken {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for MailToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailToken(…)")
    }
}

impl MailToken {
    /// A token that means nothing by itself: 256 random bits, whose digest is stored.
    pub(crate) fn opaque(random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(&mut *bytes)?;
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes))))
    }
}

/// Makes and reads the tokens that mails carry.
///
/// Nothing is stored: a token is signed (HS256), and bound by a fingerprint to the user's id, address and password
/// hash, for verification also to whether the address is verified. So it dies
/// - when it has been used, since a reset changes the hash and a verification the flag;
/// - when the password changes in any way, and when the hash is upgraded to a newer scheme at a login;
/// - when the address changes;
/// - after its lifetime: one hour, unless set otherwise.
///
/// # Security
/// A fingerprint is an HMAC, so neither the hash nor the address can be read from a token or guessed by it (ASVS 5.0,
/// 14.2.6). Single use is decided by the store, not here: compare and change in one command, with the old hash or flag
/// as its condition.
///
/// ```
/// use axum_users_core::*;
///
/// let secrets = Secrets::from_root(&Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"), "users")?;
/// let tokens = OneTimeTokens::new(&secrets)?;
/// let now = SystemClock.now();
/// let before = TokenFacts { subject: "7", email: "a@b.example", password_hash: Some("old"), verified: true };
/// let token = tokens.issue(TokenPurpose::Reset, &before, now, &SystemRandom)?;
///
/// let read = tokens.read(TokenPurpose::Reset, token.as_str(), now).expect("just issued");
/// assert_eq!(read.subject(), "7");
/// assert!(read.matches(&before));
/// assert!(!read.matches(&TokenFacts { password_hash: Some("new"), ..before }));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct OneTimeTokens {
    reset: Purpose,
    verify: Purpose,
    audience_prefix: String,
}

#[derive(Debug, Clone)]
struct Purpose {
    keys: Vec<PurposeKey>,
    lifetime: Duration,
}

#[derive(Debug, Clone)]
struct PurposeKey {
    jwt: JwtKeys,
    fingerprint: Secret,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    jti: String,
    fgpt: String,
}

impl OneTimeTokens {
    /// Tokens signed with the reset and verification secrets of `secrets`.
    ///
    /// # Errors
    /// [`KeyError`] where a secret is too weak; [`Secrets`] has refused such before.
    pub fn new(secrets: &Secrets) -> Result<Self, KeyError> {
        Ok(Self {
            reset: Purpose::new(TokenPurpose::Reset, secrets.reset())?,
            verify: Purpose::new(TokenPurpose::Verify, secrets.verify())?,
            audience_prefix: "fastapi-users".to_owned(),
        })
    }

    /// What stands before `:reset` and `:verify` in the audience; `fastapi-users` by default. Give each family of users
    /// its own.
    #[must_use]
    pub fn audience_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.audience_prefix = prefix.into();
        self
    }

    /// How long tokens of a purpose live: from one second to 24 hours (NIST SP 800-63B-4, section 4.2.1.2), one hour by
    /// default. Fractions of a second are dropped.
    ///
    /// # Errors
    /// [`TokenLifetimeError`] outside of that.
    pub fn lifetime(mut self, purpose: TokenPurpose, lifetime: Duration) -> Result<Self, TokenLifetimeError> {
        if lifetime < Duration::from_secs(1) || lifetime > LONGEST_LIFETIME {
            return Err(TokenLifetimeError);
        }
        match purpose {
            TokenPurpose::Reset => self.reset.lifetime = lifetime,
            TokenPurpose::Verify => self.verify.lifetime = lifetime,
        }
        Ok(self)
    }

    /// Makes a token that lives from `now` on.
    ///
    /// # Errors
    /// [`IssueError`] where there is no randomness or the subject is too long to be signed.
    pub fn issue(
        &self,
        purpose: TokenPurpose,
        facts: &TokenFacts<'_>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<MailToken, IssueError> {
        let of = self.purpose(purpose);
        let key = of.keys.first().ok_or(IssueError::Sign(SignError::VerifyOnly))?;
        let fingerprint =
            fingerprint(&key.fingerprint, purpose, facts).ok_or(IssueError::Sign(SignError::Failed))?;
        let mut jti = [0; 16];
        random.fill(&mut jti)?;
        let claims = Claims {
            sub: facts.subject,
            aud: &self.audience(purpose),
            exp: now.plus(of.lifetime).as_secs(),
            iat: now.as_secs(),
            jti: URL_SAFE_NO_PAD.encode(jti),
            fgpt: URL_SAFE_NO_PAD.encode(fingerprint),
        };
        Ok(MailToken(Zeroizing::new(key.jwt.sign(&claims, purpose.typ())?)))
    }

    /// Reads a token; `None` for one that is not ours, not for this purpose, or expired. It is good only if its user's
    /// facts then [match](ReadToken::matches).
    pub fn read(&self, purpose: TokenPurpose, token: &str, now: Timestamp) -> Option<ReadToken> {
        let policy = TokenPolicy::new(self.audience(purpose)).typ(purpose.typ());
        self.purpose(purpose).keys.iter().find_map(|key| {
            let claims = key.jwt.verify(token, &policy, now).ok()?;
            let fingerprint = claims.get("fgpt").and_then(Value::as_str)?;
            let fingerprint = URL_SAFE_NO_PAD.decode(fingerprint).ok()?.try_into().ok()?;
            Some(ReadToken {
                purpose,
                subject: claims.subject().to_owned(),
                fingerprint,
                key: key.fingerprint.clone(),
            })
        })
    }

    fn purpose(&self, purpose: TokenPurpose) -> &Purpose {
        match purpose {
            TokenPurpose::Reset => &self.reset,
            TokenPurpose::Verify => &self.verify,
        }
    }

    fn audience(&self, purpose: TokenPurpose) -> String {
        format!("{}:{}", self.audience_prefix, purpose.name())
    }
}

impl Purpose {
    fn new(purpose: TokenPurpose, secrets: &[Secret]) -> Result<Self, KeyError> {
        let keys = secrets
            .iter()
            .map(|secret| {
                let label = [b"axum-users fingerprint v1\0", purpose.name().as_bytes()];
                Ok(PurposeKey {
                    jwt: JwtKeys::new(JwtKey::hs256(secret)?),
                    fingerprint: Secret::new(keyed_hash(secret.expose(), &label)?),
                })
            })
            .collect::<Result<_, KeyError>>()?;
        Ok(Self {
            keys,
            lifetime: DEFAULT_LIFETIME,
        })
    }
}

/// A token that is ours and in time; whether it is still good, [`matches`](Self::matches) says.
///
/// ```
/// use axum_users_core::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secrets = Secrets::from_root(&Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"), "users")?;
/// # let (tokens, now) = (OneTimeTokens::new(&secrets)?, Timestamp::from_secs(1_767_225_600));
/// let facts = TokenFacts { subject: "7", email: "arthur@camelot.bt", password_hash: None, verified: false };
/// let token = tokens.issue(TokenPurpose::Verify, &facts, now, &SystemRandom)?;
///
/// let read = tokens.read(TokenPurpose::Verify, token.as_str(), now).expect("it is ours");
/// assert_eq!(read.subject(), "7");
/// let moved = TokenFacts { email: "king@camelot.bt", ..facts };
/// assert!(!read.matches(&moved), "it was for the earlier address");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ReadToken {
    purpose: TokenPurpose,
    subject: String,
    fingerprint: [u8; 32],
    key: Secret,
}

impl ReadToken {
    /// The id of the user, as text.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether the user is still as when the token was made. Takes the same time for every answer.
    #[must_use]
    pub fn matches(&self, facts: &TokenFacts<'_>) -> bool {
        fingerprint(&self.key, self.purpose, facts)
            .is_some_and(|expected| bool::from(expected.ct_eq(&self.fingerprint)))
    }
}

impl fmt::Debug for ReadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadToken")
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

/// A lifetime of less than a second or more than 24 hours.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::{TokenLifetimeError, UserApi, UserManager};
///
/// fn week<A: UserApi>(manager: UserManager<A>) -> Result<UserManager<A>, TokenLifetimeError> {
///     manager.verify_lifetime(Duration::from_hours(24 * 7)) // refused: at most 24 hours
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tokens of mails live from one second to 24 hours")]
pub struct TokenLifetimeError;

/// Why a token could not be made.
///
/// ```
/// use axum_users_core::{IssueError, RandomError};
///
/// assert!(matches!(IssueError::from(RandomError), IssueError::Random(_)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// No randomness for its id.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// It could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

fn fingerprint(key: &Secret, purpose: TokenPurpose, facts: &TokenFacts<'_>) -> Option<[u8; 32]> {
    let (has_hash, hash) = match facts.password_hash {
        Some(hash) => (1, hash),
        None => (0, ""),
    };
    let verified = match purpose {
        TokenPurpose::Reset => 0,
        TokenPurpose::Verify => u8::from(facts.verified),
    };
    let email = facts.email.to_ascii_lowercase();
    let parts: [&[u8]; 8] = [
        &len(facts.subject),
        facts.subject.as_bytes(),
        &len(&email),
        email.as_bytes(),
        &[has_hash],
        &len(hash),
        hash.as_bytes(),
        &[verified],
    ];
    keyed_hash(key.expose(), &parts).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SystemRandom;

    const ROOT: &str = "Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx";
    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
    const FACTS: TokenFacts<'_> = TokenFacts {
        subject: "7",
        email: "arthur@camelot.example",
        password_hash: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA"),
        verified: false,
    };
    const BOTH: [TokenPurpose; 2] = [TokenPurpose::Reset, TokenPurpose::Verify];

    fn secrets() -> Secrets {
        Secrets::from_root(&Secret::from(ROOT), "users").unwrap()
    }

    fn tokens() -> OneTimeTokens {
        OneTimeTokens::new(&secrets()).unwrap()
    }

    fn issue(tokens: &OneTimeTokens, purpose: TokenPurpose) -> String {
        tokens
            .issue(purpose, &FACTS, NOW, &SystemRandom)
            .unwrap()
            .as_str()
            .to_owned()
    }

    fn claims(token: &str) -> Value {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    }

    #[test]
    fn a_fresh_token_is_read_and_matches_its_user() {
        for purpose in BOTH {
            let read = tokens().read(purpose, &issue(&tokens(), purpose), NOW).unwrap();
            assert_eq!(read.subject(), "7");
            assert!(read.matches(&FACTS));
        }
    }

    #[test]
    fn a_token_dies_with_any_change_of_its_user() {
        for purpose in BOTH {
            let read = tokens().read(purpose, &issue(&tokens(), purpose), NOW).unwrap();
            for changed in [
                TokenFacts {
                    subject: "8",
                    ..FACTS
                },
                TokenFacts {
                    email: "arthur@avalon.example",
                    ..FACTS
                },
                TokenFacts {
                    email: "\u{ff41}rthur@camelot.example",
                    ..FACTS
                },
                TokenFacts {
                    password_hash: Some("another hash"),
                    ..FACTS
                },
                TokenFacts {
                    password_hash: None,
                    ..FACTS
                },
                TokenFacts {
                    password_hash: Some(""),
                    ..FACTS
                },
            ] {
                assert!(!read.matches(&changed));
            }
        }
    }

    #[test]
    fn a_token_survives_another_case_of_ascii_letters_in_the_address() {
        let spelled = TokenFacts {
            email: "Arthur@camelot.example",
            ..FACTS
        };
        for purpose in BOTH {
            let read = tokens().read(purpose, &issue(&tokens(), purpose), NOW).unwrap();
            assert!(read.matches(&spelled));
        }
    }

    #[test]
    fn verifying_ends_the_verification_token_and_leaves_the_reset_token() {
        let verified = TokenFacts {
            verified: true,
            ..FACTS
        };
        let read = |purpose| tokens().read(purpose, &issue(&tokens(), purpose), NOW).unwrap();
        assert!(!read(TokenPurpose::Verify).matches(&verified));
        assert!(read(TokenPurpose::Reset).matches(&verified));
    }

    #[test]
    fn no_part_of_the_facts_can_be_moved_into_another() {
        let key = Secret::from(ROOT);
        let of = |subject, email, password_hash| {
            let facts = TokenFacts {
                subject,
                email,
                password_hash,
                verified: false,
            };
            fingerprint(&key, TokenPurpose::Reset, &facts).unwrap()
        };
        let all = [
            of("1", "2a", None),
            of("12", "a", None),
            of("1", "2", Some("a")),
            of("1", "2a", Some("")),
            of("12a", "", None),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|other| one != other));
        }
    }

    #[test]
    fn a_token_lives_for_its_lifetime_and_not_a_second_longer() {
        for purpose in BOTH {
            let token = issue(&tokens(), purpose);
            let at = |secs| tokens().read(purpose, &token, NOW.plus(Duration::from_secs(secs)));
            assert!(at(3599).is_some());
            assert!(at(3600).is_none());
            let short = tokens().lifetime(purpose, Duration::from_mins(1)).unwrap();
            let token = issue(&short, purpose);
            assert_eq!(claims(&token)["exp"], 1_700_000_060);
            assert_eq!(claims(&token)["iat"], 1_700_000_000);
        }
    }

    #[test]
    fn a_lifetime_of_more_than_a_day_or_of_nothing_is_refused() {
        for purpose in BOTH {
            for refused in [
                Duration::ZERO,
                Duration::from_millis(999),
                Duration::from_secs(86_401),
                Duration::MAX,
            ] {
                assert_eq!(
                    tokens().lifetime(purpose, refused).err(),
                    Some(TokenLifetimeError)
                );
            }
            assert!(tokens().lifetime(purpose, Duration::from_hours(24)).is_ok());
        }
    }

    #[test]
    fn a_token_for_one_purpose_is_refused_for_the_other_even_under_one_secret() {
        let one = Secret::from("p9Kd2sLqXv7Ty4BnMz8RcWf5Gh1Ju6Ea");
        let shared = secrets().with_reset(&one).unwrap().with_verify(&one).unwrap();
        for tokens in [tokens(), OneTimeTokens::new(&shared).unwrap()] {
            assert!(
                tokens
                    .read(TokenPurpose::Verify, &issue(&tokens, TokenPurpose::Reset), NOW)
                    .is_none()
            );
            assert!(
                tokens
                    .read(TokenPurpose::Reset, &issue(&tokens, TokenPurpose::Verify), NOW)
                    .is_none()
            );
        }
    }

    #[test]
    fn mail_tokens_and_access_tokens_are_never_taken_for_each_other() {
        let one = Secret::from("p9Kd2sLqXv7Ty4BnMz8RcWf5Gh1Ju6Ea");
        let shared = secrets()
            .with_reset(&one)
            .unwrap()
            .with_verify(&one)
            .unwrap()
            .with_access(&one)
            .unwrap();
        for secrets in [secrets(), shared] {
            let tokens = OneTimeTokens::new(&secrets).unwrap();
            for purpose in BOTH {
                let mail_token = issue(&tokens, purpose);
                let audience = tokens.audience(purpose);
                for policy in [
                    TokenPolicy::new("fastapi-users:auth"),
                    TokenPolicy::new(&*audience),
                ] {
                    assert!(secrets.access().verify(&mail_token, &policy, NOW).is_err());
                }
                let mut access = claims(&mail_token);
                for aud in ["fastapi-users:auth", &audience] {
                    access["aud"] = json!(aud);
                    let access_token = secrets.access().sign(&access, "JWT").unwrap();
                    assert!(tokens.read(purpose, &access_token, NOW).is_none());
                }
            }
        }
    }

    #[test]
    fn tokens_of_another_family_are_refused() {
        let staff = OneTimeTokens::new(&Secrets::from_root(&Secret::from(ROOT), "staff").unwrap()).unwrap();
        let prefixed = tokens().audience_prefix("staff");
        for purpose in BOTH {
            assert!(staff.read(purpose, &issue(&tokens(), purpose), NOW).is_none());
            assert!(prefixed.read(purpose, &issue(&tokens(), purpose), NOW).is_none());
            assert_eq!(
                claims(&issue(&prefixed, purpose))["aud"],
                format!("staff:{}", purpose.name())
            );
        }
    }

    #[test]
    fn a_token_shows_neither_address_nor_hash_and_no_two_are_the_same() {
        for purpose in BOTH {
            let (one, other) = (issue(&tokens(), purpose), issue(&tokens(), purpose));
            assert_ne!(one, other);
            let Value::Object(shown) = claims(&one) else {
                panic!()
            };
            let names: Vec<&str> = shown.keys().map(String::as_str).collect();
            assert_eq!(names, ["aud", "exp", "fgpt", "iat", "jti", "sub"]);
            assert_eq!(shown["aud"], format!("fastapi-users:{}", purpose.name()));
            assert_eq!(shown["jti"].as_str().unwrap().len(), 22);
            let text = Value::Object(shown).to_string();
            assert!(!text.contains("arthur") && !text.contains("argon2"));
            assert!(
                one.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            );
        }
        assert_ne!(
            claims(&issue(&tokens(), TokenPurpose::Reset))["fgpt"],
            claims(&issue(&tokens(), TokenPurpose::Verify))["fgpt"]
        );
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for token in ["", ".", "..", "null", "a.b.c", "é", &"a".repeat(60_000)] {
            assert!(tokens().read(TokenPurpose::Reset, token, NOW).is_none());
        }
        let keys = JwtKeys::new(JwtKey::hs256(&secrets().reset()[0]).unwrap());
        for fgpt in [
            json!(null),
            json!(1),
            json!(""),
            json!("AAAA"),
            json!([]),
            json!("="),
        ] {
            let claims =
                json!({"sub": "7", "aud": "fastapi-users:reset", "exp": 1_700_000_009, "fgpt": fgpt});
            assert!(
                tokens()
                    .read(
                        TokenPurpose::Reset,
                        &keys.sign(&claims, "reset+jwt").unwrap(),
                        NOW
                    )
                    .is_none()
            );
        }
    }

    #[test]
    fn mails_on_their_way_survive_a_change_of_roots() {
        let token = issue(&tokens(), TokenPurpose::Reset);
        let new = Secret::from("p9Kd2sLqXv7Ty4BnMz8RcWf5Gh1Ju6Ea");
        let changed = Secrets::from_root(&new, "users").unwrap();
        let without = OneTimeTokens::new(&changed).unwrap();
        let with = OneTimeTokens::new(&changed.also_root(&Secret::from(ROOT), "users").unwrap()).unwrap();
        assert!(without.read(TokenPurpose::Reset, &token, NOW).is_none());
        assert!(
            with.read(TokenPurpose::Reset, &token, NOW)
                .unwrap()
                .matches(&FACTS)
        );
        assert!(
            without
                .read(TokenPurpose::Reset, &issue(&with, TokenPurpose::Reset), NOW)
                .is_some()
        );
    }

    #[test]
    fn without_randomness_no_token_is_made() {
        #[derive(Debug)]
        struct Broken;
        impl Random for Broken {
            fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
                Err(RandomError)
            }
        }
        let issued = tokens().issue(TokenPurpose::Reset, &FACTS, NOW, &Broken);
        assert_eq!(issued.err(), Some(IssueError::Random(RandomError)));
    }

    #[test]
    fn debug_shows_neither_tokens_nor_facts() {
        let token = tokens()
            .issue(TokenPurpose::Reset, &FACTS, NOW, &SystemRandom)
            .unwrap();
        let shown = format!("{token:?} {FACTS:?} {:?}", tokens());
        assert!(!shown.contains("eyJ") && !shown.contains("arthur") && !shown.contains("argon2"));
    }
}
