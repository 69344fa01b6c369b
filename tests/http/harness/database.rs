//! Where the users of a test live.

use std::{
    fs,
    future::Future,
    marker::PhantomData,
    path::PathBuf,
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum_users::{
    Accepts, EmailChangeStore, IdOf, InMemoryUsers, ListUsers, NoExtra, Outbox, PersonalTokenStore,
    RedisSessions, RequestBody, SeaOrmUsers, SessionStore, UserStore, connect, migrations, sea_orm,
};
use axum_users_testing::Skipped;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement,
    sea_query::{ColumnDef, Expr, Table},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::account::{FIRST_NAME, Profile, ProfilePatch, Shown, entity};

/// The user of a database.
pub(crate) type UserIn<D> = <<D as Database>::Store as UserStore>::User;
/// The key of a user of a database.
pub(crate) type IdIn<D> = IdOf<<D as Database>::Store>;

/// A database of a test's own.
pub(crate) trait Database: Sized + Send + Sync + 'static {
    type Store: SessionStore
        + PersonalTokenStore
        + EmailChangeStore
        + ListUsers
        + Outbox
        + Accepts<Self::New>
        + Accepts<Self::Patch>;
    type Shown: From<UserIn<Self>> + Serialize + ToSchema + Send + 'static;
    type New: RequestBody + ToSchema;
    type Patch: RequestBody + ToSchema;

    /// A new, empty database; `None` where there is no server.
    fn start() -> impl Future<Output = Option<Self>>;

    fn store(&self) -> Self::Store;

    /// The statements so far; none where the database is not an SQL one.
    fn statements(&self) -> Statements {
        Statements::default()
    }

    /// All that is at rest, column by column, as bytes.
    fn dump(&self) -> impl Future<Output = Vec<u8>> {
        async { Vec::new() }
    }

    /// Cuts every connection of the store, as a server does that is restarted; nothing where there is no server.
    fn cut(&self) -> impl Future<Output = ()> {
        async {}
    }

    /// Where the opaque tokens of logins are, if not in the store.
    fn redis(&self) -> Option<RedisSessions> {
        None
    }

    /// Drops the database.
    fn stop(&self) -> impl Future<Output = ()> {
        async {}
    }
}

/// The SQL that was sent.
#[derive(Clone, Default)]
pub(crate) struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn push(&self, sql: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(sql.to_owned());
    }

    /// Takes what was sent since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) struct InMemory(InMemoryUsers);

impl Database for InMemory {
    type Store = InMemoryUsers;
    type Shown = NoExtra;
    type New = NoExtra;
    type Patch = NoExtra;

    async fn start() -> Option<Self> {
        Some(Self(InMemoryUsers::new()))
    }

    fn store(&self) -> InMemoryUsers {
        self.0.clone()
    }
}

/// Users in memory, and the opaque tokens of their logins in Redis.
pub(crate) struct TokensInRedis {
    users: InMemoryUsers,
    redis: RedisSessions,
    pub(super) prefix: String,
}

const REDIS: &str = "redis://127.0.0.1:6379";

impl Database for TokensInRedis {
    type Store = InMemoryUsers;
    type Shown = NoExtra;
    type New = NoExtra;
    type Patch = NoExtra;

    async fn start() -> Option<Self> {
        let prefix = format!("axum_users_http_{}", uuid::Uuid::new_v4().simple());
        let redis = RedisSessions::from_url(REDIS).and_then(|redis| redis.prefix(prefix.as_str()));
        let redis = redis.expect("the URL is one");
        if redis.check().await.is_err() {
            Skipped::because("there is no Redis at 127.0.0.1:6379").report();
            return None;
        }
        Some(Self {
            users: InMemoryUsers::new(),
            redis,
            prefix,
        })
    }

    fn store(&self) -> InMemoryUsers {
        self.users.clone()
    }

    fn redis(&self) -> Option<RedisSessions> {
        Some(self.redis.clone())
    }

