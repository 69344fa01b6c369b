//! Signed tokens that say who they are for.

use std::{fmt, sync::Arc, time::Duration};

use axum_users_core::{
    Claim, Epoch, Failure, JwtKeys, Random, Session, SessionStore, StoreError, Subject, SystemRandom,
    Timestamp, TokenPolicy, UserId,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;

use crate::strategy::{BoxFuture, Grant, Issue, IssuedToken, Strategy};

/// JSON Web Tokens, by RFC 7519 and RFC 8725.
///
/// A token carries `sub`, `aud`, `iat`, `exp`, `jti` and the session `epoch` of its user. It is good while the signature,
/// audience and time are right, its user is at that epoch, and its `jti` was not logged out; user, epoch and `jti` are looked
/// up together, in one statement where the store can.
///
/// The audience is `axum-users:BACKEND` unless another is set, so that a token works only on the backend that issued it.
/// Tokens of FastAPI-Users with the same key and audience are good too, until the epoch is first raised.
///
/// ```
/// use std::time::Duration;
/// use axum_users_auth::strategy::JwtStrategy;
/// use axum_users_core::{InMemoryUsers, Secret, Secrets};
///
/// let secrets = Secrets::from_root(&Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"), "users")?;
/// let jwt = JwtStrategy::new(secrets.access(), Duration::from_hours(1), InMemoryUsers::new()).issuer("camelot");
/// # let _ = jwt;
/// # Ok::<_, axum_users_core::KeyError>(())
/// ```
pub struct JwtStrategy {
    keys: JwtKeys,
    lifetime: Duration,
    audience: Option<String>,
    issuer: Option<String>,
    random: Arc<dyn Random>,
    verify_only: bool,
    revoked: Revoked,
}

/// Where the ids of JWTs that were logged out are kept, apart from the users: in Redis, say.
///
/// ```
/// use std::{collections::BTreeSet, sync::Mutex};
/// use axum_users_auth::strategy::{BoxFuture, Revocations};
/// use axum_users_core::{Failure, Timestamp};
///
/// /// For one process, until it ends.
/// #[derive(Debug, Default)]
/// struct InThisProcess(Mutex<BTreeSet<String>>);
///
/// impl Revocations for InThisProcess {
///     fn revoke<'a>(&'a self, token_id: &'a str, _: Timestamp) -> BoxFuture<'a, Result<(), Failure>> {
///         self.0.lock().unwrap().insert(token_id.to_owned());
///         Box::pin(async { Ok(()) })
///     }
///
///     fn is_revoked<'a>(&'a self, token_id: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
///         let revoked = self.0.lock().unwrap().contains(token_id);
///         Box::pin(async move { Ok(revoked) })
///     }
/// }
/// ```
pub trait Revocations: fmt::Debug + Send + Sync + 'static {
    /// Refuses the token with this id from now on; the mark may be dropped after `until`.
    fn revoke<'a>(&'a self, token_id: &'a str, until: Timestamp) -> BoxFuture<'a, Result<(), Failure>>;

    /// Whether the token with this id was refused.
    fn is_revoked<'a>(&'a self, token_id: &'a str) -> BoxFuture<'a, Result<bool, Failure>>;
}

/// Who knows which tokens were logged out.
enum Revoked {
    /// The store, which looks for the mark in the statement that reads the user.
    ByStore(Arc<dyn Marks>),
    /// Another place, which is asked before.
    Apart(Arc<dyn Revocations>),
    /// Nobody.
    Never,
}

trait Marks: Send + Sync {
    fn revoke<'a>(&'a self, token_id: &'a str, until: Timestamp) -> BoxFuture<'a, Result<(), StoreError>>;
}

