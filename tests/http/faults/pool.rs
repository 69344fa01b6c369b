//! Connections and rows that somebody else holds.

use axum_users::sea_orm::{ConnectionTrait, TransactionTrait};

use super::{EMAIL, at_once, change_password, is_put_off, register};
use crate::harness::{App, CONNECTIONS, PASSWORD, Server, Shaky, on_every_database};

on_every_database!(@on postgres ShakyPostgres:
    a_pool_whose_connections_are_all_held_puts_requests_off_until_they_are_given_back
    a_row_that_somebody_keeps_locked_puts_off_who_would_change_it_and_nobody_else
);
on_every_database!(@on mariadb ShakyMariaDb:
    a_pool_whose_connections_are_all_held_puts_requests_off_until_they_are_given_back
    a_row_that_somebody_keeps_locked_puts_off_who_would_change_it_and_nobody_else
);

async fn a_pool_whose_connections_are_all_held_puts_requests_off_until_they_are_given_back<S: Server>(
    app: &App<Shaky<S>>,
) {
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    let calls = || {
        vec![
            app.get("/users/me").by(&session),
            app.get("/auth/sessions").by(&session),
            app.try_login("token", EMAIL, PASSWORD),
            register(app, "kay@camelot.bt"),
            app.post("/auth/token/logout").by(&session),
        ]
    };
    app.users.settle().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(app.db.pool.begin().await.unwrap());
    }
    for answer in at_once(calls()).await {
        is_put_off(&answer);
    }
    for transaction in held {
        transaction.rollback().await.unwrap();
    }
    for (call, good) in calls().into_iter().zip([200, 200, 200, 201, 204]) {
        call.await.is(good);
    }
}

async fn a_row_that_somebody_keeps_locked_puts_off_who_would_change_it_and_nobody_else<S: Server>(
    app: &App<Shaky<S>>,
) {
    app.register(EMAIL).await;
    app.register("kay@camelot.bt").await;
    let session = app.login("token", EMAIL).await;
    let other = app.login("token", "kay@camelot.bt").await;
    app.users.settle().await;
    let before = app.db.facts(EMAIL).await;
    let held = app.db.beside().begin().await.unwrap();
    held.execute_unprepared(&format!(
        "SELECT id FROM account WHERE email_key = '{EMAIL}' FOR UPDATE"
    ))
    .await
    .unwrap();
    let calls = vec![
        change_password(app, &session),
        app.get("/users/me").by(&session),
        change_password(app, &other),
    ];
    let answers = at_once(calls).await;
    is_put_off(&answers[0]);
    assert_eq!([answers[1].status, answers[2].status], [200; 2]);
    assert_eq!(app.db.facts(EMAIL).await, before);
    held.rollback().await.unwrap();
    change_password(app, &session).await.is(200);
}
