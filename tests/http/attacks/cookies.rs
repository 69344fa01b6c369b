//! Cookies, and what other sites make browsers do with them.

use std::collections::BTreeSet;

use axum_users::CROSS_ORIGIN_REQUEST;
use serde_json::json;

use super::aftermath::{assert_refused, operations, still_works};
use crate::harness::{
    App, BACKENDS, Call, Database, OTHER_PASSWORD, PASSWORD, Token, app, on_every_database,
};

on_every_database! {
    a091_a_planted_cookie_never_becomes_a_session,
    a093_a_logout_clears_the_cookie_and_ends_its_session
    ;
}

const EMAIL: &str = "arthur@camelot.bt";
const MALLORY: &str = "mallory@evil.example";
const COOKIES: [(&str, &str); 2] = [("cookie", "__Host-session"), ("cookie-jwt", "__Host-jwt_session")];

/// As browsers send it for pages of other sites.
const OTHER_SITES: [&[(&str, &str)]; 9] = [
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
    &[("sec-fetch-site", "nonsense")],
    &[("origin", "https://evil.example"), ("host", "api.example.com")],
    &[("origin", "null"), ("host", "api.example.com")],
    &[
        ("origin", "https://api.example.com.evil.example"),
        ("host", "api.example.com"),
    ],
    &[
        ("origin", "https://evilapi.example.com"),
        ("host", "api.example.com"),
    ],
    &[
        ("origin", "https://api.example.com:8443"),
        ("host", "api.example.com"),
    ],
    &[
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "no-cors"),
    ],
];

fn from(call: Call, site: &[(&str, &str)]) -> Call {
    site.iter()
        .fold(call, |call, (name, value)| call.header(name, value))
}

/// Name, value and attributes of the one cookie of an answer.
fn parts(cookie: &str) -> (&str, &str, BTreeSet<&str>) {
    let mut parts = cookie.split("; ");
    let (name, value) = parts
        .next()
        .and_then(|pair| pair.split_once('='))
        .expect("a cookie has a name");
    (name, value, parts.collect())
}

#[tokio::test]
async fn a089_a090_the_cookie_of_a_session_is_for_this_host_and_no_script() {
    let app = app().await;
    app.register(EMAIL).await;
    for (backend, expected) in COOKIES {
        let answer = app.try_login(backend, EMAIL, PASSWORD).await.is(204);
        let [cookie] = answer.set_cookies()[..] else {
            panic!("one cookie: {answer:?}");
        };
        let (name, value, attributes) = parts(cookie);
        assert_eq!(name, expected, "the name keeps neighbours from planting one");
        let wanted = ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=Lax", "Secure"];
        assert_eq!(attributes, BTreeSet::from(wanted), "and no Domain");
        assert!(name.len() + value.len() <= 4096, "{cookie}");
    }
}

async fn a091_a_planted_cookie_never_becomes_a_session<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register(MALLORY).await;
    for (backend, name) in COOKIES {
        let attackers = app.login(backend, MALLORY).await;
        for planted in [
            attackers.clone(),
            Token::cookie(name, "planted-planted-planted-planted-planted-pla"),
        ] {
            let mine = app.try_login(backend, EMAIL, PASSWORD).by(&planted).await.token();
            assert_ne!(mine, planted);
            let me = app.get("/users/me").by(&mine).await.is(200).json();
            assert_eq!(me["email"], EMAIL);
            let known = app.get("/users/me").by(&planted).await;
            assert!(!known.body.contains(EMAIL), "{}", known.body);
            // One of each is nobody's.
            app.get("/users/me").by(&mine).by(&planted).await.is(401);
            app.get("/users/me").by(&planted).by(&mine).await.is(401);
        }
    }
    still_works(app, EMAIL).await;
}

