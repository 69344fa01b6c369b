//! The shop with users: its own state, errors and document, and guards before its routes.
#![expect(
    clippy::expect_used,
    reason = "where something is not as it must be, the test is to fail"
)]

use axum_users::{Secret, UsersApi, connect};
use axum_users_testing::{Answer, PASSWORD, TestApp};
use example_existing_app::{router, users};
use serde_json::{Value, json};

async fn app() -> TestApp<UsersApi> {
    let db = connect("sqlite::memory:").await.expect("SQLite needs no server");
    let users = users(db, &Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx")).await;
    let users = users.expect("the users are sound");
    TestApp::new(users, |users| router(users).expect("the document is sound"))
}

/// Refused in the format of the shop.
fn is_problem(answer: Answer, status: u16, title: &str) -> Value {
    let answer = answer.is(status);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("x-shop-version"), env!("CARGO_PKG_VERSION"));
    let problem = answer.json();
    assert_eq!(
        (&problem["status"], &problem["title"]),
        (&json!(status), &json!(title)),
        "{problem}"
    );
    assert_eq!(problem.get("code"), None);
    problem
}

#[tokio::test]
async fn a_customer_registers_signs_in_orders_and_signs_out() {
    let app = app().await;
    let body = json!({"email": "arthur@camelot.bt", "password": PASSWORD});
    app.post("/api/v1/accounts/register").json(&body).await.is(201);
    let cookie = app.post("/api/v1/session").json(&body).await.is(204).token();
    let order = app
        .post("/api/v1/orders")
        .by(&cookie)
        .json(json!({"item": "coconuts"}));
    order.await.is(201);
    let mine = app.get("/api/v1/orders").by(&cookie).await.is(200).json();
    assert_eq!(mine[0]["item"], "coconuts");
    app.delete("/api/v1/session").by(&cookie).await.is(204);
    is_problem(app.get("/api/v1/orders").by(&cookie).await, 401, "UNAUTHORIZED");
}

#[tokio::test]
async fn orders_are_those_of_whoever_asks() {
    let app = app().await;
    let arthur = app.user("arthur@camelot.bt").await;
    let kay = app.user("kay@camelot.bt").superuser().await;
    app.post("/api/v1/orders")
        .as_user(&arthur)
        .json(json!({"item": "coconuts"}))
        .await
        .is(201);
    assert_eq!(
        app.get("/api/v1/orders").as_user(&kay).await.is(200).json(),
        json!([])
    );
    assert_eq!(
        app.get("/api/v1/orders/all").as_user(&kay).await.is(200).json()[0]["item"],
        "coconuts"
    );
    is_problem(
        app.get("/api/v1/orders/all").as_user(&arthur).await,
        403,
        "FORBIDDEN",
    );
}

#[tokio::test]
async fn all_refusals_are_problems() {
    let app = app().await;
    let arthur = app.user("arthur@camelot.bt").await;
    is_problem(app.get("/nowhere").await, 404, "NOT_FOUND");
    is_problem(app.get("/api/v1/accounts/me").await, 401, "UNAUTHORIZED");
    let wrong = json!({"email": arthur.email, "password": "who knows"});
    is_problem(
        app.post("/api/v1/session").json(wrong).await,
        400,
        "WRONG_PASSWORD",
    );
    let grail = app
        .post("/api/v1/orders")
        .as_user(&arthur)
        .json(json!({"item": "grail"}));
    is_problem(grail.await, 409, "OUT_OF_STOCK");

    let register = app.post("/api/v1/accounts/register");
    let body = json!({"email": "kay@camelot.bt", "password": "short"});
    let problem = is_problem(register.json(body).await, 400, "REGISTER_INVALID_PASSWORD");
    assert_eq!(problem["detail"], "Password should be at least 8 characters");
    let register = app.post("/api/v1/accounts/register");
    let problem = is_problem(
        register.json(json!({"email": "kay"})).await,
        422,
        "VALIDATION_ERROR",
    );
    assert_eq!(
        problem["fields"],
        json!([["email", "invalid_email"], ["password", "missing"]])
    );
}

#[tokio::test]
async fn a_page_of_another_site_neither_signs_in_nor_orders() {
    let app = app().await;
    let arthur = app.user("arthur@camelot.bt").await;
    let body = json!({"email": arthur.email, "password": PASSWORD});
    let evil = ("origin", "https://evil.example");
    let login = app.post("/api/v1/session").header(evil.0, evil.1).json(body);
    is_problem(login.await, 403, "CROSS_ORIGIN_REQUEST");
    let order = app.post("/api/v1/orders").as_user(&arthur).header(evil.0, evil.1);
    is_problem(
        order.json(json!({"item": "coconuts"})).await,
        403,
        "CROSS_ORIGIN_REQUEST",
    );
}

#[tokio::test]
async fn there_is_one_document_and_it_is_the_shops() {
    let document = app().await.get("/api/v1/openapi.json").await.is(200).json();
    assert_eq!(document["info"]["title"], "Shop");
    let paths = &document["paths"];
    for path in [
        "/api/v1/accounts/register",
        "/api/v1/accounts/me",
        "/api/v1/session",
        "/api/v1/orders/all",
    ] {
        assert!(paths[path].is_object(), "{path} is not in the document");
    }
    assert_eq!(
        paths["/api/v1/orders/all"]["get"]["security"],
        json!([{"cookie": []}])
    );
    let refused = &paths["/api/v1/accounts/me"]["get"]["responses"]["401"]["content"];
    let problem = json!({"$ref": "#/components/schemas/Problem"});
    assert_eq!(refused["application/problem+json"]["schema"], problem);
    let text = document.to_string();
    assert!(
        !text.contains("ErrorModel") && !text.contains("ValidationDetail"),
        "{text}"
    );
    assert_eq!(
        document["components"]["securitySchemes"]["cookie"]["name"],
        "__Host-shop"
    );
}
