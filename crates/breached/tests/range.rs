//! Against real servers on this machine.
#![expect(
    clippy::expect_used,
    reason = "where something is not as it must be, the test is to fail"
)]

use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum_users_breached::PwnedPasswords;
use axum_users_core::{BreachedPasswords, Password};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// `password` has the SHA-1 5BAA6 1E4C9B93F3F0682250B6CF8331B7EE68FD8.
const KNOWN: &str = "password";
const RANGE: &str = "003D68EB55068C33ACE09247EE4C639306B:3\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:9545824\r\n\
                     FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF:0\r\n";

/// A server that gives the same answer to everybody, and keeps what it was sent.
struct Mirror {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Mirror {
    async fn answering(answer: String) -> Self {
        Self::start(answer, None).await
    }

    async fn start(answer: String, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let request = match &tls {
                    None => serve(stream, &answer).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve(stream, &answer).await,
                        Err(_) => "no TLS".to_owned(),
                    },
                };
                seen.lock().expect("no test panics here").push(request);
            }
        });
        Self { address, requests }
    }

    fn client(&self) -> PwnedPasswords {
        PwnedPasswords::insecure_plain_http(&format!("http://{}", self.address)).expect("a URL")
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test panics here").clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut part = [0; 1024];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => break,
            Ok(length) => request.extend(&part[..length]),
        }
    }
    // Who has read enough may be gone already.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    String::from_utf8(request).expect("a request is text")
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

async fn ask(client: &PwnedPasswords, password: &str) -> Result<bool, String> {
    let password = Password::parse(password).expect("a password");
    let answer = client.is_breached(&password).await;
    answer.map_err(|error| error.source().expect("there is a reason").to_string())
}

#[tokio::test]
async fn no_more_than_five_digits_of_the_hash_leave_the_house() {
    let mirror = Mirror::answering(ok(RANGE)).await;
    assert_eq!(ask(&mirror.client(), KNOWN).await, Ok(true));
    assert_eq!(ask(&mirror.client(), "excalibur in the lake").await, Ok(false));
    let [known, other] = &mirror.requests()[..] else {
        panic!("one request for each password")
    };
    assert!(known.starts_with("GET /range/5BAA6 HTTP/1.1\r\n"), "{known}");
    assert!(known.contains("add-padding: true\r\n"), "{known}");
    assert!(
        known.contains(&format!("host: {}\r\n", mirror.address)),
        "{known}"
    );
    assert!(known.contains("user-agent: axum-users/"), "{known}");
    for request in [known, other] {
        let (line, _) = request.split_once("\r\n").expect("a line");
        assert_eq!(line.len(), "GET /range/5BAA6 HTTP/1.1".len(), "{line}");
        assert!(
            !request.contains("1E4C9B93") && !request.contains(KNOWN),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_mirror_may_live_below_a_path() {
    let mirror = Mirror::answering(ok(RANGE)).await;
    let url = format!("http://{}/hibp/", mirror.address);
    let client = PwnedPasswords::insecure_plain_http(&url).expect("a URL");
    assert_eq!(ask(&client, KNOWN).await, Ok(true));
    assert!(mirror.requests()[0].starts_with("GET /hibp/range/5BAA6 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Mirror::answering(ok(RANGE)).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let location = format!("http://{}/range/5BAA6", elsewhere.address);
        let mirror = Mirror::answering(format!(
            "HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
        let answer = ask(&mirror.client(), KNOWN).await.expect_err("no answer");
        assert!(answer.starts_with("the answer is 3"), "{answer}");
    }
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn every_other_answer_is_a_failure_and_never_a_no() {
    let long = "003D68EB55068C33ACE09247EE4C639306B:3\r\n".repeat(7_000);
    for (answer, reason) in [
        (
            "HTTP/1.1 429 Slow Down\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "the answer is 429",
        ),
        (
            format!(
                "HTTP/1.1 503 Down\r\ncontent-length: {}\r\n\r\n{RANGE}",
                RANGE.len()
            ),
            "the answer is 503",
        ),
        (ok(""), "the answer is not a range of hashes"),
        (ok("<html></html>"), "the answer is not a range of hashes"),
        (ok(&long), "the answer is too long"),
        (
            format!("HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n{RANGE}"),
            "the conversation failed",
        ),
        ("junk\r\n\r\n".to_owned(), "the conversation failed"),
        (String::new(), "the conversation failed"),
    ] {
        let mirror = Mirror::answering(answer).await;
        let told = ask(&mirror.client(), KNOWN).await.expect_err("no answer");
        assert!(told.starts_with(reason), "{told} for {reason}");
    }
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let client = PwnedPasswords::insecure_plain_http(&format!("http://{address}"))
        .expect("a URL")
        .timeout(Duration::from_millis(100));
    let begun = Instant::now();
    assert_eq!(ask(&client, KNOWN).await, Err("no answer in time".to_owned()));
    assert!(begun.elapsed() < Duration::from_secs(2));
    drop(listener);
    let told = ask(&client, KNOWN).await.expect_err("nobody is there");
    assert!(told.starts_with("no connection"), "{told}");
}

#[tokio::test]
async fn only_a_certificate_that_is_trusted_gets_a_request() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key fits");
    let mirror = Mirror::start(ok(RANGE), Some(Arc::new(config).into())).await;
    let client = PwnedPasswords::at(&format!("https://{}", mirror.address)).expect("a URL");
    let told = ask(&client, KNOWN).await.expect_err("a stranger");
    assert!(told.starts_with("no connection"), "{told}");

    let client = client.also_trust(&made.cert.pem()).expect("a certificate");
    assert_eq!(ask(&client, KNOWN).await, Ok(true));
    let requests = mirror.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert_eq!(requests[0], "no TLS");
}
