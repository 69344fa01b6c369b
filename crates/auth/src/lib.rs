#![doc = include_str!("../README.md")]

mod axum_users;
mod backend;
mod background;
mod body;
mod context;
mod current_user;
mod failure;
pub mod guard;
pub mod json;
pub mod login_form;
pub mod openapi;
mod origin;
mod outcome;
mod proxies;
pub mod refusal;
mod sessions;
pub mod strategy;
pub mod transport;

pub use self::{
    axum_users::{AxumUsers, CROSS_ORIGIN_REQUEST},
    backend::Backend,
    body::BodyLimit,
    current_user::{CurrentUser, RequestContext},
    refusal::{ErrorStyle, FieldError, Refusal},
};
