//! How long opaque tokens live, how many there are, and what is written about them.

use std::time::Duration;

use axum_users::{LimitPolicy, TokenOptions};
use serde_json::json;

use crate::harness::{
    App, Database, LIFETIME, OTHER_PASSWORD, PASSWORD, Token, Wiring, in_redis, on_every_database,
};

on_every_database! {
    a_token_ends_at_the_end_of_its_lifetime_and_not_before,
    a_token_that_is_used_lives_on_up_to_its_longest_lifetime,
    what_is_refused_renews_nothing,
    the_limit_refuses_the_next_login,
    the_limit_ends_the_oldest_session,
    the_limit_holds_when_many_log_in_at_once,
    a_use_while_logging_out_is_let_in_or_refused,
    the_last_use_is_written_once_a_minute,
    expired_tokens_are_purged_and_told_of
    ;
    junk_costs_no_statement_and_a_token_costs_one,
}

in_redis! {
    a_token_ends_at_the_end_of_its_lifetime_and_not_before,
    a_token_that_is_used_lives_on_up_to_its_longest_lifetime,
    what_is_refused_renews_nothing,
    the_limit_refuses_the_next_login,
    the_limit_ends_the_oldest_session,
    the_limit_holds_when_many_log_in_at_once,
    a_use_while_logging_out_is_let_in_or_refused,
    the_last_use_is_written_once_a_minute,
}

const EMAIL: &str = "arthur@camelot.bt";
const MINUTE: Duration = Duration::from_mins(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn sliding() -> TokenOptions {
    TokenOptions::new(LIFETIME)
        .auto_refresh(MINUTE * 5)
        .max_lifetime(MINUTE * 150)
}

async fn a_token_ends_at_the_end_of_its_lifetime_and_not_before<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let answer = app.try_login("token", EMAIL, PASSWORD).await;
    assert_eq!(answer.json()["expires_in"], LIFETIME.as_secs());
    let token = answer.token();
    app.clock.advance(Duration::from_millis(3_599_999));
    assert_eq!(app.me(&token).await, 200);
    app.clock.advance(MILLISECOND);
    assert_eq!(app.me(&token).await, 401);
}

async fn a_token_that_is_used_lives_on_up_to_its_longest_lifetime<D: Database>(app: &App<D>) {
    let app = app.rewired(Wiring::usual().tokens(sliding()));
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    app.tokens.take();
    // Used at 0:50, it is good until 1:50; at 1:40 until 2:30, which is the longest; then it is over.
    for (after, renewed) in [(50, true), (50, true), (49, false)] {
        app.clock.advance(MINUTE * after);
        assert_eq!(app.me(&token).await, 200);
        app.users.settle().await;
        let told = app.tokens.take();
        assert_eq!(told, if renewed { vec!["renewed token"] } else { vec![] });
    }
    app.clock.advance(MINUTE);
    assert_eq!(app.me(&token).await, 401);
    // The cookie is kept by the browser for as long as the session may last.
    let cookie = app.try_login("cookie", EMAIL, PASSWORD).await;
    assert!(cookie.set_cookies()[0].contains("Max-Age=9000"), "{cookie:?}");
}

async fn what_is_refused_renews_nothing<D: Database>(app: &App<D>) {
    let app = app.rewired(Wiring::usual().tokens(sliding()));
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    app.clock.advance(MINUTE * 50);
    let nobody = "00000000-0000-4000-8000-000000000001";
    app.get(&format!("/users/{nobody}"))
        .by(&token)
        .await
        .refused(403, "FORBIDDEN");
    app.users.settle().await;
    app.clock.advance(MINUTE * 10);
    assert_eq!(app.me(&token).await, 401);
}

async fn the_limit_refuses_the_next_login<D: Database>(app: &App<D>) {
    let app = app.rewired(limits(LimitPolicy::Refuse));
    app.register(EMAIL).await;
    app.register("kay@camelot.bt").await;
    let first = app.login("token", EMAIL).await;
    let second = app.login("token", EMAIL).await;
    let refused = app.try_login("token", EMAIL, PASSWORD).await;
    refused.refused(403, "TOKEN_LIMIT_REACHED").hides("Set-Cookie");
    // Who does not know the password learns nothing of it, and other users and backends have limits of their own.
    app.try_login("token", EMAIL, OTHER_PASSWORD)
        .await
        .refused(400, "LOGIN_BAD_CREDENTIALS");
    app.login("token", "kay@camelot.bt").await;
    app.login("cookie", EMAIL).await;
    app.post("/auth/token/logout").by(&first).await.is(204);
    let third = app.login("token", EMAIL).await;
    assert_eq!((app.me(&second).await, app.me(&third).await), (200, 200));
    // What is over does not count.
    app.clock.advance(LIFETIME);
    app.login("token", EMAIL).await;
}

