#![doc = include_str!("../README.md")]

mod auth;
mod change_email;
mod jwks;
mod mount;
mod personal_tokens;
mod refused;
mod register;
mod reset_password;
mod sessions;
mod time;
mod user_list;
mod users;
mod verify;

pub use self::{
    auth::auth_router, change_email::change_email_router, jwks::jwks_router,
    personal_tokens::personal_tokens_router, register::register_router,
    reset_password::reset_password_router, sessions::sessions_router, user_list::user_list_router,
    users::users_router, verify::verify_router,
};