async fn a093_a_logout_clears_the_cookie_and_ends_its_session<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    for (backend, name) in COOKIES {
        let token = app.login(backend, EMAIL).await;
        let answer = app
            .post(&format!("/auth/{backend}/logout"))
            .by(&token)
            .await
            .is(204);
        let [cookie] = answer.set_cookies()[..] else {
            panic!("one cookie: {answer:?}");
        };
        let wanted = ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax", "Secure"];
        assert_eq!(parts(cookie), (name, "", BTreeSet::from(wanted)));
        assert_eq!(app.me(&token).await, 401, "{backend}");
        let again = app.post(&format!("/auth/{backend}/logout")).by(&token);
        again.await.refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn a094_another_site_changes_nothing_by_a_cookie() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    app.superuser("merlin@camelot.bt").await;
    for (backend, _) in COOKIES {
        let merlin = app.login(backend, "merlin@camelot.bt").await;
        let before = app.get(&format!("/users/{id}")).by(&merlin).await.is(200).body;
        let mut tried = 0;
        for operation in operations(&app, &id) {
            if operation.is_safe() || !operation.is_guarded {
                continue;
            }
            for site in OTHER_SITES {
                let body = json!({
                    "first_name": "Mallory", "password": OTHER_PASSWORD, "current_password": PASSWORD,
                    "name": "x", "is_superuser": true,
                });
                let mut call = operation.call(&app).by(&merlin);
                if operation.takes_json {
                    call = call.json(body);
                }
                let answer = from(call, site).await.refused(403, CROSS_ORIGIN_REQUEST);
                assert_eq!(answer.set_cookies(), [""; 0], "{operation:?} {site:?}");
                tried += 1;
            }
        }
        assert!(tried > 90, "{tried}");
        let after = app.get(&format!("/users/{id}")).by(&merlin).await.is(200).body;
        assert_eq!(before, after);
        assert_eq!(app.me(&merlin).await, 200);
    }
    still_works(&app, EMAIL).await;
}

#[tokio::test]
async fn a095_a_form_of_another_site_is_no_json() {
    let app = app().await;
    app.register(EMAIL).await;
    for (backend, _) in COOKIES {
        let cookie = app.login(backend, EMAIL).await;
        let before = app.get("/users/me").by(&cookie).await.is(200).body;
        for media_type in [
            "text/plain",
            "text/plain; charset=utf-8",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/octet-stream",
            "",
        ] {
            for site in OTHER_SITES.iter().chain([&[].as_slice()]) {
                for (method, path) in [
                    ("PATCH", "/users/me"),
                    ("POST", "/users/me/delete"),
                    ("POST", "/auth/tokens"),
                ] {
                    let body = format!(
                        r#"{{"first_name": "Mallory", "name": "x", "current_password": "{PASSWORD}"}}"#
                    );
                    let call = app.call(method, path).by(&cookie).body(media_type, body);
                    assert_refused(&from(call, site).await, (path, media_type, site));
                }
            }
        }
        assert_eq!(app.get("/users/me").by(&cookie).await.is(200).body, before);
        let tokens = app.get("/auth/tokens").by(&cookie).await.is(200).json();
        assert_eq!(tokens["items"].as_array().map(Vec::len), Some(0), "{tokens}");
    }
    still_works(&app, EMAIL).await;
}

#[tokio::test]
async fn a096_another_site_cannot_sign_its_visitors_in() {
    let app = app().await;
    app.register(MALLORY).await;
    for (backend, _) in COOKIES {
        for site in OTHER_SITES {
            let answer = from(app.try_login(backend, MALLORY, PASSWORD), site).await;
            let answer = answer.refused(403, CROSS_ORIGIN_REQUEST);
            assert_eq!(answer.set_cookies(), [""; 0], "{site:?}");
        }
    }
    app.superuser("merlin@camelot.bt").await;
    let merlin = app.login("token", "merlin@camelot.bt").await;
    assert_eq!(app.sessions(&merlin).await.len(), 1);
    still_works(&app, MALLORY).await;
}

