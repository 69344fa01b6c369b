//! axum-users over HTTP.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "where something is not as it must be, the test is to fail"
)]
#![expect(clippy::future_not_send, reason = "a test stays on its thread")]

mod attacks;
mod cookies;
mod corpus;
mod cross_origin;
mod email_change;
mod enumeration;
mod errors;
mod faults;
mod forgotten_columns;
mod guards;
mod harness;
mod held_back;
mod integer_keys;
mod leaks;
mod limits;
mod login;
mod mail_tokens;
mod openapi;
mod outage;
mod own_handlers;
mod own_transport;
mod personal_tokens;
mod register;
mod secret_types;
mod security_log;
mod sessions;
mod state_machine;
mod token_life;
mod users;
mod work;
