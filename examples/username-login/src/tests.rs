//! The application over HTTP.

use std::sync::{Arc, Mutex};

use axum_users::{
    HashCounts, PasswordHasher, RateLimits, Secret, UserManager, connect, sea_orm::DatabaseConnection,
};
use axum_users_testing::{Answer, PASSWORD, TestApp, fast_hasher_settings};
use serde_json::json;

use crate::{
    account,
    app::{self, Api, Named},
};

async fn database() -> DatabaseConnection {
    let db = connect("sqlite::memory:").await.unwrap();
    account::migrate(&db).await.unwrap();
    db
}

async fn over(db: DatabaseConnection) -> TestApp<Api> {
    let root = Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx");
    let users = app::users(db, &root).unwrap();
    users.check().await.unwrap();
    TestApp::new(users, |users| app::router(users).unwrap())
}

async fn app() -> TestApp<Api> {
    over(database().await).await
}

async fn arthur(app: &TestApp<Api>) -> account::Model {
    let username = "King.Arthur".to_owned();
    app.user("arthur@camelot.bt").own(Named { username }).await
}

async fn register(app: &TestApp<Api>, email: &str, username: &str) -> Answer {
    let body = json!({"email": email, "password": PASSWORD, "username": username});
    app.post("/auth/register").json(body).await
}

async fn login(app: &TestApp<Api>, login: &str, password: &str) -> Answer {
    let form = [("username", login), ("password", password)];
    app.post("/auth/session/login").form(&form).await
}

#[tokio::test]
async fn users_log_in_by_name_or_by_address() {
    let app = app().await;
    let registered = register(&app, "arthur@camelot.bt", "King.Arthur").await.is(201);
    assert_eq!(registered.json()["username"], "king.arthur");
    for name in ["king.arthur", "KING.ARTHUR", " king.arthur ", "Arthur@camelot.bt"] {
        let token = login(&app, name, PASSWORD).await.is(200).token();
        let hello = app.get("/hello").by(&token).await.is(200);
        assert_eq!(hello.text(), "Hello king.arthur", "{name}");
    }
}

#[tokio::test]
async fn a_name_is_nobody_elses_and_no_address() {
    let app = app().await;
    arthur(&app).await;
    let taken = register(&app, "mordred@camelot.bt", "KING.ARTHUR").await;
    taken.refused(409, "VALUE_ALREADY_TAKEN");
    let address = register(&app, "mordred@camelot.bt", "arthur@camelot.bt").await;
    address.invalid(&[("username", "invalid_username")]);
}

#[tokio::test]
async fn a_new_name_takes_the_place_of_the_old_one() {
    let app = app().await;
    let arthur = arthur(&app).await;
    let body = json!({"username": "Once_and_Future"});
    app.patch("/users/me").as_user(&arthur).json(body).await.is(200);
    login(&app, "once_and_future", PASSWORD).await.is(200);
    login(&app, "king.arthur", PASSWORD)
        .await
        .refused(400, "LOGIN_BAD_CREDENTIALS");
}

#[tokio::test]
async fn a_name_that_is_nobodys_costs_what_a_wrong_password_costs() {
    let db = database().await;
    arthur(&over(db.clone()).await).await;
    let (mut counted, statements) = (db, Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&statements);
    counted.set_metric_callback(move |info| log.lock().unwrap().push(info.statement.sql.clone()));
    let hasher = PasswordHasher::new(&fast_hasher_settings()).unwrap();
    let app = over(counted).await;
    let users = app
        .users()
        .clone()
        .map_manager(|manager| manager.with_hasher(hasher.clone()));
    let router = app::router(&users).unwrap();
    let app = TestApp::of(router, users, app.clock().clone());

    let cost = async |name: &str| -> (HashCounts, Vec<String>) {
        let before = hasher.counts();
        statements.lock().unwrap().clear();
        login(&app, name, "holy hand grenade")
            .await
            .refused(400, "LOGIN_BAD_CREDENTIALS");
        let mut spent = hasher.counts();
        spent.argon2 -= before.argon2;
        spent.bcrypt -= before.bcrypt;
        (spent, statements.lock().unwrap().clone())
    };
    let known = cost("king.arthur").await;
    assert_eq!((known.0.argon2, known.1.len()), (1, 1), "{:?}", known.1);
    assert_eq!(cost("sir.lancelot").await, known);
    let (by_address, nobody) = (cost("arthur@camelot.bt").await, cost("nobody@camelot.bt").await);
    assert_eq!(by_address, nobody);
    assert_eq!((nobody.0.argon2, nobody.1.len()), (1, 1));
}

#[tokio::test]
async fn a_new_password_opens_both_ways_that_others_have_used_up() {
    let root = Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx");
    let users = app::users(database().await, &root).unwrap();
    let app = TestApp::new(users, |users| {
        let limits = |manager: UserManager<Api>| manager.with_limits(RateLimits::new());
        app::router(&users.clone().map_manager(limits)).unwrap()
    });
    let arthur = arthur(&app).await;
    let username = "sir.kay".to_owned();
    let kay = app.user("kay@camelot.bt").own(Named { username }).superuser();
    let kay = kay.await;
    for name in ["king.arthur", "arthur@camelot.bt"] {
        while login(&app, name, "a wrong password").await.status == 400 {}
        login(&app, name, PASSWORD)
            .await
            .refused(429, "TOO_MANY_REQUESTS");
    }
    let change = app.patch(&format!("/users/{}", arthur.id)).as_user(&kay);
    change
        .json(json!({"password": "holy hand grenade"}))
        .await
        .is(200);
    for name in ["king.arthur", "arthur@camelot.bt"] {
        login(&app, name, "holy hand grenade").await.is(200);
    }
}
