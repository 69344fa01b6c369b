//! Limits that are counted in Redis.

use std::time::Duration;

use axum_users_core::{
    InMemoryLimits, KnownClient, LimitChange, LimitCharge, LimitKey, LimitStore, LimitVerdict, Quota,
    StoreError, Timestamp,
};
use axum_users_redis::RedisLimits;

use crate::harness::{HOUR, MINUTE, OwnServer, START, Stage};

fn key(number: u64) -> LimitKey {
    LimitKey::new(u128::from(number).to_be_bytes())
}

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }

    fn charges(&mut self) -> Vec<LimitCharge> {
        let quotas = [
            Quota::per_minute(6),
            Quota::new(2, MINUTE),
            Quota::new(5, HOUR),
            Quota::per_minute(300),
        ];
        let client = KnownClient::new(key(100 + self.below(3)), key(50 + self.below(3)));
        let count = 1 + self.below(3);
        // The same counter has the same quota at all times, and no charge names one twice.
        (0..count)
            .map(|place| {
                let number = place * 4 + self.below(4);
                let quota = quotas[usize::try_from(number % 4).unwrap_or(0)];
                let charge = LimitCharge::new(key(number), quota);
                if place == 2 { charge.unless(client) } else { charge }
            })
            .collect()
    }

    fn change(&mut self, now: Timestamp) -> LimitChange {
        let counter = key(self.below(12));
        match self.below(4) {
            0 => LimitChange::Clear { counter },
            1 => LimitChange::Mark {
                mark: key(100 + self.below(3)),
                until: now.plus(Duration::from_secs(self.below(100))),
            },
            _ => LimitChange::GiveBack {
                counter,
                quota: Quota::per_minute(6),
            },
        }
    }
}

#[tokio::test]
async fn redis_and_memory_count_alike() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let (redis, memory) = (RedisLimits::new(&stage.redis), InMemoryLimits::new());
    let (mut dice, mut now) = (Chance(7), START);
    let (mut passed, mut refused, mut known_ones) = (0, 0, 0);
    for step in 0..3000 {
        now = now.plus(Duration::from_millis(dice.below(2500)));
        if dice.below(5) == 0 {
            let change = [dice.change(now)];
            redis.settle(&change, now).await.unwrap();
            memory.settle(&change, now).await.unwrap();
            continue;
        }
        let charges = dice.charges();
        let verdict = redis.take(&charges, now).await.unwrap();
        assert_eq!(verdict, memory.take(&charges, now).await.unwrap(), "step {step}");
        match verdict {
            LimitVerdict::Passed { known } => {
                passed += 1;
                known_ones += u32::from(known);
            }
            _ => refused += 1,
        }
    }
    assert!(
        passed > 200 && refused > 200 && known_ones > 20,
        "{passed} {refused} {known_ones}"
    );
}

#[tokio::test]
async fn what_is_over_is_dropped_by_redis() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let redis = RedisLimits::new(&stage.redis);
    let charge = [LimitCharge::new(key(1), Quota::new(2, 2 * HOUR))];
    for _ in 0..3 {
        redis.take(&charge, START).await.unwrap();
    }
    let mark = LimitChange::Mark {
        mark: key(2),
        until: START.plus(HOUR),
    };
    redis.settle(&[mark], START).await.unwrap();
    let mut raw = stage.raw();
    let mut kept = Vec::new();
    for key in stage.keys() {
        let seconds: i64 = redis::cmd("TTL").arg(key).query(&mut raw).expect("redis answers");
        kept.push((seconds + 30) / 60);
    }
    assert_eq!(kept, [61, 121], "a mark of an hour, and a counter of two");
    redis
        .settle(&[LimitChange::Clear { counter: key(1) }], START)
        .await
        .unwrap();
    assert_eq!(stage.keys_of("limit"), [""; 0]);
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable_and_counts_again_when_it_is_back() {
    let Some(mut server) = OwnServer::start(&[]) else {
        return;
    };
    let stage = Stage::on(&server.url(), HOUR);
    let redis = RedisLimits::new(&stage.redis);
    let charge = [LimitCharge::new(key(1), Quota::new(1, HOUR))];
    assert!(matches!(
        redis.take(&charge, START).await,
        Ok(LimitVerdict::Passed { known: false })
    ));
    server.kill();
    let gone = redis.take(&charge, START).await;
    assert!(matches!(gone, Err(StoreError::Unavailable(_))), "{gone:?}");
    server.run();
    let back = redis.take(&charge, START).await;
    assert!(
        matches!(back, Ok(LimitVerdict::Refused { retry_after, .. }) if retry_after == HOUR),
        "{back:?}"
    );
}
