//! What is set from outside.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use axum_users::{LimitPolicy, RateLimits, Secret, Secrets, SetupError, TokenOptions};
use clap::{ArgAction, Parser, ValueEnum, builder::BoolishValueParser};

use crate::Failed;

/// One app with everything mounted, for black-box tests and generated clients.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Settings {
    /// The database: `sqlite://FILE`, `postgres://…` or `mysql://…`
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite://full-profile.sqlite"
    )]
    pub(crate) database_url: String,

    /// Where to listen; port 0 takes a free one
    #[arg(long, env, default_value = "127.0.0.1:8000")]
    pub(crate) bind: SocketAddr,

    /// Every protection there is (1), or what clients of FastAPI-Users know (0)
    #[arg(long, env, default_value = "0", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub(crate) strict: bool,

    /// Signs JWTs, at least 32 bytes; there is a default with `STRICT=0` on a loopback address
    #[arg(long, env, hide_env_values = true)]
    auth_jwt_secret: Option<String>,

    /// Signs tokens that set a new password, likewise
    #[arg(long, env, hide_env_values = true)]
    reset_secret: Option<String>,

    /// Signs tokens that confirm an address, likewise
    #[arg(long, env, hide_env_values = true)]
    verify_secret: Option<String>,

    /// Unused as long as there is no OAuth
    #[arg(long, env, hide_env_values = true)]
    oauth_state_secret: Option<String>,

    /// How many seconds JWTs, opaque tokens and the cookie are good
    #[arg(long, env, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    access_token_seconds: u64,

    /// The address of a superuser, made at start if there is no account with it
    #[arg(long, env, hide_env_values = true)]
    superuser_email: Option<String>,

    /// The superuser's password
    #[arg(long, env, hide_env_values = true)]
    superuser_password: Option<String>,

    /// Where tokens that would be mailed go, a line of JSON each
    #[arg(long, env)]
    pub(crate) tokens_file: Option<PathBuf>,

    #[command(flatten)]
    tokens: Tokens,

    /// Keeps tokens in Redis too, for the backend `redis`: `redis://HOST`
    #[arg(long, env, hide_env_values = true)]
    redis_url: Option<String>,

    /// Proxies whose `X-Forwarded-For` counts, separated by commas
    #[arg(long, env, value_delimiter = ',')]
    pub(crate) trusted_proxies: Vec<String>,

    /// Lets each client address do everything that is limited by address at least so often a minute; limits of accounts stay
    #[arg(long, env)]
    limit_per_client: Option<String>,
}

/// How the tokens of `db`, `cookie` and `redis` live.
#[derive(clap::Args)]
#[expect(
    clippy::struct_field_names,
    reason = "flags and variables are named after them"
)]
struct Tokens {
    /// What new tokens begin with
    #[arg(long, env, default_value = "")]
    token_prefix: String,

    /// How many a user may have on each backend
    #[arg(long, env, value_parser = clap::value_parser!(u32).range(1..))]
    token_limit_per_user: Option<u32>,

    /// What happens to one more
    #[arg(long, env, value_enum, default_value = "refuse")]
    token_limit_policy: Policy,

    /// Lets those that are in use live on
    #[arg(long, env, default_value = "0", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    token_auto_refresh: bool,

    /// By how many seconds their end moves at least
    #[arg(long, env, default_value_t = 60)]
    token_min_refresh_interval: u64,

    /// How many seconds they live at the most
    #[arg(long, env, value_parser = clap::value_parser!(u64).range(1..))]
    token_max_lifetime: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    /// The login is refused
    Refuse,
    /// The oldest token ends
    #[value(alias = "end_oldest", alias = "oldest")]
    EndOldest,
}

impl Settings {
    /// The secrets, one for each purpose.
    pub(crate) fn secrets(&self) -> Result<Secrets, Failed> {
        let secret = |name: &str, set: Option<&String>, default: &str| match set {
            Some(text) => Ok(Secret::new(text.as_str())),
            None if !self.strict && self.bind.ip().is_loopback() => Ok(Secret::new(default)),
            None => Err(format!(
                "{name} is required with STRICT=1, and where others than this machine can connect"
            )),
        };
        let access = secret(
            "AUTH_JWT_SECRET",
            self.auth_jwt_secret.as_ref(),
            "for tests on this machine only: access tokens",
        )?;
        let reset = secret(
            "RESET_SECRET",
            self.reset_secret.as_ref(),
            "for tests on this machine only: reset tokens",
        )?;
        let verify = secret(
            "VERIFY_SECRET",
            self.verify_secret.as_ref(),
            "for tests on this machine only: verify tokens",
        )?;
        let named = |name: &'static str| move |error: axum_users::KeyError| format!("{name}: {error}");
        Ok(Secrets::from_root(&access, "users")
            .and_then(|secrets| secrets.with_access(&access))
            .map_err(named("AUTH_JWT_SECRET"))?
            .with_reset(&reset)
            .map_err(named("RESET_SECRET"))?
            .with_verify(&verify)
            .map_err(named("VERIFY_SECRET"))?)
    }

