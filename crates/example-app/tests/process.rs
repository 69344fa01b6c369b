//! The example application as a process: its command line, and its end.
#![expect(
    clippy::unwrap_used,
    reason = "where something is not as it must be, the test is to fail"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

use axum_users::connect;
use axum_users_testing::Skipped;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

const EMAIL: &str = "arthur@camelot.bt";
const PASSWORD: &str = "excalibur in the lake";
/// For what the machine may be slow at, not for what must be quick.
const PATIENCE: Duration = Duration::from_mins(1);

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-users-example"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("AUTH_SECRET", "a secret of these tests, and long enough")
        .env("BIND", "127.0.0.1:0");
    command
}

/// What the program writes before it ends well.
fn output(command: &mut Command) -> String {
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Uuid::new_v4().to_string());
    fs::create_dir_all(&folder).unwrap();
    folder
}

async fn count(db: &DatabaseConnection, table: &str) -> i64 {
    let count = Statement::from_string(db.get_database_backend(), format!("SELECT count(*) FROM {table}"));
    let row = db.query_one_raw(count).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Runs the printed statements on a new database, and then the program itself.
async fn runs_what_it_prints(url: &str) {
    let folder = folder();
    let script = output(&mut program(
        &folder,
        &["migrate", "--print", "--database-url", url],
    ));
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        0,
        "no database is touched"
    );
    let db = connect(url).await.unwrap();
    db.execute_unprepared(&script).await.unwrap();
    let mut superuser = program(&folder, &["create-superuser", "--database-url", url]);
    superuser
        .env("SUPERUSER_EMAIL", EMAIL)
        .env("SUPERUSER_PASSWORD", PASSWORD);
    assert_eq!(output(&mut superuser), "the superuser was made\n");
    assert_eq!(count(&db, "account").await, 1);
    let again = output(&mut program(&folder, &["migrate", "--database-url", url]));
    assert_eq!(again, "0 migrations ran\n");
    db.close().await.unwrap();
    fs::remove_dir_all(folder).unwrap();
}

async fn runs_what_it_prints_on(server: &str, home: &str) {
    let admin = match connect(&format!("{server}/{home}")).await {
        Ok(admin) => admin,
        Err(error) => {
            Skipped::because(format!("there is no database server at {server}: {error}")).report();
            return;
        }
    };
    let name = format!("axum_users_{}", Uuid::new_v4().simple());
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    runs_what_it_prints(&format!("{server}/{name}")).await;
    admin
        .execute_unprepared(&format!("DROP DATABASE {name}"))
        .await
        .unwrap();
}

#[tokio::test]
async fn printed_statements_run_on_sqlite() {
    let folder = folder();
    runs_what_it_prints(&format!("sqlite://{}/app.sqlite", folder.display())).await;
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn printed_statements_run_on_postgres() {
    runs_what_it_prints_on("postgres://postgres@127.0.0.1:5432", "postgres").await;
}

#[tokio::test]
async fn printed_statements_run_on_mariadb() {
    runs_what_it_prints_on("mysql://root@127.0.0.1:3306", "mysql").await;
}

/// A server on a SQLite file; it is killed where a test fails.
struct Server {
    process: Child,
    log: BufReader<ChildStderr>,
    address: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut process = program(folder, &["serve"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let (_, rest) = line.split_once("http://").unwrap();
        let address = rest.split(',').next().unwrap().to_owned();
        let log = BufReader::new(process.stderr.take().unwrap());
        Self {
            process,
            log,
            address,
        }
    }

    /// Asks it to end, and waits until it has heard.
    fn terminate(&mut self) {
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        let mut line = String::new();
        while !line.contains("stopping: no new requests") {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "it ended at once");
        }
    }

    fn ends_well(mut self) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert!(self.process.wait().unwrap().success(), "{rest}");
        assert!(rest.contains("stopped"), "{rest}");
        assert!(!rest.contains("did not finish in time"), "{rest}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
    }
}

/// A request whose body is sent later.
struct Begun {
    stream: BufReader<TcpStream>,
    body: String,
}

impl Begun {
    /// Sends the head, and waits until the handler asks for the body.
    fn post(address: &str, path: &str, body: &Value) -> Self {
        let body = body.to_string();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Expect: 100-continue\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
        stream.read_line(&mut line).unwrap();
        Self { stream, body }
    }

    /// Sends the body, and answers with the status.
    fn finish(mut self) -> u16 {
        self.stream.get_mut().write_all(self.body.as_bytes()).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

fn mails(folder: &Path) -> i64 {
    let Ok(files) = fs::read_dir(folder.join("mailbox")) else {
        return 0;
    };
    let files = files.filter(|file| {
        let path = file.as_ref().unwrap().path();
        path.extension().is_some_and(|end| end == "eml")
    });
    i64::try_from(files.count()).unwrap()
}

#[tokio::test]
async fn sigterm_finishes_what_was_begun_and_loses_no_mail() {
    let folder = folder();
    let mut server = Server::start(&folder);
    let post = |path: &str, body: Value| Begun::post(&server.address, path, &body);
    let account = |email: &str| json!({"email": email, "password": PASSWORD});
    assert_eq!(post("/auth/register", account(EMAIL)).finish(), 201);
    assert_eq!(
        post("/auth/request-verify-token", json!({"email": EMAIL})).finish(),
        202
    );
    let registration = post("/auth/register", account("kay@camelot.bt"));
    let mail = post("/auth/forgot-password", json!({"email": EMAIL}));
    server.terminate();
    // The socket may still be closing: a client that gets through is served whole, or not at all.
    if let Ok(mut late) = TcpStream::connect(&server.address) {
        let _ = late.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        let _ = late.read_to_string(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 200 OK"),
            "{answer}"
        );
    }
    assert_eq!(registration.finish(), 201);
    assert_eq!(mail.finish(), 202);
    server.ends_well();

    let url = format!("sqlite://{}/axum-users.sqlite", folder.display());
    let db = connect(&url).await.unwrap();
    assert_eq!(count(&db, "account").await, 2);
    let waiting = count(&db, "account_outbox WHERE done_at IS NULL").await;
    assert_eq!(mails(&folder) + waiting, 2);

    let mut server = Server::start(&folder);
    let begun = Instant::now();
    while mails(&folder) < 2 {
        assert!(begun.elapsed() < PATIENCE, "a mail of the outbox is not sent");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.terminate();
    server.ends_well();
    assert_eq!(count(&db, "account_outbox WHERE done_at IS NULL").await, 0);
    assert_eq!(mails(&folder), 2);
    db.close().await.unwrap();
    fs::remove_dir_all(folder).unwrap();
}
