//! Looks at every answer of every test.

use axum::{
    body::{Body, to_bytes},
    http::HeaderMap,
    response::Response,
};

/// What only the inside of a server knows of: faults, statements, files, libraries, columns, other machines.
const INSIDE: [&str; 26] = [
    "panicked",
    "backtrace",
    "RUST_",
    ".rs:",
    "/src/",
    "sqlx",
    "sea_orm",
    "sea-orm",
    "serde",
    "tokio",
    "SQLSTATE",
    "SELECT ",
    "INSERT INTO",
    "UPDATE \"",
    "UPDATE `",
    "DELETE FROM",
    "constraint",
    "Duplicate entry",
    "syntax error",
    "no such table",
    "db.internal",
    "argon2",
    "email_key",
    "hashed_password",
    "auth_token",
    "PoolTimedOut",
];

/// Is no fault, and says nothing about the inside of the server.
#[track_caller]
pub(crate) fn assert_tells_nothing(status: u16, headers: &HeaderMap, body: &str) {
    assert_ne!(status, 500, "{body}");
    let headers = format!("{headers:?}");
    for inside in INSIDE {
        for text in [body, headers.as_str()] {
            assert!(!text.contains(inside), "{status} tells of {inside:?}: {text}");
        }
    }
}

/// Fails a test whose application tells of its inside, whatever the test is about.
pub(super) async fn look(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("the body is whole");
    assert_tells_nothing(
        parts.status.as_u16(),
        &parts.headers,
        &String::from_utf8_lossy(&bytes),
    );
    Response::from_parts(parts, Body::from(bytes))
}
