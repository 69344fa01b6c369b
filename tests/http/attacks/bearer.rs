//! Tokens in headers, and the sessions behind them.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use super::aftermath::{assert_refused, operations, still_works};
use crate::harness::{
    Answer, App, BACKENDS, Database, LIFETIME, OTHER_PASSWORD, PASSWORD, Token, app, in_redis,
    on_every_database,
};

on_every_database! {
    a077_opaque_tokens_are_chance_and_nothing_else,
    a079_a_token_that_is_nearly_right_is_wrong,
    a080_garbage_is_no_token,
    a081_a_logout_ends_one_session_and_no_other,
    a082_logging_out_everywhere_ends_all_and_nobody_elses,
    a083_sessions_end_when_their_time_is_over,
    a084_a_new_password_ends_the_sessions_from_before,
    a085_a_reset_ends_the_sessions_from_before,
    a088_no_two_logins_give_one_token,
    a170_a_list_of_sessions_is_of_ones_own_and_has_no_tokens
    ;
}

in_redis! {
    a077_opaque_tokens_are_chance_and_nothing_else,
    a079_a_token_that_is_nearly_right_is_wrong,
    a080_garbage_is_no_token,
    a081_a_logout_ends_one_session_and_no_other,
    a082_logging_out_everywhere_ends_all_and_nobody_elses,
    a083_sessions_end_when_their_time_is_over,
    a084_a_new_password_ends_the_sessions_from_before,
    a085_a_reset_ends_the_sessions_from_before,
    a088_no_two_logins_give_one_token,
    a170_a_list_of_sessions_is_of_ones_own_and_has_no_tokens,
}

const EMAIL: &str = "arthur@camelot.bt";
const KAY: &str = "kay@camelot.bt";
const NOBODY: &str = "00000000-0000-4000-8000-000000000001";

fn challenge(answer: &Answer) -> String {
    let all = answer.headers.get_all("www-authenticate");
    assert_eq!(all.iter().count(), 1, "{answer:?}");
    answer.header("www-authenticate").to_owned()
}

#[tokio::test]
async fn a069_every_401_says_how_to_sign_in() {
    let app = app().await;
    let mut guarded = 0;
    for operation in operations(&app, NOBODY) {
        if !operation.is_guarded {
            continue;
        }
        guarded += 1;
        let bare = operation.call(&app).await.refused(401, "UNAUTHORIZED");
        assert_eq!(challenge(&bare), "Bearer", "{operation:?}");
        for bad in [
            operation.call(&app).bearer("x"),
            operation.call(&app).header("cookie", "__Host-session=x"),
            operation.call(&app).header("authorization", "Bearer"),
            operation.call(&app).header("authorization", "Basic YTpi"),
        ] {
            let answer = bad.await.refused(401, "UNAUTHORIZED");
            assert!(challenge(&answer).starts_with("Bearer"), "{operation:?}");
        }
    }
    assert!(guarded > 20, "{guarded}");
}

