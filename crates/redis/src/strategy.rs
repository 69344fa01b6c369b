//! Opaque tokens in Redis.

use std::cmp::Reverse;

use axum_users_auth::strategy::{
    BoxFuture, Grant, Issue, IssuedToken, OpaqueTokens, SessionList, SessionOwner, Strategy, TokenOptions,
};
use axum_users_core::{
    Claim, Epoch, Failure, LimitPolicy, Random, Session, StoreError, SystemRandom, Timestamp, TokenDigest,
    TokenRecord, TokenUse, UserId, shared::Shared,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use redis::{cmd, pipe};

use crate::{
    RedisSessions,
    scripts::SCRIPTS,
    token::{CLAIM_FIELDS, Claimed, End, Listed, RECORD_FIELDS, hex, millis, record, subject},
};

/// How many sessions a list shows at most.
const MOST_LISTED: &str = "200";

/// Opaque tokens: 256 random bits at the client, a hash and the facts in Redis.
///
/// They live as those of `DatabaseStrategy` do: logout ends one at once, limits hold exactly, and whatever raises the session
/// epoch of a user ends them all. A check is one question to Redis, before the one statement that reads the user.
///
/// The clock of the application says when a token is over; Redis drops it a day later. One that Redis loses is a login lost,
/// no more.
///
/// ```
/// use std::time::Duration;
/// use axum_users_auth::{Backend, transport::BearerTransport};
/// use axum_users_core::{SetupError, UserApi};
/// use axum_users_redis::{RedisSessions, RedisStrategy};
///
/// fn backend<A: UserApi>(url: &str) -> Result<Backend<A>, SetupError> {
///     let redis = RedisSessions::from_url(url)?;
///     Ok(Backend::new("redis", BearerTransport::new(), RedisStrategy::new(&redis, Duration::from_hours(24))))
/// }
/// ```
///
/// # Security
/// Only the SHA-256 of a token is stored (ASVS 5.0, 6.5.2): who reads Redis can sign in as nobody. Who writes to it can.
#[derive(Debug, Clone)]
pub struct RedisStrategy {
    redis: RedisSessions,
    /// What stands at the key of a token.
    checks: Shared<String, Claimed>,
    options: TokenOptions,
}

impl RedisStrategy {
    /// Tokens in `redis` that live as `options` say; a `Duration` is enough.
    pub fn new(redis: &RedisSessions, options: impl Into<TokenOptions>) -> Self {
        let asked = redis.clone();
        let checks = Shared::new(move |keys: Vec<String>| {
            let redis = asked.clone();
            async move {
                if let [key] = &*keys {
                    return Ok(vec![redis.ask(cmd("HMGET").arg(key).arg(&CLAIM_FIELDS)).await?]);
                }
                let mut all = pipe();
                for key in &keys {
                    all.cmd("HMGET").arg(key).arg(&CLAIM_FIELDS);
                }
                redis.ask_all(&all).await
            }
        });
        Self {
            redis: redis.clone(),
            checks,
            options: options.into(),
        }
    }

    fn token_key(&self, digest: &TokenDigest) -> String {
        self.redis.key("token", &hex(digest))
    }

    fn index_key<Id: UserId>(&self, backend: &str, user_id: &Id) -> String {
        // The name of a backend has no colon, so no other pair spells the same key.
        self.redis.key("user", &format!("{backend}:{user_id}"))
    }

    async fn store<Id: UserId>(&self, grant: &Grant<'_, Id>) -> Result<Issue, Failure> {
        let text = self
            .options
            .generate(grant.backend)
            .map_err(StoreError::unavailable)?;
        let digest = TokenDigest::of(&text);
        let id = session_id()?;
        let now = grant.context.now;
        let expires_at = self.options.end_of(now);
        let end = End::new(expires_at, now);
        let (most, policy) = match self.options.limit() {
            Some(limit) => (limit.most.to_string(), policy(limit.policy)?),
            None => (String::new(), ""),
        };
        let address = grant
            .context
            .client_address
            .filter(|_| self.options.keeps_client_address())
            .map(|address| address.to_string());
        let (created, epoch, user) = (millis(now), grant.epoch.0.to_string(), grant.user_id.to_string());
        let member = format!("{id}{}", hex(&digest));
        let mut arguments = vec![
            &*created,
            &*epoch,
            &*member,
            &*end.score,
            &*end.keep,
            &*most,
            policy,
        ];
        let fields = [
            ("user", Some(&*user)),
            ("backend", Some(grant.backend)),
            ("id", Some(&*id)),
            ("epoch", Some(&*epoch)),
            ("created", Some(&*created)),
            ("expires", Some(&*end.expires).filter(|end| !end.is_empty())),
            ("agent", grant.context.user_agent.as_deref()),
            ("address", address.as_deref()),
        ];
        for (field, value) in fields {
            arguments.extend(value.map(|value| [field, value]).into_iter().flatten());
        }
        let keys = [
            &*self.token_key(&digest),
            &*self.index_key(grant.backend, grant.user_id),
        ];
        let (stored, ended): (bool, u64) = self.redis.run(&SCRIPTS.issue, &keys, &arguments).await?;
        if !stored {
            return Ok(Issue::LimitReached);
        }
        let mut session = Session::new(grant.backend, id, grant.epoch)
            .since(now)
            .until(expires_at);
        session.digest = Some(digest);
        let mut issued = IssuedToken::new(text, session);
        issued.keep = self.options.keep();
        issued.ended = ended;
        Ok(Issue::Issued(issued))
    }

    async fn claim<Id: UserId>(
        &self,
        token: &str,
        backend: &str,
        now: Timestamp,
    ) -> Result<Option<Claim<Id>>, Failure> {
        let Some(digest) = OpaqueTokens::digest(token, backend) else {
            return Ok(None);
        };
        let held = self.checks.ask(self.token_key(&digest)).await?;
        Ok(subject(held, digest, backend, now).map(Claim::Subject))
    }
}

impl<Id: UserId> Strategy<Id> for RedisStrategy {
    fn issue<'a>(&'a self, grant: Grant<'a, Id>) -> BoxFuture<'a, Result<Issue, Failure>> {
        Box::pin(async move { self.store(&grant).await })
    }

    fn read<'a>(
        &'a self,
        token: &'a str,
        backend: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim<Id>>, Failure>> {
        Box::pin(self.claim(token, backend, now))
    }

    fn end<'a>(&'a self, token: &'a str, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let digest = TokenDigest::of(token);
            let keys = [&*self.token_key(&digest)];
            let () = self
                .redis
                .run(&SCRIPTS.end, &keys, &[&hex(&digest), &session.backend])
                .await?;
            Ok(())
        })
    }

    /// The token itself moves on, so it stays as it is.
    fn carry<'a>(
        &'a self,
        token: &'a str,
        session: &'a Session,
        grant: Grant<'a, Id>,
    ) -> BoxFuture<'a, Result<Option<IssuedToken>, Failure>> {
        Box::pin(async move {
            let keys = [&*self.token_key(&TokenDigest::of(token))];
            let arguments = [
                grant.backend,
                &grant.user_id.to_string(),
                &session.epoch.0.to_string(),
                &grant.epoch.0.to_string(),
                &millis(grant.context.now),
            ];
            let () = self.redis.run(&SCRIPTS.carry, &keys, &arguments).await?;
            Ok(None)
        })
    }

    fn due(&self, session: &Session, now: Timestamp) -> Option<TokenUse> {
        self.options.due(session, now)
    }

    fn note_use<'a>(&'a self, _: &'a Session, noted: TokenUse) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let keys = [&*self.token_key(&noted.digest)];
            let (digest, seen) = (hex(&noted.digest), millis(noted.seen_at));
            let end = noted.expires_at.map(|end| End::new(Some(end), noted.seen_at));
            let mut arguments = vec![&*digest, &*seen];
            if let Some(end) = &end {
                arguments.extend([&*end.expires, &*end.score, &*end.keep]);
            }
            Ok(self.redis.run(&SCRIPTS.note_use, &keys, &arguments).await?)
        })
    }

    fn refuses_at_limit(&self) -> bool {
        self.options.refuses_at_limit()
    }

    fn sessions(&self) -> Option<&dyn SessionList<Id>> {
        Some(self)
    }

    fn check(&self) -> Result<(), String> {
        self.options.check()
    }
}