    pub(crate) fn lifetime(&self) -> Duration {
        Duration::from_secs(self.access_token_seconds)
    }

    /// How opaque tokens live.
    pub(crate) fn token_options(&self) -> Result<TokenOptions, SetupError> {
        let tokens = &self.tokens;
        let mut options = TokenOptions::new(self.lifetime()).prefix(&tokens.token_prefix)?;
        if let Some(most) = tokens.token_limit_per_user {
            let policy = match tokens.token_limit_policy {
                Policy::Refuse => LimitPolicy::Refuse,
                Policy::EndOldest => LimitPolicy::EndOldest,
            };
            options = options.limit_per_user(most, policy);
        }
        if tokens.token_auto_refresh {
            options = options.auto_refresh(Duration::from_secs(tokens.token_min_refresh_interval));
        }
        if let Some(seconds) = tokens.token_max_lifetime {
            options = options.max_lifetime(Duration::from_secs(seconds));
        }
        Ok(options)
    }

    /// How often clients may try something.
    pub(crate) fn limits(&self) -> Result<RateLimits, Failed> {
        if !self.strict {
            return Ok(RateLimits::insecure_off());
        }
        let per_minute = self.limit_per_client.as_deref().filter(|text| !text.is_empty());
        let limits = RateLimits::new();
        match per_minute.map(str::parse) {
            None => Ok(limits),
            Some(Ok(per_minute @ 1..)) => Ok(limits.per_client(per_minute)),
            Some(_) => Err("LIMIT_PER_CLIENT is a number of requests a minute, at least 1".into()),
        }
    }

    pub(crate) fn redis_url(&self) -> Option<&str> {
        self.redis_url.as_deref().filter(|url| !url.is_empty())
    }

    /// Address and password of the superuser to be made.
    pub(crate) fn superuser(&self) -> Result<Option<(&str, &str)>, Failed> {
        let given = |value: &'_ Option<String>| value.as_deref().is_some_and(|text| !text.is_empty());
        match (&self.superuser_email, &self.superuser_password) {
            (Some(email), Some(password)) if !email.is_empty() && !password.is_empty() => {
                Ok(Some((email, password)))
            }
            (email, password) if given(email) || given(password) => {
                Err("SUPERUSER_EMAIL and SUPERUSER_PASSWORD go together".into())
            }
            _ => Ok(None),
        }
    }

    pub(crate) fn warn_of_what_has_no_effect(&self) {
        let oauth = self.oauth_state_secret.as_deref();
        if oauth.is_some_and(|text| !text.is_empty()) {
            tracing::warn!("without effect as yet: OAUTH_STATE_SECRET");
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        Settings::parse_from([&["full-profile"], arguments].concat())
    }

    #[test]
    fn secrets_have_defaults_only_where_nobody_else_can_connect_and_nothing_is_strict() {
        assert!(settings(&[]).secrets().is_ok());
        assert!(settings(&["--strict", "1"]).secrets().is_err());
        assert!(settings(&["--bind", "0.0.0.0:0"]).secrets().is_err());
    }

    /// The rows of the application on the page of settings: variable and default.
    fn documented() -> Vec<(&'static str, &'static str)> {
        let page = include_str!("../../../docs/settings.md");
        let (_, section) = page.split_once("## `full-profile`\n").unwrap();
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

    #[test]
    fn limits_are_on_where_everything_is_strict_and_raised_by_a_number() {
        let limits = |arguments: &[&str]| settings(arguments).limits().map_err(|error| error.to_string());
        assert!(!limits(&[]).unwrap().is_on());
        let strict = limits(&["--strict", "1", "--limit-per-client", ""]).unwrap();
        assert!(strict.is_on());
        let raised = limits(&["--strict", "1", "--limit-per-client", "5000"]).unwrap();
        assert!(raised.failures_of_client.most() > strict.failures_of_client.most());
        assert_eq!(raised.failures_of_account, strict.failures_of_account);
        for wrong in [
            "--limit-per-client=0",
            "--limit-per-client=many",
            "--limit-per-client=-1",
        ] {
            assert!(limits(&["--strict", "1", wrong]).is_err(), "{wrong}");
        }
    }
}
