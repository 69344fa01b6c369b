//! People see and end their own sessions, and superusers those of others.

use std::time::Duration;

use axum_users::ErrorStyle;
use serde_json::{Value, json};

use crate::harness::{
    App, BACKENDS, Database, OTHER_PASSWORD, PASSWORD, Token, Wiring, in_redis, on_every_database,
};

on_every_database! {
    a_list_shows_the_live_sessions_of_its_owner_alone,
    a_session_gets_a_name_and_loses_it,
    a_session_is_ended_from_another_one,
    ids_of_others_are_as_unknown_as_made_up_ones,
    all_others_end_and_the_present_one_lives_on,
    all_sessions_end,
    logging_out_everywhere_ends_every_strategy,
    superusers_see_and_end_the_sessions_of_others,
    a_password_change_keeps_the_session_that_asked_by_a_new_token,
    nothing_revives_what_a_deactivation_ended,
    a_token_works_on_its_own_backend_only,
    a_dead_token_does_not_spoil_a_login,
    hooks_learn_why_sessions_end
    ;
}

in_redis! {
    a_list_shows_the_live_sessions_of_its_owner_alone,
    a_session_gets_a_name_and_loses_it,
    a_session_is_ended_from_another_one,
    ids_of_others_are_as_unknown_as_made_up_ones,
    all_others_end_and_the_present_one_lives_on,
    all_sessions_end,
    logging_out_everywhere_ends_every_strategy,
    superusers_see_and_end_the_sessions_of_others,
    a_password_change_keeps_the_session_that_asked_by_a_new_token,
    nothing_revives_what_a_deactivation_ended,
    a_token_works_on_its_own_backend_only,
    a_dead_token_does_not_spoil_a_login,
    hooks_learn_why_sessions_end,
}

const EMAIL: &str = "arthur@camelot.bt";
const KAY: &str = "kay@camelot.bt";
const MERLIN: &str = "merlin@camelot.bt";

fn ids(sessions: &[Value]) -> Vec<&str> {
    sessions
        .iter()
        .map(|session| session["id"].as_str().expect("an id is a text"))
        .collect()
}

/// The id of the session of a token.
async fn id_of<D: Database>(app: &App<D>, token: &Token) -> String {
    let sessions = app.sessions(token).await;
    let mut current = sessions.iter().filter(|session| session["current"] == true);
    let id = current.next().expect("the present session is marked")["id"].clone();
    assert_eq!(current.next(), None);
    id.as_str().expect("an id is a text").to_owned()
}

async fn a_list_shows_the_live_sessions_of_its_owner_alone<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register(KAY).await;
    app.login("token", KAY).await;
    let call = app.try_login("token", EMAIL, PASSWORD);
    let token = call.header("user-agent", "Excalibur/1.0").await.token();
    app.clock.advance(Duration::from_secs(1));
    let cookie = app.login("cookie", EMAIL).await;
    app.login("jwt", EMAIL).await;
    let sessions = app.sessions(&token).await;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let (latest, first) = (&sessions[0], &sessions[1]);
    assert_eq!(
        (&latest["backend"], &latest["current"]),
        (&json!("cookie"), &json!(false))
    );
    assert_eq!(
        (&first["backend"], &first["current"]),
        (&json!("token"), &json!(true))
    );
    assert_eq!(first["user_agent"], "Excalibur/1.0");
    assert_eq!(
        first["client_address"],
        json!(null),
        "addresses are kept only where the application says so"
    );
    assert_eq!(first["name"], json!(null));
    for moment in ["created_at", "expires_at"] {
        assert!(
            first[moment].as_str().is_some_and(|text| text.ends_with('Z')),
            "{first}"
        );
    }
    let shown = json!(sessions).to_string();
    assert!(!shown.contains(token.text()) && !shown.contains(cookie.text()));
    assert!(!shown.contains("digest") && !shown.contains("hash"));
    app.post("/auth/cookie/logout").by(&cookie).await.is(204);
    assert_eq!(app.sessions(&token).await.len(), 1);
}