impl<Id: UserId> SessionList<Id> for RedisStrategy {
    fn list<'a>(&'a self, owner: SessionOwner<'a, Id>) -> BoxFuture<'a, Result<Vec<TokenRecord>, Failure>> {
        Box::pin(async move {
            let keys = [&*self.index_key(owner.backend, owner.user_id)];
            let (epoch, now) = (text(owner.epoch), millis(owner.now));
            let mut arguments = vec![&*epoch, &*now, MOST_LISTED];
            arguments.extend(RECORD_FIELDS);
            let held: Vec<Listed> = self.redis.run(&SCRIPTS.list, &keys, &arguments).await?;
            let mut records: Vec<_> = held
                .into_iter()
                .filter_map(|held| record(held, owner.backend))
                .collect();
            records.sort_by_key(|(record, serial)| Reverse((record.created_at, *serial)));
            Ok(records.into_iter().map(|(record, _)| record).collect())
        })
    }

    fn rename<'a>(
        &'a self,
        owner: SessionOwner<'a, Id>,
        id: &'a str,
        name: Option<&'a str>,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let keys = [&*self.index_key(owner.backend, owner.user_id)];
            let (epoch, now) = (text(owner.epoch), millis(owner.now));
            let mut arguments = vec![id, &*epoch, &*now];
            arguments.extend(name);
            Ok(self.redis.run(&SCRIPTS.rename, &keys, &arguments).await?)
        })
    }

    fn end<'a>(&'a self, owner: SessionOwner<'a, Id>, id: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let keys = [&*self.index_key(owner.backend, owner.user_id)];
            let arguments = [id, &*text(owner.epoch), &*millis(owner.now)];
            Ok(self.redis.run(&SCRIPTS.end_by_id, &keys, &arguments).await?)
        })
    }
}

fn text(epoch: Epoch) -> String {
    epoch.0.to_string()
}

/// The id by which the owner of a token names it: nothing about the token can be told from it.
fn session_id() -> Result<String, Failure> {
    let mut id = [0; 16];
    SystemRandom.fill(&mut id).map_err(StoreError::unavailable)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(id))
}

fn policy(policy: LimitPolicy) -> Result<&'static str, Failure> {
    match policy {
        LimitPolicy::Refuse => Ok("refuse"),
        LimitPolicy::EndOldest => Ok("end_oldest"),
        _ => Err(Failure::internal(
            "this version does not know the policy of the limit",
        )),
    }
}
