//! Throw-away databases, full of users and tokens.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    time::Duration,
};

use axum_users::{
    Clock, Secret, Secrets, SystemClock, TokenDigest,
    sea_orm::sqlx::{
        self, AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, postgres::PgConnectOptions,
    },
    strategy::OpaqueTokens,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    Result,
    floor::{AUDIENCE, Claims},
    load::{Requests, get, login},
    machine::{pin, processor_time},
    server::{CORE, Kind},
};

/// The name under which the application's family of users derives its keys.
const FAMILY: &str = "users";
/// How many users sign in for what needs a login first.
const PEOPLE: usize = 100;
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple";
/// At most so many users are asked for; they are spread over all.
const SAMPLE: i64 = 10_000;
/// How often a session in use is asked for before the next one is: a minute of a page that asks every other second.
const LIVELY: usize = 30;
/// How long the application lets a token live, by its default.
pub(crate) const TOKEN_LIFETIME: i64 = 14 * 24 * 3_600_000;
const BACKENDS: [&str; 2] = ["jwt", "db"];

/// The server.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    pub(crate) address: SocketAddr,
    pub(crate) user: String,
}

impl Postgres {
    pub(crate) fn url(&self, at: SocketAddr, database: &str, application: &str) -> String {
        format!(
            "postgres://{}@{at}/{database}?sslmode=disable&application_name={application}",
            self.user
        )
    }

    pub(crate) async fn connect(&self, database: &str) -> Result<PgConnection> {
        let options: PgConnectOptions = self.url(self.address, database, "bench").parse()?;
        Ok(options.disable_statement_logging().connect().await?)
    }

    /// Runs some statements.
    pub(crate) async fn run(&self, database: &str, statements: &[String]) -> Result<()> {
        let mut db = self.connect(database).await?;
        for sql in statements {
            sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut db).await?;
        }
        Ok(db.close().await?)
    }
}

/// Creates databases and drops them.
pub(crate) struct Admin {
    pub(crate) postgres: Postgres,
    connection: PgConnection,
    prefix: String,
    made: Vec<String>,
    pinned: HashSet<u32>,
}

impl Admin {
    pub(crate) async fn new(postgres: Postgres) -> Result<Self> {
        Ok(Self {
            connection: postgres.connect("postgres").await?,
            postgres,
            prefix: format!("axum_users_bench_{}", std::process::id()),
            made: Vec::new(),
            pinned: HashSet::new(),
        })
    }

    pub(crate) async fn version(&mut self) -> Result<String> {
        Ok(sqlx::query_scalar("SHOW server_version")
            .fetch_one(&mut self.connection)
            .await?)
    }

    pub(crate) async fn create(&mut self, suffix: &str) -> Result<String> {
        let name = format!("{}_{suffix}", self.prefix);
        self.made.push(name.clone());
        self.execute(format!("CREATE DATABASE {name}")).await?;
        Ok(name)
    }

    pub(crate) async fn drop_all(&mut self) -> Result<()> {
        // A connection that was in use when the run was given up may be unusable.
        self.connection = self.postgres.connect("postgres").await?;
        while let Some(name) = self.made.pop() {
            self.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                .await?;
        }
        Ok(())
    }

