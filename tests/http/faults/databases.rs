//! A database that is out of reach, or cut off in the middle of what it is asked or says.

use axum_users::sea_orm::TransactionTrait;
use axum_users_faults::{At, Fault};
use serde_json::json;

use super::{EMAIL, at_once, change_password, is_put_off, register};
use crate::harness::{
    Answer, App, CONNECTIONS, Call, Facts, OTHER_PASSWORD, PASSWORD, Server, Shaky, Token, on_every_database,
};

on_every_database!(@on postgres ShakyPostgres:
    a_database_out_of_reach_puts_everybody_off_and_the_same_tokens_are_good_afterwards
    a_registration_broken_anywhere_is_there_or_not_and_may_be_tried_again
    a_password_change_broken_anywhere_is_done_or_not_and_may_be_tried_again
    a_reset_broken_anywhere_is_done_or_not_and_may_be_tried_again
    a_login_or_logout_broken_anywhere_may_be_tried_again
    a_commit_whose_answer_is_cut_off_is_done_and_one_that_is_lost_is_not
    connections_that_fell_silent_are_replaced
);
on_every_database!(@on mariadb ShakyMariaDb:
    a_database_out_of_reach_puts_everybody_off_and_the_same_tokens_are_good_afterwards
    a_registration_broken_anywhere_is_there_or_not_and_may_be_tried_again
    a_password_change_broken_anywhere_is_done_or_not_and_may_be_tried_again
    a_reset_broken_anywhere_is_done_or_not_and_may_be_tried_again
    a_login_or_logout_broken_anywhere_may_be_tried_again
    a_commit_whose_answer_is_cut_off_is_done_and_one_that_is_lost_is_not
    connections_that_fell_silent_are_replaced
);

async fn a_database_out_of_reach_puts_everybody_off_and_the_same_tokens_are_good_afterwards<S: Server>(
    app: &App<Shaky<S>>,
) {
    app.superuser(EMAIL).await;
    let jwt = app.login("jwt", EMAIL).await;
    let opaque = app.login("token", EMAIL).await;
    let reset = app.reset_token(EMAIL).await;
    let before = app.db.facts(EMAIL).await;
    for hangs in [false, true] {
        app.users.settle().await;
        app.db.is_idle().await;
        if hangs {
            app.db.proxy.hang();
        } else {
            app.db.proxy.refuse().await;
        }
        let mut calls = vec![
            register(app, "kay@camelot.bt"),
            app.reset(&reset, OTHER_PASSWORD),
            app.post("/auth/forgot-password").json(json!({ "email": EMAIL })),
            app.post("/auth/token/logout").by(&opaque),
            app.post("/auth/jwt/logout").by(&jwt),
            app.post("/auth/jwt/logout-all").by(&jwt),
            app.get("/auth/sessions").by(&opaque),
            app.get("/users").by(&jwt),
        ];
        for backend in ["jwt", "token"] {
            calls.push(app.try_login(backend, EMAIL, PASSWORD));
            calls.push(app.try_login(backend, EMAIL, "wrong"));
            calls.push(app.try_login(backend, "nobody@camelot.bt", PASSWORD));
        }
        for token in [&jwt, &opaque] {
            calls.push(app.get("/users/me").by(token));
            calls.push(change_password(app, token));
        }
        for answer in at_once(calls).await {
            is_put_off(&answer);
        }
        if hangs {
            assert_ne!(app.db.proxy.struck(), 0);
        }

        app.db.proxy.restore().await;
        app.db.is_idle().await;
        assert_eq!(app.db.facts(EMAIL).await, before);
        for token in [&jwt, &opaque] {
            app.get("/users/me").by(token).await.is(200);
        }
        app.get("/users").by(&jwt).await.is(200);
        app.try_login("jwt", EMAIL, PASSWORD).await.is(200);
    }
    app.register("kay@camelot.bt").await;
    app.reset(&reset, OTHER_PASSWORD).await.is(200);
}