    async fn dump(&self) -> Vec<u8> {
        let mut connection = redis_connection().await;
        let mut all = Vec::new();
        for key in self.keys(&mut connection).await {
            let kind: String = redis::cmd("TYPE")
                .arg(&key)
                .query_async(&mut connection)
                .await
                .expect("a type");
            let (read, range): (_, &[&str]) = match kind.as_str() {
                "string" => ("GET", &[]),
                "hash" => ("HGETALL", &[]),
                "set" => ("SMEMBERS", &[]),
                "zset" => ("ZRANGE", &["0", "-1"]),
                other => panic!("{key} is a {other}"),
            };
            let mut read = redis::cmd(read);
            read.arg(&key).arg(range);
            all.extend(key.as_bytes());
            if kind == "string" {
                let value: Vec<u8> = read.query_async(&mut connection).await.expect("a value");
                all.extend(value);
            } else {
                let values: Vec<Vec<u8>> = read.query_async(&mut connection).await.expect("values");
                all.extend(values.join(&b'\n'));
            }
            all.push(b'\n');
        }
        all
    }

    async fn stop(&self) {
        let mut connection = redis_connection().await;
        let keys = self.keys(&mut connection).await;
        if !keys.is_empty() {
            let () = redis::cmd("DEL")
                .arg(keys)
                .query_async(&mut connection)
                .await
                .expect("the keys are deleted");
        }
    }
}

async fn redis_connection() -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(REDIS).expect("the URL is one");
    let connection = client.get_multiplexed_async_connection().await;
    connection.expect("Redis is still there")
}

impl TokensInRedis {
    async fn keys(&self, connection: &mut redis::aio::MultiplexedConnection) -> Vec<String> {
        let keys = redis::cmd("KEYS")
            .arg(format!("{}:*", self.prefix))
            .query_async(connection)
            .await;
        keys.expect("the keys of the test")
    }

    /// Each key below the prefix, what stands there, and how many milliseconds it is kept.
    pub(crate) async fn in_redis(&self) -> Vec<(String, String, i64)> {
        let mut connection = redis_connection().await;
        let keys = self.keys(&mut connection).await;
        let mut all = Vec::new();
        for key in keys {
            let mut ask = async |command: &str| -> redis::Value {
                let asked = redis::cmd(command).arg(&key).query_async(&mut connection).await;
                asked.expect("Redis answers")
            };
            let kind = format!("{:?}", ask("TYPE").await);
            let read = if kind.contains("hash") { "HGETALL" } else { "GET" };
            let content = format!("{:?}", ask(read).await);
            let kept = redis::from_redis_value(ask("PTTL").await).expect("a number");
            all.push((key, content, kept));
        }
        all
    }
}

/// A table of users, as an application has it.
pub(crate) trait UserTable: Send + Sync + 'static {
    type Store: SessionStore
        + PersonalTokenStore
        + EmailChangeStore
        + ListUsers
        + Outbox
        + Accepts<Self::New>
        + Accepts<Self::Patch>;
    type Shown: From<<Self::Store as UserStore>::User> + Serialize + ToSchema + Send + 'static;
    type New: RequestBody + ToSchema;
    type Patch: RequestBody + ToSchema;

    /// Makes the table, and those beside it.
    fn make(db: &DatabaseConnection) -> impl Future<Output = ()>;

    fn store(db: DatabaseConnection) -> Self::Store;
}

/// A table with columns of the application's own.
pub(crate) struct Accounts;

impl UserTable for Accounts {
    type Store = SeaOrmUsers<entity::Entity>;
    type Shown = Shown;
    type New = Profile;
    type Patch = ProfilePatch;

    fn store(db: DatabaseConnection) -> Self::Store {
        SeaOrmUsers::new(db)
    }

