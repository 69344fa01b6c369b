#![doc = include_str!("../README.md")]

mod app;
mod strategy;
#[cfg(test)]
mod tests;
mod transport;

use std::{env, fs, net::SocketAddr};

use axum_users::{Secret, connect, migrations::migrate};
use tokio::net::TcpListener;

use crate::app::Failed;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let root = env::var("AUTH_SECRET").map_err(|_| "set AUTH_SECRET: openssl rand -base64 48")?;
    let keys = match env::var("API_KEYS") {
        Ok(file) => serde_json::from_str(&fs::read_to_string(file)?)?,
        Err(_) => Vec::new(),
    };
    let db = connect("sqlite://own-strategy.sqlite").await?;
    migrate(&db).await?;
    let users = app::users(db, &Secret::new(root), keys).await?;
    users.check().await?;
    let listener = TcpListener::bind("127.0.0.1:8000").await?;
    // Limits for each client address need to know it.
    let app = app::router(&users)?.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}
