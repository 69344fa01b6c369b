//! Several processes on one database: what ends through one of them is over for all.
#![expect(
    clippy::expect_used,
    reason = "where something is not as it must be, the test is to fail"
)]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use axum_users::sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use axum_users_testing::Skipped;
use uuid::Uuid;

const EMAIL: &str = "arthur@camelot.bt";
const PASSWORD: &str = "excalibur in the lake";
const ADMIN: &str = "postgres://postgres@127.0.0.1:5432/postgres";
const SERVER: &str = "postgres://postgres@127.0.0.1:5432";
const REDIS: &str = "redis://127.0.0.1:6379";

/// A database of the test's own on PostgreSQL, dropped at the end.
struct Place {
    admin: DatabaseConnection,
    name: String,
}

impl Place {
    async fn new() -> Option<Self> {
        let redis = TcpStream::connect("127.0.0.1:6379").is_ok();
        let Ok(admin) = Database::connect(ADMIN).await else {
            return skipped("PostgreSQL at 127.0.0.1:5432");
        };
        if !redis {
            return skipped("Redis at 127.0.0.1:6379");
        }
        let name = format!("axum_users_{}", Uuid::new_v4().simple());
        let create = format!("CREATE DATABASE {name}");
        admin.execute_unprepared(&create).await.expect("a new database");
        Some(Self { admin, name })
    }

    fn url(&self) -> String {
        format!("{SERVER}/{}", self.name)
    }

    async fn drop(self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        self.admin.execute_unprepared(&drop).await.expect("it is dropped");
    }
}

fn skipped<T>(what: &str) -> Option<T> {
    Skipped::because(format!("there is no {what}")).report();
    None
}

