//! What goes wrong at Redis, in our words: its own may quote what was sent.

use axum_users_core::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

#[derive(Debug, thiserror::Error)]
#[error("redis: {0}")]
struct Trouble(String);

/// A server that is down, starting, full or not the one that writes may be asked again later; all else is a fault.
pub(crate) fn store_error(error: &RedisError) -> StoreError {
    let trouble = Trouble(describe(error));
    if is_passing(error) {
        StoreError::unavailable(trouble)
    } else {
        StoreError::fault(trouble)
    }
}

fn is_passing(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io
        | ErrorKind::Parse
        | ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::TryAgain,
        ) => true,
        ErrorKind::Extension => matches!(error.code(), Some("BUSY" | "MISCONF" | "NOREPLICAS" | "OOM")),
        _ => false,
    }
}

/// Whether the connection ended before there was a whole answer. One that ends in the middle of an answer is told as one that cannot be
/// read.
pub(crate) fn is_cut_off(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Parse || error.is_connection_dropped() && !error.is_connection_refusal()
}

fn describe(error: &RedisError) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connection_refusal() {
        "the connection was refused".to_owned()
    } else if is_cut_off(error) {
        "the connection was lost".to_owned()
    } else {
        match error.code() {
            Some(code) => format!("{} ({code})", error.category()),
            None => error.category().to_owned(),
        }
    }
}
