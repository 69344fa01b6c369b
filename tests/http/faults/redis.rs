//! A Redis that is out of reach, or cut off in the middle of what it is asked or says.

use std::time::Duration;

use axum_users::{Quota, RateLimits, RedisLimits};
use axum_users_faults::{At, Fault};

use super::{EMAIL, at_once, is_put_off};
use crate::harness::{App, Call, Database, PASSWORD, ShakyRedis, Token, Wiring, on_every_database};

on_every_database!(@on redis ShakyRedis:
    a_redis_out_of_reach_puts_its_tokens_off_and_nobody_else
    what_redis_is_asked_may_be_broken_off_anywhere
    guesses_are_limited_while_redis_is_out_of_reach_and_what_it_counted_holds_afterwards
);

async fn a_redis_out_of_reach_puts_its_tokens_off_and_nobody_else(app: &App<ShakyRedis>) {
    app.superuser(EMAIL).await;
    let jwt = app.login("jwt", EMAIL).await;
    let opaque = app.login("token", EMAIL).await;
    for hangs in [false, true] {
        app.users.settle().await;
        if hangs {
            app.db.proxy.hang();
        } else {
            app.db.proxy.refuse().await;
        }
        let calls = vec![
            app.get("/users/me").by(&opaque),
            app.get("/users").by(&opaque),
            app.get("/auth/sessions").by(&opaque),
            app.post("/auth/token/logout").by(&opaque),
            app.try_login("token", EMAIL, PASSWORD),
        ];
        for answer in at_once(calls).await {
            is_put_off(&answer);
        }
        if hangs {
            assert_ne!(app.db.proxy.struck(), 0);
        }
        let calls = vec![
            app.get("/users/me").by(&jwt),
            app.try_login("jwt", EMAIL, PASSWORD),
            app.try_login("token", EMAIL, "wrong"),
            app.get("/users/me").bearer("junk"),
        ];
        for (answer, good) in at_once(calls).await.into_iter().zip([200, 200, 400, 401]) {
            answer.is(good);
        }
        app.db.proxy.restore().await;
        for token in [&jwt, &opaque] {
            app.get("/users/me").by(token).await.is(200);
        }
        let second = app.login("token", EMAIL).await;
        app.post("/auth/token/logout").by(&second).await.is(204);
        assert_eq!(app.me(&second).await, 401);
    }
}

/// Breaks each question of a call to Redis in turn; they are asked again over another connection.
async fn asked_again(
    app: &App<ShakyRedis>,
    call: impl Fn(&Token) -> Call,
    good: u16,
    after: impl AsyncFn(&Token),
) {
    for fault in [Fault::LoseRequest, Fault::CutReply(2)] {
        for index in 0.. {
            let session = app.login("token", EMAIL).await;
            app.users.settle().await;
            app.db.proxy.plan(fault, At::Request(index));
            let answer = call(&session).await;
            app.users.settle().await;
            let struck = app.db.proxy.struck() > 0;
            app.db.proxy.restore().await;
            answer.is(good);
            after(&session).await;
            if app.me(&session).await == 200 {
                app.post("/auth/token/logout").by(&session).await.is(204);
            }
            if !struck {
                assert_ne!(index, 0, "Redis was asked");
                break;
            }
        }
    }
}

async fn what_redis_is_asked_may_be_broken_off_anywhere(app: &App<ShakyRedis>) {
    app.register(EMAIL).await;
    let keeper = app.login("token", EMAIL).await;
    asked_again(app, |session| app.get("/users/me").by(session), 200, async |_| {}).await;
    asked_again(
        app,
        |session| app.get("/auth/sessions").by(session),
        200,
        async |_| {},
    )
    .await;
    let logout = |session: &Token| app.post("/auth/token/logout").by(session);
    asked_again(app, logout, 204, async |session| {
        assert_eq!(app.me(session).await, 401);
    })
    .await;
    assert_eq!(app.sessions(&keeper).await.len(), 1, "what was ended is gone");
    app.post("/auth/token/logout").by(&keeper).await.is(204);
    let login = |_: &Token| app.try_login("token", EMAIL, PASSWORD);
    asked_again(app, login, 200, async |session| {
        let all = app.sessions(session).await;
        assert_eq!(all.len(), 2, "one login, one session: {all:?}");
        app.post("/auth/sessions/end-others").by(session).await.is(204);
    })
    .await;
}

async fn guesses_are_limited_while_redis_is_out_of_reach_and_what_it_counted_holds_afterwards(
    app: &App<ShakyRedis>,
) {
    let mut limits = RateLimits::new();
    limits.failures_of_account = Quota::per_hour(3);
    let redis = app.db.redis().unwrap();
    let app = app.rewired(Wiring::usual().limits(limits.counted_in(RedisLimits::new(&redis))));
    app.register(EMAIL).await;
    let guess = async || app.try_login("jwt", EMAIL, "wrong").await.status;
    assert_eq!([guess().await, guess().await], [400; 2]);
    app.db.proxy.refuse().await;
    app.try_login("jwt", EMAIL, PASSWORD).await.is(200);
    let alone = [guess().await, guess().await, guess().await, guess().await];
    assert_eq!(alone, [400, 400, 400, 429]);
    app.db.proxy.restore().await;
    app.clock.advance(Duration::from_secs(5));
    assert_eq!([guess().await, guess().await], [400, 429]);
}