/// A running example application, killed at the end.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(place: &Place, settings: &[(&str, &str)]) -> Self {
        let mailbox = env::temp_dir().join(&place.name);
        let mut child = Command::new(env!("CARGO_BIN_EXE_axum-users-example"))
            .env_clear()
            .env("DATABASE_URL", place.url())
            .env("REDIS_URL", REDIS)
            .env("BIND", "127.0.0.1:0")
            // Of the place alone: what is counted in Redis under another secret is nothing to this one.
            .env(
                "AUTH_SECRET",
                format!("{} Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx", place.name),
            )
            .env("MAIL_URL", format!("file:{}", mailbox.display()))
            .env("RUST_LOG", "warn")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example application starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output is read");
        BufReader::new(out)
            .read_line(&mut line)
            .expect("it says where it listens");
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split([',', '\n']).next())
            .expect("an address");
        Self {
            address: address.to_owned(),
            child,
        }
    }

    /// Sends a request, answers status and body; `None` where the connection breaks off.
    fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        let more: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let more = more.concat();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Some((status, body.to_owned()))
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        self.try_send(method, path, headers, body)
            .expect("the process answers")
    }

    fn register(&self) {
        let body = format!(r#"{{"email": "{EMAIL}", "password": "{PASSWORD}"}}"#);
        let (status, body) = self.send(
            "POST",
            "/auth/register",
            &[("Content-Type", "application/json")],
            &body,
        );
        assert_eq!(status, 201, "{body}");
    }

    fn try_login(&self, backend: &str) -> Option<(u16, String)> {
        let form = format!(
            "username={}&password={}",
            EMAIL.replace('@', "%40"),
            PASSWORD.replace(' ', "+")
        );
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        self.try_send("POST", &format!("/auth/{backend}/login"), &headers, &form)
    }

    fn login(&self, backend: &str) -> String {
        let (status, body) = self.try_login(backend).expect("the process answers");
        assert_eq!(status, 200, "{body}");
        token_in(&body)
    }

    fn with(&self, method: &str, path: &str, token: &str) -> u16 {
        let bearer = format!("Bearer {token}");
        self.send(method, path, &[("Authorization", &bearer)], "").0
    }

    fn me(&self, token: &str) -> u16 {
        self.with("GET", "/users/me", token)
    }

    fn kill(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it is gone");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn token_in(body: &str) -> String {
    let (_, rest) = body.split_once(r#""access_token":""#).expect("a token");
    rest.split('"').next().expect("an end").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_through_one_process_is_over_for_the_other_at_once() {
    let Some(place) = Place::new().await else {
        return;
    };
    {
        let (a, b) = (Process::start(&place, &[]), Process::start(&place, &[]));
        a.register();
        for backend in ["db", "redis", "jwt"] {
            let (here, there) = (a.login(backend), b.login(backend));
            assert_eq!((a.me(&there), b.me(&here)), (200, 200), "{backend}");
            assert_eq!(a.with("POST", &format!("/auth/{backend}/logout"), &here), 204);
            assert_eq!((b.me(&here), b.me(&there)), (401, 200), "{backend}");
            assert_eq!(
                a.with("POST", &format!("/auth/{backend}/logout-all"), &there),
                204
            );
            assert_eq!(b.me(&there), 401, "{backend}");
        }
    }
    place.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_over_both_processes() {
    let Some(place) = Place::new().await else {
        return;
    };
    let limit = [("TOKEN_LIMIT_PER_USER", "2"), ("HASH_THREADS", "2")];
    {
        let (a, b) = (Process::start(&place, &limit), Process::start(&place, &limit));
        a.register();
        for backend in ["db", "redis"] {
            let answers: Vec<(u16, String)> = thread::scope(|scope| {
                let logins: Vec<_> = (0..8)
                    .map(|index| {
                        let process = if index % 2 == 0 { &a } else { &b };
                        scope.spawn(move || process.try_login(backend).expect("the process answers"))
                    })
                    .collect();
                logins
                    .into_iter()
                    .map(|login| login.join().expect("no panic"))
                    .collect()
            });
            let in_: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
            assert_eq!(in_.len(), 2, "{backend}: {answers:?}");
            for (status, body) in &answers {
                assert!(
                    *status == 200 || (*status == 403 && body.contains("TOKEN_LIMIT_REACHED")),
                    "{body}"
                );
            }
            for (_, body) in in_ {
                assert_eq!(b.me(&token_in(body)), 200);
            }
        }
    }
    place.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_in_the_middle_of_logins_leaves_nothing_half_made() {
    let Some(place) = Place::new().await else {
        return;
    };
    let limit = [
        ("TOKEN_LIMIT_PER_USER", "3"),
        ("TOKEN_LIMIT_POLICY", "end-oldest"),
    ];
    {
        let mut a = Process::start(&place, &limit);
        a.register();
        // As soon as one login is answered, with others under way, the process is killed.
        let (sender, answers) = mpsc::channel();
        let answered: Vec<(u16, String)> = thread::scope(|scope| {
            for _ in 0..12 {
                let (running, sender) = (&a, sender.clone());
                scope.spawn(move || {
                    if let Some(answer) = running.try_login("db") {
                        let _ = sender.send(answer);
                    }
                });
            }
            drop(sender);
            let first = answers.recv().expect("a login is answered");
            let victim = a.child.id().to_string();
            let killed = Command::new("/bin/kill").args(["-KILL", &victim]).status();
            assert!(killed.expect("there is a kill").success());
            [first].into_iter().chain(answers.iter()).collect()
        });
        assert!(
            answered.len() < 12,
            "all logins were answered before the process was killed"
        );
        let tokens: Vec<String> = answered
            .iter()
            .filter(|(status, _)| *status == 200)
            .map(|(_, body)| token_in(body))
            .collect();
        a.kill();
        let b = Process::start(&place, &limit);
        let db = Database::connect(place.url())
            .await
            .expect("the database is there");
        let count = async || {
            let sql = "SELECT count(*) FROM account_tokens";
            let row = db
                .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
                .await;
            let row = row.expect("an answer").expect("a row");
            row.try_get_by_index::<i64>(0).expect("a number")
        };
        let left = count().await;
        assert!(left <= 3, "{left} sessions, and three may be");
        let alive = tokens.iter().filter(|token| b.me(token) == 200).count();
        assert!(
            i64::try_from(alive).is_ok_and(|alive| alive <= left),
            "{alive} of {left}"
        );
        // The user is not locked, and the limit still counts right.
        for _ in 0..4 {
            let token = b.login("db");
            assert_eq!(b.me(&token), 200);
        }
        assert_eq!(count().await, 3);
        db.close().await.expect("it closes");
    }
    place.drop().await;
}
