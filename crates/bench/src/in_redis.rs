//! Sessions in Redis, of the application and of the floor.

use std::net::SocketAddr;

use redis::{AsyncCommands as _, aio::MultiplexedConnection};
use serde_json::Value;

use crate::{
    Result,
    database::{PASSWORD, Stock},
    floor::{redis_key, secret},
    load::{Connection, Requests, expect_ok, get, login, post},
};

/// The server, on this machine.
pub(crate) const URL: &str = "redis://127.0.0.1:6379";
/// What both servers are started with.
pub(crate) const SETTINGS: &[(&str, &str)] = &[("REDIS_URL", URL)];

/// Requests by tokens in Redis, and what is to be taken away again.
pub(crate) struct InRedis {
    redis: MultiplexedConnection,
    keys: Vec<String>,
    tokens: Vec<String>,
    pub(crate) floor: Requests,
    pub(crate) ours: Requests,
}

impl InRedis {
    /// Signs some users in at the application, and writes as many tokens for the floor.
    pub(crate) async fn fill(stock: &Stock, app: SocketAddr) -> Result<Self> {
        let mut redis = redis::Client::open(URL)?
            .get_multiplexed_async_connection()
            .await?;
        let mut connection = Connection::open(app).await?;
        let (mut keys, mut tokens) = (Vec::new(), Vec::new());
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        for (id, email) in &stock.people {
            let token = secret()?;
            let key = redis_key(&token);
            let () = redis.set_ex(&key, id.to_string(), 3600).await?;
            floor.push(get("/redis/me", &token));
            keys.push(key);
            let answer = connection
                .send(&login("/auth/redis/login", email, PASSWORD))
                .await?;
            expect_ok(&answer)?;
            let answer: Value = serde_json::from_slice(answer.body)?;
            let token = answer
                .get("access_token")
                .and_then(Value::as_str)
                .ok_or("no token")?;
            ours.push(get("/users/me", token));
            tokens.push(token.to_owned());
        }
        Ok(Self {
            redis,
            keys,
            tokens,
            floor: floor.into(),
            ours: ours.into(),
        })
    }

    /// Takes everything away again.
    pub(crate) async fn clear(mut self, app: SocketAddr) -> Result<()> {
        let mut connection = Connection::open(app).await?;
        for token in &self.tokens {
            connection.send(&post("/auth/redis/logout", token)).await?;
        }
        let () = self.redis.del(&self.keys).await?;
        Ok(())
    }
}
