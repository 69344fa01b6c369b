//! Measures the example application on `PostgreSQL` beside a bare axum application that does the same essential work.
//!
//! See the README beside it.

mod database;
mod enumeration;
mod floor;
mod in_redis;
mod load;
mod machine;
mod measure;
mod report;
mod server;
mod wire;

use std::{
    env,
    error::Error,
    io::{Write, stderr, stdout},
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use crate::{
    database::{Admin, Postgres, Stock},
    machine::{Machine, cores, pin_self},
    measure::Bench,
    report::{Report, Settings},
    server::Launcher,
};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// A run that takes longer is given up.
const LONGEST: Duration = Duration::from_mins(20);

/// Measures the example application beside a bare axum application that does the same essential work.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Hidden>,

    /// A short run, to see whether everything works; its figures say little
    #[arg(long)]
    quick: bool,

    /// Prints JSON instead of the table
    #[arg(long)]
    json: bool,

    /// How many interleaved rounds of logins, and three times as many of other requests
    #[arg(long, default_value_t = 31, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,

    /// How many clients ask at the same time, each over a connection of its own
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,

    /// The server of the database, on this machine; databases are made on it and dropped
    #[arg(long, default_value = "127.0.0.1:5432")]
    postgres: SocketAddr,

    /// Who may make databases on it; a password is read from `PGPASSWORD`
    #[arg(long, default_value = "postgres")]
    user: String,

    /// Does not tie server and database to one core and the clients to another
    #[arg(long)]
    unpinned: bool,

    /// Measures these parts only
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<Part>,

    /// The example application [default: it is built]
    #[arg(long)]
    app: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    Statements,
    Looks,
    Redis,
    Logins,
    Latency,
    Starts,
    Memory,
    /// Whether time tells who has an account
    Enumeration,
}

#[derive(Subcommand)]
enum Hidden {
    /// Serves as the floor
    #[command(hide = true)]
    Floor,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Some(Hidden::Floor) => floor(),
        None => bench(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            progress(&format!("error: {err}"));
            ExitCode::FAILURE
        }
    }
}

fn floor() -> Result<()> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(floor::serve(
        &env::var("DATABASE_URL")?,
        &env::var("AUTH_SECRET")?,
    ))
}

fn bench(arguments: &Arguments) -> Result<()> {
    if !arguments.postgres.ip().is_loopback() {
        return Err("the database must be on this machine: its processor time is counted".into());
    }
    let app = match &arguments.app {
        Some(app) => app.clone(),
        None => build()?,
    };
    let cores = cores();
    let launcher = Launcher {
        app,
        secret: floor::secret()?,
        // Before there are any threads, which then stay on the same core.
        pinned: !arguments.unpinned && pin_self(),
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let postgres = Postgres {
            address: arguments.postgres,
            user: arguments.user.clone(),
        };
        let mut admin = Admin::new(postgres).await?;
        let settings = settings(arguments);
        let parts = if arguments.parts.is_empty() {
            Part::value_variants()
        } else {
            &arguments.parts
        };
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let report = tokio::select! {
            report = timeout(LONGEST, measure(&launcher, &mut admin, settings, cores, parts)) => {
                report.unwrap_or_else(|_| Err("this takes too long".into()))
            }
            _ = interrupt.recv() => Err("interrupted".into()),
            _ = terminate.recv() => Err("terminated".into()),
        };
        // Children are gone by now: what held them was dropped.
        admin.drop_all().await?;
        let report = report?;
        if arguments.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&report)?))
        } else {
            print(&report.text())
        }
    })
}

fn settings(arguments: &Arguments) -> Settings {
    if arguments.quick {
        Settings {
            rounds: 4,
            looks: 300,
            connections: arguments.connections.into(),
            login_rounds: 2,
            logins: 6,
            small: 1_000,
            large: 20_000,
            rate: 400,
            span: 1,
            latency_rounds: 1,
            starts: 2,
            memory_logins: 20,
            samples: 60,
        }
    } else {
        Settings {
            rounds: usize::from(arguments.rounds) * 3,
            looks: 300,
            connections: arguments.connections.into(),
            login_rounds: arguments.rounds.into(),
            logins: 10,
            small: 1_000,
            large: 1_000_000,
            rate: 400,
            span: 5,
            latency_rounds: 3,
            starts: 11,
            memory_logins: 300,
            samples: 400,
        }
    }
}

async fn measure(
    launcher: &Launcher,
    admin: &mut Admin,
    settings: Settings,
    cores: usize,
    parts: &[Part],
) -> Result<Report> {
    let machine = Machine::look(cores, launcher.pinned, admin.version().await?);
    let mut stocks = Vec::new();
    for (suffix, rows) in [("small", settings.small), ("large", settings.large)] {
        progress(&format!("making {rows} users and tokens"));
        let name = admin.create(suffix).await?;
        let postgres = admin.postgres.clone();
        launcher.migrate(&postgres.url(postgres.address, &name, "bench-migrate"))?;
        stocks.push(Stock::fill(&postgres, name, rows, &launcher.secret).await?);
    }
    let [small, large] = stocks.as_slice() else {
        return Err("two databases were made".into());
    };
    let mut bench = Bench {
        launcher,
        admin,
        settings: &settings,
        small,
        large,
        figures: Vec::new(),
        statements: Vec::new(),
    };
    // In this order, whatever the order of the arguments.
    for part in Part::value_variants().iter().filter(|part| parts.contains(part)) {
        match part {
            Part::Statements => bench.statements().await?,
            Part::Looks => bench.looks().await?,
            Part::Redis => bench.redis_looks().await?,
            Part::Logins => bench.logins().await?,
            Part::Latency => bench.latency().await?,
            Part::Starts => bench.starts().await?,
            Part::Memory => bench.memory().await?,
            Part::Enumeration => bench.enumeration().await?,
        }
    }
    let (figures, statements) = (bench.figures, bench.statements);
    Ok(Report {
        machine,
        settings,
        figures,
        statements,
    })
}

/// Builds the example application as this program was built.
fn build() -> Result<PathBuf> {
    let here = env::current_exe()?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--locked", "--package", "axum-users-example"])
        .args([
            "--target-dir".as_ref(),
            here.ancestors().nth(2).ok_or("no target directory")?.as_os_str(),
        ]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if !command.status()?.success() {
        return Err("the example application cannot be built; name one with --app".into());
    }
    Ok(here.with_file_name("axum-users-example"))
}

/// The one thing that belongs on standard output.
fn print(text: &str) -> Result<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn progress(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
