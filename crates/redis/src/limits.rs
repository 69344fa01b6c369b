//! Counters of limits.

use std::time::Duration;

use axum_users_core::{
    LimitChange, LimitCharge, LimitFuture, LimitKey, LimitStore, LimitVerdict, StoreError, Timestamp,
};

use crate::{
    RedisSessions,
    scripts::SCRIPTS,
    token::{LONGEST, millis},
};

/// How long Redis keeps what is over by our clock.
const GRACE: Duration = Duration::from_mins(1);

/// Limits that are counted in Redis, so that all processes of an application share them: for `RateLimits::counted_in`.
///
/// ```
/// use axum_users_core::RateLimits;
/// use axum_users_redis::{RedisLimits, RedisSessions};
///
/// let redis = RedisSessions::from_url("redis://127.0.0.1:6379")?;
/// let limits = RateLimits::new().counted_in(RedisLimits::new(&redis));
/// # let _ = limits;
/// # Ok::<_, axum_users_core::SetupError>(())
/// ```
///
/// A request that is limited takes one round trip, and a right password another one. The keys are below the prefix of the
/// sessions; they are HMACs, so neither addresses nor accounts can be read from them, and Redis drops them when they are over.
#[derive(Debug, Clone)]
pub struct RedisLimits {
    redis: RedisSessions,
}

impl RedisLimits {
    /// Counters over the connection of `redis`, below its prefix.
    pub fn new(redis: &RedisSessions) -> Self {
        Self { redis: redis.clone() }
    }

    fn counter(&self, key: &LimitKey) -> String {
        self.redis.key("limit", &key.to_string())
    }

    fn mark(&self, key: &LimitKey) -> String {
        self.redis.key("known", &key.to_string())
    }

    async fn taken(&self, charges: &[LimitCharge], now: Timestamp) -> Result<LimitVerdict, StoreError> {
        let (mut keys, mut arguments) = (Vec::new(), vec![millis(now), span(GRACE)]);
        for charge in charges {
            let counter = self.counter(&charge.counter);
            match charge.known {
                Some(client) => {
                    keys.extend([counter, self.mark(&client.mark), self.counter(&client.counter)]);
                }
                None => keys.extend([counter.clone(), counter.clone(), counter]),
            }
            arguments.extend([
                span(charge.quota.interval()),
                span(charge.quota.window()),
                u8::from(charge.known.is_some()).to_string(),
            ]);
        }
        let (passed, place, wait, first): (bool, usize, u64, bool) = self
            .redis
            .run(&SCRIPTS.take, &texts(&keys), &texts(&arguments))
            .await?;
        Ok(if passed {
            LimitVerdict::Passed { known: place > 0 }
        } else {
            LimitVerdict::Refused {
                charge: place,
                retry_after: Duration::from_millis(wait),
                first,
            }
        })
    }

    async fn settled(&self, changes: &[LimitChange], now: Timestamp) -> Result<(), StoreError> {
        let (mut keys, mut arguments) = (Vec::new(), vec![millis(now), span(GRACE), span(LONGEST)]);
        for change in changes {
            let (key, what, number) = match change {
                LimitChange::GiveBack { counter, quota } => {
                    (self.counter(counter), "back", span(quota.interval()))
                }
                LimitChange::Clear { counter } => (self.counter(counter), "clear", "0".to_owned()),
                LimitChange::Mark { mark, until } => (self.mark(mark), "mark", millis(*until)),
                other => {
                    return Err(StoreError::fault(format!(
                        "an unknown change of a counter: {other:?}"
                    )));
                }
            };
            keys.push(key);
            arguments.extend([what.to_owned(), number]);
        }
        let _: bool = self
            .redis
            .run(&SCRIPTS.settle, &texts(&keys), &texts(&arguments))
            .await?;
        Ok(())
    }
}

impl LimitStore for RedisLimits {
    fn take<'a>(&'a self, charges: &'a [LimitCharge], now: Timestamp) -> LimitFuture<'a, LimitVerdict> {
        Box::pin(self.taken(charges, now))
    }

    fn settle<'a>(&'a self, changes: &'a [LimitChange], now: Timestamp) -> LimitFuture<'a, ()> {
        Box::pin(self.settled(changes, now))
    }
}

fn span(span: Duration) -> String {
    span.min(LONGEST).as_millis().to_string()
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
