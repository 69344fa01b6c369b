//! Links that lead elsewhere, and tokens that are nearly those of a mail.

use serde_json::{Value, json};

use super::aftermath::{assert_refused, still_works};
use crate::harness::{App, Database, OTHER_PASSWORD, PASSWORD, app, on_every_database};

on_every_database! {
    a115_mutilated_tokens_are_bad_and_the_real_one_stays_good
    ;
}

const EMAIL: &str = "arthur@camelot.bt";

#[tokio::test]
async fn a114_links_lead_where_the_application_says_and_not_where_the_request_does() {
    let app = app().await;
    app.register(EMAIL).await;
    let forged = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-server", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-scheme", "evil"),
        ("x-forwarded-prefix", "//evil.example"),
        ("x-forwarded-port", "6666"),
        ("x-original-host", "evil.example"),
        ("x-original-url", "https://evil.example/"),
        ("x-rewrite-url", "https://evil.example/"),
        ("x-host", "evil.example"),
        ("forwarded", "for=1.2.3.4;host=evil.example;proto=http"),
        ("origin", "https://evil.example"),
        ("referer", "https://evil.example/"),
        ("base-url", "https://evil.example/"),
        ("user-agent", "<a href=\"https://evil.example\">"),
        ("accept-language", "evil"),
    ];
    let mut sent = 0;
    for path in ["/auth/forgot-password", "/auth/request-verify-token"] {
        let ask = |path: &str| {
            app.post(path).json(
                json!({"email": EMAIL, "redirect_uri": "https://evil.example", "url": "//evil.example"}),
            )
        };
        let all = forged
            .iter()
            .fold(ask(path), |call, (name, value)| call.header(name, value));
        let mut calls = vec![
            all,
            ask(&format!("{path}?next=https://evil.example&url=//evil.example")),
        ];
        calls.extend(forged.iter().map(|(name, value)| ask(path).header(name, value)));
        calls.push(
            ask(path)
                .header("host", "app.example.com")
                .header("host", "evil.example"),
        );
        calls.push(ask(path).header("host", "app.example.com:80@evil.example"));
        for call in calls {
            call.await.is(202);
            sent += 1;
        }
    }
    let mails = app.outbox.mails_to(EMAIL).await;
    assert_eq!(mails.len(), sent);
    for mail in mails {
        let whole = format!("{}{}{}", mail.subject, mail.text, mail.html.unwrap_or_default());
        assert!(!whole.contains("evil") && !whole.contains("6666"), "{whole}");
        assert!(!whole.contains("http://"), "{whole}");
        assert!(whole.contains("https://app.example.com/"), "{whole}");
    }
}

async fn a115_mutilated_tokens_are_bad_and_the_real_one_stays_good<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let (reset, verify) = (app.reset_token(EMAIL).await, app.verify_token(EMAIL).await);
    let try_reset = async |token: &Value| {
        let body = json!({"token": token, "password": OTHER_PASSWORD});
        assert_refused(&app.post("/auth/reset-password").json(body).await, token);
    };
    let try_verify = async |token: &Value| {
        assert_refused(
            &app.post("/auth/verify").json(json!({ "token": token })).await,
            token,
        );
    };
    for token in mutilated(&reset) {
        try_reset(&json!(token)).await;
    }
    for token in mutilated(&verify) {
        try_verify(&json!(token)).await;
    }
    for token in [
        json!(null),
        json!([reset]),
        json!([verify]),
        json!({ "token": reset }),
        json!({ "0": verify }),
        json!({"$ne": null}),
        json!(true),
        json!(0),
        json!(1),
        json!(""),
        json!(" "),
        json!("null"),
        json!("undefined"),
        json!("%"),
        json!("*"),
    ] {
        try_reset(&token).await;
        try_verify(&token).await;
    }
    app.post("/auth/verify")
        .json(json!({}))
        .await
        .invalid(&[("token", "missing")]);
    let without = app
        .post("/auth/reset-password")
        .json(json!({"password": OTHER_PASSWORD}));
    without.await.invalid(&[("token", "missing")]);
    assert_refused(
        &app.try_login("token", EMAIL, OTHER_PASSWORD).await,
        "nothing was reset",
    );
    let token = app.login("token", EMAIL).await;
    assert_eq!(app.get("/users/me").by(&token).await.json()["is_verified"], false);

    app.verify(&verify).await.is(200);
    app.reset(&reset, PASSWORD).await.is(200);
    still_works(app, EMAIL).await;
}

fn mutilated(token: &str) -> Vec<String> {
    let mut parts = token.split('.');
    let (header, payload, signature) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    vec![
        token[1..].to_owned(),
        token[..token.len() - 1].to_owned(),
        token[..token.len() / 2].to_owned(),
        token[..8].to_owned(),
        format!("{token}A"),
        format!("A{token}"),
        format!("{token}="),
        format!("{token}."),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{token}\0"),
        format!("{token}{token}"),
        format!("{token}#{token}"),
        token.chars().rev().collect(),
        token.to_uppercase(),
        token.to_lowercase(),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{payload}.{header}.{signature}"),
        // {"alg":"none","typ":"JWT"}, {"alg":"None"}, and those with another kind of signature.
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}."),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.{signature}"),
        format!("eyJhbGciOiJOb25lIn0.{payload}."),
        format!("{header}.{payload}.{}", "A".repeat(signature.len())),
        "x".repeat(60_000),
        "x".repeat(100_000),
        ".".repeat(10_000),
    ]
}
