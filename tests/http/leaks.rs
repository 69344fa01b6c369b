//! Every test searches its log and its answers for all passwords, tokens, hashes, keys and addresses that it uses. Here leaks are planted,
//! to see that they are found.

use std::thread;

use axum_users::axum::{http::StatusCode, routing::get};
use axum_users_testing::{
    captured_events,
    leaks::{Kind, note},
};
use serde_json::json;
use tracing::{Instrument, debug, debug_span, trace, warn};
use utoipa_axum::router::OpenApiRouter;

use crate::harness::{App, SqliteInMemory, Wiring, run, wired};

const EMAIL: &str = "arthur@camelot.bt";

/// What leaks where; no other test has this secret.
async fn leaky(secret: &'static str) -> App<SqliteInMemory> {
    let message = move || async move { debug!("{secret} is what was typed") };
    let quoted = move || async move { debug!(typed = ?[secret]) };
    let bytes = move || async move { warn!(body = ?secret.as_bytes(), "refused") };
    let span = move || async move { trace!("seen") }.instrument(debug_span!("login", secret));
    let later = move || async move {
        let span = debug_span!("login", token = tracing::field::Empty);
        span.record("token", secret);
    };
    let task = move || async move {
        tokio::spawn(async move { trace!(secret) });
    };
    let pool = move || async move {
        let worker = thread::Builder::new().name("worker".to_owned());
        let worker = worker.spawn(move || trace!(secret)).expect("a thread");
        worker.join().expect("the thread ends");
    };
    let refusal = move || async move { (StatusCode::CONFLICT, secret) };
    let header = move || async move { (StatusCode::CONFLICT, [("x-seen", secret)]) };
    let good = move || async move { secret };
    let wiring = Wiring::usual().mount(move |_| {
        OpenApiRouter::new()
            .route("/leak/message", get(message))
            .route("/leak/quoted", get(quoted))
            .route("/leak/bytes", get(bytes))
            .route("/leak/span", get(span))
            .route("/leak/later", get(later))
            .route("/leak/task", get(task))
            .route("/leak/thread", get(pool))
            .route("/leak/refusal", get(refusal))
            .route("/leak/header", get(header))
            .route("/leak/good", get(good))
    });
    wired(wiring).await
}

#[tokio::test]
async fn a_secret_in_the_log_is_found_in_whatever_form_and_thread() {
    const SECRET: &str = "planted \"Excalibur\" 17";
    let here = thread::current().name().unwrap().to_owned();
    for (place, whose) in [
        ("message", here.as_str()),
        ("quoted", &here),
        ("bytes", &here),
        ("span", &here),
        ("later", &here),
        ("task", &here),
        ("thread", "worker"),
    ] {
        let mut app = leaky(SECRET).await;
        // The log has it before the test knows it.
        app.get(&format!("/leak/{place}")).await.is(200);
        tokio::task::yield_now().await;
        app.watch.plant(Kind::Password, SECRET);
        let leaks = app.watch.take();
        assert_eq!(leaks.len(), 1, "{place}: {leaks:?}");
        assert!(leaks[0].starts_with("Password \""), "{leaks:?}");
        assert!(leaks[0].contains(&format!("of `{here}` in `")), "{leaks:?}");
        assert!(leaks[0].ends_with(&format!("of `{whose}`")), "{place}: {leaks:?}");
        assert_eq!(app.watch.leaks(), [""; 0], "it was told of");
    }
}

#[tokio::test]
async fn a_log_that_a_test_captures_is_searched_too() {
    let mut app = leaky("planted Excalibur 18").await;
    let events = captured_events();
    app.watch.plant(Kind::Token, "planted Excalibur 18");
    app.get("/leak/message").await.is(200);
    assert!(events.text().contains("Excalibur"));
    assert_eq!(app.watch.take().len(), 1);
}

