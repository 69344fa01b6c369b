//! axum-users over HTTP.
