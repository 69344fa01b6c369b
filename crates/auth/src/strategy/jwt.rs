//! Signed tokens that say who they are for.

use std::{fmt, sync::Arc, time::Duration};

use axum_users_core::{
    Claim, Epoch, Failure, JwtKeys, Random, Session, SessionStore, StoreError, Subject, SystemRandom,
    Timestamp, TokenPolicy, UserId,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;

use crate::strategy::{BoxFuture, Grant, IssuedToken, Strategy};

/// JSON Web Tokens, by RFC 7519 and RFC 8725.
///
/// A token carries `sub`, `aud`, `iat`, `exp`, `jti` and the session `epoch` of its user. It is good while the signature,
/// audience and time are right, its user is at that epoch, and its `jti` was not logged out; user, epoch and `jti` are looked
/// up together, in one statement where the store can.
///
/// The audience is `axum-users:BACKEND` unless another is set, so that a token works only on the backend that issued it.
/// Tokens of FastAPI-Users with the same key and audience are good too, until the epoch is first raised.
pub struct JwtStrategy {
    keys: JwtKeys,
    lifetime: Duration,
    audience: Option<String>,
    issuer: Option<String>,
    random: Arc<dyn Random>,
    revocations: Option<Arc<dyn Revocations>>,
}

trait Revocations: Send + Sync {
    fn revoke<'a>(&'a self, token_id: &'a str, until: Timestamp) -> BoxFuture<'a, Result<(), StoreError>>;
}

impl<S: SessionStore> Revocations for S {
    fn revoke<'a>(&'a self, token_id: &'a str, until: Timestamp) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(SessionStore::revoke(self, token_id, until))
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: String,
    aud: [&'a str; 1],
    iat: i64,
    exp: i64,
    jti: String,
    epoch: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
}

impl JwtStrategy {
    /// Tokens signed by the first of `keys` that are good for `lifetime`, and can be ended before: by logout, and by whatever
    /// ends the sessions of their user in `store`.
    pub fn new(keys: JwtKeys, lifetime: Duration, store: impl SessionStore) -> Self {
        Self {
            revocations: Some(Arc::new(store)),
            ..Self::stateless(keys, lifetime)
        }
    }

    /// Tokens that nothing but their expiry ends, except that their user is deactivated or removed.
    ///
    /// # Security
    /// Logout only makes the client forget such a token; a password change or reset does not touch it (ASVS 5.0, 7.4.1 and
    /// 7.4.3 are not met). Keep the lifetime at minutes.
    pub fn stateless(keys: JwtKeys, lifetime: Duration) -> Self {
        Self {
            keys,
            lifetime,
            audience: None,
            issuer: None,
            random: Arc::new(SystemRandom),
            revocations: None,
        }
    }

    /// Writes and demands this audience instead of the backend's own.
    ///
    /// # Security
    /// Two backends with one audience and one key take each other's tokens.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Writes and demands this issuer; by default there is none.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Takes chance from `random`.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    fn audience_of(&self, backend: &str) -> String {
        self.audience
            .clone()
            .unwrap_or_else(|| format!("axum-users:{backend}"))
    }

    fn make<Id: UserId>(&self, grant: &Grant<'_, Id>) -> Result<IssuedToken, Failure> {
        let now = grant.context.now;
        let mut jti = [0; 16];
        self.random.fill(&mut jti).map_err(StoreError::unavailable)?;
        let audience = self.audience_of(grant.backend);
        let claims = Claims {
            sub: grant.user_id.to_string(),
            aud: [&audience],
            iat: now.as_secs(),
            exp: now.plus(self.lifetime).as_secs(),
            jti: BASE64_URL_SAFE_NO_PAD.encode(jti),
            epoch: grant.epoch.0,
            iss: self.issuer.as_deref(),
        };
        let token = self.keys.sign(&claims, "JWT").map_err(Failure::internal)?;
        Ok(IssuedToken::new(token, Some(self.lifetime)))
    }

    fn claim<Id: UserId>(&self, token: &str, backend: &str, now: Timestamp) -> Option<Claim<Id>> {
        let mut policy = TokenPolicy::new(self.audience_of(backend));
        if let Some(issuer) = &self.issuer {
            policy = policy.issuer(issuer.clone());
        }
        let claims = self.keys.verify(token, &policy, now).ok()?;
        let epoch = match claims.get("epoch") {
            None => Epoch(0),
            Some(Value::Number(number)) => Epoch(number.as_i64()?),
            Some(_) => return None,
        };
        let id = Id::parse(claims.subject())?;
        let subject = Subject::new(
            id,
            stored_id(claims.token_id()),
            epoch,
            claims.expires_at(),
            backend,
        );
        Some(if self.revocations.is_some() {
            Claim::Subject(subject)
        } else {
            Claim::Stateless(subject)
        })
    }
}

/// The id of a token as stores keep it, in 64 characters; ours are shorter, those of other issuers may not be.
fn stored_id(id: &str) -> String {
    use sha2::{Digest, Sha256};

    if id.len() <= 64 {
        id.to_owned()
    } else {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(id))
    }
}

impl fmt::Debug for JwtStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtStrategy")
            .field("keys", &self.keys)
            .field("lifetime", &self.lifetime)
            .field("stateless", &self.revocations.is_none())
            .finish_non_exhaustive()
    }
}

impl<Id: UserId> Strategy<Id> for JwtStrategy {
    fn issue<'a>(&'a self, grant: Grant<'a, Id>) -> BoxFuture<'a, Result<Option<IssuedToken>, Failure>> {
        Box::pin(std::future::ready(self.make(&grant).map(Some)))
    }

    fn read<'a>(
        &'a self,
        token: &'a str,
        backend: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim<Id>>, Failure>> {
        Box::pin(std::future::ready(Ok(self.claim(token, backend, now))))
    }

    fn end<'a>(&'a self, _: &'a str, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            if let (Some(revocations), Some(until)) = (&self.revocations, session.expires_at) {
                revocations.revoke(&session.token_id, until).await?;
            }
            Ok(())
        })
    }
}
