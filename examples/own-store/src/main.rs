#![doc = include_str!("../README.md")]

mod app;
mod customer;
mod store;
#[cfg(test)]
mod tests;

use std::{env, net::SocketAddr};

use axum_users::Secret;
use tokio::net::TcpListener;

use crate::{
    app::{Failed, Wired},
    store::SqliteUsers,
};

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let root = env::var("AUTH_SECRET").map_err(|_| "set AUTH_SECRET: openssl rand -base64 48")?;
    let store = SqliteUsers::open("sqlite://own-store.sqlite").await?;
    let Wired { users, personal } = app::users(&store, &Secret::new(root))?;
    users.check().await?;
    let listener = TcpListener::bind("127.0.0.1:8000").await?;
    // Limits for each client address need to know it.
    let app = app::router(&users, &personal)?.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}
