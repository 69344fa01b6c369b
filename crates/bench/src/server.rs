//! The servers that are measured, as child processes.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tokio::task::spawn_blocking;

use crate::Result;

const START: Duration = Duration::from_secs(30);
/// The core of servers and database, where there are several.
pub(crate) const CORE: usize = 0;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Floor,
    App,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Floor, Self::App];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::App => "axum-users",
        }
    }

    /// Where users are shown, and where they log in, for a backend.
    pub(crate) fn paths(self, backend: &str) -> (String, String) {
        match self {
            Self::Floor => (format!("/{backend}/me"), format!("/{backend}/login")),
            Self::App => ("/users/me".to_owned(), format!("/auth/{backend}/login")),
        }
    }
}

/// How servers are started.
#[derive(Debug, Clone)]
pub(crate) struct Launcher {
    pub(crate) app: PathBuf,
    pub(crate) secret: String,
    pub(crate) pinned: bool,
}

/// A running server; dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Launcher {
    /// Starts a server that logs what `log` lets through, and returns once it says where it listens.
    pub(crate) async fn start(
        &self,
        kind: Kind,
        database_url: String,
        log: &'static str,
        more: &'static [(&'static str, &'static str)],
    ) -> Result<Server> {
        let launcher = self.clone();
        // Not on this thread, which may be what relays to the database.
        spawn_blocking(move || launcher.start_now(kind, &database_url, log, more)).await?
    }

    fn start_now(&self, kind: Kind, database_url: &str, log: &str, more: &[(&str, &str)]) -> Result<Server> {
        let mut command = match kind {
            Kind::Floor => self.command(&env::current_exe()?, &["floor"]),
            Kind::App => self.command(&self.app, &["serve"]),
        };
        command
            .env("DATABASE_URL", database_url)
            .env("BIND", "127.0.0.1:0")
            .env("HASH_THREADS", "1")
            // All clients have one address, and log in as fast as they can.
            .env("LIMIT_PER_CLIENT", "1000000")
            .env("MAIL_URL", format!("file:{}", env::temp_dir().display()))
            .env("RUST_LOG", log)
            .envs(more.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        match address(&mut child, database_url) {
            Ok(address) => Ok(Server { child, address }),
            Err(err) => {
                end(&mut child);
                Err(err)
            }
        }
    }

    /// Makes the tables of the application.
    pub(crate) fn migrate(&self, database_url: &str) -> Result<()> {
        let mut command = self.command(&self.app, &["migrate"]);
        let output = command.env("DATABASE_URL", database_url).output()?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("the application cannot migrate: {text}").into())
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = if self.pinned {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &CORE.to_string()]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .args(arguments)
            .env("AUTH_SECRET", &self.secret)
            .stdin(Stdio::null());
        command
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The first address in what the server prints; what follows is read and thrown away, so that it never blocks.
fn address(child: &mut Child, database_url: &str) -> Result<SocketAddr> {
    let (found, address) = mpsc::channel();
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for pipe in pipes.into_iter().flatten() {
        let (found, other) = (found.clone(), database_url.to_owned());
        thread::spawn(move || {
            let mut said = String::new();
            for line in BufReader::new(pipe).lines().map_while(std::io::Result::ok) {
                if let Some(address) =
                    listening(&line).filter(|address| !other.contains(&address.to_string()))
                {
                    let _ = found.send(Ok(address));
                } else if said.len() < 4096 {
                    said.push_str(&line);
                    said.push('\n');
                }
            }
            let _ = found.send(Err(said));
        });
    }
    drop(found);
    let mut said = String::new();
    loop {
        match address.recv_timeout(START) {
            Ok(Ok(address)) => return Ok(address),
            Ok(Err(text)) => said.push_str(&text),
            Err(_) => return Err(format!("the server did not start: {said}").into()),
        }
    }
}

fn listening(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let digits = rest
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(rest.len());
    let port = rest.get(..digits)?.parse().ok()?;
    Some(SocketAddr::from(([127, 0, 0, 1], port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_whatever_stands_around_it() {
        for line in [
            "listening on http://127.0.0.1:8123/docs",
            "INFO bound 127.0.0.1:8123",
            "127.0.0.1:8123",
        ] {
            assert_eq!(listening(line).unwrap().port(), 8123, "{line}");
        }
        assert!(listening("listening").is_none());
    }
}
