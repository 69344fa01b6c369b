//! What the tests stand on: an application with users in memory, a clock that stands still, and Redis.

use std::{
    env,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Request, Response, StatusCode, header, request::Parts},
    response::IntoResponse,
    routing::{get, post},
};
use axum_users_auth::{
    AxumUsers, Backend, Refusal,
    guard::Active,
    strategy::{Grant, Issue, IssuedToken, SessionList, SessionOwner, Strategy, TokenOptions},
    transport::BearerTransport,
};
use axum_users_core::{
    Applied, Change, Clock as _, Context, EmailAddress, EndSessions, Epoch, InMemoryUsers, Inserted, NewUser,
    Secret, Secrets, Timestamp, TokenRecord, UserManager, UserStore,
};
use axum_users_redis::{RedisSessions, RedisStrategy};
use axum_users_testing::{
    InMemoryApi, Skipped, TestClock,
    leaks::{self, Kind, Watch},
};
use redis::{Commands, Connection};
use tower::ServiceExt;
use uuid::Uuid;

pub(crate) const START: Timestamp = Timestamp::from_secs(1_767_225_600);
pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
/// The backend that the tests log in by; `OTHER` has the same options.
pub(crate) const BACKEND: &str = "session";
pub(crate) const OTHER: &str = "other";

const ROOT: &str = "Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx";
const SHARED_SERVER: &str = "redis://127.0.0.1:6379";

pub(crate) type Api = InMemoryApi;
type CurrentUser = axum_users_auth::CurrentUser<Api>;

/// An application whose sessions are in Redis, below a prefix of its own.
pub(crate) struct Stage {
    pub(crate) redis: RedisSessions,
    pub(crate) prefix: String,
    pub(crate) url: String,
    pub(crate) clock: TestClock,
    pub(crate) users: AxumUsers<Api>,
    router: Router,
    /// Dropped last.
    _watch: Watch,
}

impl Stage {
    /// The application on the shared server; `None`, said aloud, where that is missing.
    pub(crate) fn set(options: impl Into<TokenOptions>) -> Option<Self> {
        if let Err(error) = raw(SHARED_SERVER) {
            Skipped::because(format!("there is no Redis at {SHARED_SERVER}: {error}")).report();
            return None;
        }
        Some(Self::on(SHARED_SERVER, options))
    }

    pub(crate) fn on(url: &str, options: impl Into<TokenOptions>) -> Self {
        let options = options.into();
        let backends = |redis: &RedisSessions| {
            [BACKEND, OTHER].map(|name| {
                let strategy = RedisStrategy::new(redis, options.clone());
                Backend::new(name, BearerTransport::new(), strategy)
            })
        };
        Self::with(url, backends)
    }

    pub(crate) fn with<const N: usize>(
        url: &str,
        backends: impl FnOnce(&RedisSessions) -> [Backend<Api>; N],
    ) -> Self {
        let watch = Watch::start();
        leaks::note(Kind::Key, ROOT);
        let prefix = format!("test-{}", Uuid::new_v4().simple());
        let redis = RedisSessions::from_url(url)
            .and_then(|redis| redis.prefix(&*prefix))
            .expect("the url is sound")
            .timeout(Duration::from_secs(1));
        let clock = TestClock::at(START);
        let manager = UserManager::<Api>::new(InMemoryUsers::new(), (), &secrets())
            .expect("the manager starts")
            .with_clock(Arc::new(clock.clone()));
        let users = AxumUsers::new(manager, backends(&redis)).expect("the wiring is sound");
        let router = Router::new()
            .route("/me", get(me))
            .route("/logout", post(logout))
            .route("/keep", post(keep))
            .with_state(users.clone());
        Self {
            redis,
            prefix,
            url: url.to_owned(),
            clock,
            users,
            router,
            _watch: watch,
        }
    }

    pub(crate) async fn user(&self, name: &str) -> Uuid {
        let email = EmailAddress::parse(&format!("{name}@example.com")).expect("an address");
        leaks::note(Kind::Address, email.as_str());
        let new = NewUser::new(email, None, (), self.clock.now());
        match self.users.manager().store().insert(new, &|_| Vec::new()).await {
            Ok(Inserted::Created(user)) => user.id,
            other => panic!("no user: {other:?}"),
        }
    }

    pub(crate) async fn epoch(&self, user: &Uuid) -> Epoch {
        let found = self.users.manager().store().find(user).await;
        found
            .expect("the store answers")
            .expect("the user is there")
            .epoch
    }

    pub(crate) async fn end_sessions(&self, user: &Uuid, which: EndSessions) -> Epoch {
        end_sessions(&self.users, user, which).await
    }

    pub(crate) fn context(&self) -> Context {
        self.users.manager().context()
    }

    pub(crate) fn strategy(&self, backend: &str) -> &dyn Strategy<Uuid> {
        let found = self.users.backends().iter().find(|found| found.name() == backend);
        found.expect("there is such a backend").strategy()
    }

    pub(crate) async fn issue(&self, user: &Uuid) -> Issue {
        let epoch = self.epoch(user).await;
        self.issue_by(BACKEND, user, epoch, &self.context()).await
    }

    pub(crate) async fn issue_by(
        &self,
        backend: &str,
        user: &Uuid,
        epoch: Epoch,
        context: &Context,
    ) -> Issue {
        let grant = Grant::new(user, epoch, backend, context);
        let issue = self.strategy(backend).issue(grant).await.expect("redis answers");
        if let Issue::Issued(token) = &issue {
            leaks::note(Kind::Token, token.expose());
        }
        issue
    }

