//! Processes of the application, and the databases of a test's own that they run on.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use axum_users::connect;
use axum_users_testing::Skipped;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use uuid::Uuid;

pub(crate) const EMAIL: &str = "arthur@camelot.bt";
pub(crate) const PASSWORD: &str = "excalibur in the lake";
/// For what the machine may be slow at, not for what must be quick.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

const POSTGRES: &str = "postgres://postgres@127.0.0.1:5432";
const MARIADB: &str = "mysql://root@127.0.0.1:3306";

/// A database and a folder of the test's own, gone at the end.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
    name: String,
    admin: Option<DatabaseConnection>,
}

impl Place {
    fn new() -> Self {
        let name = format!("axum_users_{}", Uuid::new_v4().simple());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        fs::create_dir_all(&folder).unwrap();
        Self {
            url: format!("sqlite://{}/app.sqlite", folder.display()),
            folder,
            name,
            admin: None,
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the others, which need a server")]
    pub(crate) fn sqlite() -> Option<Self> {
        Some(Self::new())
    }

    pub(crate) async fn postgres() -> Option<Self> {
        Self::on(POSTGRES, "postgres").await
    }

    pub(crate) async fn mariadb() -> Option<Self> {
        Self::on(MARIADB, "mysql").await
    }

    async fn on(server: &str, home: &str) -> Option<Self> {
        let admin = match connect(&format!("{server}/{home}")).await {
            Ok(admin) => admin,
            Err(error) => {
                Skipped::because(format!("there is no database server at {server}: {error}")).report();
                return None;
            }
        };
        let mut place = Self::new();
        let create = format!("CREATE DATABASE {}", place.name);
        admin.execute_unprepared(&create).await.unwrap();
        place.url = format!("{server}/{}", place.name);
        place.admin = Some(admin);
        Some(place)
    }

    pub(crate) async fn db(&self) -> DatabaseConnection {
        connect(&self.url).await.unwrap()
    }

    pub(crate) async fn drop(self) {
        if let Some(admin) = &self.admin {
            let force = if self.url.starts_with("postgres") {
                " WITH (FORCE)"
            } else {
                ""
            };
            let drop = format!("DROP DATABASE {}{force}", self.name);
            admin.execute_unprepared(&drop).await.unwrap();
        }
        fs::remove_dir_all(&self.folder).unwrap();
    }

    /// The program, in the folder and on the database.
    pub(crate) fn program(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
        let mut program = program(&self.folder, arguments);
        program
            .env("DATABASE_URL", &self.url)
            // Of the place alone: what is counted in Redis under another secret is nothing to this one.
            .env(
                "AUTH_SECRET",
                format!("{} Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx", self.name),
            )
            .envs(settings.iter().copied());
        program
    }

    /// A process that serves.
    pub(crate) fn serve(&self, settings: &[(&str, &str)]) -> Process {
        Process::start(&mut self.program(&["serve"], settings)).listening()
    }

    /// The mails that were written to files.
    pub(crate) fn mails(&self) -> usize {
        let Ok(files) = fs::read_dir(self.folder.join("mailbox")) else {
            return 0;
        };
        let paths = files.map(|file| file.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .count()
    }
}

/// The program with nothing of the environment of the tests.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-users-example"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("AUTH_SECRET", "a secret of these tests, and long enough")
        .env("BIND", "127.0.0.1:0");
    command
}

pub(crate) async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    let text = |row: &sea_orm::QueryResult| row.try_get_by_index::<Option<String>>(0).unwrap();
    rows.iter().map(|row| text(row).unwrap_or_default()).collect()
}

pub(crate) async fn count(db: &DatabaseConnection, table: &str) -> i64 {
    let count = Statement::from_string(db.get_database_backend(), format!("SELECT count(*) FROM {table}"));
    let row = db.query_one_raw(count).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// A running program; it is killed where a test fails.
pub(crate) struct Process {
    pub(crate) child: Child,
    client: Client,
    out: BufReader<ChildStdout>,
    log: Receiver<String>,
}

impl Process {
    pub(crate) fn start(program: &mut Command) -> Self {
        let program = program.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        // Read all the time, or a full pipe would hold the program up.
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self {
            child,
            client: Client::default(),
            out,
            log,
        }
    }

    /// Waits until it says where it listens.
    fn listening(mut self) -> Self {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split([',', '\n']).next());
        address
            .unwrap_or_else(|| panic!("it does not listen: {:?}", self.log.iter().collect::<Vec<_>>()))
            .clone_into(&mut self.client.address);
        self
    }

    /// Waits for a line of the log with this text.
    pub(crate) fn says(&self, text: &str) {
        let mut said = Vec::new();
        while !said.last().is_some_and(|line: &String| line.contains(text)) {
            let Ok(line) = self.log.recv_timeout(PATIENCE) else {
                panic!("{text:?} is not said: {said:#?}");
            };
            said.push(line);
        }
    }

    /// Waits until it has got to the place that `AXUM_USERS_CRASH_AT` names, and kills it there.
    pub(crate) fn killed_at(mut self, place: &str) {
        self.says(&format!("crash point: {place}"));
        self.kill();
    }

    /// Kills it: SIGKILL, where there are signals.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has heard.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.unwrap().success());
        self.says("stopping: no new requests");
    }

