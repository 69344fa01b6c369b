//! Beginning and ending sessions.

use std::collections::BTreeSet;

use axum::routing::get;
use axum_users::{
    AxumUsers, CurrentUser,
    guard::{Active, BackendNames, Via},
};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use crate::harness::{
    Api, App, BACKENDS, Call, Database, OTHER_PASSWORD, PASSWORD, Token, Wiring, app, on_every_database,
    wired,
};

on_every_database! {
    every_backend_signs_in_and_out,
    a_token_is_good_only_on_the_backend_that_issued_it;
}

const EMAIL: &str = "arthur@camelot.bt";

fn cookie_name(backend: &str) -> &'static str {
    match backend {
        "cookie" => "__Host-session",
        _ => "__Host-jwt_session",
    }
}

fn attributes(cookie: &str) -> BTreeSet<&str> {
    cookie.split("; ").skip(1).collect()
}

async fn every_backend_signs_in_and_out<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    for backend in BACKENDS {
        let answer = app.try_login(backend, "Arthur@Camelot.bt", PASSWORD).await;
        answer.is_hardened();
        let token = answer.token();
        if let Token::Bearer(text) = &token {
            assert_eq!(answer.status, 200, "{backend}");
            assert_eq!(
                answer.json(),
                json!({"access_token": text, "token_type": "bearer", "expires_in": 3600})
            );
        } else {
            let [cookie] = answer.set_cookies()[..] else {
                panic!("one cookie")
            };
            assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{backend}");
            assert!(cookie.starts_with(cookie_name(backend)), "{cookie}");
            let expected = ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=Lax", "Secure"];
            assert_eq!(attributes(cookie), BTreeSet::from(expected));
            assert!(cookie.len() < 4096);
        }
        let me = app.get("/users/me").by(&token).await.is(200);
        assert_eq!(me.json()["id"], id.as_str());
        assert_eq!(me.set_cookies(), [""; 0], "only a login sets a cookie");

        let answer = app
            .post(&format!("/auth/{backend}/logout"))
            .by(&token)
            .await
            .is(204);
        assert_eq!(answer.body, "");
        answer.is_hardened();
        match (&token, &answer.set_cookies()[..]) {
            (Token::Bearer(_), []) => {}
            (Token::Cookie { name, .. }, [cookie]) => {
                assert!(cookie.starts_with(&format!("{name}=;")), "{cookie}");
                let expected = ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax", "Secure"];
                assert_eq!(attributes(cookie), BTreeSet::from(expected));
            }
            (_, cookies) => panic!("{backend}: {cookies:?}"),
        }
        assert_eq!(app.me(&token).await, 401, "{backend}");
    }
}

struct Jwt;
struct Opaque;
struct Cookie;
struct CookieJwt;

macro_rules! names {
    ($($name:ident $text:literal),*) => {
        $(impl BackendNames for $name {
            const NAMES: &'static [&'static str] = &[$text];
        })*
    };
}
names!(Jwt "jwt", Opaque "token", Cookie "cookie", CookieJwt "cookie-jwt");

async fn via<D: Database, B: BackendNames>(user: CurrentUser<Api<D>, (Active, Via<B>)>) -> String {
    user.session().backend.clone()
}

async fn a_token_is_good_only_on_the_backend_that_issued_it<D: Database>(app: &App<D>) {
    let app = app.rewired(Wiring::usual().mount(|users| {
        OpenApiRouter::new()
            .route("/via/jwt", get(via::<D, Jwt>))
            .route("/via/token", get(via::<D, Opaque>))
            .route("/via/cookie", get(via::<D, Cookie>))
            .route("/via/cookie-jwt", get(via::<D, CookieJwt>))
            .with_state(users.clone())
    }));
    app.register(EMAIL).await;
    let tokens = app.login_everywhere(EMAIL).await;
    let mut wrong = 0;
    for (issued, token) in &tokens {
        for backend in BACKENDS {
            let presented = if backend.starts_with("cookie") {
                Token::Cookie {
                    name: cookie_name(backend).to_owned(),
                    value: token.text().to_owned(),
                }
            } else {
                Token::Bearer(token.text().to_owned())
            };
            let answer = app.get(&format!("/via/{backend}")).by(&presented).await;
            if *issued == backend {
                assert_eq!(answer.is(200).body, backend);
            } else {
                answer.refused(401, "UNAUTHORIZED");
                wrong += 1;
            }
        }
    }
    assert_eq!(wrong, 12);
}

#[tokio::test]
async fn only_confirmed_users_get_in_where_that_is_asked() {
    let app = wired(Wiring::usual().users(AxumUsers::verified_only)).await;
    app.register(EMAIL).await;
    app.register("idle@camelot.bt").await;
    app.set_active("idle@camelot.bt", false).await;
    for backend in BACKENDS {
        app.try_login(backend, EMAIL, PASSWORD)
            .await
            .refused(400, "LOGIN_USER_NOT_VERIFIED");
        for (email, password) in [(EMAIL, OTHER_PASSWORD), ("idle@camelot.bt", PASSWORD)] {
            app.try_login(backend, email, password)
                .await
                .refused(400, "LOGIN_BAD_CREDENTIALS");
        }
    }
    let before = app.rewired(Wiring::usual()).login("token", EMAIL).await;
    for path in [
        "/users/me",
        "/users",
        "/users/00000000-0000-0000-0000-000000000001",
    ] {
        app.get(path).by(&before).await.refused(403, "FORBIDDEN");
    }
    app.post("/auth/token/logout")
        .by(&before)
        .await
        .refused(403, "FORBIDDEN");
    app.set_verified(EMAIL).await;
    assert_eq!(app.me(&before).await, 200);
    app.login_everywhere(EMAIL).await;
}