async fn a_session_gets_a_name_and_loses_it<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    let path = format!("/auth/sessions/{}", id_of(app, &token).await);
    let name = |name: Value| app.patch(&path).by(&token).json(json!({ "name": name }));
    name(json!("  old laptop ")).await.is(204);
    assert_eq!(app.sessions(&token).await[0]["name"], "old laptop");
    for wrong in [json!(""), json!(" "), json!("x".repeat(101)), json!("a\u{7}b")] {
        name(wrong).await.invalid(&[("name", "length")]);
    }
    name(json!(7)).await.invalid(&[("name", "invalid_type")]);
    let nothing = app.patch(&path).by(&token).json(json!({}));
    nothing.await.invalid(&[("name", "missing")]);
    assert_eq!(app.sessions(&token).await[0]["name"], "old laptop");
    name(json!(null)).await.is(204);
    assert_eq!(app.sessions(&token).await[0]["name"], json!(null));
}

async fn a_session_is_ended_from_another_one<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let (here, there) = (app.login("token", EMAIL).await, app.login("cookie", EMAIL).await);
    let path = format!("/auth/sessions/{}", id_of(app, &there).await);
    app.delete(&path).by(&here).await.is(204);
    assert_eq!((app.me(&here).await, app.me(&there).await), (200, 401));
    app.delete(&path).by(&here).await.refused(404, "NOT_FOUND");
}

async fn ids_of_others_are_as_unknown_as_made_up_ones<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register(KAY).await;
    let (mine, theirs) = (app.login("token", EMAIL).await, app.login("token", KAY).await);
    let other = id_of(app, &theirs).await;
    let own = id_of(app, &mine).await;
    let (_, number) = own.split_once('.').expect("a backend and an id");
    let wrong_backend = format!("cookie.{number}");
    let jwt = format!("jwt.{number}");
    for id in [
        other.as_str(),
        "token.999999",
        "token.x",
        "token",
        ".",
        "x.1",
        "personal.1",
        &wrong_backend,
        &jwt,
    ] {
        let path = format!("/auth/sessions/{id}");
        app.delete(&path).by(&mine).await.refused(404, "NOT_FOUND");
        let name = app.patch(&path).by(&mine).json(json!({"name": "mine now"}));
        name.await.refused(404, "NOT_FOUND");
    }
    assert_eq!((app.me(&mine).await, app.me(&theirs).await), (200, 200));
    assert_eq!(app.sessions(&theirs).await[0]["name"], json!(null));
}

async fn all_others_end_and_the_present_one_lives_on<D: Database>(app: &App<D>) {
    for backend in BACKENDS {
        let email = format!("{backend}@camelot.bt");
        app.register(&email).await;
        let others = app.login_everywhere(&email).await;
        let here = app.login(backend, &email).await;
        let answer = app.post("/auth/sessions/end-others").by(&here).await.is(204);
        for (_, other) in &others {
            assert_eq!(app.me(other).await, 401, "{backend}");
        }
        match backend {
            // A row moves on with its user.
            "token" | "cookie" => assert_eq!(app.me(&here).await, 200),
            // A signed token cannot, so there is another one.
            _ => {
                assert_eq!(app.me(&here).await, 401);
                assert_eq!(app.me(&replacement(&answer, &here)).await, 200);
            }
        }
    }
}

/// The token that an answer brings in place of the one that asked.
fn replacement(answer: &crate::harness::Answer, old: &Token) -> Token {
    match old {
        Token::Bearer(_) => {
            let info = answer.header("authentication-info");
            let text = info.strip_prefix("access_token=\"").expect("a token is there");
            assert!(info.contains("token_type=\"bearer\", expires_in="), "{info}");
            Token::Bearer(text.split('"').next().expect("an end").to_owned())
        }
        Token::Cookie { name, .. } => {
            let [cookie] = answer.set_cookies()[..] else {
                panic!("one cookie is set");
            };
            let (set, value) = cookie
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a cookie");
            assert_eq!(set, name);
            Token::cookie(name, value)
        }
        _ => panic!("no backend has tokens in other headers"),
    }
}

async fn all_sessions_end<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let all = app.login_everywhere(EMAIL).await;
    let here = app.login("cookie", EMAIL).await;
    let answer = app.post("/auth/sessions/end-all").by(&here).await.is(204);
    assert!(answer.set_cookies()[0].contains("Max-Age=0"));
    for (backend, token) in &all {
        assert_eq!(app.me(token).await, 401, "{backend}");
    }
    assert_eq!(app.me(&here).await, 401);
}

