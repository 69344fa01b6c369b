//! The place where sessions are kept.

use std::{fmt, sync::Arc, time::Duration};

use axum_users_core::{SetupError, StoreError};
use redis::{
    Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo, Pipeline, Script, io::tcp::TcpSettings,
};
use rustls::crypto::{CryptoProvider, ring};

use crate::{
    scripts::SCRIPTS,
    server::{Question, Server},
};

const PREFIX: &str = "axum_users";
const LONGEST_PREFIX: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(2);

/// Sessions in a Redis server: opaque tokens for [`RedisStrategy`](crate::RedisStrategy), and the marks of JWTs that were
/// logged out, for `JwtStrategy::with_revocations`.
///
/// Clones share one connection, which serves all requests side by side. It is made when it is first needed, and again after
/// it was lost: a server that is down makes requests fail with 503 until it is back, and keeps nothing from starting.
///
/// ```
/// use std::time::Duration;
/// use axum_users_redis::{RedisSessions, RedisStrategy};
///
/// let redis = RedisSessions::from_url("redis://127.0.0.1:6379")?;
/// let tokens = RedisStrategy::new(&redis, Duration::from_hours(24));
/// # let _ = tokens;
/// # Ok::<_, axum_users_core::SetupError>(())
/// ```
///
/// | url | what it means |
/// | --- | --- |
/// | `redis://127.0.0.1:6379` | no TLS |
/// | `rediss://user:password@redis.example.com:6380/2` | TLS, a user, the database number 2 |
///
/// User name and password are percent-encoded (`@` is `%40`). Certificates are checked against those that the machine trusts,
/// or the file that `SSL_CERT_FILE` names.
///
/// # Security
/// Without TLS everybody on the way reads the digests of tokens and the ids of users, and can end sessions or make new ones;
/// so can everybody who may write to the server. Keep it in a net of its own, behind a password.
#[derive(Clone)]
pub struct RedisSessions {
    server: Arc<Server>,
    prefix: Arc<str>,
}

impl RedisSessions {
    /// Sessions in the server at `url`. No connection is made yet.
    ///
    /// # Errors
    /// [`SetupError`] for a url that is none of a Redis server. The text does not hold it.
    pub fn from_url(url: &str) -> Result<Self, SetupError> {
        let client = client(url).ok_or_else(|| {
            let text = "the url of the redis server must be like `redis://127.0.0.1:6379` or \
                `rediss://user:password@redis.example.com:6380/0`; write special characters of a password percent-encoded";
            SetupError::Invalid(text.to_owned())
        })?;
        Ok(Self {
            server: Arc::new(Server::new(client, TIMEOUT)),
            prefix: Arc::from(PREFIX),
        })
    }

    /// Begins all keys with `prefix` instead of `axum_users`: 1 to 64 ASCII letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    /// [`SetupError`] for another one.
    ///
    /// # Security
    /// Applications that share a server, and families of one application, need a prefix each: below one prefix the user with
    /// the same key and a backend with the same name are the same.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Result<Self, SetupError> {
        let prefix = prefix.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !prefix.bytes().all(allowed) {
            let text = "a prefix of keys has 1 to 64 ASCII letters, digits, `-`, `_` and `.`";
            return Err(SetupError::Invalid(text.to_owned()));
        }
        self.prefix = Arc::from(prefix);
        Ok(self)
    }

    /// How long the server may take to take a connection, and to answer; 2 seconds by default. What was cloned before is not
    /// changed.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.server = Arc::new(self.server.with_timeout(timeout));
        self
    }

    /// Looks whether the server is there, lets us in, writes, and runs scripts.
    ///
    /// # Errors
    /// [`SetupError`] where one of these fails.
    pub async fn check(&self) -> Result<(), SetupError> {
        let key = self.key("check", "");
        let () = self.run(&SCRIPTS.check, &[&key], &[]).await?;
        Ok(())
    }

    pub(crate) fn key(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.prefix)
    }

    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.server.ask(Question::Command(command)).await
    }

    pub(crate) async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<Vec<T>, StoreError> {
        self.server.ask(Question::Commands(commands)).await
    }

    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<T, StoreError> {
        let mut script = script.prepare_invoke();
        script.key(keys).arg(&*self.prefix).arg(arguments);
        self.server.ask(Question::Script(&script)).await
    }
}

impl fmt::Debug for RedisSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSessions")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

fn client(url: &str) -> Option<Client> {
    let known = url.starts_with("redis://") || url.starts_with("rediss://");
    // What stands behind a `#` would turn off the check of certificates.
    let info = Some(url)
        .filter(|url| known && !url.contains('#'))?
        .into_connection_info()
        .ok()?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) && CryptoProvider::get_default().is_none() {
        // Another thread may have been first, with what is as good.
        let _ = ring::default_provider().install_default();
    }
    Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_redis_servers_are_taken() {
        for url in [
            "redis://127.0.0.1",
            "redis://localhost:6380/3",
            "redis://[::1]:6379",
            "redis://user:p%40ss@redis.example.com",
            "rediss://:password@redis.example.com:6380/0",
        ] {
            assert!(RedisSessions::from_url(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_without_being_repeated() {
        for url in [
            "",
            "s3cr3t",
            "redis://",
            "redis://:s3cr3t@",
            "http://:s3cr3t@127.0.0.1",
            "redis+unix:///s3cr3t",
            "redis://:s3cr3t@127.0.0.1/database",
            "redis://:s3cr3t@127.0.0.1:port",
            "rediss://:s3cr3t@redis.example.com/#insecure",
            "rediss://:s3cr#t@redis.example.com",
        ] {
            let error = RedisSessions::from_url(url).err();
            let error = error.unwrap_or_else(|| panic!("{url} was taken"));
            let text = format!("{error} {error:?}");
            assert!(!text.contains("s3cr"), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let redis = RedisSessions::from_url("redis://user:s3cr3t@127.0.0.1").unwrap();
        assert!(!format!("{redis:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_prefix_cannot_reach_into_the_keys_of_another() {
        let redis = RedisSessions::from_url("redis://127.0.0.1").unwrap();
        for prefix in ["", "a:user", "a b", "é", "*", &"x".repeat(65)] {
            assert!(redis.clone().prefix(prefix).is_err(), "{prefix}");
        }
        for prefix in ["a", "shop-2.staff_x", &"x".repeat(64)] {
            assert!(redis.clone().prefix(prefix).is_ok(), "{prefix}");
        }
    }
}
