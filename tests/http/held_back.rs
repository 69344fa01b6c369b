//! Requests whose body comes late, and clients that go away: what counts is what holds when the request is there.

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
    task::Poll,
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request, header},
};
use axum_users::{
    DeleteError, EndSessions, Epoch, Failure, Password, RevocationReason, Session, SignedIn, UpdateError,
    User, json::JsonObject,
};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;

use crate::harness::{App, Database, OTHER_PASSWORD, PASSWORD, Token, in_redis, on_every_database};

on_every_database!(@on sqlite SqliteInMemory:
    a_session_that_has_ended_does_not_come_back_by_a_body_that_was_held
    an_account_is_not_deleted_by_a_password_of_before
    who_is_no_superuser_any_more_makes_nobody_one
    a_session_that_ends_in_the_middle_changes_nothing
    what_was_changed_is_told_although_the_client_went_away);
in_redis! {
    a_session_that_has_ended_does_not_come_back_by_a_body_that_was_held,
    an_account_is_not_deleted_by_a_password_of_before,
    a_session_that_ends_in_the_middle_changes_nothing,
}

const EMAIL: &str = "arthur@camelot.bt";
const KAY: &str = "kay@camelot.bt";

/// A request whose head was sent, and whose body the server waits for.
struct Held {
    stream: TcpStream,
    body: String,
}

/// Serves an application on a port of its own.
async fn serve<D: Database>(app: &App<D>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let router = app.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

impl Held {
    async fn send(server: SocketAddr, method: &str, path: &str, token: &Token, body: Value) -> Self {
        let body = body.to_string();
        let mut stream = TcpStream::connect(server).await.expect("the server listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            token.text(),
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("it is sent");
        let mut answer = [0; 64];
        let read = stream
            .read(&mut answer)
            .await
            .expect("the server asks for the body");
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(answer.starts_with("HTTP/1.1 100"), "{answer}");
        Self { stream, body }
    }

    /// Sends the body; the status, and all that was answered.
    async fn finish(mut self) -> (u16, String) {
        self.stream
            .write_all(self.body.as_bytes())
            .await
            .expect("it is sent");
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), answer)
    }
}

async fn a_session_that_has_ended_does_not_come_back_by_a_body_that_was_held<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let server = serve(app).await;
    for backend in ["jwt", "token"] {
        let (stolen, own) = (app.login(backend, EMAIL).await, app.login(backend, EMAIL).await);
        let held = Held::send(server, "PATCH", "/users/me", &stolen, json!({})).await;
        app.post(&format!("/auth/{backend}/logout-all"))
            .by(&own)
            .await
            .is(204);
        let (status, answer) = held.finish().await;
        assert_eq!(status, 401, "{backend}: {answer}");
        assert!(
            !answer.to_ascii_lowercase().contains("authentication-info"),
            "{answer}"
        );
        assert_eq!(app.me(&stolen).await, 401, "{backend}");
    }
}

async fn an_account_is_not_deleted_by_a_password_of_before<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let server = serve(app).await;
    let stolen = app.login("token", EMAIL).await;
    let body = json!({ "current_password": PASSWORD });
    let held = Held::send(server, "POST", "/users/me/delete", &stolen, body).await;
    let mailed = app.reset_token(EMAIL).await;
    app.reset(&mailed, OTHER_PASSWORD).await.is(200);
    let (status, answer) = held.finish().await;
    assert_eq!(status, 401, "{answer}");
    app.try_login("jwt", EMAIL, OTHER_PASSWORD).await.is(200);
}

async fn who_is_no_superuser_any_more_makes_nobody_one<D: Database>(app: &App<D>) {
    let merlin = app.superuser("merlin@camelot.bt").await;
    app.superuser(KAY).await;
    let server = serve(app).await;
    let (merlins, kays) = (
        app.login("jwt", "merlin@camelot.bt").await,
        app.login("jwt", KAY).await,
    );
    let path = format!("/users/{merlin}");
    let held = Held::send(server, "PATCH", &path, &merlins, json!({"is_superuser": true})).await;
    app.patch(&path)
        .by(&kays)
        .json(json!({"is_superuser": false}))
        .await
        .is(200);
    let (status, answer) = held.finish().await;
    assert_eq!(status, 403, "{answer}");
    let merlin = app.get(&path).by(&kays).await.is(200).json();
    assert_eq!(merlin["is_superuser"], false);
}

async fn a_session_that_ends_in_the_middle_changes_nothing<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    let manager = app.users.manager();
    let user = manager.find_by_text(&id).await.expect("the store is up");
    let user = user.expect("a user");
    // As it was looked at before its end.
    let signed_in = SignedIn::new(user.clone(), Session::new("jwt", "one", Epoch(0)));
    let context = manager.context();
    let (all, reason) = (EndSessions::All, RevocationReason::Logout);
    manager
        .end_sessions(&user.id(), all, reason, &context)
        .await
        .expect("they end");

    let body = JsonObject(Map::new()).read().expect("a patch");
    let refused = manager.update_self(&signed_in, body, &context).await.err();
    assert!(
        matches!(refused, Some(UpdateError::Failed(Failure::Unavailable { .. }))),
        "{refused:?}"
    );
    let password = Password::parse(PASSWORD).expect("a password");
    let refused = manager
        .delete_self(&signed_in, Some(password), &context)
        .await
        .err();
    assert!(
        matches!(refused, Some(DeleteError::Failed(Failure::Unavailable { .. }))),
        "{refused:?}"
    );
    let refused = manager.end_other_sessions(&signed_in, &context).await.err();
    assert!(
        matches!(refused, Some(Failure::Unavailable { .. })),
        "{refused:?}"
    );
    app.try_login("jwt", EMAIL, PASSWORD).await.is(200);
}

async fn what_was_changed_is_told_although_the_client_went_away<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    app.tokens.take();
    let body = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD}).to_string();
    let request = Request::patch("/users/me")
        .header(header::AUTHORIZATION, format!("Bearer {}", token.text()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .expect("a request");
    {
        let mut call = pin!(app.router.clone().oneshot(request));
        poll_fn(|context| {
            assert!(call.as_mut().poll(context).is_pending(), "it hashes");
            Poll::Ready(())
        })
        .await;
    }
    let told = async {
        loop {
            let told = app.tokens.take();
            if !told.is_empty() {
                return told;
            }
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(30), told).await;
    let told = told.expect("the change goes on without its client");
    assert!(
        told.iter().any(|told| told.contains("password_changed")),
        "{told:?}"
    );
    app.try_login("jwt", EMAIL, OTHER_PASSWORD).await.is(200);
}
