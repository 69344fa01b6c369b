//! The contract of strategies, on every database and in Redis.

use axum_users::{
    InMemoryUsers, RedisSessions, RedisStrategy,
    strategy::{DatabaseStrategy, TokenOptions},
};
use axum_users_testing::{
    store_contract::{Skipped, StoreFixture},
    strategy_contract::StrategyFixture,
};
use redis::{Commands, Connection, RedisError};
use uuid::Uuid;

use crate::{MariaDb, Postgres, Sqlite, Store};

const REDIS: &str = "redis://127.0.0.1:6379";

macro_rules! tokens_in {
    ($database:ident) => {
        impl StrategyFixture for $database {
            type Users = Store;
            type Tokens = ();
            type Strategy = DatabaseStrategy<Store>;

            async fn open(&self) -> Result<(Store, ()), Skipped> {
                Ok((self.store().await?, ()))
            }

            fn strategy(&self, users: &Store, (): &(), options: TokenOptions) -> Self::Strategy {
                DatabaseStrategy::new(users.clone(), options)
            }

            async fn discard(&self, users: Store, (): ()) {
                StoreFixture::discard(self, users).await;
            }
        }
    };
}
tokens_in!(Sqlite);
tokens_in!(Postgres);
tokens_in!(MariaDb);

struct Redis;

/// Sessions below a prefix of their own.
struct InRedis {
    sessions: RedisSessions,
    prefix: String,
}

impl StrategyFixture for Redis {
    type Users = InMemoryUsers;
    type Tokens = InRedis;
    type Strategy = RedisStrategy;

    async fn open(&self) -> Result<(InMemoryUsers, InRedis), Skipped> {
        raw().map_err(|_| Skipped::because(format!("there is no Redis at {REDIS}")))?;
        let prefix = format!("axum_users_{}", Uuid::new_v4().simple());
        let sessions = RedisSessions::from_url(REDIS).and_then(|redis| redis.prefix(&*prefix));
        let sessions = sessions.expect("a sound url and prefix");
        Ok((InMemoryUsers::new(), InRedis { sessions, prefix }))
    }

    fn strategy(&self, _: &InMemoryUsers, redis: &InRedis, options: TokenOptions) -> RedisStrategy {
        RedisStrategy::new(&redis.sessions, options)
    }

    async fn discard(&self, _: InMemoryUsers, redis: InRedis) {
        let mut raw = raw().expect("the server");
        let found = raw.scan_match::<_, String>(format!("{}:*", redis.prefix));
        let keys: Result<Vec<_>, _> = found.expect("the keys").collect();
        let keys = keys.expect("the keys");
        if !keys.is_empty() {
            raw.del::<_, ()>(keys).expect("the keys are gone");
        }
    }
}

fn raw() -> Result<Connection, RedisError> {
    redis::Client::open(REDIS)?.get_connection()
}

mod in_sqlite {
    axum_users_testing::strategy_contract!(crate::Sqlite);
}
mod in_postgresql {
    axum_users_testing::strategy_contract!(crate::Postgres);
}
mod in_mariadb {
    axum_users_testing::strategy_contract!(crate::MariaDb);
}
mod in_redis {
    axum_users_testing::strategy_contract!(super::Redis);
}
