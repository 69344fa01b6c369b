//! Requests with cookies that another site caused.

use axum::routing::{get, post};
use axum_users::{CROSS_ORIGIN_REQUEST, CurrentUser};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use crate::harness::{Api, BACKENDS, Call, PASSWORD, SqliteInMemory, Wiring, app, wired};

const EMAIL: &str = "arthur@camelot.bt";

type Case = &'static [(&'static str, &'static str)];

const REFUSED: [Case; 8] = [
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
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("host", "api.example.com"),
    ],
    &[
        ("origin", "https://app.example.com"),
        ("sec-fetch-site", "same-site"),
        ("host", "api.example.com"),
    ],
];

const ALLOWED: [Case; 5] = [
    &[],
    &[("sec-fetch-site", "same-origin")],
    &[("sec-fetch-site", "none")],
    &[("origin", "https://api.example.com"), ("host", "api.example.com")],
    &[
        ("origin", "https://api.example.com"),
        ("sec-fetch-site", "same-origin"),
        ("host", "api.example.com"),
    ],
];

fn with(call: Call, case: Case) -> Call {
    case.iter()
        .fold(call, |call, (name, value)| call.header(name, value))
}

fn is_cookie(backend: &str) -> bool {
    backend.starts_with("cookie")
}

#[tokio::test]
async fn a_cookie_acts_only_for_our_own_pages() {
    let app = app().await;
    app.register(EMAIL).await;
    for (backend, token) in app.login_everywhere(EMAIL).await {
        for case in REFUSED {
            let before = app.get("/users/me").by(&token).await.is(200).body;
            let calls = [
                app.patch("/users/me")
                    .by(&token)
                    .json(json!({"first_name": "Mallory"})),
                app.post("/users/me/delete")
                    .by(&token)
                    .json(json!({"current_password": "wrong wrong"})),
            ];
            for call in calls {
                let answer = with(call, case).await;
                if is_cookie(backend) {
                    answer.refused(403, CROSS_ORIGIN_REQUEST);
                } else {
                    assert_ne!(answer.status, 403, "{backend}: a header is never sent by itself");
                }
            }
            // Reading is harmless.
            let after = with(app.get("/users/me"), case).by(&token).await.is(200).body;
            assert_eq!(before == after, is_cookie(backend) || before.contains("Mallory"));
            let logout = with(app.post(&format!("/auth/{backend}/logout")).by(&token), case);
            if is_cookie(backend) {
                let answer = logout.await.refused(403, CROSS_ORIGIN_REQUEST);
                assert_eq!(answer.set_cookies(), [""; 0]);
                assert_eq!(app.me(&token).await, 200);
            }
        }
        for case in ALLOWED {
            let body = json!({"first_name": "Arthur"});
            with(app.patch("/users/me").by(&token), case)
                .json(body)
                .await
                .is(200);
        }
    }
}

#[tokio::test]
async fn another_site_cannot_sign_its_visitors_in_or_out() {
    let app = app().await;
    app.register(EMAIL).await;
    for backend in BACKENDS {
        for case in REFUSED {
            let answer = with(app.try_login(backend, EMAIL, PASSWORD), case).await;
            if is_cookie(backend) {
                let answer = answer.refused(403, CROSS_ORIGIN_REQUEST);
                assert_eq!(answer.set_cookies(), [""; 0]);
            } else {
                answer.is(200);
            }
        }
        for case in ALLOWED {
            let token = with(app.try_login(backend, EMAIL, PASSWORD), case).await.token();
            let logout = app.post(&format!("/auth/{backend}/logout")).by(&token);
            with(logout, case).await.is(204);
        }
    }
    // Whoever is signed in by a cookie is not signed out by another router's logout either.
    let cookie = app.login("cookie", EMAIL).await;
    app.post("/auth/jwt/logout")
        .by(&cookie)
        .cross_site()
        .await
        .refused(403, CROSS_ORIGIN_REQUEST);
    assert_eq!(app.me(&cookie).await, 200);
}

#[tokio::test]
async fn a_trusted_origin_acts_like_our_own() {
    let app =
        wired(Wiring::usual().users(|users| users.trust_origin("https://app.example.com").unwrap())).await;
    app.register(EMAIL).await;
    let cases: [(u16, Case); 6] = [
        (
            200,
            &[
                ("origin", "https://app.example.com"),
                ("sec-fetch-site", "same-site"),
            ],
        ),
        (
            200,
            &[
                ("origin", "https://app.example.com"),
                ("sec-fetch-site", "cross-site"),
            ],
        ),
        (
            403,
            &[
                ("origin", "https://app.example.com:8443"),
                ("sec-fetch-site", "same-site"),
            ],
        ),
        (
            403,
            &[
                ("origin", "http://app.example.com"),
                ("sec-fetch-site", "cross-site"),
            ],
        ),
        (
            403,
            &[
                ("origin", "https://app.example.com.evil.example"),
                ("host", "app.example.com"),
            ],
        ),
        (
            403,
            &[
                ("origin", "https://evil.example"),
                ("sec-fetch-site", "cross-site"),
            ],
        ),
    ];
    let cookie = app.login("cookie", EMAIL).await;
    for (status, case) in cases {
        let call = app
            .patch("/users/me")
            .by(&cookie)
            .json(json!({"first_name": "A"}));
        with(call, case).await.is(status);
        let login = with(app.try_login("cookie", EMAIL, PASSWORD), case).await;
        assert_eq!(login.status, if status == 200 { 204 } else { 403 });
    }
}

#[tokio::test]
async fn handlers_of_the_application_are_checked_too() {
    type Current = CurrentUser<Api<SqliteInMemory>>;

    async fn act(_: Current) {}
    async fn maybe(user: Option<Current>) -> String {
        user.is_some().to_string()
    }

    let app = wired(Wiring::usual().mount(|users| {
        OpenApiRouter::new()
            .route("/act", post(act).get(act).put(act).delete(act))
            .route("/maybe", post(maybe).merge(get(maybe)))
            .with_state(users.clone())
    }))
    .await;
    app.register(EMAIL).await;
    let (cookie, bearer) = (app.login("cookie", EMAIL).await, app.login("jwt", EMAIL).await);
    for method in ["POST", "PUT", "DELETE"] {
        let call = || app.call(method, "/act").cross_site();
        call().by(&cookie).await.refused(403, CROSS_ORIGIN_REQUEST);
        call().by(&bearer).await.is(200);
        // The header says who acts before the cookie does.
        call().by(&bearer).by(&cookie).await.is(200);
    }
    app.get("/act").cross_site().by(&cookie).await.is(200);
    let answer = app.post("/maybe").cross_site().by(&cookie).await.is(200);
    assert_eq!(answer.body, "false", "to another site nobody is signed in");
}
