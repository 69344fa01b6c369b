#![doc = include_str!("../README.md")]

mod account;
mod cors;
mod docs;
mod health;
mod pages;
mod purge;
mod routes;
mod secret;
mod serve;
mod settings;
mod tokens;
mod users;

use std::{
    error::Error,
    io::{IsTerminal, Write, stderr, stdin, stdout},
    num::NonZero,
    process::ExitCode,
    thread::available_parallelism,
};

use clap::Parser;
use tokio::runtime::Builder;
use tracing_subscriber::EnvFilter;

use crate::settings::{Command, Settings};

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let settings = Settings::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr)
        .init();
    let workers = available_parallelism().map_or(1, NonZero::get).min(4);
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(&settings)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: &Settings) -> Result<(), Failed> {
    match settings.command {
        None | Some(Command::Serve) => serve::serve(settings).await,
        Some(Command::Migrate { print: true }) => {
            let script = account::script(settings.database()?);
            Ok(stdout().write_all(script.as_bytes())?)
        }
        Some(Command::Migrate { print: false }) => {
            let ran = account::migrate(&serve::open(settings).await?).await?;
            Ok(writeln!(stdout(), "{ran} migrations ran")?)
        }
        Some(Command::Purge) => {
            let (users, _) = users::open(settings, "http://localhost").await?;
            let purged = purge::once(&users).await?;
            Ok(writeln!(stdout(), "{} expired tokens removed", purged.tokens)?)
        }
        Some(Command::Openapi) => Ok(writeln!(stdout(), "{}", docs::print().await?)?),
        Some(Command::CreateSuperuser) => create_superuser(settings).await,
    }
}

async fn create_superuser(settings: &Settings) -> Result<(), Failed> {
    let email = settings.superuser_email().ok_or("set SUPERUSER_EMAIL")?;
    let password = match settings.superuser_password() {
        Some(password) => password.to_owned(),
        None => ask("Password (shown while you type): ")?,
    };
    let (users, _) = users::open(settings, "http://localhost").await?;
    if users::make_superuser(&users, email, &password).await? {
        Ok(writeln!(stdout(), "the superuser was made")?)
    } else {
        Err("there is an account with this address; nothing was changed".into())
    }
}

fn ask(question: &str) -> Result<String, Failed> {
    write!(stderr(), "{question}")?;
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn report(error: &dyn Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    // Nobody is left to tell if even this fails.
    let _ = writeln!(stderr(), "error: {text}");
}
