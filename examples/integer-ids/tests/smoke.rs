//! Members of before, and new ones.
#![expect(
    clippy::expect_used,
    reason = "where something is not as it must be, the test is to fail"
)]

use axum_users::{
    Secret, connect,
    sea_orm::{ConnectionTrait, DatabaseConnection},
};
use axum_users_testing::{PASSWORD, TestApp};
use example_integer_ids::{Api, NewCard, member, router, users};
use serde_json::json;

/// `PASSWORD`, by bcrypt, as the club has hashed so far.
const OLD_HASH: &str = "$2b$04$abcdefghijklmnopqrstuuXUtXjdMqWjTLH/C6PXcD2iGJV0WXnGK";

async fn old_table() -> DatabaseConnection {
    let db = connect("sqlite::memory:").await.expect("SQLite needs no server");
    db.execute_unprepared(include_str!("../members.sql"))
        .await
        .expect("the table");
    let insert = format!(
        "INSERT INTO members (member_no, mail, password_hash, mail_confirmed, desk, name)
         VALUES (1001, 'Arthur@Camelot.bt', '{OLD_HASH}', TRUE, TRUE, 'Arthur')"
    );
    db.execute_unprepared(&insert).await.expect("a row");
    db
}

async fn app() -> TestApp<Api> {
    let users = users(
        old_table().await,
        &Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx"),
    )
    .await;
    let users = users.expect("the table fits");
    TestApp::new(users, |users| router(users).expect("the document is sound"))
}

#[tokio::test]
async fn a_member_of_before_signs_in_with_the_old_password_and_keeps_the_number() {
    let app = app().await;
    let login = app.post("/auth/token/login");
    let login = login
        .form(&[("username", "arthur@camelot.bt"), ("password", PASSWORD)])
        .await
        .is(200);
    let token = login.token();
    assert_eq!(
        app.get("/card").by(&token).await.is(200).text(),
        "Arthur, No. 1001"
    );
    assert_eq!(
        app.get("/till").by(&token).await.is(200).text(),
        "opened by No. 1001"
    );

    let member = app
        .users()
        .manager()
        .find(&1001)
        .await
        .expect("the store is up")
        .expect("the member");
    assert!(
        member.hashed_password.starts_with("$argon2id$"),
        "hashed anew at the login"
    );
    assert_eq!(member.email, "arthur@camelot.bt");
}

#[tokio::test]
async fn a_new_member_gets_the_next_number() {
    let app = app().await;
    let body = json!({"email": "Kay@Camelot.bt", "password": PASSWORD, "name": "Kay"});
    let shown = app.post("/auth/register").json(body).await.is(201).json();
    assert_eq!(shown["id"], 1002);
    assert_eq!(shown["email"], "kay@camelot.bt");
    let body = json!({"email": "ARTHUR@camelot.bt", "password": PASSWORD, "name": "Mordred"});
    app.post("/auth/register")
        .json(body)
        .await
        .refused(400, "REGISTER_USER_ALREADY_EXISTS");
}

#[tokio::test]
async fn members_are_found_by_their_number() {
    let app = app().await;
    let desk = app.user("kay@camelot.bt").superuser().own(named("Kay")).await;
    let get = |number: &str| app.get(&format!("/members/{number}")).as_user(&desk);
    assert_eq!(get("1001").await.is(200).json()["name"], "Arthur");
    get("7").await.refused(404, "NOT_FOUND");
    get("arthur").await.refused(404, "NOT_FOUND");
    app.get("/till")
        .as_user(&app.user("tim@camelot.bt").own(named("Tim")).await)
        .await
        .refused(403, "FORBIDDEN");
}

#[tokio::test]
async fn an_address_that_is_none_stops_the_adoption() {
    let db = old_table().await;
    let insert = "INSERT INTO members (mail, name) VALUES ('nobody', 'Nobody')";
    db.execute_unprepared(insert).await.expect("a row");
    let error = member::adopt(&db).await.expect_err("`nobody` is no address");
    assert!(
        error.to_string().starts_with("the address of member 1002"),
        "{error}"
    );
}

fn named(name: &str) -> NewCard {
    NewCard {
        name: name.to_owned(),
    }
}
