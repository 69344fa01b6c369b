//! What the tests stand on: everything mounted on a database of a test's own. Requests, answers, tokens, clock and mails are those of
//! `axum-users-testing`.

pub(crate) mod account;
mod app;
mod database;
mod inside;
mod shaky;
mod watched;

pub(crate) use axum_users_testing::{Answer, Call, Token};

pub(crate) use self::{app::*, database::*, inside::assert_tells_nothing, shaky::*, watched::*};
