//! Conversations without TLS.

use std::time::Duration;

use axum_users_core::{Clock as _, MessageKind};
use axum_users_faults::smtp::{Fate, Server, Settings};
use axum_users_mail::{MailTransport as _, MailWorker, Mailer};
use mailparse::{MailHeaderMap as _, ParsedMail};

use crate::{
    kit::{TOKEN, TestClock, message, store_with},
    store::Store,
};

const FROM: &str = "Example <no-reply@example.com>";

async fn server(fates: &[Fate]) -> Server {
    Server::start(Settings {
        fates: fates.to_vec(),
        ..Settings::default()
    })
    .await
}

fn mailer(server: &Server) -> Mailer {
    let url = format!("smtp://u%40x:p%3Aw@127.0.0.1:{}?tls=none", server.port());
    Mailer::from_url(&url, FROM).unwrap()
}

fn body(mail: &ParsedMail<'_>, mimetype: &str) -> String {
    let mut parts = mail.subparts.iter();
    let part = parts.find(|part| part.ctype.mimetype == mimetype).unwrap();
    part.get_body().unwrap()
}

#[tokio::test]
async fn mail_of_an_occasion_reaches_the_server_with_its_link() {
    for (kind, path, subject) in [
        (
            MessageKind::Verify,
            "verify",
            "Confirm your e-mail address for Example",
        ),
        (
            MessageKind::ResetPassword,
            "reset-password",
            "Set a new password for Example",
        ),
    ] {
        let server = server(&[]).await;
        let store = store_with(kind);
        let worker = MailWorker::new(store.clone(), mailer(&server), TestClock::new());
        assert_eq!(worker.run_once().await.unwrap(), 1);
        assert!(store.is_empty());

        let received = server.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].from, "MAIL FROM:<no-reply@example.com>");
        assert_eq!(received[0].to, ["RCPT TO:<ada@example.org>"]);
        // base64 of "\0u@x\0p:w"
        assert!(server.heard("AUTH PLAIN AHVAeABwOnc="));

        assert!(received[0].data.is_ascii());
        let mail = mailparse::parse_mail(&received[0].data).unwrap();
        assert_eq!(mail.ctype.mimetype, "multipart/alternative");
        assert_eq!(mail.headers.get_first_value("Subject").unwrap(), subject);
        assert_eq!(mail.headers.get_first_value("To").unwrap(), "ada@example.org");
        let link = format!("https://app.example.com/{path}#token={TOKEN}");
        assert!(body(&mail, "text/plain").contains(&link));
        let html = body(&mail, "text/html").replace("&#x2f;", "/");
        assert!(html.contains(&format!("<a href=\"{link}\"")));
    }
}