    async fn make(db: &DatabaseConnection) {
        let backend = db.get_database_backend();
        let mut table = Table::create();
        table
            .table(entity::Entity)
            .col(ColumnDef::new(entity::Column::Id).uuid().not_null().primary_key());
        for mut column in migrations::user_columns(backend) {
            table.col(&mut column);
        }
        table
            .col(
                ColumnDef::new(entity::Column::FirstName)
                    .string_len(FIRST_NAME)
                    .not_null()
                    .default(""),
            )
            .col(
                ColumnDef::new(entity::Column::Nickname)
                    .string_len(20)
                    .unique_key(),
            )
            .col(ColumnDef::new(entity::Column::Age).integer());
        if backend == DbBackend::Sqlite {
            // The other two look at lengths by themselves.
            table.check(Expr::cust(format!("length(first_name) <= {FIRST_NAME}")));
        }
        db.execute(&table)
            .await
            .expect("the table of accounts can be made");
        migrations::up::<entity::Entity>(db)
            .await
            .expect("the tables beside it can be made");
    }
}

/// A database with the tables in it.
pub(super) struct Sql {
    pub(super) db: DatabaseConnection,
    statements: Statements,
}

impl Sql {
    async fn open<T: UserTable>(url: &str) -> Self {
        let mut db = connect(url).await.expect("the new database can be opened");
        T::make(&db).await;
        let statements = Statements::default();
        let log = statements.clone();
        db.set_metric_callback(move |info| log.push(&info.statement.sql));
        Self { db, statements }
    }

    /// The rows of a statement that asks for texts.
    pub(super) async fn texts(&self, sql: String, columns: usize) -> Vec<Vec<String>> {
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        let rows = self.db.query_all_raw(statement).await;
        let rows = rows.expect("the database can be read");
        let text = |row: &QueryResult, column| row.try_get_by_index::<Option<String>>(column);
        rows.iter()
            .map(|row| {
                let cells = (0..columns).map(|column| text(row, column).expect("a text").unwrap_or_default());
                cells.collect()
            })
            .collect()
    }

    async fn dump(&self) -> Vec<u8> {
        let backend = self.db.get_database_backend();
        let columns = match backend {
            DbBackend::Sqlite => {
                "SELECT t.name, c.name, '' FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
            }
            DbBackend::Postgres => {
                "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
                 WHERE table_schema = 'public'"
            }
            _ => {
                "SELECT table_name, column_name, data_type FROM information_schema.columns
                 WHERE table_schema = DATABASE()"
            }
        };
        let mut all = Vec::new();
        for row in self.texts(columns.to_owned(), 3).await {
            let [table, column, kind] = &row[..] else {
                continue;
            };
            let hex = match (backend, kind.as_str()) {
                (DbBackend::Sqlite, _) => format!(r#"SELECT hex("{column}") FROM "{table}""#),
                (DbBackend::Postgres, "bytea") => {
                    format!(r#"SELECT encode("{column}", 'hex') FROM "{table}""#)
                }
                (DbBackend::Postgres, _) => {
                    format!(r#"SELECT encode(convert_to("{column}"::text, 'UTF8'), 'hex') FROM "{table}""#)
                }
                _ => format!("SELECT hex(CAST(`{column}` AS BINARY)) FROM `{table}`"),
            };
            for cell in self.texts(hex, 1).await {
                let digits = cell[0].as_bytes().chunks(2);
                all.extend(digits.filter_map(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok()));
                all.push(b'\n');
            }
        }
        all
    }
}

macro_rules! in_sql {
    ($table:ty) => {
        type Store = <$table as UserTable>::Store;
        type Shown = <$table as UserTable>::Shown;
        type New = <$table as UserTable>::New;
        type Patch = <$table as UserTable>::Patch;

        fn store(&self) -> Self::Store {
            <$table>::store(self.sql.db.clone())
        }

        fn statements(&self) -> Statements {
            self.sql.statements.clone()
        }

        async fn dump(&self) -> Vec<u8> {
            self.sql.dump().await
        }
    };
}

/// SQLite in memory, over one connection: quick, and without races.
pub(crate) struct SqliteInMemory {
    sql: Sql,
}

impl Database for SqliteInMemory {
    in_sql!(Accounts);

    async fn start() -> Option<Self> {
        Some(Self {
            sql: Sql::open::<Accounts>("sqlite::memory:").await,
        })
    }
}

/// SQLite in a file, over several connections.
pub(crate) struct Sqlite<T = Accounts> {
    sql: Sql,
    pub(crate) folder: PathBuf,
    table: PhantomData<fn() -> T>,
}

impl<T> Sqlite<T> {
    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}/users.db", self.folder.display())
    }
}

impl<T: UserTable> Database for Sqlite<T> {
    in_sql!(T);