/// Breaks the first request of a call to the database, then the second of another one, and so on until there are no more: each for an
/// account of its own, once so that the request is lost and once so that its answer is cut off.
async fn broken_anywhere<S: Server, P>(
    app: &App<Shaky<S>>,
    prepare: impl AsyncFn(&str) -> P,
    call: impl Fn(&str, &P) -> Call,
    check: impl AsyncFn(&str, P, &Answer),
) {
    for (name, fault) in [("lost", Fault::LoseRequest), ("cut", Fault::CutReply(3))] {
        let mut put_off = 0;
        for index in 0.. {
            let email = format!("{name}-{index}@camelot.bt");
            let prepared = prepare(&email).await;
            app.users.settle().await;
            app.db.is_idle().await;
            app.db.proxy.plan(fault, At::Request(index));
            let answer = call(&email, &prepared).await;
            app.users.settle().await;
            app.db.is_idle().await;
            let struck = app.db.proxy.struck() > 0;
            app.db.proxy.restore().await;
            if answer.status == 503 {
                is_put_off(&answer);
                put_off += 1;
            }
            check(&email, prepared, &answer).await;
            if !struck {
                assert_ne!(answer.status, 503, "nothing was broken");
                break;
            }
        }
        assert_ne!(put_off, 0, "{name}");
    }
}

async fn a_registration_broken_anywhere_is_there_or_not_and_may_be_tried_again<S: Server>(
    app: &App<Shaky<S>>,
) {
    broken_anywhere(
        app,
        async |_| (),
        |email, ()| register(app, email),
        async |email, (), answer| {
            let there = app.db.facts(email).await.users;
            match answer.status {
                201 => assert_eq!(there, 1),
                status => assert_eq!(status, 503),
            }
            let again = register(app, email).await;
            if there == 0 {
                again.is(201);
            } else {
                again.refused(400, "REGISTER_USER_ALREADY_EXISTS");
            }
            assert_eq!(app.db.facts(email).await.users, 1);
            let session = app.login("token", email).await;
            app.get("/users/me").by(&session).await.is(200);
        },
    )
    .await;
}

/// Whether the password is a new one; with it go a new epoch, no other sessions, and a mail to the owner.
fn changed(before: &Facts, after: &Facts, sessions_left: usize) -> bool {
    if after.hash == before.hash {
        assert_eq!(before, after);
        return false;
    }
    assert_eq!(after.epoch, "1");
    assert_eq!(after.tokens, sessions_left);
    assert_eq!(after.mails.len(), before.mails.len() + 1, "{after:?}");
    true
}

async fn a_password_change_broken_anywhere_is_done_or_not_and_may_be_tried_again<S: Server>(
    app: &App<Shaky<S>>,
) {
    broken_anywhere(
        app,
        async |email| {
            app.register(email).await;
            let [own, other] = [app.login("token", email).await, app.login("token", email).await];
            let jwt = app.login("jwt", email).await;
            ([own, other, jwt], app.db.facts(email).await)
        },
        |_, ([own, ..], _)| change_password(app, own),
        async |email, ([own, other, jwt], before), answer| {
            let after = app.db.facts(email).await;
            let done = changed(&before, &after, 1);
            match answer.status {
                200 => assert!(done),
                status => assert_eq!(status, 503),
            }
            let (lives, old_password) = if done { (401, 400) } else { (200, 200) };
            assert_eq!(app.me(&own).await, 200);
            assert_eq!([app.me(&other).await, app.me(&jwt).await], [lives; 2]);
            app.try_login("jwt", email, PASSWORD).await.is(old_password);
            if !done {
                change_password(app, &own).await.is(200);
            }
            app.try_login("jwt", email, OTHER_PASSWORD).await.is(200);
        },
    )
    .await;
}

async fn a_reset_broken_anywhere_is_done_or_not_and_may_be_tried_again<S: Server>(app: &App<Shaky<S>>) {
    broken_anywhere(
        app,
        async |email| {
            app.register(email).await;
            let session = app.login("token", email).await;
            let token = app.reset_token(email).await;
            (session, token, app.db.facts(email).await)
        },
        |_, (_, token, _)| app.reset(token, OTHER_PASSWORD),
        async |email, (session, token, before), answer| {
            let after = app.db.facts(email).await;
            let done = changed(&before, &after, 0);
            match answer.status {
                200 => assert!(done),
                status => assert_eq!(status, 503),
            }
            assert_eq!(app.me(&session).await, if done { 401 } else { 200 });
            let again = app.reset(&token, OTHER_PASSWORD).await;
            if done {
                again.refused(400, "RESET_PASSWORD_BAD_TOKEN");
            } else {
                again.is(200);
            }
            app.try_login("jwt", email, OTHER_PASSWORD).await.is(200);
        },
    )
    .await;
}

