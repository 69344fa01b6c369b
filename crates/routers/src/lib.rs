#![doc = include_str!("../README.md")]

mod auth;
mod mount;
mod refused;
mod register;
mod reset_password;
mod user_list;
mod users;
mod verify;

pub use self::{
    auth::auth_router, register::register_router, reset_password::reset_password_router,
    user_list::user_list_router, users::users_router, verify::verify_router,
};
