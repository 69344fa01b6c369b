//! A JWT can be ended only where sessions are kept.

#[path = "../plain_store.rs"]
mod plain_store;

use std::time::Duration;

use axum_users::{JwtStrategy, Secrets};
use plain_store::PlainStore;

fn strategy(secrets: &Secrets, store: PlainStore) -> JwtStrategy {
    JwtStrategy::new(secrets.access(), Duration::from_hours(1), store)
}

fn main() {}
