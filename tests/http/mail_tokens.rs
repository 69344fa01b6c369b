//! Confirming addresses and setting forgotten passwords.

use std::time::Duration;

use axum_users::MessageKind;
use serde_json::json;

use crate::harness::{App, BACKENDS, Database, OTHER_PASSWORD, PASSWORD, app, on_every_database};

on_every_database! {
    a_forgotten_password_is_reset_once_and_all_sessions_end,
    an_address_is_confirmed_once,
    whether_there_is_an_account_does_not_show,
    of_racing_resets_one_wins,
    of_racing_confirmations_one_wins,
    tokens_die_with_the_password_and_the_address_they_were_made_for;
}

const EMAIL: &str = "arthur@camelot.bt";

async fn a_forgotten_password_is_reset_once_and_all_sessions_end<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let sessions = app.login_everywhere(EMAIL).await;
    let token = app.reset_token(EMAIL).await;
    let answer = app.reset(&token, OTHER_PASSWORD).await.is(200);
    assert_eq!(answer.body, "null");
    assert_eq!(answer.set_cookies(), [""; 0], "nobody is signed in by it");
    answer.is_hardened();
    for (backend, session) in &sessions {
        assert_eq!(app.me(session).await, 401, "{backend}");
    }
    app.reset(&token, "a third password")
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.try_login("jwt", EMAIL, PASSWORD).await.is(400);
    for backend in BACKENDS {
        let session = app.try_login(backend, EMAIL, OTHER_PASSWORD).await.token();
        assert_eq!(app.me(&session).await, 200, "{backend}");
    }
}

async fn an_address_is_confirmed_once<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    let (first, second) = (app.verify_token(EMAIL).await, app.verify_token(EMAIL).await);
    assert_ne!(first, second);
    let session = app.login("token", EMAIL).await;
    let answer = app.verify(&second).await.is(200);
    answer.is_hardened();
    let user = answer.json();
    assert_eq!((&user["id"], &user["is_verified"]), (&json!(id), &json!(true)));
    for token in [&first, &second] {
        app.verify(token)
            .await
            .refused(400, "VERIFY_USER_ALREADY_VERIFIED");
    }
    assert_eq!(app.me(&session).await, 200, "sessions live on");
}

async fn whether_there_is_an_account_does_not_show<D: Database>(app: &App<D>) {
    let (idle, confirmed) = ("idle@camelot.bt", "confirmed@camelot.bt");
    for email in [EMAIL, idle, confirmed] {
        app.register(email).await;
    }
    app.set_active(idle, false).await;
    app.set_verified(confirmed).await;
    for (path, mailed) in [
        ("/auth/forgot-password", vec![EMAIL, confirmed]),
        ("/auth/request-verify-token", vec![EMAIL]),
    ] {
        let ask = |email: &str| app.post(path).json(json!({ "email": email }));
        let before = app.outbox.messages().await.len();
        let known = ask("ARTHUR@camelot.bt").await.is(202);
        assert_eq!(known.body, "null");
        known.is_hardened();
        for email in [idle, confirmed, "nobody@camelot.bt"] {
            assert_eq!(ask(email).await.bytes(), known.bytes(), "{path} {email}");
        }
        let mails = app.outbox.messages().await.split_off(before);
        assert_eq!(mails.len(), 4, "{path}: each request leaves one row");
        let to: Vec<_> = mails
            .iter()
            .map(|mail| mail.to.as_str())
            .filter(|to| !to.is_empty())
            .collect();
        assert_eq!(to, mailed, "{path}");
    }
}

async fn of_racing_resets_one_wins<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let token = app.reset_token(EMAIL).await;
    let passwords: Vec<_> = (0..10).map(|number| format!("excalibur {number}")).collect();
    let race: Vec<_> = passwords
        .iter()
        .map(|password| tokio::spawn(app.reset(&token, password).into_future()))
        .collect();
    let mut won = Vec::new();
    for (answer, password) in race.into_iter().zip(&passwords) {
        let answer = answer.await.unwrap();
        if answer.status == 200 {
            won.push(password);
        } else {
            answer.refused(400, "RESET_PASSWORD_BAD_TOKEN");
        }
    }
    assert_eq!(won.len(), 1);
    for password in &passwords {
        let expected = if won == [password] { 200 } else { 400 };
        app.try_login("token", EMAIL, password).await.is(expected);
    }
}

async fn of_racing_confirmations_one_wins<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let token = app.verify_token(EMAIL).await;
    let race: Vec<_> = (0..6)
        .map(|_| tokio::spawn(app.verify(&token).into_future()))
        .collect();
    let mut won = 0;
    for answer in race {
        let answer = answer.await.unwrap();
        if answer.status == 200 {
            won += 1;
        } else {
            answer.refused(400, "VERIFY_USER_ALREADY_VERIFIED");
        }
    }
    assert_eq!(won, 1);
}

async fn tokens_die_with_the_password_and_the_address_they_were_made_for<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let (reset, verify) = (app.reset_token(EMAIL).await, app.verify_token(EMAIL).await);
    let session = app.login("token", EMAIL).await;
    let change = async |body| {
        app.patch("/users/me").by(&session).json(body).await.is(200);
    };
    change(json!({"password": OTHER_PASSWORD, "current_password": PASSWORD})).await;
    app.reset(&reset, "a third password")
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.verify(&verify).await.refused(400, "VERIFY_USER_BAD_TOKEN");

    let (reset, verify) = (app.reset_token(EMAIL).await, app.verify_token(EMAIL).await);
    change(json!({"email": "king@camelot.bt", "current_password": OTHER_PASSWORD})).await;
    let confirm = app
        .outbox
        .last_token_to("king@camelot.bt", MessageKind::ConfirmEmailChange);
    let me = app.confirm_email(&confirm.await.unwrap()).await.is(200).json();
    app.reset(&reset, "a third password")
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.verify(&verify).await.refused(400, "VERIFY_USER_BAD_TOKEN");
    assert_eq!(
        (&me["email"], &me["is_verified"]),
        (&json!("king@camelot.bt"), &json!(true))
    );
}