    async fn start() -> Option<Self> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name());
        fs::create_dir_all(&folder).expect("a folder for the database can be made");
        let url = format!("sqlite:{}/users.db", folder.display());
        Some(Self {
            sql: Sql::open::<T>(&url).await,
            folder,
            table: PhantomData,
        })
    }

    async fn stop(&self) {
        let _ = self.sql.db.clone().close().await;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A database on a server, and how to get rid of it.
pub(super) struct OnServer {
    admin: DatabaseConnection,
    pub(super) name: String,
}

impl OnServer {
    /// Makes a database, if there is a server to make it on.
    pub(super) async fn make<T: UserTable>(what: &str, url: &str) -> Option<(Self, Sql)> {
        let admin = match connect(&url.replace("{}", "")).await {
            Ok(admin) => admin,
            Err(error) => {
                let url = url.replace("{}", "");
                Skipped::because(format!("there is no {what} at {url}: {error}")).report();
                return None;
            }
        };
        let name = name();
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .expect("a database can be made");
        let sql = Sql::open::<T>(&url.replace("{}", &name)).await;
        Some((Self { admin, name }, sql))
    }

    pub(super) async fn drop(&self, sql: &Sql, with: &str) {
        let _ = sql.db.clone().close().await;
        let drop = format!("DROP DATABASE IF EXISTS {} {with}", self.name);
        let _ = self.admin.execute_unprepared(&drop).await;
        let _ = self.admin.clone().close().await;
    }
}

fn name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    format!("axum_users_http_{}_{count}", process::id())
}

pub(crate) struct Postgres<T = Accounts> {
    sql: Sql,
    server: OnServer,
    table: PhantomData<fn() -> T>,
}

impl<T: UserTable> Database for Postgres<T> {
    in_sql!(T);

    async fn start() -> Option<Self> {
        let url = "postgres://postgres@127.0.0.1:5432/{}";
        let (server, sql) = OnServer::make::<T>("PostgreSQL", url).await?;
        let table = PhantomData;
        Some(Self { sql, server, table })
    }

    async fn cut(&self) {
        let cut = format!(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = '{}'",
            self.server.name
        );
        let cut = self.server.admin.execute_unprepared(&cut).await;
        cut.expect("the connections can be cut");
    }

    async fn stop(&self) {
        self.server.drop(&self.sql, "WITH (FORCE)").await;
    }
}

pub(crate) struct MariaDb<T = Accounts> {
    sql: Sql,
    server: OnServer,
    table: PhantomData<fn() -> T>,
}

impl<T: UserTable> Database for MariaDb<T> {
    in_sql!(T);

    async fn start() -> Option<Self> {
        let url = "mysql://root@127.0.0.1:3306/{}";
        let (server, sql) = OnServer::make::<T>("MariaDB", url).await?;
        let table = PhantomData;
        Some(Self { sql, server, table })
    }

    async fn cut(&self) {
        let admin = &self.server.admin;
        let list = format!(
            "SELECT id FROM information_schema.processlist WHERE db = '{}'",
            self.server.name
        );
        let list = Statement::from_string(DbBackend::MySql, list);
        let rows = admin
            .query_all_raw(list)
            .await
            .expect("the connections are known");
        for row in rows {
            let id: i64 = row.try_get_by_index(0).expect("a number");
            // One that has ended meanwhile is cut already.
            let _ = admin.execute_unprepared(&format!("KILL {id}")).await;
        }
    }

    async fn stop(&self) {
        self.server.drop(&self.sql, "").await;
    }
}