#[tokio::test]
async fn a070_no_token_a_bad_one_and_too_little_are_told_apart() {
    let app = app().await;
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    for none in [
        app.get("/users/me"),
        app.get("/users/me").header("authorization", "Basic YTpi"),
    ] {
        assert_eq!(challenge(&none.await.is(401)), "Bearer");
    }
    for bad in ["x", "", "a b", "x.y.z", token.text().get(1..).unwrap()] {
        let answer = app.get("/users/me").bearer(bad).await.is(401);
        assert_eq!(challenge(&answer), r#"Bearer error="invalid_token""#, "{bad}");
    }
    app.get("/users").by(&token).await.refused(403, "FORBIDDEN");
    let scoped = app.personal_token(&token, Some(&["orders:read"])).await;
    let answer = app.get("/users/me").by(&scoped).await.is(403);
    assert_eq!(challenge(&answer), r#"Bearer error="insufficient_scope""#);
}

#[tokio::test]
async fn a071_a_token_in_a_query_or_a_body_is_not_read() {
    let app = app().await;
    app.register(EMAIL).await;
    for (backend, token) in app.login_everywhere(EMAIL).await {
        let text = token.text();
        let logout = format!("/auth/{backend}/logout");
        for name in [
            "access_token",
            "token",
            "jwt",
            "auth",
            "api_key",
            "apikey",
            "key",
            "bearer",
            "authorization",
            "Authorization",
            "session",
            "__Host-session",
            "__Host-jwt_session",
        ] {
            let query = format!("/users/me?{name}={text}");
            app.get(&query).await.refused(401, "UNAUTHORIZED");
            app.get(&format!("/users/me?{name}=Bearer%20{text}"))
                .await
                .refused(401, "UNAUTHORIZED");
            app.post(&logout)
                .form(&[(name, text)])
                .await
                .refused(401, "UNAUTHORIZED");
            app.post(&logout)
                .json(json!({ name: text }))
                .await
                .refused(401, "UNAUTHORIZED");
        }
        for name in [
            "x-access-token",
            "x-auth-token",
            "x-api-key",
            "token",
            "proxy-authorization",
            "x-authorization",
        ] {
            app.get("/users/me")
                .header(name, text)
                .await
                .refused(401, "UNAUTHORIZED");
            app.get("/users/me")
                .header(name, &format!("Bearer {text}"))
                .await
                .refused(401, "UNAUTHORIZED");
        }
        // A cookie of another name is none, and neither is one in the place of a bearer.
        app.get("/users/me")
            .header("cookie", &format!("session={text}"))
            .await
            .refused(401, "UNAUTHORIZED");
        assert_eq!(app.me(&token).await, 200, "{backend}");
    }
}

#[tokio::test]
async fn a073_bearer_is_the_scheme_in_any_case_and_no_other_is() {
    let app = app().await;
    app.register(EMAIL).await;
    for backend in ["jwt", "token"] {
        let token = app.login(backend, EMAIL).await;
        let text = token.text();
        let send = |value: String| app.get("/users/me").header("authorization", &value);
        for good in ["Bearer", "bearer", "BEARER", "bEARER"] {
            send(format!("{good} {text}")).await.is(200);
        }
        for bad in [
            format!("Basic {text}"),
            format!("Token {text}"),
            format!("JWT {text}"),
            format!("Digest {text}"),
            format!("DPoP {text}"),
            format!("MAC {text}"),
            format!("Bearers {text}"),
            format!("Bearer Bearer {text}"),
            format!("Bearer Basic {text}"),
            format!("Bearer {text} {text}"),
            format!("Bearer {text},{text}"),
            format!("Bearer {text}, Bearer {text}"),
            format!("Bearer \"{text}\""),
            format!("Bearer '{text}'"),
            format!("Bearer={text}"),
            format!("Bearer:{text}"),
            format!("Bearer{text}"),
            format!("Bearer token={text}"),
            text.to_owned(),
            format!(" {text}"),
            "Bearer".to_owned(),
            String::new(),
        ] {
            let answer = send(bad.clone()).await;
            assert!([400, 401].contains(&answer.status), "{bad}: {}", answer.body);
        }
        // Two of them are one too many (RFC 6750, section 2).
        let twice = app.get("/users/me").by(&token).by(&token);
        twice.await.refused(401, "UNAUTHORIZED");
        assert_eq!(app.me(&token).await, 200);
    }
}

#[tokio::test]
async fn a075_answers_with_tokens_are_not_stored() {
    let app = app().await;
    app.register(EMAIL).await;
    for backend in BACKENDS {
        for password in [PASSWORD, OTHER_PASSWORD] {
            app.try_login(backend, EMAIL, password).await.is_hardened();
        }
        let token = app.login(backend, EMAIL).await;
        let made = json!({"name": "backup", "current_password": PASSWORD});
        app.post("/auth/tokens")
            .by(&token)
            .json(made)
            .await
            .is(201)
            .is_hardened();
        app.post("/auth/sessions/end-others")
            .by(&token)
            .await
            .is(204)
            .is_hardened();
        let token = app.login(backend, EMAIL).await;
        let change = json!({"password": PASSWORD, "current_password": PASSWORD});
        app.patch("/users/me").by(&token).json(change).await.is_hardened();
        app.post(&format!("/auth/{backend}/logout")).await.is_hardened();
    }
}

#[tokio::test]
async fn a076_answers_about_users_are_not_stored() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    app.superuser("merlin@camelot.bt").await;
    let merlin = app.login("token", "merlin@camelot.bt").await;
    let mut read = 0;
    for operation in operations(&app, &id) {
        if operation.is_safe() {
            operation.call(&app).by(&merlin).await.is(200).is_hardened();
            operation.call(&app).await.is(401).is_hardened();
            read += 1;
        }
    }
    assert!(read >= 6, "{read}");
}

async fn a077_opaque_tokens_are_chance_and_nothing_else<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    let mut beginnings = BTreeSet::new();
    for backend in ["token", "cookie"] {
        for _ in 0..6 {
            let token = app.login(backend, EMAIL).await;
            let text = token.text();
            // 22 letters of 64 are 132 bits; ours have 256 of chance.
            assert!(text.len() >= 43, "{text}");
            assert!(
                text.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
                "{text}"
            );
            for known in [EMAIL, "arthur", &id, &id.replace('-', "")] {
                assert!(!text.contains(known), "{text} has {known}");
            }
            for place in 0..3 {
                let part = text.get(place * 14..place * 14 + 14).expect("a token is long");
                assert!(
                    beginnings.insert((place, part.to_owned())),
                    "{text} repeats {part}"
                );
            }
        }
    }
    assert_eq!(beginnings.len(), 36);
}