#[tokio::test]
async fn temporary_refusal_is_tried_again_later() {
    for answer in [
        Fate::Recipient("451 4.7.1 ada@example.org greylisted"),
        Fate::Content("452 4.3.1 full"),
    ] {
        let server = server(&[answer]).await;
        let (store, clock) = (store_with(MessageKind::Verify), TestClock::new());
        let worker = MailWorker::new(store.clone(), mailer(&server), clock.clone());
        assert_eq!(worker.run_once().await.unwrap(), 1);
        let wait = store.rows()[&1].due.since(clock.now()).as_secs();
        assert!((30..=36).contains(&wait));
        assert_eq!(worker.run_once().await.unwrap(), 0);

        clock.advance(36);
        assert_eq!(worker.run_once().await.unwrap(), 1);
        assert_eq!(server.received().len(), 1);
        assert!(store.is_empty() && store.given_up.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn permanent_refusal_is_given_up_at_once() {
    for answer in [
        Fate::Recipient("550 5.1.1 no such user"),
        Fate::Content("554 5.6.0 not that"),
    ] {
        let server = server(&[answer]).await;
        let store = store_with(MessageKind::Verify);
        let worker = MailWorker::new(store.clone(), mailer(&server), TestClock::new());
        worker.run_once().await.unwrap();
        assert!(store.is_empty());
        assert_eq!(*store.given_up.lock().unwrap(), [1]);
        assert!(server.received().is_empty());
    }
}

#[tokio::test]
async fn refused_login_is_no_reason_to_give_a_mail_up() {
    let server = Server::start(Settings {
        refuses_login: true,
        ..Settings::default()
    })
    .await;
    let error = mailer(&server)
        .send(&message("ada@example.org"))
        .await
        .unwrap_err();
    assert!(!error.is_permanent());
    assert_eq!((error.class(), error.status()), ("login", Some(535)));
    assert_eq!(
        error.to_string(),
        "the mail could not be sent for now: login (535)"
    );
}

#[tokio::test]
async fn connection_cut_in_the_middle_of_a_mail_is_tried_again() {
    let server = server(&[Fate::Cut]).await;
    let (store, clock) = (store_with(MessageKind::Verify), TestClock::new());
    let worker = MailWorker::new(store.clone(), mailer(&server), clock.clone());
    worker.run_once().await.unwrap();
    assert_eq!(store.rows()[&1].attempts, 1);
    clock.advance(36);
    worker.run_once().await.unwrap();
    assert_eq!(server.received().len(), 1);
    assert!(store.is_empty());
}

#[tokio::test]
async fn server_that_is_not_there_is_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    drop(listener);
    let mailer = Mailer::from_url(&url, FROM).unwrap();
    let error = mailer.send(&message("ada@example.org")).await.unwrap_err();
    assert!(!error.is_permanent());
    assert_eq!(error.class(), "connection");
}

#[tokio::test]
async fn silent_server_costs_its_connection_and_no_other_mail() {
    let server = server(&[Fate::Silence]).await;
    let mailer = mailer(&server).timeout(Duration::from_millis(200));
    let error = mailer.send(&message("ada@example.org")).await.unwrap_err();
    assert_eq!(error.class(), "timeout");
    assert!(!error.is_permanent());
    mailer.send(&message("bob@example.org")).await.unwrap();
    assert_eq!(server.connections(), 2);
    assert_eq!(server.received()[0].to, ["RCPT TO:<bob@example.org>"]);
}

#[tokio::test]
async fn connection_is_kept_for_the_next_mail_and_dropped_after_a_refusal() {
    let server = server(&[]).await;
    let keeping = mailer(&server);
    for _ in 0..3 {
        keeping.send(&message("ada@example.org")).await.unwrap();
    }
    assert_eq!(server.connections(), 1);

    let refusing = self::server(&[Fate::Recipient("550 no")]).await;
    let keeping = mailer(&refusing);
    keeping.send(&message("ada@example.org")).await.unwrap_err();
    keeping.send(&message("ada@example.org")).await.unwrap();
    assert_eq!(refusing.connections(), 2);
    assert!(refusing.commands(false).contains(&"QUIT".to_owned()));
}

#[tokio::test]
async fn address_of_other_letters_needs_a_server_that_knows_them() {
    let plain = server(&[]).await;
    let error = mailer(&plain)
        .send(&message("ådå@example.org"))
        .await
        .unwrap_err();
    assert!(error.is_permanent());
    assert_eq!(error.class(), "smtputf8");

    let able = Server::start(Settings {
        smtputf8: true,
        ..Settings::default()
    })
    .await;
    mailer(&able).send(&message("ådå@example.org")).await.unwrap();
    assert_eq!(able.received()[0].to, ["RCPT TO:<ådå@example.org>"]);
}

#[tokio::test]
async fn nothing_of_an_attacker_gets_into_the_conversation() {
    let server = server(&[]).await;
    let store = Store::default();
    store.add(vec![
        message("ada@example.org\r\nRCPT TO:<eve@evil.example>"),
        message("ada@example.org> NOTIFY=NEVER\r\nDATA"),
        axum_users_core::Message::new(
            MessageKind::Other,
            "ada@example.org",
            "a\r\nBcc: eve@evil.example",
            "t",
        ),
        axum_users_core::Message::new(
            MessageKind::Other,
            "ada@example.org",
            "dots",
            "one\n.\nMAIL FROM:<eve@evil.example>\r.\rtwo\r\n.\r\nthree",
        ),
    ]);
    let worker = MailWorker::new(store.clone(), mailer(&server), TestClock::new());
    worker.run_once().await.unwrap();
    assert_eq!(*store.given_up.lock().unwrap(), [1, 2, 3]);
    let received = server.received();
    assert_eq!(received.len(), 1);
    let mail = mailparse::parse_mail(&received[0].data).unwrap();
    let text = mail.get_body().unwrap();
    assert_eq!(
        text.trim_end(),
        "one\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n.\r\ntwo\r\n.\r\nthree"
    );
    assert_eq!(server.commands(false), ["EHLO", "AUTH", "MAIL", "RCPT", "DATA"]);
}
