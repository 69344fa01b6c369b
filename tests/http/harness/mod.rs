//! What the tests stand on.

pub(crate) mod account;
mod app;
mod call;
mod database;
mod watched;

pub(crate) use self::{app::*, call::*, database::*, watched::*};