/// The token with another text.
fn with_text(token: &Token, text: &str) -> Token {
    match token {
        Token::Cookie { name, .. } => Token::cookie(name, text),
        _ => Token::bearer(text),
    }
}

async fn a079_a_token_that_is_nearly_right_is_wrong<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    for (backend, token) in app.login_everywhere(EMAIL).await {
        let text = token.text();
        let half = text.get(..text.len() / 2).expect("a token is ASCII");
        let flipped: String = text
            .chars()
            .map(|c| {
                if c.is_lowercase() {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect();
        let reversed: String = text.chars().rev().collect();
        for bad in [
            &text[1..],
            &text[..text.len() - 1],
            &text[..8],
            &text[..20],
            half,
            &format!("{text}A"),
            &format!("{text}="),
            &format!("{text}%"),
            &format!("{half}%"),
            &format!("{half}{}", "_".repeat(text.len() - half.len())),
            &format!("A{text}"),
            &format!("{text}{text}"),
            &format!("{text}.{text}"),
            &format!("{backend}.{text}"),
            &format!("{text}%20"),
            &text.to_uppercase(),
            &text.to_lowercase(),
            &flipped,
            &reversed,
            &text.replacen(|c: char| c.is_ascii_alphabetic(), "\u{e9}", 1),
            "%",
            "_",
            "*",
            "",
            "null",
            "undefined",
        ] {
            assert_eq!(app.me(&with_text(&token, bad)).await, 401, "{backend} {bad:?}");
        }
        assert_eq!(app.me(&token).await, 200, "{backend}");
    }
}

async fn a080_garbage_is_no_token<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let long = "x".repeat(20_000);
    let dots = ".".repeat(20_000);
    for garbage in [
        "x",
        "0",
        "-1",
        "true",
        "[]",
        "{}",
        "' OR 1=1 --",
        "' OR '1'='1",
        "1; DROP TABLE account",
        "x' UNION SELECT digest FROM auth_token --",
        "../../etc/passwd",
        "%00",
        "%ff%fe",
        "\u{e9}\u{e9}\u{e9}",
        "\u{1f451}",
        "\u{ff0e}",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "-----BEGIN PUBLIC KEY-----",
        "a\tb",
        ", ,",
        "..",
        "...",
        "=; =",
        "\"",
        "\\\"",
        long.as_str(),
        dots.as_str(),
    ] {
        let answer = app
            .get("/users/me")
            .header("authorization", &format!("Bearer {garbage}"))
            .await;
        assert!(
            [400, 401].contains(&answer.status),
            "{garbage:.50}: {}",
            answer.body
        );
        let answer = app.get("/users/me").header("authorization", garbage).await;
        assert!(
            [400, 401].contains(&answer.status),
            "{garbage:.50}: {}",
            answer.body
        );
        for name in ["__Host-session", "__Host-jwt_session"] {
            for cookie in [
                format!("{name}={garbage}"),
                format!("{name}=\"{garbage}\""),
                format!("{name}={garbage}; {name}=x"),
                format!("{name}; {name}={garbage};;;"),
                garbage.to_owned(),
            ] {
                let answer = app.get("/users/me").header("cookie", &cookie).await;
                assert!(
                    [400, 401].contains(&answer.status),
                    "{cookie:.50}: {}",
                    answer.body
                );
            }
        }
        for path in ["/auth/token/logout", "/auth/cookie/logout"] {
            assert_refused(&app.post(path).bearer(garbage).await, garbage);
        }
    }
    still_works(app, EMAIL).await;
}

async fn a081_a_logout_ends_one_session_and_no_other<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register(KAY).await;
    let others = app.login_everywhere(KAY).await;
    for backend in BACKENDS {
        let mut alive = app.login_everywhere(EMAIL).await;
        alive.extend(others.clone());
        let token = app.login(backend, EMAIL).await;
        let logout = || app.post(&format!("/auth/{backend}/logout")).by(&token);
        logout().await.is(204);
        logout().await.refused(401, "UNAUTHORIZED");
        assert_eq!(app.me(&token).await, 401, "{backend}");
        for (other, token) in &alive {
            assert_eq!(app.me(token).await, 200, "{other} after logout from {backend}");
        }
    }
}

async fn a082_logging_out_everywhere_ends_all_and_nobody_elses<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register(KAY).await;
    let others = app.login_everywhere(KAY).await;
    for backend in BACKENDS {
        let mut all = Vec::new();
        for _ in 0..3 {
            all.extend(app.login_everywhere(EMAIL).await);
        }
        let here = app.login(backend, EMAIL).await;
        app.post(&format!("/auth/{backend}/logout-all"))
            .by(&here)
            .await
            .is(204);
        for (name, token) in all.iter().chain([&(backend, here)]) {
            assert_eq!(app.me(token).await, 401, "{name} by {backend}");
        }
        for (name, token) in &others {
            assert_eq!(app.me(token).await, 200, "{name} of another");
        }
    }
    still_works(app, EMAIL).await;
}