async fn logging_out_everywhere_ends_every_strategy<D: Database>(app: &App<D>) {
    for backend in BACKENDS {
        let email = format!("{backend}@camelot.bt");
        app.register(&email).await;
        app.register(&format!("other-{email}")).await;
        let other = app.login("token", &format!("other-{email}")).await;
        let all = app.login_everywhere(&email).await;
        let here = app.login(backend, &email).await;
        let personal = app.personal_token(&here, None).await;
        let path = format!("/auth/{backend}/logout-all");
        app.post(&path).await.refused(401, "UNAUTHORIZED");
        app.post(&path).by(&here).await.is(204);
        for (name, token) in all.iter().chain([&(backend, here)]) {
            assert_eq!(app.me(token).await, 401, "{name} by {backend}");
        }
        assert_eq!((app.me(&other).await, app.me(&personal).await), (200, 200));
        let again = app.login(backend, &email).await;
        app.post(&format!("{path}?personal_tokens=perhaps"))
            .by(&again)
            .await
            .invalid(&[("personal_tokens", "invalid")]);
        assert_eq!(app.me(&again).await, 200);
        app.post(&format!("{path}?personal_tokens=true"))
            .by(&again)
            .await
            .is(204);
        assert_eq!((app.me(&again).await, app.me(&personal).await), (401, 401));
    }
}

async fn superusers_see_and_end_the_sessions_of_others<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    app.superuser(MERLIN).await;
    let (first, second) = (app.login("token", EMAIL).await, app.login("cookie", EMAIL).await);
    let admin = app.login("token", MERLIN).await;
    let theirs = format!("/auth/sessions/users/{id}");
    let one = format!("{theirs}/{}", id_of(app, &second).await);
    for call in [app.get(&theirs), app.delete(&theirs), app.delete(&one)] {
        call.by(&first).await.refused(403, "FORBIDDEN");
    }
    let page = app.get(&theirs).by(&admin).await.is(200).json();
    let listed = page["items"].as_array().expect("a list");
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|session| session["current"] == false));
    app.delete(&one).by(&admin).await.is(204);
    assert_eq!((app.me(&first).await, app.me(&second).await), (200, 401));
    app.delete(&one).by(&admin).await.refused(404, "NOT_FOUND");
    app.delete(&theirs).by(&admin).await.is(204);
    assert_eq!((app.me(&first).await, app.me(&admin).await), (401, 200));
    for nobody in ["00000000-0000-4000-8000-000000000001", "x"] {
        let path = format!("/auth/sessions/users/{nobody}");
        for call in [
            app.get(&path),
            app.delete(&path),
            app.delete(&format!("{path}/token.1")),
        ] {
            call.by(&admin).await.refused(404, "NOT_FOUND");
        }
    }
}

async fn a_password_change_keeps_the_session_that_asked_by_a_new_token<D: Database>(app: &App<D>) {
    for backend in ["jwt", "cookie-jwt"] {
        let email = format!("{backend}@camelot.bt");
        app.register(&email).await;
        let here = app.login(backend, &email).await;
        app.clock.advance(Duration::from_mins(10));
        let body = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
        let answer = app.patch("/users/me").by(&here).json(body).await.is(200);
        assert_eq!(app.me(&here).await, 401);
        let new = replacement(&answer, &here);
        assert_eq!(app.me(&new).await, 200);
        // The new one ends when the old one would have.
        app.clock.advance(Duration::from_mins(50));
        assert_eq!(app.me(&new).await, 401);
    }
}

async fn nothing_revives_what_a_deactivation_ended<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    app.superuser(MERLIN).await;
    let admin = app.login("token", MERLIN).await;
    let mut tokens = app.login_everywhere(EMAIL).await;
    let personal = app.personal_token(&tokens[0].1, None).await;
    tokens.push(("personal", personal));
    for active in [false, true] {
        let body = json!({ "is_active": active });
        app.patch(&format!("/users/{id}"))
            .by(&admin)
            .json(body)
            .await
            .is(200);
        for (backend, token) in &tokens {
            assert_eq!(app.me(token).await, 401, "{backend}, {active}");
        }
    }
}

async fn a_token_works_on_its_own_backend_only<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let (token, cookie) = (app.login("token", EMAIL).await, app.login("cookie", EMAIL).await);
    app.get("/users/me")
        .bearer(cookie.text())
        .await
        .refused(401, "UNAUTHORIZED");
    let Token::Cookie { name, .. } = &cookie else {
        panic!("the backend is one of cookies");
    };
    let swapped = Token::Cookie {
        name: name.clone(),
        value: token.text().to_owned(),
    };
    assert_eq!(app.me(&swapped).await, 401);
    let text = token.text();
    for (header, expected) in [
        (format!("bearer {text}"), 200),
        (format!("BEARER   {text}"), 200),
        (format!("Token {text}"), 401),
        (text.to_owned(), 401),
        (format!("Bearer {text} {text}"), 401),
        (format!("Bearer {}", "x".repeat(5000)), 401),
        (format!("Bearer \u{fc}{text}"), 401),
    ] {
        let answer = app.get("/users/me").header("authorization", &header).await;
        assert_eq!(answer.status, expected, "{header:.40}");
    }
}

