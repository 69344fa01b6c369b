//! What the tests stand on.

pub(crate) mod account;
mod app;
mod call;
mod database;
mod watched;

pub(crate) use self::{app::*, call::*, database::*, watched::*};
pub(crate) use axum_users_testing::{
    OutboxReader, TestClock, captured_events, fast_hasher, fast_hasher_settings,
};
