//! The end of a process that is asked to stop.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use axum_users_faults::{Proxy, smtp};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::harness::{EMAIL, PASSWORD, PATIENCE, Place, Process, count};

/// A request whose body is sent later.
struct Begun {
    stream: BufReader<TcpStream>,
    body: String,
}

impl Begun {
    /// Sends the head, and waits until the handler asks for the body.
    fn post(address: &str, path: &str, body: &Value) -> Self {
        let body = body.to_string();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Expect: 100-continue\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
        stream.read_line(&mut line).unwrap();
        Self { stream, body }
    }

    /// Sends the body.
    fn go_on(&mut self) {
        self.stream.get_mut().write_all(self.body.as_bytes()).unwrap();
    }

    /// Sends the body, and answers with the status.
    fn finish(mut self) -> u16 {
        self.go_on();
        self.status()
    }

    fn status(mut self) -> u16 {
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn sigterm_finishes_what_was_begun_and_loses_no_mail() {
    let place = Place::sqlite().unwrap();
    let server = place.serve(&[]);
    let post = |path: &str, body: Value| Begun::post(&server.address, path, &body);
    let account = |email: &str| json!({"email": email, "password": PASSWORD});
    assert_eq!(post("/auth/register", account(EMAIL)).finish(), 201);
    assert_eq!(
        post("/auth/request-verify-token", json!({"email": EMAIL})).finish(),
        202
    );
    let registration = post("/auth/register", account("kay@camelot.bt"));
    let mail = post("/auth/forgot-password", json!({"email": EMAIL}));
    server.terminate();
    // The socket may still be closing: a client that gets through is served whole, or not at all.
    if let Ok(mut late) = TcpStream::connect(&server.address) {
        let _ = late.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        let _ = late.read_to_string(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 200 OK"),
            "{answer}"
        );
    }
    assert_eq!(registration.finish(), 201);
    assert_eq!(mail.finish(), 202);
    server.ends_well();

    let db = place.db().await;
    assert_eq!(count(&db, "account").await, 2);
    let waiting = count(&db, "account_outbox WHERE done_at IS NULL").await;
    assert_eq!(place.mails() + usize::try_from(waiting).unwrap(), 2);

    let server = place.serve(&[]);
    let begun = Instant::now();
    while place.mails() < 2 {
        assert!(begun.elapsed() < PATIENCE, "a mail of the outbox is not sent");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.terminate();
    server.ends_well();
    assert_eq!(count(&db, "account_outbox WHERE done_at IS NULL").await, 0);
    assert_eq!(place.mails(), 2);
    db.close().await.unwrap();
    place.drop().await;
}

#[tokio::test]
async fn sigterm_waits_for_passwords_that_are_being_hashed() {
    let place = Place::sqlite().unwrap();
    // One after the other, so that some still wait when the first is answered.
    let server = place.serve(&[("HASH_THREADS", "1")]);
    let mut begun: Vec<_> = (0..8)
        .map(|number| {
            let account = json!({"email": format!("knight-{number}@camelot.bt"), "password": PASSWORD});
            Begun::post(&server.address, "/auth/register", &account)
        })
        .collect();
    for registration in &mut begun {
        registration.go_on();
    }
    let mut begun = begun.into_iter();
    assert_eq!(begun.next().map(Begun::status), Some(201));
    server.terminate();
    for registration in begun {
        assert_eq!(registration.status(), 201);
    }
    server.ends_well();
    let db = place.db().await;
    assert_eq!(count(&db, "account").await, 8);
    db.close().await.unwrap();
    place.drop().await;
}

/// A process that delivers a mail to a server that lets it wait, and has been asked to stop.
async fn stopped_in_the_middle_of_a_mail(place: &Place, proxy: &Proxy) -> (Process, String) {
    let mail = format!("smtp://{}?tls=none", proxy.address());
    let server = place.serve(&[("MAIL_URL", &mail)]);
    server.register();
    proxy.hang();
    let forgot = json!({ "email": EMAIL });
    let asked = server.try_json("POST", "/auth/forgot-password", None, &forgot);
    assert_eq!(asked.unwrap().0, 202);
    proxy.has_struck().await;
    server.terminate();
    (server, mail)
}

const WAITING: &str = "account_outbox WHERE done_at IS NULL";

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_waits_for_a_mail_that_is_being_delivered() {
    let place = Place::sqlite().unwrap();
    let mails = smtp::Server::start(smtp::Settings::default()).await;
    let proxy = Proxy::before(&format!("127.0.0.1:{}", mails.port())).await;
    let (server, _) = stopped_in_the_middle_of_a_mail(&place, &proxy).await;
    assert_eq!(mails.received().len(), 0);
    proxy.restore().await;
    server.ends_well();
    assert_eq!(mails.received().len(), 1);
    let db = place.db().await;
    assert_eq!(count(&db, WAITING).await, 0);
    db.close().await.unwrap();
    place.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_fails_while_a_process_ends_is_sent_by_the_next_one() {
    let place = Place::sqlite().unwrap();
    let mails = smtp::Server::start(smtp::Settings::default()).await;
    let proxy = Proxy::before(&format!("127.0.0.1:{}", mails.port())).await;
    let (server, url) = stopped_in_the_middle_of_a_mail(&place, &proxy).await;
    proxy.refuse().await;
    server.ends_well();
    assert_eq!(mails.received().len(), 0);
    let db = place.db().await;
    assert_eq!(count(&db, WAITING).await, 1);
    // It would be tried again in half a minute.
    db.execute_unprepared("UPDATE account_outbox SET due_at = 0")
        .await
        .unwrap();

    proxy.restore().await;
    let server = place.serve(&[("MAIL_URL", &url)]);
    let begun = Instant::now();
    while count(&db, WAITING).await > 0 {
        assert!(begun.elapsed() < PATIENCE, "the mail of the outbox is not sent");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(mails.received().len(), 1);
    server.terminate();
    server.ends_well();
    db.close().await.unwrap();
    place.drop().await;
}
