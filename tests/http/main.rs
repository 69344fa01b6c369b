//! axum-users over HTTP.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "where something is not as it must be, the test is to fail"
)]
#![expect(clippy::future_not_send, reason = "a test stays on its thread")]

mod attacks;
mod cookies;
mod cross_origin;
mod errors;
mod guards;
mod harness;
mod integer_keys;
mod login;
mod mail_tokens;
mod openapi;
mod outage;
mod own_handlers;
mod own_transport;
mod personal_tokens;
mod register;
mod security_log;
mod sessions;
mod token_life;
mod users;
mod work;
