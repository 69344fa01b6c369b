//! Databases and Redis behind a way that a test can break, and a way beside it by which the test looks.

use std::{marker::PhantomData, time::Duration};

use axum_users::{RedisSessions, SeaOrmUsers, connect_options, sea_orm};
use axum_users_faults::Proxy;
use sea_orm::{ConnectOptions, DatabaseConnection};

use super::{
    account::{Profile, ProfilePatch, Shown, entity},
    database::{Accounts, Database, OnServer, Sql, TokensInRedis},
};

/// How long the application waits for a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many connections the application has.
pub(crate) const CONNECTIONS: u32 = 2;

/// A server of databases.
pub(crate) trait Server: Send + Sync + 'static {
    const WHAT: &'static str;
    const ADDRESS: &'static str;
    /// What is put behind the statement that drops a database with connections to it.
    const DROP: &'static str;
    /// A commit, as it is on the wire.
    const COMMIT: &'static str;

    fn url(address: &str, database: &str) -> String;

    /// Whether no connection of the pool is in use, not even to be looked at before it is put back.
    fn is_idle(db: &DatabaseConnection) -> bool;
}

pub(crate) struct OnPostgres;

impl Server for OnPostgres {
    const WHAT: &'static str = "PostgreSQL";
    const ADDRESS: &'static str = "127.0.0.1:5432";
    const DROP: &'static str = "WITH (FORCE)";
    const COMMIT: &'static str = "COMMIT\0";

    fn url(address: &str, database: &str) -> String {
        format!("postgres://postgres@{address}/{database}")
    }

    fn is_idle(db: &DatabaseConnection) -> bool {
        let pool = db.get_postgres_connection_pool();
        pool.num_idle() == usize::try_from(pool.size()).unwrap_or(usize::MAX)
    }
}

pub(crate) struct OnMariaDb;

impl Server for OnMariaDb {
    const WHAT: &'static str = "MariaDB";
    const ADDRESS: &'static str = "127.0.0.1:3306";
    const DROP: &'static str = "";
    const COMMIT: &'static str = "\u{3}COMMIT";

    fn url(address: &str, database: &str) -> String {
        format!("mysql://root@{address}/{database}")
    }

    fn is_idle(db: &DatabaseConnection) -> bool {
        let pool = db.get_mysql_connection_pool();
        pool.num_idle() == usize::try_from(pool.size()).unwrap_or(usize::MAX)
    }
}

/// A database that the application reaches by a proxy.
pub(crate) struct Shaky<S> {
    pub(crate) proxy: Proxy,
    /// The pool of the application.
    pub(crate) pool: DatabaseConnection,
    /// Not through the proxy.
    beside: Sql,
    server: OnServer,
    kind: PhantomData<fn() -> S>,
}

pub(crate) type ShakyPostgres = Shaky<OnPostgres>;
pub(crate) type ShakyMariaDb = Shaky<OnMariaDb>;

impl<S: Server> Database for Shaky<S> {
    type Store = SeaOrmUsers<entity::Entity>;
    type Shown = Shown;
    type New = Profile;
    type Patch = ProfilePatch;

    async fn start() -> Option<Self> {
        let url = S::url(S::ADDRESS, "{}");
        let (server, beside) = OnServer::make::<Accounts>(S::WHAT, &url).await?;
        let proxy = Proxy::before(S::ADDRESS).await;
        let mut options: ConnectOptions =
            connect_options(&S::url(&proxy.address().to_string(), &server.name));
        options.max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
        let pool = sea_orm::Database::connect(options).await;
        Some(Self {
            proxy,
            pool: pool.expect("the new database can be opened"),
            beside,
            server,
            kind: PhantomData,
        })
    }

    fn store(&self) -> Self::Store {
        SeaOrmUsers::new(self.pool.clone()).timeout(PATIENCE)
    }

    async fn stop(&self) {
        self.proxy.restore().await;
        // The pool waits for connections that a failed test left silent.
        self.proxy.cut().await;
        let _ = self.pool.clone().close().await;
        self.server.drop(&self.beside, S::DROP).await;
    }
}

/// What there is of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) users: usize,
    pub(crate) hash: String,
    pub(crate) epoch: String,
    /// Of tokens in the database.
    pub(crate) tokens: usize,
    /// The kinds of its mails that wait.
    pub(crate) mails: Vec<String>,
}

impl<S: Server> Shaky<S> {
    /// A connection that is not through the proxy.
    pub(crate) fn beside(&self) -> &DatabaseConnection {
        &self.beside.db
    }

    /// How the database is called.
    pub(crate) fn name(&self) -> &str {
        &self.server.name
    }

    /// Waits until the pool does nothing.
    pub(crate) async fn is_idle(&self) {
        let idle = async {
            while !S::is_idle(&self.pool) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let idle = tokio::time::timeout(Duration::from_mins(1), idle).await;
        idle.expect("every connection is given back or closed");
    }

    /// What there is of the account with this address, seen beside the proxy.
    pub(crate) async fn facts(&self, email: &str) -> Facts {
        let of = format!("FROM account WHERE email_key = '{email}'");
        let users = self.beside.texts(format!("SELECT hashed_password {of}"), 1).await;
        let own = format!("user_id IN (SELECT id {of})");
        let epochs = format!("SELECT CAST(epoch AS char(20)) FROM account_epochs WHERE {own}");
        let tokens = format!("SELECT backend FROM account_tokens WHERE {own}");
        let mails = format!(
            "SELECT kind FROM account_outbox WHERE recipient = '{email}' AND done_at IS NULL ORDER BY id"
        );
        let first = |rows: Vec<Vec<String>>| rows.into_iter().flatten().next().unwrap_or_default();
        Facts {
            users: users.len(),
            hash: first(users),
            epoch: first(self.beside.texts(epochs, 1).await).trim().to_owned(),
            tokens: self.beside.texts(tokens, 1).await.len(),
            mails: self.beside.texts(mails, 1).await.into_iter().flatten().collect(),
        }
    }
}

/// Users in memory, and the opaque tokens of their logins in a Redis that the application reaches by a proxy.
pub(crate) struct ShakyRedis {
    pub(crate) proxy: Proxy,
    redis: RedisSessions,
    beside: TokensInRedis,
}

impl Database for ShakyRedis {
    type Store = <TokensInRedis as Database>::Store;
    type Shown = <TokensInRedis as Database>::Shown;
    type New = <TokensInRedis as Database>::New;
    type Patch = <TokensInRedis as Database>::Patch;

    async fn start() -> Option<Self> {
        let beside = TokensInRedis::start().await?;
        let proxy = Proxy::before("127.0.0.1:6379").await;
        let redis = RedisSessions::from_url(&format!("redis://{}", proxy.address()))
            .and_then(|redis| redis.prefix(beside.prefix.as_str()))
            .expect("the URL is one")
            .timeout(PATIENCE);
        Some(Self { proxy, redis, beside })
    }

    fn store(&self) -> Self::Store {
        self.beside.store()
    }

    fn redis(&self) -> Option<RedisSessions> {
        Some(self.redis.clone())
    }

    async fn stop(&self) {
        self.beside.stop().await;
    }
}
