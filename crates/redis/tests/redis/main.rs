//! Sessions in a real Redis server, seen through the extractor of an axum router.

mod harness;
mod life;
mod limits;
mod lists;
mod outage;
mod renewal;
mod revocations;
mod secrecy;