    async fn execute(&mut self, sql: String) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// The backends that serve an application, with the processor time that each has taken so far.
    pub(crate) async fn backends(
        &mut self,
        application: &str,
        pinned: bool,
    ) -> Result<HashMap<u32, Duration>> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND backend_type = 'client backend'";
        let pids: Vec<i32> = sqlx::query_scalar(sql)
            .bind(application)
            .fetch_all(&mut self.connection)
            .await?;
        let mut times = HashMap::new();
        for pid in pids {
            let pid = pid.cast_unsigned();
            if pinned && self.pinned.insert(pid) && !pin(pid, CORE) {
                return Err("the database is not ours to pin: run as its user, or with --unpinned".into());
            }
            // A backend may end between question and look.
            if let Ok(time) = processor_time(pid) {
                times.insert(pid, time);
            }
        }
        Ok(times)
    }

    /// Waits until no backend serves an application any more, so that its statistics are complete.
    pub(crate) async fn gone(&mut self, application: &str) -> Result<()> {
        for _ in 0..100 {
            if self.backends(application, false).await?.is_empty() {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err("the database does not let go of a server that was ended".into())
    }
}

/// A database full of users, and what to ask of it.
pub(crate) struct Stock {
    pub(crate) name: String,
    /// Some of the users: key and address.
    pub(crate) people: Vec<(Uuid, String)>,
    requests: HashMap<(&'static str, &'static str, &'static str), Requests>,
}

impl Stock {
    /// Requests that show users, each another one.
    pub(crate) fn looks(&self, kind: Kind, backend: &'static str) -> Result<&Requests> {
        self.of("look", kind, backend)
    }

    /// Requests of sessions that are in use, some of each before the next one: their uses are written.
    pub(crate) fn lively(&self) -> Result<&Requests> {
        self.of("lively", Kind::App, "db")
    }

    /// Requests with what looks like a token and is none.
    pub(crate) fn junk(&self) -> Result<&Requests> {
        self.of("junk", Kind::App, "db")
    }

    pub(crate) fn logins(&self, kind: Kind, backend: &'static str) -> Result<&Requests> {
        self.of("login", kind, backend)
    }

    fn of(&self, what: &'static str, kind: Kind, backend: &'static str) -> Result<&Requests> {
        let requests = self.requests.get(&(what, kind.name(), backend));
        Ok(requests.ok_or("no such requests")?)
    }

    /// Fills a migrated database with `rows` users and as many tokens.
    pub(crate) async fn fill(postgres: &Postgres, name: String, rows: i64, secret: &str) -> Result<Self> {
        let mut db = postgres.connect(&name).await?;
        let now = SystemClock.now().as_millis();
        let day = 24 * 3_600_000;
        // Rows are many and right: neither keys nor the disk have to be waited for.
        for setting in ["session_replication_role = replica", "synchronous_commit = off"] {
            sqlx::raw_sql(AssertSqlSafe(format!("SET {setting}")))
                .execute(&mut db)
                .await?;
        }
        sqlx::query(
            "INSERT INTO account \
             (id, email, email_key, hashed_password, is_active, is_verified, is_superuser, full_name) \
             SELECT gen_random_uuid(), e, e, $2, true, true, false, 'User ' || i \
             FROM (SELECT i, 'user' || i || '@bench.example' FROM generate_series(1, $1) i) s (i, e)",
        )
        .bind(rows)
        .bind(hash()?)
        .execute(&mut db)
        .await?;
        sqlx::query(
            // As if each had just been used, for as long as it takes to measure: what is read is told from what is written.
            "INSERT INTO account_tokens (user_id, backend, digest, epoch, created_at, last_seen_at, expires_at) \
             SELECT id, 'db', sha256(uuid_send(id)), 0, $1, $2, $2 FROM account",
        )
        .bind(now)
        .bind(now + day)
        .execute(&mut db)
        .await?;
        let sample: Vec<(Uuid, String)> = sqlx::query_as(
            "SELECT id, email FROM (SELECT id, email, row_number() OVER (ORDER BY id) - 1 AS n FROM account) u \
             WHERE n % $1 = 0 ORDER BY md5(email)",
        )
        .bind((rows / SAMPLE).max(1))
        .fetch_all(&mut db)
        .await?;
        let stock = Self::requests(name, &sample, secret, &mut db).await?;
        sqlx::raw_sql("VACUUM ANALYZE").execute(&mut db).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&mut db).await?;
        db.close().await?;
        Ok(stock)
    }

    async fn requests(
        name: String,
        sample: &[(Uuid, String)],
        secret: &str,
        db: &mut PgConnection,
    ) -> Result<Self> {
        let keys = Secrets::from_root(&Secret::from(secret), FAMILY)?.access();
        let floor_key = EncodingKey::from_secret(secret.as_bytes());
        let tokens = OpaqueTokens::default();
        let now = SystemClock.now().as_secs();
        let mut requests: HashMap<_, Vec<Vec<u8>>> = HashMap::new();
        let (mut ids, mut digests) = (Vec::new(), Vec::new());
        let mut lively_digests = Vec::new();
        for (id, email) in sample {
            let claims = |audience: &str| Claims {
                sub: *id,
                aud: [audience.to_owned()],
                iat: now,
                exp: now + 24 * 3600,
                jti: id.simple().to_string(),
                epoch: 0,
            };
            let opaque = tokens.generate("db")?;
            ids.push(*id);
            digests.push(TokenDigest::of(&opaque).as_bytes().to_vec());
            let lively = tokens.generate("db")?;
            lively_digests.push(TokenDigest::of(&lively).as_bytes().to_vec());
            let (show, _) = Kind::App.paths("db");
            let mut of_app = |what, request| {
                let key = (what, Kind::App.name(), "db");
                requests.entry(key).or_default().push(request);
            };
            for _ in 0..LIVELY {
                of_app("lively", get(&show, &lively));
            }
            of_app("junk", get(&show, &opaque.to_lowercase()));
            let floor = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(AUDIENCE), &floor_key)?;
            let app = keys.sign(&claims("axum-users:jwt"), "JWT")?;
            for kind in Kind::BOTH {
                let jwt = if kind == Kind::App { &app } else { &floor };
                for (backend, token) in BACKENDS.into_iter().zip([jwt, &opaque]) {
                    let (show, log_in) = kind.paths(backend);
                    let mut add = |what, request| {
                        requests
                            .entry((what, kind.name(), backend))
                            .or_default()
                            .push(request);
                    };
                    add("look", get(&show, token));
                    add("login", login(&log_in, email, PASSWORD));
                }
            }
        }
        sqlx::query(
            "UPDATE account_tokens t SET digest = s.digest FROM unnest($1::uuid[], $2::bytea[]) s (id, digest) \
             WHERE t.user_id = s.id",
        )
        .bind(&ids)
        .bind(&digests)
        .execute(&mut *db)
        .await?;
        let now = SystemClock.now().as_millis();
        sqlx::query(
            "INSERT INTO account_tokens (user_id, backend, digest, epoch, created_at, expires_at) \
             SELECT id, 'db', digest, 0, $3, $4 FROM unnest($1::uuid[], $2::bytea[]) s (id, digest)",
        )
        .bind(&ids)
        .bind(&lively_digests)
        .bind(now - 3_600_000)
        .bind(now - 3_600_000 + TOKEN_LIFETIME)
        .execute(db)
        .await?;
        let requests = requests
            .into_iter()
            .map(|(key, list)| (key, list.into()))
            .collect();
        let people = sample.iter().take(PEOPLE).cloned().collect();
        Ok(Self {
            name,
            people,
            requests,
        })
    }
}

/// How many rows of the library's and the application's tables were ever written.
pub(crate) async fn rows_written(postgres: &Postgres, database: &str) -> Result<i64> {
    let mut db = postgres.connect(database).await?;
    let sql = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables";
    let sum = sqlx::query_scalar(sql).fetch_one(&mut db).await?;
    db.close().await?;
    Ok(sum)
}

/// The hash of the password that all have, at the settings that the application hashes with.
fn hash() -> Result<String> {
    hash_of(19_456)
}

/// The same of other settings, which takes a tenth less time.
pub(crate) fn older_hash() -> Result<String> {
    hash_of(17_408)
}

fn hash_of(memory: u32) -> Result<String> {
    let mut salt = [0; 16];
    axum_users::Random::fill(&axum_users::SystemRandom, &mut salt)?;
    let params = argon2::Params::new(memory, 2, 1, Some(32))?;
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = argon2::PasswordHasher::hash_password_with_salt(&hasher, PASSWORD.as_bytes(), &salt)
        .map_err(|err| err.to_string())?;
    Ok(hash.to_string())
}