impl<S: SessionStore> Marks for S {
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
            revoked: Revoked::ByStore(Arc::new(store)),
            ..Self::stateless(keys, lifetime)
        }
    }

    /// Tokens as of [`new`](Self::new), whose logout is noted in `revocations` instead of the store of the users. That costs
    /// one more look-up a request.
    pub fn with_revocations(keys: JwtKeys, lifetime: Duration, revocations: impl Revocations) -> Self {
        Self {
            revoked: Revoked::Apart(Arc::new(revocations)),
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
            verify_only: false,
            revoked: Revoked::Never,
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

    /// Only reads tokens, which somebody else signs: a login is refused with 500.
    #[must_use]
    pub fn verify_only(mut self) -> Self {
        self.verify_only = true;
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

    fn make<Id: UserId>(&self, grant: &Grant<'_, Id>, expires_at: Timestamp) -> Result<IssuedToken, Failure> {
        let now = grant.context.now;
        let mut jti = [0; 16];
        self.random.fill(&mut jti).map_err(StoreError::unavailable)?;
        let audience = self.audience_of(grant.backend);
        let claims = Claims {
            sub: grant.user_id.to_string(),
            aud: [&audience],
            iat: now.as_secs(),
            exp: expires_at.as_secs(),
            jti: BASE64_URL_SAFE_NO_PAD.encode(jti),
            epoch: grant.epoch.0,
            iss: self.issuer.as_deref(),
        };
        let token = self.keys.sign(&claims, "JWT").map_err(Failure::internal)?;
        let session = Session::new(grant.backend, claims.jti, grant.epoch)
            .since(now)
            .until(expires_at);
        Ok(IssuedToken::new(token, session))
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
        let mut session =
            Session::new(backend, stored_id(claims.token_id()), epoch).until(claims.expires_at());
        session.created_at = claims.issued_at();
        let subject = Subject::new(id, session);
        Some(match self.revoked {
            Revoked::Never => Claim::Stateless(subject),
            Revoked::ByStore(_) | Revoked::Apart(_) => Claim::Subject(subject),
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
            .field("stateless", &matches!(self.revoked, Revoked::Never))
            .finish_non_exhaustive()
    }
}

impl<Id: UserId> Strategy<Id> for JwtStrategy {
    fn issue<'a>(&'a self, grant: Grant<'a, Id>) -> BoxFuture<'a, Result<Issue, Failure>> {
        let issued = self.make(&grant, grant.context.now.plus(self.lifetime));
        Box::pin(std::future::ready(issued.map(Issue::Issued)))
    }

    fn read<'a>(
        &'a self,
        token: &'a str,
        backend: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim<Id>>, Failure>> {
        Box::pin(async move {
            let claim = self.claim(token, backend, now);
            if let (Revoked::Apart(revocations), Some(Claim::Subject(subject))) = (&self.revoked, &claim)
                && revocations.is_revoked(&subject.session.token_id).await?
            {
                return Ok(None);
            }
            Ok(claim)
        })
    }

    fn end<'a>(&'a self, _: &'a str, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let Some(until) = session.expires_at else {
                return Ok(());
            };
            match &self.revoked {
                Revoked::ByStore(store) => Ok(store.revoke(&session.token_id, until).await?),
                Revoked::Apart(revocations) => revocations.revoke(&session.token_id, until).await,
                Revoked::Never => Ok(()),
            }
        })
    }

    fn is_stateless(&self) -> bool {
        matches!(self.revoked, Revoked::Never)
    }

    /// A signed token cannot be moved, so another one takes its place, good no longer than it was.
    fn carry<'a>(
        &'a self,
        _: &'a str,
        session: &'a Session,
        grant: Grant<'a, Id>,
    ) -> BoxFuture<'a, Result<Option<IssuedToken>, Failure>> {
        let stateless = <Self as Strategy<Id>>::is_stateless(self);
        let issued = session
            .expires_at
            .filter(|_| !stateless)
            .map(|expires_at| self.make(&grant, expires_at))
            .transpose();
        Box::pin(std::future::ready(issued))
    }

    fn check(&self) -> Result<(), String> {
        if self.lifetime < Duration::from_secs(1) {
            return Err("a token lives for a second at least".to_owned());
        }
        if self.verify_only || self.keys.can_sign() {
            Ok(())
        } else {
            Err("none of the keys can sign, so nobody could log in; give a private key first, or say `verify_only()`".to_owned())
        }
    }
}