async fn the_limit_ends_the_oldest_session<D: Database>(app: &App<D>) {
    let app = app.rewired(limits(LimitPolicy::EndOldest));
    app.register(EMAIL).await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(app.login("token", EMAIL).await);
        app.clock.advance(MINUTE);
    }
    assert_eq!(
        app.tokens.take(),
        [
            "issued token",
            "issued token",
            "issued token",
            "revoked 1 oldest token: limit"
        ]
    );
    for (token, expected) in tokens.iter().zip([401, 200, 200]) {
        assert_eq!(app.me(token).await, expected);
    }
}

async fn the_limit_holds_when_many_log_in_at_once<D: Database>(app: &App<D>) {
    for policy in [LimitPolicy::Refuse, LimitPolicy::EndOldest] {
        let app = app.rewired(limits(policy));
        let email = format!("{policy:?}@camelot.bt");
        app.register(&email).await;
        let logins = (0..16).map(|_| tokio::spawn(app.try_login("token", &email, PASSWORD).into_future()));
        let logins: Vec<_> = logins.collect();
        let mut tokens: Vec<Token> = Vec::new();
        for login in logins {
            let answer = login.await.expect("no login panics");
            if answer.status == 200 {
                tokens.push(answer.token());
            } else {
                assert_eq!(policy, LimitPolicy::Refuse, "{answer:?}");
                answer.refused(403, "TOKEN_LIMIT_REACHED");
            }
        }
        let mut alive = 0;
        for token in &tokens {
            alive += usize::from(app.me(token).await == 200);
        }
        assert_eq!(alive, 2, "{policy:?}");
        assert_eq!(tokens.len(), if policy == LimitPolicy::Refuse { 2 } else { 16 });
    }
}

async fn a_use_while_logging_out_is_let_in_or_refused<D: Database>(app: &App<D>) {
    let eager = TokenOptions::new(LIFETIME).auto_refresh(MILLISECOND);
    let app = app.rewired(Wiring::usual().tokens(eager));
    app.register(EMAIL).await;
    for _ in 0..4 {
        let token = app.login("token", EMAIL).await;
        app.clock.advance(Duration::from_secs(1));
        let mut calls = vec![tokio::spawn(
            app.post("/auth/token/logout").by(&token).into_future(),
        )];
        for _ in 0..8 {
            calls.push(tokio::spawn(app.get("/users/me").by(&token).into_future()));
        }
        for call in calls {
            let answer = call.await.expect("no request panics");
            assert!([200, 204, 401].contains(&answer.status), "{answer:?}");
        }
        app.users.settle().await;
        assert_eq!(app.me(&token).await, 401, "a renewal brought it back");
    }
}

async fn the_last_use_is_written_once_a_minute<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    let seen = async || {
        app.users.settle().await;
        let sessions = app.sessions(&token).await;
        app.users.settle().await;
        sessions[0]["last_seen_at"].clone()
    };
    assert_eq!(app.me(&token).await, 200);
    assert_eq!(seen().await, json!(null), "the login itself was the last use");
    app.clock.advance(MINUTE);
    assert_eq!(app.me(&token).await, 200);
    let first = seen().await;
    assert!(first.is_string());
    app.clock.advance(Duration::from_millis(59_999));
    assert_eq!(app.me(&token).await, 200);
    assert_eq!(seen().await, first);
}

async fn expired_tokens_are_purged_and_told_of<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    for _ in 0..3 {
        app.login("token", EMAIL).await;
    }
    app.clock.advance(MINUTE * 2);
    let alive = app.login("token", EMAIL).await;
    // A minute after the end of the first ones: clocks may differ by as much.
    app.clock.advance(MINUTE * 59);
    app.tokens.take();
    let manager = app.users.manager();
    let purged = manager
        .purge(2, &manager.context())
        .await
        .expect("the store is up");
    assert_eq!(purged.tokens, 3);
    assert_eq!(app.tokens.take(), ["expired 3"]);
    assert_eq!(app.me(&alive).await, 200);
}

async fn junk_costs_no_statement_and_a_token_costs_one<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    let text = token.text().to_owned();
    app.db.statements().take();
    for junk in ["x", &text[1..], &text.to_lowercase(), &format!("{text}x"), ""] {
        app.get("/users/me")
            .bearer(junk)
            .await
            .refused(401, "UNAUTHORIZED");
    }
    // A token of another backend is refused by its checksum alone.
    let cookie = app.login("cookie", EMAIL).await;
    let personal = app.personal_token(&token, None).await;
    app.db.statements().take();
    app.get("/users/me")
        .bearer(cookie.text())
        .await
        .refused(401, "UNAUTHORIZED");
    assert_eq!(app.db.statements().take(), [""; 0]);
    assert_eq!(app.me(&personal).await, 200);
    app.users.settle().await;
    let of_personal = app.db.statements().take();
    assert_eq!(
        of_personal.len(),
        2,
        "one to look for it, one to note its first use: {of_personal:?}"
    );
    assert_eq!(app.me(&token).await, 200);
    assert_eq!(app.db.statements().take().len(), 1);
}

fn limits<D: Database>(policy: LimitPolicy) -> Wiring<D> {
    Wiring::usual().tokens(TokenOptions::new(LIFETIME).limit_per_user(2, policy))
}