#[tokio::test]
async fn a097_reading_changes_nothing() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    let tokens = app.login_everywhere(EMAIL).await;
    let (reset, verify) = (app.reset_token(EMAIL).await, app.verify_token(EMAIL).await);
    app.outbox.clear().await;
    let before = app.get("/users/me").by(&tokens[0].1).await.is(200).body;
    let query = format!(
        "email=mordred@evil.example&password={0}&current_password={0}&token={reset}&name=x&_method=POST",
        PASSWORD.replace(' ', "+"),
    );
    for operation in operations(&app, &id) {
        for method in ["GET", "HEAD", "OPTIONS"] {
            for path in [operation.path.clone(), format!("{}?{query}", operation.path)] {
                for (backend, token) in &tokens {
                    let answer = app
                        .call(method, &path)
                        .by(token)
                        .header("x-http-method-override", &operation.method)
                        .header("x-method-override", &operation.method)
                        .await;
                    assert!(answer.status < 500, "{method} {path}: {}", answer.status);
                    assert_eq!(answer.set_cookies(), [""; 0], "{method} {path} {backend}");
                }
            }
        }
    }
    for (backend, token) in &tokens {
        assert_eq!(
            app.get("/users/me").by(token).await.is(200).body,
            before,
            "{backend}"
        );
    }
    assert!(app.outbox.messages().await.is_empty());
    app.try_login("token", "mordred@evil.example", PASSWORD)
        .await
        .is(400);
    // The tokens of mails were not spent.
    app.verify(&verify).await.is(200);
    app.reset(&app.reset_token(EMAIL).await, PASSWORD).await.is(200);
    still_works(&app, EMAIL).await;
}

#[tokio::test]
async fn a099_the_value_of_a_cookie_stands_in_no_other_place() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    for (backend, _) in COOKIES {
        let answer = app.try_login(backend, EMAIL, PASSWORD).await.is(204);
        let token = answer.token();
        let value = token.text();
        assert!(!answer.body.contains(value));
        for (name, header) in &answer.headers {
            let header = header.to_str().expect("a header is text");
            assert_eq!(header.contains(value), name == "set-cookie", "{name}");
        }
        for operation in operations(&app, &id) {
            if operation.is_safe() {
                operation.call(&app).by(&token).await.hides(value);
            }
        }
        app.patch("/users/me")
            .by(&token)
            .json(json!({"first_name": "Wart"}))
            .await
            .is(200)
            .hides(value);
        app.patch("/users/me")
            .by(&token)
            .json(json!({"email": 1}))
            .await
            .is(422)
            .hides(value);
        app.post(&format!("/auth/{backend}/logout"))
            .by(&token)
            .await
            .is(204)
            .hides(value);
        app.get("/users/me").by(&token).await.is(401).hides(value);
    }
}

#[tokio::test]
async fn a101_no_origin_is_reflected() {
    let app = app().await;
    app.register(EMAIL).await;
    let cookie = app.login("cookie", EMAIL).await;
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.com",
        "https://app.example.com.evil.example",
        "https://evilapp.example.com",
        "https://app.example.com@evil.example",
        "http://localhost:3000",
        "*",
        "https://evil.example\u{e9}",
    ] {
        let calls = [
            app.get("/users/me").by(&cookie),
            app.get("/users/me"),
            app.call("HEAD", "/users/me").by(&cookie),
            app.call("OPTIONS", "/users/me")
                .header("access-control-request-method", "PATCH")
                .header("access-control-request-headers", "content-type, authorization"),
            app.call("OPTIONS", "/auth/jwt/login")
                .header("access-control-request-method", "POST"),
            app.call("OPTIONS", "/auth/register")
                .header("access-control-request-private-network", "true"),
            app.try_login("jwt", EMAIL, PASSWORD),
            app.post("/auth/jwt/login"),
        ];
        for call in calls {
            let answer = call.header("origin", origin).await.hides("evil");
            let mut names = answer.headers.keys().map(axum::http::HeaderName::as_str);
            assert!(
                names.all(|name| !name.starts_with("access-control")),
                "{origin}: {answer:?}"
            );
        }
    }
    assert_eq!(BACKENDS.len(), app.login_everywhere(EMAIL).await.len());
}
