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

    /// Origins whose pages call this API with cookies, separated by commas: `https://app.example.com`. Each must be of the
    /// same site as this server, or browsers keep its cookies back
    #[arg(long, env, global = true, value_delimiter = ',')]
    frontend_origins: Vec<String>,

    /// Lets each client address do everything that is limited by address at least so often a minute; for clients that share
    /// an address, and for tests. Limits of accounts stay
    #[arg(long, env, global = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit_per_client: Option<u32>,

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

    pub(crate) fn frontend_origins(&self) -> impl Iterator<Item = &str> {
        let origins = self.frontend_origins.iter().map(String::as_str);
        origins.filter(|origin| !origin.is_empty())
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

    /// The rows of the application on the page of settings: variable and default.
    fn documented() -> Vec<(&'static str, &'static str)> {
        let page = include_str!("../../../docs/settings.md");
        let (_, section) = page.split_once("## The example application\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        section
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter_map(|row| {
                let (name, rest) = row.split_once("` | ")?;
                Some((name, rest.split(" | ").next()?))
            })
            .collect()
    }

    #[test]
    fn every_variable_is_on_the_page_of_settings_with_its_default() {
        let documented = documented();
        let command = Settings::command();
        let mut variables = Vec::new();
        for argument in command.get_arguments() {
            let Some(name) = argument.get_env().and_then(|name| name.to_str()) else {
                continue;
            };
            variables.push(name);
            let row = documented.iter().find(|(known, _)| *known == name);
            let (_, on_page) = row.unwrap_or_else(|| panic!("{name} is not in docs/settings.md"));
            for default in argument.get_default_values() {
                let default = default.to_str().unwrap();
                assert!(on_page.contains(default), "{name} is {default:?} by default");
            }
        }
        for (name, _) in documented {
            assert!(variables.contains(&name), "there is no {name}");
        }
    }
}
