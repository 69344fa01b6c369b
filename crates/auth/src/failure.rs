//! Failures of ours, as a client sees them.

use std::error::Error;

use axum_users_core::Failure;

use crate::Refusal;

impl From<Failure> for Refusal {
    /// 429 with `Retry-After` for too much, 503 where something is down, else 500; the cause goes to the log alone.
    fn from(failure: Failure) -> Self {
        if let Failure::TooManyRequests { retry_after } = failure {
            return Self::too_many_requests(retry_after);
        }
        let causes = chain(&failure);
        if let Failure::Unavailable { retry_after, .. } = failure {
            tracing::warn!(target: "axum_users", causes, "not available");
            Self::unavailable(retry_after)
        } else {
            tracing::error!(target: "axum_users", causes, "internal failure");
            Self::internal()
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