    /// Logs in, and expects that it works.
    pub(crate) async fn login(&self, user: &Uuid) -> IssuedToken {
        issued(self.issue(user).await)
    }

    pub(crate) async fn get_me(&self, token: &str) -> Response<Body> {
        self.call("GET", "/me", token).await
    }

    pub(crate) async fn is_good(&self, token: &IssuedToken) -> bool {
        let response = self.get_me(token.expose()).await;
        match response.status() {
            StatusCode::OK => true,
            StatusCode::UNAUTHORIZED => false,
            other => panic!("neither in nor out: {other}"),
        }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, token: &str) -> Response<Body> {
        leaks::note(Kind::Token, token);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .expect("a request");
        self.router
            .clone()
            .oneshot(request)
            .await
            .expect("a router does not fail")
    }

    pub(crate) fn sessions(&self) -> &dyn SessionList<Uuid> {
        self.strategy(BACKEND).sessions().expect("there is a list")
    }

    pub(crate) async fn owner<'a>(&self, user: &'a Uuid) -> SessionOwner<'a, Uuid> {
        SessionOwner::new(user, self.epoch(user).await, BACKEND, self.clock.now())
    }

    pub(crate) async fn list(&self, user: &Uuid) -> Vec<TokenRecord> {
        let owner = self.owner(user).await;
        self.sessions().list(owner).await.expect("redis answers")
    }

    pub(crate) fn raw(&self) -> Connection {
        raw(&self.url).expect("redis is there")
    }

    /// Every key below the prefix.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut raw = self.raw();
        let found = raw.scan_match::<_, String>(format!("{}:*", self.prefix));
        let mut keys: Vec<_> = found
            .expect("redis answers")
            .map(|key| key.expect("a key is text"))
            .collect();
        keys.sort();
        keys
    }

    pub(crate) fn keys_of(&self, kind: &str) -> Vec<String> {
        let start = format!("{}:{kind}:", self.prefix);
        let mut keys = self.keys();
        keys.retain(|key| key.starts_with(&start));
        keys
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Ok(mut raw) = raw(&self.url) {
            for key in self.keys() {
                let _: Result<(), _> = raw.del(key);
            }
        }
    }
}

pub(crate) fn issued(issue: Issue) -> IssuedToken {
    match issue {
        Issue::Issued(token) => token,
        other => panic!("no token: {other:?}"),
    }
}

pub(crate) fn secrets() -> Secrets {
    Secrets::from_root(&Secret::from(ROOT), "users").expect("a secret")
}

pub(crate) fn raw(url: &str) -> redis::RedisResult<Connection> {
    redis::Client::open(url)?.get_connection_with_timeout(Duration::from_secs(2))
}

async fn end_sessions(users: &AxumUsers<Api>, user: &Uuid, which: EndSessions) -> Epoch {
    let store = users.manager().store();
    let mut change = Change::new(users.manager().clock().now());
    change.end_sessions = which;
    match store.update(user, change).await {
        Ok(Applied::Applied(stored)) => stored.epoch,
        other => panic!("the sessions did not end: {other:?}"),
    }
}

async fn me(user: CurrentUser) -> String {
    user.email.clone()
}

async fn logout(State(users): State<AxumUsers<Api>>, parts: Parts) -> Result<impl IntoResponse, Refusal> {
    let backend = users.backends().first().expect("there is a backend").clone();
    users.logout::<Active>(&backend, &parts).await
}

/// What a change of the password does: all other sessions end.
async fn keep(State(users): State<AxumUsers<Api>>, current: CurrentUser) -> HeaderMap {
    let digest = current.session().digest.expect("the token is opaque");
    let epoch = end_sessions(&users, &current.id, EndSessions::AllExcept(digest)).await;
    users
        .keep_session(&current, epoch, &users.manager().context())
        .await
}

/// A server of the test's own, which it can stop and start again with what it held.
pub(crate) struct OwnServer {
    process: Option<Child>,
    port: u16,
    directory: PathBuf,
    settings: Vec<String>,
}

impl OwnServer {
    /// A running server; `None`, said aloud, where there is no program for it.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        let mut server = Self::stopped(settings);
        server.run().then_some(server)
    }

    /// A server that is yet to be started, at a port where nobody listens.
    pub(crate) fn stopped(settings: &[&str]) -> Self {
        let directory = env::temp_dir().join(format!("axum-users-redis-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&directory).expect("a directory");
        Self {
            process: None,
            port: free_port(),
            directory,
            settings: settings.iter().map(ToString::to_string).collect(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn run(&mut self) -> bool {
        let started = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"])
            .arg("--dir")
            .arg(&self.directory)
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        match started {
            Ok(process) => self.process = Some(process),
            Err(error) => {
                Skipped::because(format!("no `redis-server` to start: {error}")).report();
                return false;
            }
        }
        for _ in 0..500 {
            let answer = raw(&self.url()).and_then(|mut raw| redis::cmd("PING").query::<String>(&mut raw));
            match answer {
                Err(error) if error.is_io_error() || error.code() == Some("LOADING") => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                _ => return true,
            }
        }
        panic!("the server does not answer");
    }

    /// Kills the server: nothing is said to whoever is connected.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it can be killed");
            process.wait().expect("it is over");
        }
    }

    /// How many commands the server has been given.
    pub(crate) fn commands(&self) -> u64 {
        let mut raw = raw(&self.url()).expect("redis is there");
        let stats: redis::InfoDict = redis::cmd("INFO").arg("stats").query(&mut raw).expect("numbers");
        stats.get("total_commands_processed").expect("a number")
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A port of this machine where nobody listens.
pub(crate) fn free_port() -> u16 {
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
    free.expect("a free port").port()
}