#[tokio::test]
async fn tokens_live_for_an_hour() {
    let app = app().await;
    app.register(EMAIL).await;
    let (reset, verify) = (app.reset_token(EMAIL).await, app.verify_token(EMAIL).await);
    app.clock.advance(Duration::from_hours(1));
    app.reset(&reset, OTHER_PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.verify(&verify).await.refused(400, "VERIFY_USER_BAD_TOKEN");
    let (reset, verify) = (app.reset_token(EMAIL).await, app.verify_token(EMAIL).await);
    app.clock.advance(Duration::from_secs(3599));
    app.reset(&reset, OTHER_PASSWORD).await.is(200);
    let late = app.verify_token(EMAIL).await;
    app.verify(&verify).await.refused(400, "VERIFY_USER_BAD_TOKEN");
    app.clock.advance(Duration::from_secs(3599));
    app.verify(&late).await.is(200);
}

#[tokio::test]
async fn a_token_has_one_purpose() {
    let app = app().await;
    app.register(EMAIL).await;
    let (reset, verify) = (app.reset_token(EMAIL).await, app.verify_token(EMAIL).await);
    app.reset(&verify, OTHER_PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.verify(&reset).await.refused(400, "VERIFY_USER_BAD_TOKEN");
    for token in [&reset, &verify] {
        app.get("/users/me")
            .bearer(token)
            .await
            .refused(401, "UNAUTHORIZED");
        for name in ["__Host-session", "__Host-jwt_session"] {
            app.get("/users/me")
                .header("cookie", &format!("{name}={token}"))
                .await
                .refused(401, "UNAUTHORIZED");
        }
    }
    for (_, session) in app.login_everywhere(EMAIL).await {
        app.reset(session.text(), OTHER_PASSWORD)
            .await
            .refused(400, "RESET_PASSWORD_BAD_TOKEN");
        app.verify(session.text())
            .await
            .refused(400, "VERIFY_USER_BAD_TOKEN");
    }
    app.verify(&verify).await.is(200);
}

#[tokio::test]
async fn a_refused_password_does_not_spend_the_token() {
    let app = app().await;
    app.register(EMAIL).await;
    let token = app.reset_token(EMAIL).await;
    for password in ["sh0rt!", "password123", "my arthur@camelot.bt"] {
        app.reset(&token, password)
            .await
            .refused(400, "RESET_PASSWORD_INVALID_PASSWORD")
            .hides(password)
            .hides(&token);
    }
    app.reset("nonsense", "sh0rt!")
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    let body = json!({"token": token, "password": "x".repeat(1025)});
    app.post("/auth/reset-password")
        .json(body)
        .await
        .invalid(&[("password", "too_long")])
        .hides(&token);
    app.reset(&token, OTHER_PASSWORD).await.is(200);
}

#[tokio::test]
async fn tokens_of_who_is_inactive_or_gone_are_bad() {
    let app = app().await;
    app.superuser("merlin@camelot.bt").await;
    let admin = app.login("token", "merlin@camelot.bt").await;
    let id = app.user(EMAIL).await;
    let (reset, verify) = (app.reset_token(EMAIL).await, app.verify_token(EMAIL).await);
    app.set_active(EMAIL, false).await;
    app.reset(&reset, OTHER_PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.verify(&verify).await.refused(400, "VERIFY_USER_BAD_TOKEN");
    app.set_active(EMAIL, true).await;
    app.delete(&format!("/users/{id}")).by(&admin).await.is(204);
    app.reset(&reset, OTHER_PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.verify(&verify).await.refused(400, "VERIFY_USER_BAD_TOKEN");
    app.register(EMAIL).await;
    app.reset(&reset, OTHER_PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.verify(&verify).await.refused(400, "VERIFY_USER_BAD_TOKEN");
}

#[tokio::test]
async fn mail_goes_to_the_stored_address_and_not_to_the_one_that_was_typed() {
    let app = app().await;
    app.register("Arthur@camelot.bt").await;
    app.forgot("ARTHUR@CAMELOT.BT").await;
    app.forgot("arthur@camelot.bt").await;
    assert_eq!(app.outbox.mails_to("Arthur@camelot.bt").await.len(), 2);
    let kinds: Vec<_> = app.outbox.messages().await.iter().map(|mail| mail.kind).collect();
    assert_eq!(kinds, [MessageKind::ResetPassword; 2]);
}

#[tokio::test]
async fn what_is_no_address_is_refused_before_anybody_is_looked_up() {
    let app = app().await;
    let calls = app.store.calls();
    for path in ["/auth/forgot-password", "/auth/request-verify-token"] {
        for email in [
            "pl4nted",
            "pl4nted@localhost",
            "a@b.bt, pl4nted@c.bt",
            "pl4nted@b.bt\nBcc: a@b.bt",
        ] {
            app.post(path)
                .json(json!({ "email": email }))
                .await
                .invalid(&[("email", "invalid_email")])
                .hides("pl4nted");
        }
        app.post(path)
            .json(json!({"email": ["a@b.bt"]}))
            .await
            .invalid(&[("email", "invalid_type")]);
        app.post(path)
            .json(json!({}))
            .await
            .invalid(&[("email", "missing")]);
    }
    assert_eq!(app.store.calls(), calls);
}
