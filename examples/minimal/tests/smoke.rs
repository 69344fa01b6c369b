//! From nobody to a greeting.
#![expect(
    clippy::expect_used,
    reason = "where something is not as it must be, the test is to fail"
)]

use axum_users::{Secret, UsersApi, connect};
use axum_users_testing::{PASSWORD, TestApp};
use example_minimal::{router, users};
use serde_json::json;

async fn app() -> TestApp<UsersApi> {
    let db = connect("sqlite::memory:").await.expect("SQLite needs no server");
    let users = users(db, &Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx")).await;
    let users = users.expect("the users are sound");
    TestApp::new(users, |users| router(users).expect("the document is sound"))
}

#[tokio::test]
async fn who_registers_and_logs_in_is_greeted() {
    let app = app().await;
    let body = json!({"email": "arthur@camelot.bt", "password": PASSWORD});
    app.post("/auth/register").json(body).await.is(201);
    let login = app.post("/auth/jwt/login");
    let login = login
        .form(&[("username", "arthur@camelot.bt"), ("password", PASSWORD)])
        .await
        .is(200);
    let token = login.token();
    let hello = app.get("/hello").by(&token).await.is(200);
    assert_eq!(hello.text(), "Hello arthur@camelot.bt");
    assert_eq!(
        app.get("/users/me").by(&token).await.is(200).json()["email"],
        "arthur@camelot.bt"
    );

    app.post("/auth/jwt/logout").by(&token).await.is(204);
    app.get("/hello").by(&token).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn nobody_is_not_greeted() {
    app().await.get("/hello").await.refused(401, "UNAUTHORIZED");
}