#[tokio::test]
async fn the_form_is_read_as_the_original_reads_it() {
    let app = app().await;
    app.register(EMAIL).await;
    let form = |fields: &[(&str, &str)]| app.post("/auth/jwt/login").form(fields);
    let good = [("username", EMAIL), ("password", PASSWORD)];
    for extra in [
        ("grant_type", "password"),
        ("grant_type", ""),
        ("scope", "a b"),
        ("client_id", "x"),
        ("client_secret", "y"),
        ("unknown", "z"),
    ] {
        form(&[good[0], good[1], extra]).await.is(200);
    }
    form(&[good[0], good[1], ("grant_type", "client_credentials")])
        .await
        .invalid(&[("grant_type", "string_pattern_mismatch")])
        .hides("client_credentials");
    form(&[good[0], ("password", "")])
        .await
        .invalid(&[("password", "missing")]);
    form(&[("username", ""), good[1]])
        .await
        .invalid(&[("username", "missing")]);
    form(&[])
        .await
        .invalid(&[("username", "missing"), ("password", "missing")]);
    form(&[good[0], good[1], good[1]])
        .await
        .invalid(&[("password", "duplicate")])
        .hides(PASSWORD);
    form(&[good[0], good[1], ("username", "kay@camelot.bt")])
        .await
        .invalid(&[("username", "duplicate")]);
    form(&[("username", "a\0"), good[1]])
        .await
        .invalid(&[("username", "null_character")]);
    form(&[good[0], ("password", "a\0")])
        .await
        .invalid(&[("password", "null_character")]);
    form(&[good[0], ("password", &"x".repeat(1025))])
        .await
        .invalid(&[("password", "too_long")]);
    app.post("/auth/jwt/login")
        .body("application/x-www-form-urlencoded", "username=a&password=%zz")
        .await
        .invalid(&[("", "form_invalid")]);
    app.post("/auth/jwt/login")
        .body("application/x-www-form-urlencoded", "x=".repeat(64 * 1024))
        .await
        .refused(413, "PAYLOAD_TOO_LARGE");
}

fn multipart(call: Call) -> Call {
    let part = |name: &str, value: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = format!(
        "{}{}--x--\r\n",
        part("username", EMAIL),
        part("password", PASSWORD)
    );
    call.body("multipart/form-data; boundary=x", body)
}

#[tokio::test]
async fn json_is_a_login_only_where_it_is_allowed() {
    let app = app().await;
    app.register(EMAIL).await;
    let json = json!({"username": EMAIL, "password": PASSWORD});
    multipart(app.post("/auth/jwt/login")).await.is(200);
    app.post("/auth/jwt/login")
        .json(json.clone())
        .await
        .refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let app = app.rewired(Wiring::usual().users(AxumUsers::json_login));
    multipart(app.post("/auth/jwt/login")).await.is(200);
    for backend in BACKENDS {
        app.post(&format!("/auth/{backend}/login"))
            .json(json.clone())
            .await
            .token();
        app.try_login(backend, EMAIL, PASSWORD).await.token();
    }
    app.post("/auth/jwt/login")
        .json(json!({"username": [EMAIL], "password": PASSWORD}))
        .await
        .invalid(&[("username", "string_type")]);
}

#[tokio::test]
async fn logout_prefers_the_token_of_its_own_backend() {
    let app = app().await;
    app.register(EMAIL).await;
    for (router, ended, kept) in [
        ("cookie", "cookie", "jwt"),
        ("jwt", "jwt", "cookie"),
        ("cookie-jwt", "cookie-jwt", "token"),
        ("token", "token", "cookie-jwt"),
    ] {
        let (ended, kept) = (app.login(ended, EMAIL).await, app.login(kept, EMAIL).await);
        app.post(&format!("/auth/{router}/logout"))
            .by(&ended)
            .by(&kept)
            .await
            .is(204);
        assert_eq!(
            (app.me(&ended).await, app.me(&kept).await),
            (401, 200),
            "{router}"
        );
    }
}

#[tokio::test]
async fn logout_ends_the_token_of_another_backend_where_its_own_is_absent() {
    let app = app().await;
    app.register(EMAIL).await;
    for (router, backend) in [
        ("jwt", "token"),
        ("cookie", "token"),
        ("cookie", "jwt"),
        ("jwt", "cookie"),
    ] {
        let token = app.login(backend, EMAIL).await;
        let answer = app
            .post(&format!("/auth/{router}/logout"))
            .by(&token)
            .await
            .is(204);
        assert_eq!(app.me(&token).await, 401, "{backend} at {router}");
        assert_eq!(
            answer.set_cookies().len(),
            1.min(usize::from(router == "cookie" || backend == "cookie"))
        );
    }
}

#[tokio::test]
async fn a_dead_token_does_not_spoil_a_login_or_a_good_token() {
    let app = app().await;
    app.register(EMAIL).await;
    let cookie = app.login("cookie", EMAIL).await;
    let dead = app.login("jwt", EMAIL).await;
    app.post("/auth/jwt/logout").by(&dead).await.is(204);
    for backend in BACKENDS {
        app.try_login(backend, EMAIL, PASSWORD)
            .by(&dead)
            .header("cookie", "__Host-session=dead")
            .await
            .token();
    }
    app.get("/users/me").by(&dead).by(&cookie).await.is(200);
}

#[tokio::test]
async fn the_application_may_bar_a_user_whose_password_is_right() {
    let app = app().await;
    app.register("barred@camelot.bt").await;
    app.try_login("jwt", "barred@camelot.bt", PASSWORD)
        .await
        .refused(403, "ACCOUNT_BARRED");
    app.try_login("jwt", "barred@camelot.bt", OTHER_PASSWORD)
        .await
        .refused(400, "LOGIN_BAD_CREDENTIALS");
}
