//! How opaque tokens live, as the settings say.

use std::time::Duration;

use axum_users::{LimitPolicy, SetupError, TokenOptions};
use clap::{ArgAction, Args, ValueEnum, builder::BoolishValueParser};

/// What is set about the tokens of `db`, `cookie` and `redis`.
#[derive(Args)]
#[expect(
    clippy::struct_field_names,
    reason = "flags and variables are named after them"
)]
pub(crate) struct TokenSettings {
    /// What new tokens begin with, so that secret scanners know them
    #[arg(long, env, global = true, default_value = "")]
    token_prefix: String,

    /// How many sessions a user may have on each backend [default: any number]
    #[arg(long, env, global = true, value_parser = clap::value_parser!(u32).range(1..))]
    token_limit_per_user: Option<u32>,

    /// What happens to one more session than may be
    #[arg(long, env, global = true, value_enum, default_value = "refuse")]
    token_limit_policy: Policy,

    /// Lets tokens that are in use live on
    #[arg(long, env, global = true, default_value = "false", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    token_auto_refresh: bool,

    /// By how many seconds the end of a token moves at least
    #[arg(long, env, global = true, default_value_t = 60)]
    token_min_refresh_interval: u64,

    /// How many seconds a token lives at the most, however much it is used
    #[arg(long, env, global = true, value_parser = clap::value_parser!(u64).range(1..))]
    token_max_lifetime: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    /// The login is refused
    Refuse,
    /// The oldest session ends
    #[value(alias = "end_oldest", alias = "oldest")]
    EndOldest,
}

impl TokenSettings {
    /// Tokens that are good for `lifetime`.
    pub(crate) fn options(&self, lifetime: Duration) -> Result<TokenOptions, SetupError> {
        let mut options = TokenOptions::new(lifetime).prefix(&self.token_prefix)?;
        if let Some(most) = self.token_limit_per_user {
            options = options.limit_per_user(
                most,
                match self.token_limit_policy {
                    Policy::Refuse => LimitPolicy::Refuse,
                    Policy::EndOldest => LimitPolicy::EndOldest,
                },
            );
        }
        if self.token_auto_refresh {
            options = options.auto_refresh(Duration::from_secs(self.token_min_refresh_interval));
        }
        if let Some(seconds) = self.token_max_lifetime {
            options = options.max_lifetime(Duration::from_secs(seconds));
        }
        Ok(options)
    }
}