async fn a_login_or_logout_broken_anywhere_may_be_tried_again<S: Server>(app: &App<Shaky<S>>) {
    app.register(EMAIL).await;
    broken_anywhere(
        app,
        async |_| app.db.facts(EMAIL).await.tokens,
        |_, _| app.try_login("token", EMAIL, PASSWORD),
        async |_, before, answer| {
            let now = app.db.facts(EMAIL).await.tokens;
            match answer.status {
                200 => assert_eq!(now, before + 1),
                status => assert!(status == 503 && now <= before + 1),
            }
            let session = app.login("token", EMAIL).await;
            assert_eq!(app.me(&session).await, 200);
        },
    )
    .await;
    for backend in ["token", "jwt"] {
        let path = format!("/auth/{backend}/logout");
        broken_anywhere(
            app,
            async |_| app.login(backend, EMAIL).await,
            |_, session: &Token| app.post(&path).by(session),
            async |_, session, answer| {
                let over = app.me(&session).await == 401;
                match answer.status {
                    204 => assert!(over),
                    status => assert_eq!(status, 503),
                }
                let again = app.post(&path).by(&session).await;
                again.is(if over { 401 } else { 204 });
                assert_eq!(app.me(&session).await, 401);
            },
        )
        .await;
    }
    for path in ["/users/me", "/auth/sessions"] {
        broken_anywhere(
            app,
            async |_| app.login("token", EMAIL).await,
            |_, session: &Token| app.get(path).by(session),
            async |_, session, answer| {
                assert!([200, 503].contains(&answer.status), "{answer:?}");
                app.get(path).by(&session).await.is(200);
            },
        )
        .await;
    }
}

async fn a_commit_whose_answer_is_cut_off_is_done_and_one_that_is_lost_is_not<S: Server>(
    app: &App<Shaky<S>>,
) {
    for (email, fault, done) in [
        ("lost@camelot.bt", Fault::LoseRequest, false),
        ("cut@camelot.bt", Fault::CutReply(3), true),
    ] {
        let broken = async |call: Call| {
            app.users.settle().await;
            app.db.is_idle().await;
            app.db.proxy.plan(fault, At::Text(S::COMMIT));
            is_put_off(&call.await);
            assert_eq!(app.db.proxy.struck(), 1);
            // The server rolls back once it sees that the connection is gone.
            app.db.is_idle().await;
        };
        broken(register(app, email)).await;
        assert_eq!(app.db.facts(email).await.users, usize::from(done));
        register(app, email).await.is(if done { 400 } else { 201 });
        let session = app.login("token", email).await;
        let before = app.db.facts(email).await;
        broken(change_password(app, &session)).await;
        let after = app.db.facts(email).await;
        assert_eq!(changed(&before, &after, 1), done);
        assert_eq!(app.me(&session).await, 200);
    }
}

async fn connections_that_fell_silent_are_replaced<S: Server>(app: &App<Shaky<S>>) {
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    app.get("/users/me").by(&session).await.is(200);
    app.users.settle().await;
    let (first, second) = (
        app.db.pool.begin().await.unwrap(),
        app.db.pool.begin().await.unwrap(),
    );
    first.rollback().await.unwrap();
    second.rollback().await.unwrap();
    app.db.is_idle().await;
    app.db.proxy.silence();
    for _ in 0..CONNECTIONS {
        is_put_off(&app.get("/users/me").by(&session).await);
    }
    assert_ne!(app.db.proxy.struck(), 0);
    // Nothing has been restored: those connections stay silent for ever.
    app.db.is_idle().await;
    for _ in 0..CONNECTIONS {
        app.get("/users/me").by(&session).await.is(200);
    }
}
