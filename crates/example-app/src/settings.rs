//! What is set from outside.

use std::{net::SocketAddr, time::Duration};

use clap::{ArgAction, Parser, Subcommand, builder::BoolishValueParser};
use sea_orm::DbBackend;

use crate::{Failed, tokens::TokenSettings};

/// The example application of axum-users.
#[derive(Parser)]
#[command(version, arg_required_else_help = false)]
pub(crate) struct Settings {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The database: `sqlite://FILE`, `postgres://…` or `mysql://…`
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "sqlite://axum-users.sqlite"
    )]
    pub(crate) database_url: String,

    /// Where to listen; port 0 takes a free one
    #[arg(long, env, global = true, default_value = "127.0.0.1:8000")]
    pub(crate) bind: SocketAddr,

    /// The root of all secrets, at least 32 bytes of chance: `openssl rand -hex 32`. A debug build makes one and keeps it
    /// beside the database; a release build refuses to start without
    #[arg(long, env, global = true, hide_env_values = true)]
    pub(crate) auth_secret: Option<String>,

    /// Where people reach this server, for the links in mails [default: where it listens, if that is this machine only]
    #[arg(long, env, global = true)]
    pub(crate) public_url: Option<String>,

    /// Where mails go: `file:DIRECTORY`, `smtp://USER:PASSWORD@HOST` or `smtps://…`
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "file:./mailbox"
    )]
    pub(crate) mail_url: String,

    /// Who mails come from
    #[arg(
        long,
        env,
        global = true,
        default_value = "axum-users example <no-reply@example.com>"
    )]
    pub(crate) mail_from: String,

    /// The address of a superuser, made at start if there is no account with it
    #[arg(long, env, global = true, hide_env_values = true)]
    superuser_email: Option<String>,

    /// The superuser's password
    #[arg(long, env, global = true, hide_env_values = true)]
    superuser_password: Option<String>,

    /// How many seconds a JWT is good
    #[arg(long, env, global = true, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    jwt_lifetime: u64,

    /// How many seconds a token in the database is good
    #[arg(long, env, global = true, default_value_t = 1_209_600, value_parser = clap::value_parser!(u64).range(1..))]
    token_lifetime: u64,

    #[command(flatten)]
    pub(crate) tokens: TokenSettings,

    /// Keeps tokens in Redis too, for a backend `redis`: `redis://HOST`
    #[arg(long, env, global = true, hide_env_values = true)]
    redis_url: Option<String>,

    /// Proxies whose `X-Forwarded-For` counts, separated by commas: addresses, or networks such as `10.0.0.0/8`
    #[arg(long, env, global = true, value_delimiter = ',')]
    pub(crate) trusted_proxies: Vec<String>,

    /// Tells nobody who has an account: registration answers 202 either way, and whose address it is gets a mail
    #[arg(long, env, global = true, default_value = "0", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub(crate) silent: bool,

    /// How many passwords are hashed at the same time, each in 19 MiB [default: one for each core]
    #[arg(long, env, global = true)]
    pub(crate) hash_threads: Option<usize>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serves HTTP (the default)
    Serve,
    /// Makes the tables, which `serve` does as well
    Migrate {
        /// Prints the statements and touches no database
        #[arg(long)]
        print: bool,
    },
    /// Removes expired tokens, which `serve` does once an hour as well
    Purge,
    /// Prints the `OpenAPI` document
    Openapi,
    /// Makes a superuser of `SUPERUSER_EMAIL` and `SUPERUSER_PASSWORD`, or asks for the password
    CreateSuperuser,
}

impl Settings {
    pub(crate) fn database(&self) -> Result<DbBackend, Failed> {
        match self.database_url.split_once(':') {
            Some(("sqlite", _)) => Ok(DbBackend::Sqlite),
            Some(("postgres" | "postgresql", _)) => Ok(DbBackend::Postgres),
            Some(("mysql" | "mariadb", _)) => Ok(DbBackend::MySql),
            _ => Err("DATABASE_URL must begin with sqlite:, postgres: or mysql:".into()),
        }
    }

    pub(crate) fn superuser_email(&self) -> Option<&str> {
        self.superuser_email.as_deref().filter(|email| !email.is_empty())
    }

    pub(crate) fn superuser_password(&self) -> Option<&str> {
        self.superuser_password
            .as_deref()
            .filter(|password| !password.is_empty())
    }

    pub(crate) fn redis_url(&self) -> Option<&str> {
        self.redis_url.as_deref().filter(|url| !url.is_empty())
    }

    pub(crate) fn jwt_lifetime(&self) -> Duration {
        Duration::from_secs(self.jwt_lifetime)
    }

    pub(crate) fn token_lifetime(&self) -> Duration {
        Duration::from_secs(self.token_lifetime)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Settings::command().debug_assert();
    }
}
