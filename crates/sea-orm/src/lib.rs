#![doc = include_str!("../README.md")]

mod check;
mod companion;
mod connect;
mod email_change;
mod entity;
mod failure;
mod family;
mod list;
mod lookups;
mod outbox;
mod personal;
mod session;
mod statements;
mod store;
mod tables;
pub mod users;

pub use self::{
    companion::{CompanionError, CompanionFuture},
    connect::{connect, connect_options},
    entity::{HashColumn, UserEntity},
    failure::store_error,
    family::UsersApi,
    store::SeaOrmUsers,
    tables::Tables,
};

#[doc(hidden)]
pub mod __private {
    pub use crate::{check::check_key, entity::fields, failure::is_busy};
    pub use axum_users_core as core;
    pub use sea_orm;
}
