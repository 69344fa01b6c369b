//! Conversations with TLS, and those that must not go on without.

use std::sync::Arc;

use axum_users_faults::smtp::{Server, Settings};
use axum_users_mail::{MailTransport as _, Mailer};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        version,
    },
};

use crate::kit::message;

struct Identity {
    acceptor: TlsAcceptor,
    pem: String,
}

fn identity(name: &str) -> Identity {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::from(key))
        .unwrap();
    Identity {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        pem: made.cert.pem(),
    }
}

fn mailer(scheme: &str, server: &Server) -> Mailer {
    let url = format!("{scheme}://user:secret@localhost:{}", server.port());
    Mailer::from_url(&url, "no-reply@example.com").unwrap()
}

#[tokio::test]
async fn server_without_starttls_gets_nothing() {
    let server = Server::start(Settings::default()).await;
    let error = mailer("smtp", &server)
        .send(&message("ada@example.org"))
        .await
        .unwrap_err();
    assert!(!error.is_permanent());
    assert_eq!(error.class(), "starttls");
    let commands = server.commands(false);
    assert!(
        commands
            .iter()
            .all(|command| command == "EHLO" || command == "QUIT"),
        "{commands:?}"
    );
}

#[tokio::test]
async fn starttls_hides_login_and_mail() {
    let own = identity("localhost");
    let server = Server::start(Settings {
        tls: Some(own.acceptor),
        ..Settings::default()
    })
    .await;
    let mailer = mailer("smtp", &server).trust_certificate(&own.pem).unwrap();
    mailer.send(&message("ada@example.org")).await.unwrap();
    mailer.send(&message("ada@example.org")).await.unwrap();
    assert_eq!(server.received().len(), 2);
    assert_eq!(server.commands(false), ["EHLO", "STARTTLS"]);
    assert_eq!(
        server.commands(true),
        [
            "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "NOOP", "MAIL", "RCPT", "DATA"
        ]
    );
}

#[tokio::test]
async fn tls_from_the_first_byte_hides_everything() {
    let own = identity("localhost");
    let server = Server::start(Settings {
        tls: Some(own.acceptor),
        implicit: true,
        ..Settings::default()
    })
    .await;
    let mailer = mailer("smtps", &server).trust_certificate(&own.pem).unwrap();
    mailer.send(&message("ada@example.org")).await.unwrap();
    assert!(server.commands(false).is_empty());
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn unknown_certificate_and_wrong_name_get_nothing() {
    let (right, wrong) = (identity("localhost"), identity("other.example"));
    for implicit in [false, true] {
        for (shown, trusted) in [(&right, None), (&wrong, Some(&wrong.pem))] {
            let server = Server::start(Settings {
                tls: Some(shown.acceptor.clone()),
                implicit,
                ..Settings::default()
            })
            .await;
            let scheme = if implicit { "smtps" } else { "smtp" };
            let mut mailer = mailer(scheme, &server);
            if let Some(pem) = trusted {
                mailer = mailer.trust_certificate(pem).unwrap();
            }
            let error = mailer.send(&message("ada@example.org")).await.unwrap_err();
            assert!(!error.is_permanent());
            assert!(server.commands(true).is_empty());
            assert!(!server.commands(false).contains(&"AUTH".to_owned()));
        }
    }
}

#[tokio::test]
async fn answers_put_in_before_tls_are_not_taken_for_the_servers() {
    let own = identity("localhost");
    let server = Server::start(Settings {
        tls: Some(own.acceptor),
        injected: "250-evil.example\r\n250 AUTH LOGIN\r\n",
        ..Settings::default()
    })
    .await;
    let mailer = mailer("smtp", &server).trust_certificate(&own.pem).unwrap();
    let error = mailer.send(&message("ada@example.org")).await.unwrap_err();
    assert_eq!(error.class(), "starttls");
    assert!(server.commands(true).is_empty());
}

#[test]
fn what_is_no_certificate_is_refused() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "not a certificate", broken] {
        let mailer = Mailer::from_url("smtps://mail.example.com", "a@b.example").unwrap();
        assert!(mailer.trust_certificate(pem).is_err(), "{pem:?}");
    }
}
