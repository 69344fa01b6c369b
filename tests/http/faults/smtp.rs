//! A mail server that is out of reach, or cut off in the middle of a mail.

use std::time::Duration;

use axum_users::mail::{MailWorker, Mailer};
use axum_users_faults::{At, Fault, Proxy, smtp};

use super::EMAIL;
use crate::harness::{App, Database, SqliteInMemory, app};

/// The server, the way to it, and an application with a user.
async fn stage() -> (smtp::Server, Proxy, App<SqliteInMemory>) {
    let server = smtp::Server::start(smtp::Settings::default()).await;
    let proxy = Proxy::before(&format!("127.0.0.1:{}", server.port())).await;
    let app = app().await;
    app.register(EMAIL).await;
    (server, proxy, app)
}

/// One look into the outbox, by a process that has just started; answers how many mails it took.
async fn look(app: &App<SqliteInMemory>, proxy: &Proxy, patience: Duration) -> usize {
    let url = format!("smtp://{}?tls=none", proxy.address());
    let mailer = Mailer::from_url(&url, "no-reply@camelot.bt").unwrap();
    let worker = MailWorker::new(app.db.store(), mailer.timeout(patience), app.clock.clone());
    worker.run_once().await.unwrap()
}

#[tokio::test]
async fn a_mail_waits_for_a_server_that_is_out_of_reach() {
    let (server, proxy, app) = stage().await;
    for (sent, hangs) in [false, true].into_iter().enumerate() {
        app.forgot(EMAIL).await;
        if hangs {
            proxy.hang();
        } else {
            proxy.refuse().await;
        }
        for _ in 0..2 {
            assert_eq!(look(&app, &proxy, Duration::from_millis(300)).await, 1);
            assert_eq!(server.received().len(), sent);
            assert_eq!(
                look(&app, &proxy, Duration::from_millis(300)).await,
                0,
                "it is not due yet"
            );
            app.clock.advance(Duration::from_mins(2));
        }
        assert_eq!(proxy.struck() > 0, hangs);
        proxy.restore().await;
        assert_eq!(look(&app, &proxy, Duration::from_secs(20)).await, 1);
        assert_eq!(server.received().len(), sent + 1);
        app.clock.advance(Duration::from_hours(1));
        assert_eq!(
            look(&app, &proxy, Duration::from_secs(20)).await,
            0,
            "and no more"
        );
    }
}

#[tokio::test]
async fn a_mail_broken_off_anywhere_is_sent_at_least_once() {
    for fault in [Fault::LoseRequest, Fault::CutReply(2)] {
        let mut twice = 0;
        for index in 0.. {
            let (server, proxy, app) = stage().await;
            app.forgot(EMAIL).await;
            proxy.plan(fault, At::Request(index));
            assert_eq!(look(&app, &proxy, Duration::from_secs(20)).await, 1);
            let struck = proxy.struck() > 0;
            let taken = server.received().len();
            proxy.restore().await;
            app.clock.advance(Duration::from_mins(1));
            let again = look(&app, &proxy, Duration::from_secs(20)).await;
            let received = server.received();
            if struck {
                assert_eq!(
                    (again, received.len()),
                    (1, taken + 1),
                    "the {index}th was broken"
                );
                twice += taken;
            } else {
                assert_eq!((again, received.len()), (0, 1));
            }
            assert!(
                received
                    .iter()
                    .all(|mail| mail.to == [format!("RCPT TO:<{EMAIL}>")])
            );
            let whole = |mail: &smtp::Received| mail.data.trim_ascii_end().ends_with(b"--");
            assert!(received.iter().all(whole), "no part of a mail is one");
            app.clock.advance(Duration::from_hours(1));
            assert_eq!(
                look(&app, &proxy, Duration::from_secs(20)).await,
                0,
                "and no more"
            );
            if !struck {
                assert!(index > 4, "there is more to a conversation");
                break;
            }
        }
        let in_doubt = matches!(fault, Fault::CutReply(_));
        assert_eq!(
            twice > 0,
            in_doubt,
            "only what the server took and could not say so is sent twice"
        );
    }
}