async fn a_dead_token_does_not_spoil_a_login<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    for backend in BACKENDS {
        let dead = app.login(backend, EMAIL).await;
        app.post(&format!("/auth/{backend}/logout"))
            .by(&dead)
            .await
            .is(204);
        let again = app.try_login(backend, EMAIL, PASSWORD).by(&dead).await.token();
        assert_eq!(app.me(&again).await, 200);
    }
}

async fn hooks_learn_why_sessions_end<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    app.set_verified(EMAIL).await;
    app.superuser(MERLIN).await;
    let admin = app.login("token", MERLIN).await;
    let told = async |expected: &[&str]| {
        app.users.settle().await;
        assert_eq!(app.tokens.take(), expected);
    };
    told(&["issued token"]).await;
    let token = app.login("token", EMAIL).await;
    app.post("/auth/token/logout").by(&token).await.is(204);
    told(&["issued token", "revoked one token: logout"]).await;
    let token = app.login("jwt", EMAIL).await;
    app.post("/auth/jwt/logout-all").by(&token).await.is(204);
    told(&["issued jwt", "revoked all: logout"]).await;
    let (here, there) = (app.login("token", EMAIL).await, app.login("cookie", EMAIL).await);
    let path = format!("/auth/sessions/{}", id_of(app, &there).await);
    app.delete(&path).by(&here).await.is(204);
    app.post("/auth/sessions/end-others").by(&here).await.is(204);
    let personal = app.post("/auth/tokens").by(&here);
    let personal = personal
        .json(json!({"name": "backup", "current_password": PASSWORD}))
        .await
        .is(201);
    let personal = format!("/auth/tokens/{}", personal.json()["id"].as_str().expect("an id"));
    app.delete(&personal).by(&here).await.is(204);
    told(&[
        "issued token",
        "issued cookie",
        "revoked one cookie: by_owner",
        "revoked others: by_owner",
        "issued personal",
        "revoked one personal: by_owner",
    ])
    .await;
    let body = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
    app.patch("/users/me").by(&here).json(body).await.is(200);
    told(&["revoked others: password_changed"]).await;
    let reset = app.reset_token(EMAIL).await;
    app.reset(&reset, PASSWORD).await.is(200);
    told(&["revoked all: password_reset"]).await;
    app.delete(&format!("/auth/sessions/users/{id}"))
        .by(&admin)
        .await
        .is(204);
    let deactivate = app.patch(&format!("/users/{id}")).by(&admin);
    deactivate.json(json!({"is_active": false})).await.is(200);
    app.delete(&format!("/users/{id}")).by(&admin).await.is(204);
    told(&[
        "revoked all: by_admin",
        "revoked everything: deactivated",
        "revoked everything: deleted",
    ])
    .await;
}

#[tokio::test]
async fn the_address_of_the_client_is_kept_where_the_application_says_so() {
    use std::net::SocketAddr;

    use axum::{Extension, extract::ConnectInfo};
    use axum_users::TokenOptions;

    let options = TokenOptions::new(crate::harness::LIFETIME).keep_client_address();
    let wiring = Wiring::usual().tokens(options).users(|users| {
        users
            .trust_proxy("10.0.0.0/8")
            .expect("a network")
            .error_style(ErrorStyle::Full)
    });
    let mut app = crate::harness::wired(wiring).await;
    let proxy = SocketAddr::from(([10, 1, 1, 1], 4711));
    app.router = app.router.clone().layer(Extension(ConnectInfo(proxy)));
    app.register(EMAIL).await;
    // The left end is what the client claims; the right end is what the proxy saw.
    let login = app.try_login("token", EMAIL, PASSWORD);
    let token = login
        .header("x-forwarded-for", "1.1.1.1, 203.0.113.9")
        .await
        .token();
    assert_eq!(app.sessions(&token).await[0]["client_address"], "203.0.113.9");
    assert_eq!(ids(&app.sessions(&token).await).len(), 1);
}
