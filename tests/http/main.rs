//! axum-users over HTTP.

mod cross_origin;
mod errors;
mod guards;
mod harness;
mod login;
mod mail_tokens;
mod openapi;
mod register;
mod security_log;
mod users;
mod work;