#[tokio::test]
#[should_panic(expected = "the log tells secrets")]
async fn a_test_whose_log_holds_a_secret_fails() {
    let app = leaky("planted Excalibur 19").await;
    app.watch.plant(Kind::Token, "planted Excalibur 19");
    app.get("/leak/task").await.is(200);
    tokio::task::yield_now().await;
}

#[test]
#[should_panic(expected = "the log tells secrets")]
fn a_test_with_several_threads_fails_as_well() {
    run::<SqliteInMemory>(async |app: &App<SqliteInMemory>| {
        app.watch.plant(Kind::Token, "planted Excalibur 20");
        let task = tokio::spawn(async { trace!("planted Excalibur 20") });
        task.await.unwrap();
    });
}

#[tokio::test]
#[should_panic(
    expected = "409 tells of Password \"planted Excalibur 21\" of `leaks::a_refusal_with_a_secret_in_its_body_is_found`"
)]
async fn a_refusal_with_a_secret_in_its_body_is_found() {
    let app = leaky("planted Excalibur 21").await;
    app.watch.plant(Kind::Password, "planted Excalibur 21");
    app.get("/leak/refusal").await.is(409);
}

#[tokio::test]
#[should_panic(expected = "409 tells of Address")]
async fn a_refusal_with_an_address_in_a_header_is_found() {
    let app = leaky("planted@camelot.bt").await;
    app.watch.plant(Kind::Address, "planted@camelot.bt");
    app.get("/leak/header").await.is(409);
}

#[tokio::test]
#[should_panic(expected = "200 tells of Hash")]
async fn a_good_answer_with_a_hash_is_found() {
    let app = leaky("planted-hash-22").await;
    app.watch.plant(Kind::Hash, "planted-hash-22");
    app.get("/leak/good").await.is(200);
}

#[tokio::test]
async fn a_good_answer_may_show_an_address() {
    let app = leaky("planted2@camelot.bt").await;
    app.watch.plant(Kind::Address, "planted2@camelot.bt");
    app.get("/leak/good").await.is(200);
}

/// Whether anything would be found that the kit knows of.
fn known(text: &str) -> bool {
    axum_users_testing::leaks::found_in(text, |_| true).is_some()
}

#[tokio::test]
async fn what_goes_in_and_out_over_http_is_looked_for() {
    let app: App<SqliteInMemory> = crate::harness::app().await;
    let password = "a w0rd of this test alone";
    let email = "Only.Here@camelot.bt";
    let body = json!({"email": email, "password": password});
    app.post("/auth/register").json(body).await.is(201);
    assert!(
        known(password) && known("of a <only.here@camelot.bt>") && known("username=Only.Here%40camelot.bt")
    );
    for backend in ["jwt", "token", "cookie"] {
        let token = app.try_login(backend, email, password).await.token();
        assert!(known(token.text()), "{backend}");
        let digest = axum_users::TokenDigest::of(token.text());
        assert!(known(&format!("{:?}", digest.as_bytes())), "{backend}");
    }
    assert!(known(&app.reset_token(email).await));
    app.try_login("token", email, "a w0rd that is wr0ng")
        .await
        .is(400);
    assert!(known("a+w0rd+that+is+wr0ng"));
    app.get("/users/me").bearer("n0-token-of-anybody").await.is(401);
    assert!(known("n0-token-of-anybody"));
    let store = axum_users::UserStore::find_by_login(&app.store, email)
        .await
        .unwrap()
        .unwrap();
    let hash = store.user.hashed_password.unwrap();
    assert!(known(&hash) && known(hash.rsplit('$').next().unwrap()));
    assert!(known("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"));
}

#[tokio::test]
async fn what_stands_anywhere_by_itself_is_not_looked_for() {
    let app: App<SqliteInMemory> = crate::harness::app().await;
    app.register(EMAIL).await;
    for text in ["", "Ex4l!", "password", "aaaaAAAA1111"] {
        note(Kind::Password, text);
        assert!(!known(&format!("<{text}>")), "{text}");
    }
}
