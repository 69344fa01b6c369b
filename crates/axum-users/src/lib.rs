#![doc = include_str!("../README.md")]

pub use axum;
pub use utoipa;
pub use utoipa_axum;
pub use uuid;
pub use validator;

pub use axum_users_auth::{
    AxumUsers, Backend, BodyLimit, CROSS_ORIGIN_REQUEST, CurrentUser, ErrorStyle, Refusal, RequestContext,
    guard, json, login_form, openapi, refusal, strategy, transport,
};
pub use axum_users_auth::{
    guard::{Active, Any, Interactive, Scope, Superuser, Verified, Via},
    strategy::{DatabaseStrategy, JwtStrategy, PersonalTokens, TokenOptions},
    transport::{BearerTransport, CookieTransport},
};
#[cfg(feature = "breached")]
pub use axum_users_breached::{self as breached, PwnedPasswords};
pub use axum_users_core::*;
#[cfg(feature = "mail")]
pub use axum_users_mail as mail;
#[cfg(feature = "sea-orm")]
pub use axum_users_migrations as migrations;
#[cfg(feature = "redis")]
pub use axum_users_redis::{self as redis, RedisLimits, RedisSessions, RedisStrategy};
pub use axum_users_routers::{
    auth_router, change_email_router, jwks_router, personal_tokens_router, register_router,
    reset_password_router, sessions_router, user_list_router, users_router, verify_router,
};
#[cfg(feature = "sea-orm")]
pub use axum_users_sea_orm::{
    self as sea_orm_store, CompanionError, SeaOrmUsers, UserEntity, UsersApi, connect, connect_options,
    store_error, user_entity,
};
#[cfg(feature = "sea-orm")]
pub use sea_orm;