async fn a083_sessions_end_when_their_time_is_over<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let tokens = app.login_everywhere(EMAIL).await;
    app.clock.advance(LIFETIME.saturating_sub(Duration::from_secs(1)));
    for (backend, token) in &tokens {
        assert_eq!(app.me(token).await, 200, "{backend}");
    }
    app.clock.advance(Duration::from_secs(1));
    for (backend, token) in &tokens {
        assert_eq!(app.me(token).await, 401, "{backend}");
        let logout = app.post(&format!("/auth/{backend}/logout")).by(token);
        logout.await.refused(401, "UNAUTHORIZED");
    }
    still_works(app, EMAIL).await;
}

async fn a084_a_new_password_ends_the_sessions_from_before<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register(KAY).await;
    let bystander = app.login("token", KAY).await;
    let mut before = app.login_everywhere(EMAIL).await;
    before.extend(app.login_everywhere(EMAIL).await);
    let here = app.login("token", EMAIL).await;
    let change = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
    app.patch("/users/me").by(&here).json(change).await.is(200);
    for (backend, token) in &before {
        assert_eq!(app.me(token).await, 401, "{backend}");
    }
    assert_eq!((app.me(&here).await, app.me(&bystander).await), (200, 200));
    for backend in BACKENDS {
        app.try_login(backend, EMAIL, PASSWORD).await.is(400);
        app.try_login(backend, EMAIL, OTHER_PASSWORD).await.token();
    }
}

async fn a085_a_reset_ends_the_sessions_from_before<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register(KAY).await;
    let bystander = app.login("token", KAY).await;
    let before = app.login_everywhere(EMAIL).await;
    let token = app.reset_token(EMAIL).await;
    let between = app.login_everywhere(EMAIL).await;
    app.reset(&token, OTHER_PASSWORD).await.is(200);
    for (backend, token) in before.iter().chain(&between) {
        assert_eq!(app.me(token).await, 401, "{backend}");
    }
    assert_eq!(app.me(&bystander).await, 200);
    for backend in BACKENDS {
        app.try_login(backend, EMAIL, PASSWORD).await.is(400);
        app.try_login(backend, EMAIL, OTHER_PASSWORD).await.token();
    }
}

async fn a088_no_two_logins_give_one_token<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let mut tokens = BTreeSet::new();
    let mut last: Option<Token> = None;
    for _ in 0..3 {
        for backend in BACKENDS {
            // Not where a session goes on either.
            let mut login = app.try_login(backend, EMAIL, PASSWORD);
            if let Some(token) = &last {
                login = login.by(token);
            }
            let token = login.await.token();
            assert!(tokens.insert(token.text().to_owned()), "{backend}");
            last = Some(token);
        }
    }
    assert_eq!(tokens.len(), 12);
}

async fn a170_a_list_of_sessions_is_of_ones_own_and_has_no_tokens<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register(KAY).await;
    let theirs = app.login_everywhere(KAY).await;
    let mine = app.login_everywhere(EMAIL).await;
    let here = app.login("token", EMAIL).await;
    let answer = app.get("/auth/sessions").by(&here).await.is(200);
    let page = answer.json();
    let listed = page["items"].as_array().expect("a list");
    assert_eq!(listed.len(), 3, "{page}");
    assert_eq!(
        listed.iter().filter(|session| session["current"] == true).count(),
        1
    );
    for (_, token) in mine.iter().chain(&theirs).chain([&("token", here.clone())]) {
        let text = token.text();
        for part in [text, &text[..20], &text[text.len() - 20..]] {
            assert!(!answer.body.contains(part), "{page}");
        }
    }
    for secret in ["digest", "hash", "token_key", "epoch"] {
        assert!(!answer.body.contains(secret), "{page}");
    }
    // Whose session it is is asked before what is done to it.
    let of_kay = app.sessions(&theirs[1].1).await;
    assert_eq!(of_kay.len(), 2);
    for session in of_kay {
        let path = format!(
            "/auth/sessions/{}",
            session["id"].as_str().expect("an id is a text")
        );
        app.delete(&path).by(&here).await.refused(404, "NOT_FOUND");
        app.patch(&path)
            .by(&here)
            .json(json!({"name": "x"}))
            .await
            .refused(404, "NOT_FOUND");
    }
    for (_, token) in &theirs {
        assert_eq!(app.me(token).await, 200);
    }
    app.get("/auth/sessions").await.refused(401, "UNAUTHORIZED");
}
