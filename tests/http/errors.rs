//! How refusals are written.

use axum::{
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use axum_users::{ErrorStyle, Refusal};
use serde_json::{Value, json};

use crate::harness::{App, Call, OTHER_PASSWORD, PASSWORD, SqliteInMemory, Wiring, app, wired};

const EMAIL: &str = "arthur@camelot.bt";

async fn as_fastapi_users() -> App<SqliteInMemory> {
    wired(Wiring::usual().users(|users| users.error_style(ErrorStyle::FastApiUsers))).await
}

#[tokio::test]
async fn the_style_of_the_original_has_detail_alone() {
    let app = as_fastapi_users().await;
    app.register(EMAIL).await;
    app.register("kay@camelot.bt").await;
    let token = app.login("token", EMAIL).await;
    let register = |body: Value| app.post("/auth/register").json(body);
    let answers: [(Call, u16, Value); 12] = [
        (
            app.try_login("jwt", EMAIL, OTHER_PASSWORD),
            400,
            json!("LOGIN_BAD_CREDENTIALS"),
        ),
        (
            register(json!({"email": EMAIL, "password": PASSWORD})),
            400,
            json!("REGISTER_USER_ALREADY_EXISTS"),
        ),
        (
            register(json!({"email": EMAIL, "password": "short"})),
            400,
            json!({"code": "REGISTER_INVALID_PASSWORD", "reason": "Password should be at least 8 characters"}),
        ),
        (
            register(json!({"email": EMAIL})),
            422,
            json!([{"type": "missing", "loc": ["body", "password"], "msg": "Field required"}]),
        ),
        (app.reset("x", PASSWORD), 400, json!("RESET_PASSWORD_BAD_TOKEN")),
        (app.verify("x"), 400, json!("VERIFY_USER_BAD_TOKEN")),
        (app.get("/users/me"), 401, json!("Unauthorized")),
        (app.get("/users").by(&token), 403, json!("Forbidden")),
        (app.get("/auth/register"), 405, json!("Method Not Allowed")),
        (
            app.patch("/users/me")
                .by(&token)
                .json(json!({"email": "kay@camelot.bt", "current_password": PASSWORD})),
            400,
            json!("UPDATE_USER_EMAIL_ALREADY_EXISTS"),
        ),
        (app.get("/users?limit=0"), 401, json!("Unauthorized")),
        (
            app.post("/auth/register")
                .body("application/json", " ".repeat(70_000)),
            413,
            json!("Payload Too Large"),
        ),
    ];
    for (call, status, detail) in answers {
        let answer = call.await.is(status);
        assert_eq!(answer.json(), json!({ "detail": detail }));
        answer.is_hardened();
    }
    app.store.down(true);
    let answer = app.get("/users/me").by(&token).await.is(503);
    assert_eq!(answer.json(), json!({"detail": "Service Unavailable"}));
}

#[tokio::test]
async fn the_style_of_the_original_answers_422_to_a_wrong_media_type() {
    let app = as_fastapi_users().await;
    for call in [
        app.post("/auth/register"),
        app.post("/auth/jwt/login"),
        app.post("/auth/verify"),
    ] {
        let answer = call.body("text/plain", "pl4nted").await.is(422).hides("pl4nted");
        assert_eq!(answer.json()["detail"][0]["type"], "model_attributes_type");
    }
}

#[tokio::test]
async fn a_wrong_method_is_refused_in_json_with_what_is_allowed() {
    let app = app().await;
    let cases = [
        ("GET", "/auth/jwt/login", "POST"),
        ("DELETE", "/auth/cookie/logout", "POST"),
        ("GET", "/auth/register", "POST"),
        ("PUT", "/auth/verify", "POST"),
        ("POST", "/users/me", "GET,HEAD,PATCH"),
        ("DELETE", "/users/me", "GET,HEAD,PATCH"),
        ("POST", "/users/x", "DELETE,GET,HEAD,PATCH"),
        ("GET", "/users/me/delete", "POST"),
        ("POST", "/users", "GET,HEAD"),
    ];
    for (method, path, allowed) in cases {
        let answer = app.call(method, path).await.refused(405, "METHOD_NOT_ALLOWED");
        let mut allow: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
    for method in ["TRACE", "PUT", "FOO", "get"] {
        app.call(method, "/users/me").await.is(405);
    }
    app.get("/nothing").await.is(404);
    app.get("/auth").await.is(404);
}

#[tokio::test]
async fn every_refusal_rides_along_for_the_application_to_rewrite() {
    async fn problem(request: Request, next: Next) -> Response {
        let response = next.run(request).await;
        match response.extensions().get::<Refusal>() {
            Some(refusal) => {
                let fields: Vec<_> = refusal
                    .errors()
                    .iter()
                    .map(axum_users::refusal::FieldError::field)
                    .collect();
                let problem = json!({"status": refusal.status().as_u16(), "title": refusal.code(), "reason": refusal.reason(), "fields": fields});
                (refusal.status(), problem.to_string()).into_response()
            }
            None => response,
        }
    }

    let mut app = app().await;
    app.register(EMAIL).await;
    app.router = app.router.clone().layer(from_fn(problem));
    let register = |body: Value| app.post("/auth/register").json(body);
    for (call, status, title, reason, fields) in [
        (app.get("/users/me"), 401, "UNAUTHORIZED", json!(null), json!([])),
        (
            app.get("/auth/register"),
            405,
            "METHOD_NOT_ALLOWED",
            json!(null),
            json!([]),
        ),
        (
            app.try_login("jwt", "x", "y"),
            400,
            "LOGIN_BAD_CREDENTIALS",
            json!(null),
            json!([]),
        ),
        (
            register(json!({})),
            422,
            "VALIDATION_ERROR",
            json!(null),
            json!(["email", "password"]),
        ),
        (
            register(json!({"email": "a@b.bt", "password": "x"})),
            400,
            "REGISTER_INVALID_PASSWORD",
            json!("Password should be at least 8 characters"),
            json!([]),
        ),
    ] {
        let answer = call.await.is(status);
        assert_eq!(
            answer.json(),
            json!({"status": status, "title": title, "reason": reason, "fields": fields})
        );
    }
}
