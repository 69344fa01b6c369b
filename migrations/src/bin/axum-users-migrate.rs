//! Makes the tables of the ready-made users, or prints the statements for another tool.

use std::{error::Error, io::Write as _};

use axum_users_migrations::{Migrator, State, migrate};
use clap::{Parser, Subcommand, ValueEnum};
use sea_orm::DbBackend;

/// Makes the tables of axum-users.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the migrations that have not run yet; safe from several processes at once.
    Up(Target),
    /// Shows which migrations ran.
    Status(Target),
    /// Prints the statements and touches no database.
    Print {
        /// For which database.
        #[arg(long)]
        database: Dialect,
    },
}

#[derive(clap::Args)]
struct Target {
    /// The database, such as `postgres://user:password@host/name` or `sqlite://app.db`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Target")
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Dialect {
    Sqlite,
    Postgres,
    Mysql,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    match Arguments::parse().command {
        Command::Up(target) => {
            let db = axum_users_sea_orm::connect(&target.database_url).await?;
            let ran = migrate(&db).await?;
            writeln!(out, "{ran} migrations ran")?;
        }
        Command::Status(target) => {
            let db = axum_users_sea_orm::connect(&target.database_url).await?;
            for status in Migrator::state(&db).await? {
                let state = if status.state == State::Applied {
                    "applied"
                } else {
                    "pending"
                };
                writeln!(out, "{state} {}", status.name)?;
            }
        }
        Command::Print { database } => {
            let backend = match database {
                Dialect::Sqlite => DbBackend::Sqlite,
                Dialect::Postgres => DbBackend::Postgres,
                Dialect::Mysql => DbBackend::MySql,
            };
            write!(out, "{}", Migrator::print(backend))?;
        }
    }
    Ok(())
}
