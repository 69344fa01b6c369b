//! Looks at every answer of every test.

use std::sync::{Arc, Mutex};

use axum::{
    body::{Body, to_bytes},
    extract::{Query, Request},
    http::{
        HeaderMap,
        header::{AUTHORIZATION, COOKIE, SET_COOKIE},
    },
    middleware::Next,
    response::Response,
};
use axum_users::EmailAddress;
use axum_users_testing::leaks::{self, Kind};
use http_body_util::BodyExt;
use serde_json::Value;

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

/// Holds no secret of any test. A good answer may show addresses, and a token where it is issued, which is not known before.
#[track_caller]
fn assert_tells_no_secret(status: u16, headers: &HeaderMap, body: &str) {
    let good = (200..300).contains(&status);
    let matters = |kind| !(good && kind == Kind::Address);
    if let Some(secret) = leaks::found_in(body, matters) {
        panic!("{status} tells of {secret}: {body}");
    }
    for (name, value) in headers {
        // Those of good answers are the session.
        let session = good && name == SET_COOKIE;
        let text = String::from_utf8_lossy(value.as_bytes());
        if let Some(secret) = leaks::found_in(&text, matters).filter(|_| !session) {
            panic!("{status} tells of {secret}: {name}: {text}");
        }
    }
}

fn note_address(text: &str) {
    if text.contains('@') {
        leaks::note(Kind::Address, text);
        if let Ok(email) = EmailAddress::parse(text) {
            leaks::note(Kind::Address, email.as_str());
            leaks::note(Kind::Address, email.key().as_str());
        }
    }
}

fn note_field(name: &str, text: &str) {
    match name {
        // Some try their address as a password.
        _ if EmailAddress::parse(text).is_ok() => note_address(text),
        "token" | "access_token" => leaks::note(Kind::Token, text),
        "email" | "username" => note_address(text),
        _ if name.ends_with("password") => leaks::note(Kind::Password, text),
        _ => {}
    }
}

fn note_fields(value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) => note_field(name, text),
                    other => note_fields(other),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(note_fields),
        _ => {}
    }
}

/// What stands in a body of JSON or in a form.
fn note_body(body: &[u8]) {
    if let Ok(value) = serde_json::from_slice(body) {
        note_fields(&value);
    } else if let Ok(uri) = format!("/?{}", String::from_utf8_lossy(body)).parse()
        && let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(&uri)
    {
        for (name, text) in pairs {
            note_field(&name, &text);
        }
    }
}

fn note_headers(headers: &HeaderMap) {
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        let pair = || text.split(';').filter_map(|pair| pair.split_once('='));
        if name == AUTHORIZATION {
            let token = text.split_once(' ').map_or(&*text, |(_, token)| token);
            leaks::note(Kind::Token, token.trim());
        } else if name == COOKIE {
            pair().for_each(|(_, token)| leaks::note(Kind::Token, token));
        } else if name == SET_COOKIE {
            pair()
                .take(1)
                .for_each(|(_, token)| leaks::note(Kind::Token, token));
        }
    }
}

/// Fails a test whose application tells of its inside or a secret, whatever the test is about; and keeps in mind which secrets come and
/// go, so that they are looked for in answers and in the log.
pub(super) async fn look(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    note_headers(&parts.headers);
    let sent = Arc::<Mutex<Vec<u8>>>::default();
    let copy = Arc::clone(&sent);
    let body = Body::new(body.map_frame(move |frame| {
        let mut sent = copy.lock().expect("nobody panics here");
        sent.extend(frame.data_ref().into_iter().flatten());
        frame
    }));
    let response = next.run(Request::from_parts(parts, body)).await;
    note_body(&sent.lock().expect("nobody panics here"));

    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("the body is whole");
    let (status, text) = (parts.status.as_u16(), String::from_utf8_lossy(&bytes));
    assert_tells_nothing(status, &parts.headers, &text);
    assert_tells_no_secret(status, &parts.headers, &text);
    note_headers(&parts.headers);
    note_body(&bytes);
    Response::from_parts(parts, Body::from(bytes))
}