    /// Waits for its end, with everything finished; answers what it wrote to standard output since it began to listen.
    pub(crate) fn ends_well(mut self) -> String {
        let mut written = String::new();
        self.out.read_to_string(&mut written).unwrap();
        let log: Vec<_> = self.log.iter().collect();
        assert!(self.child.wait().unwrap().success(), "{log:#?}");
        assert!(
            !log.iter().any(|line| line.contains("did not finish in time")),
            "{log:#?}"
        );
        written
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Deref for Process {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Asks a process.
#[derive(Clone, Default)]
pub(crate) struct Client {
    pub(crate) address: String,
}

impl Client {
    /// Sends a request, answers status and body; `None` where the connection breaks off.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
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

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let answer = self.try_send(method, path, headers, body);
        answer.expect("the process answers")
    }

    /// Sends JSON, in somebody's name or not.
    pub(crate) fn try_json(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &serde_json::Value,
    ) -> Option<(u16, String)> {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        self.try_send(method, path, &headers, &body.to_string())
    }

    pub(crate) fn try_register(&self) -> Option<(u16, String)> {
        let body = serde_json::json!({"email": EMAIL, "password": PASSWORD});
        self.try_json("POST", "/auth/register", None, &body)
    }

    pub(crate) fn register(&self) {
        let (status, body) = self.try_register().expect("the process answers");
        assert_eq!(status, 201, "{body}");
    }

    pub(crate) fn try_login_with(&self, backend: &str, password: &str) -> Option<(u16, String)> {
        let form = format!(
            "username={}&password={}",
            EMAIL.replace('@', "%40"),
            password.replace(' ', "+")
        );
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        self.try_send("POST", &format!("/auth/{backend}/login"), &headers, &form)
    }

    pub(crate) fn try_login(&self, backend: &str) -> Option<(u16, String)> {
        self.try_login_with(backend, PASSWORD)
    }

    pub(crate) fn login(&self, backend: &str) -> String {
        let (status, body) = self.try_login(backend).expect("the process answers");
        assert_eq!(status, 200, "{body}");
        token_in(&body)
    }

    pub(crate) fn with(&self, method: &str, path: &str, token: &str) -> u16 {
        let bearer = format!("Bearer {token}");
        self.send(method, path, &[("Authorization", &bearer)], "").0
    }

    pub(crate) fn me(&self, token: &str) -> u16 {
        self.with("GET", "/users/me", token)
    }
}

pub(crate) fn token_in(body: &str) -> String {
    let (_, rest) = body.split_once(r#""access_token":""#).expect("a token");
    rest.split('"').next().expect("an end").to_owned()
}
