//! Tokens that people make for machines.

use std::time::Duration;

use axum::{Json, http::StatusCode};
use axum_users::{Active, AxumUsers, Scope, UserApi, guard::ScopeNames};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::harness::{
    App, Database, PASSWORD, PERSONAL_LIMIT, SqliteInMemory, Token, Wiring, on_every_database, wired,
};

on_every_database! {
    a_token_is_shown_once_and_signs_in_by_bearer,
    a_token_ends_in_time_and_when_its_owner_says_so,
    making_a_token_asks_for_the_present_password,
    what_a_token_may_be_is_checked,
    a_token_decides_nothing_over_its_account,
    a_scoped_token_is_refused_where_no_scope_is_named,
    the_limit_holds_when_many_are_made_at_once,
    a_password_change_spares_tokens_and_a_removal_does_not
    ;
}

const EMAIL: &str = "arthur@camelot.bt";

fn wanted(body: &Value) -> Value {
    let mut all = json!({"name": "nightly backup", "current_password": PASSWORD});
    for (key, value) in body.as_object().expect("an object") {
        all[key] = value.clone();
    }
    all
}

async fn a_token_is_shown_once_and_signs_in_by_bearer<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register("kay@camelot.bt").await;
    let (owner, other) = (
        app.login("cookie", EMAIL).await,
        app.login("token", "kay@camelot.bt").await,
    );
    let made = app.post("/auth/tokens").by(&owner).json(wanted(&json!({})));
    let made = made.await.is(201);
    made.is_hardened();
    let made = made.json();
    let text = made["token"].as_str().expect("the text").to_owned();
    assert!(text.starts_with("pat_"), "{text}");
    assert_eq!(
        (&made["name"], &made["scopes"]),
        (&json!("nightly backup"), &json!(null))
    );
    let token = Token::Bearer(text.clone());
    assert_eq!(app.me(&token).await, 200);
    app.users.settle().await;
    let page = app
        .get("/auth/tokens")
        .by(&owner)
        .await
        .is(200)
        .hides(&text)
        .json();
    let listed = page["items"].as_array().expect("a list");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], made["id"]);
    assert!(listed[0]["last_seen_at"].is_string(), "{}", listed[0]);
    let none = app.get("/auth/tokens").by(&other).await.is(200).json();
    assert_eq!(none["items"], json!([]));
    // In a cookie, or among the sessions, it is nothing.
    let Token::Cookie { name, .. } = owner.clone() else {
        panic!("the owner has a cookie");
    };
    assert_eq!(app.me(&Token::Cookie { name, value: text }).await, 401);
    assert_eq!(app.sessions(&owner).await.len(), 1);
}

async fn a_token_ends_in_time_and_when_its_owner_says_so<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register("kay@camelot.bt").await;
    let owner = app.login("token", EMAIL).await;
    let short = app
        .post("/auth/tokens")
        .by(&owner)
        .json(wanted(&json!({"expires_in": 60})))
        .await
        .is(201)
        .json();
    let long = app
        .post("/auth/tokens")
        .by(&owner)
        .json(wanted(&json!({})))
        .await
        .is(201)
        .json();
    let of = |made: &Value| Token::Bearer(made["token"].as_str().expect("a text").to_owned());
    app.clock.advance(Duration::from_millis(59_999));
    assert_eq!(app.me(&of(&short)).await, 200);
    app.clock.advance(Duration::from_millis(1));
    assert_eq!((app.me(&of(&short)).await, app.me(&of(&long)).await), (401, 200));
    let path = format!("/auth/tokens/{}", long["id"].as_str().expect("an id"));
    let stranger = app.login("token", "kay@camelot.bt").await;
    app.delete(&path).by(&stranger).await.refused(404, "NOT_FOUND");
    assert_eq!(app.me(&of(&long)).await, 200);
    app.delete(&path).by(&owner).await.is(204);
    assert_eq!(app.me(&of(&long)).await, 401);
    for gone in [path.as_str(), "/auth/tokens/x", "/auth/tokens/999999"] {
        app.delete(gone).by(&owner).await.refused(404, "NOT_FOUND");
    }
}

async fn making_a_token_asks_for_the_present_password<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let owner = app.login("token", EMAIL).await;
    for password in [json!(null), json!("wrong wrong")] {
        let body = wanted(&json!({ "current_password": password }));
        app.post("/auth/tokens")
            .by(&owner)
            .json(body)
            .await
            .refused(400, "PERSONAL_TOKEN_INVALID_CURRENT_PASSWORD");
    }
    let app = app.rewired(Wiring::usual().manager(axum_users::UserManager::insecure_no_current_password));
    app.post("/auth/tokens")
        .by(&owner)
        .json(json!({"name": "x"}))
        .await
        .is(201);
}

async fn what_a_token_may_be_is_checked<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let owner = app.login("token", EMAIL).await;
    let year = 365 * 24 * 60 * 60;
    for (body, field, code) in [
        (json!({"name": null}), "name", "invalid_type"),
        (json!({"name": " "}), "name", "length"),
        (json!({"name": "x".repeat(101)}), "name", "length"),
        (json!({"expires_in": 0}), "expires_in", "invalid"),
        (json!({"expires_in": -1}), "expires_in", "invalid"),
        (json!({"expires_in": 1.5}), "expires_in", "invalid"),
        (json!({"expires_in": "60"}), "expires_in", "invalid"),
        (json!({"expires_in": year + 1}), "expires_in", "too_long"),
        (json!({"scopes": []}), "scopes", "too_short"),
        (json!({"scopes": "orders:read"}), "scopes", "invalid_type"),
        (json!({"scopes": ["orders:read", 1]}), "scopes", "invalid_type"),
        (
            json!({"scopes": ["orders:read", "orders:burn"]}),
            "scopes",
            "unknown_scope",
        ),
    ] {
        let call = app.post("/auth/tokens").by(&owner).json(wanted(&body));
        call.await.invalid(&[(field, code)]);
    }
    let good = json!({"expires_in": year, "scopes": ["orders:read", "orders:write"]});
    app.post("/auth/tokens")
        .by(&owner)
        .json(wanted(&good))
        .await
        .is(201);
    app.post("/auth/tokens").await.refused(401, "UNAUTHORIZED");
}

async fn a_token_decides_nothing_over_its_account<D: Database>(app: &App<D>) {
    app.superuser(EMAIL).await;
    let id = app.user("kay@camelot.bt").await;
    let owner = app.login("token", EMAIL).await;
    let token = app.personal_token(&owner, None).await;
    app.get("/users/me").by(&token).await.is(200);
    app.get(&format!("/users/{id}")).by(&token).await.is(200);
    let body = || json!({"password": "holy hand grenade", "current_password": PASSWORD});
    for call in [
        app.patch("/users/me").json(body()),
        app.post("/users/me/delete").json(body()),
        app.patch(&format!("/users/{id}")).json(body()),
        app.delete(&format!("/users/{id}")),
        app.post("/auth/token/logout"),
        app.post("/auth/jwt/logout"),
        app.post("/auth/token/logout-all"),
        app.get("/auth/sessions"),
        app.delete("/auth/sessions/token.1"),
        app.post("/auth/sessions/end-others"),
        app.post("/auth/sessions/end-all"),
        app.get(&format!("/auth/sessions/users/{id}")),
        app.get("/auth/tokens"),
        app.post("/auth/tokens").json(wanted(&json!({}))),
        app.delete("/auth/tokens/1"),
    ] {
        call.by(&token).await.refused(403, "PERSONAL_TOKEN_REFUSED");
    }
    assert_eq!((app.me(&owner).await, app.me(&token).await), (200, 200));
}

async fn a_scoped_token_is_refused_where_no_scope_is_named<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let owner = app.login("token", EMAIL).await;
    let token = app.personal_token(&owner, Some(&["orders:read"])).await;
    let answer = app
        .get("/users/me")
        .by(&token)
        .await
        .refused(403, "INSUFFICIENT_SCOPE");
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer error=\"insufficient_scope\""
    );
}

async fn the_limit_holds_when_many_are_made_at_once<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let owner = app.login("token", EMAIL).await;
    let app = app.rewired(Wiring::usual().manager(axum_users::UserManager::insecure_no_current_password));
    let calls: Vec<_> = (0..12)
        .map(|_| {
            tokio::spawn(
                app.post("/auth/tokens")
                    .by(&owner)
                    .json(json!({"name": "x"}))
                    .into_future(),
            )
        })
        .collect();
    let mut made = 0;
    for call in calls {
        let answer = call.await.expect("no request panics");
        if answer.status == 201 {
            made += 1;
        } else {
            answer.refused(403, "TOKEN_LIMIT_REACHED");
        }
    }
    assert_eq!(made, PERSONAL_LIMIT);
}

async fn a_password_change_spares_tokens_and_a_removal_does_not<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.set_verified(EMAIL).await;
    let owner = app.login("token", EMAIL).await;
    let token = app.personal_token(&owner, None).await;
    let reset = app.reset_token(EMAIL).await;
    app.reset(&reset, PASSWORD).await.is(200);
    assert_eq!((app.me(&owner).await, app.me(&token).await), (401, 200));
    let owner = app.login("token", EMAIL).await;
    let delete = app.post("/users/me/delete").by(&owner);
    delete.json(json!({"current_password": PASSWORD})).await.is(204);
    assert_eq!(app.me(&token).await, 401);
}

struct ReadOrders;

impl ScopeNames for ReadOrders {
    const NAMES: &'static [&'static str] = &["orders:read"];
}

struct ChangeOrders;

impl ScopeNames for ChangeOrders {
    const NAMES: &'static [&'static str] = &["orders:read", "orders:write"];
}

type Readers = (Active, Scope<ReadOrders>);
type Writers = (Active, Scope<ChangeOrders>);

/// The orders.
#[utoipa::path(get, path = "/orders", responses((status = OK, description = "The orders.", body = [String])))]
async fn orders() -> Json<Vec<String>> {
    Json(vec!["a round table".to_owned()])
}

/// Another order.
#[utoipa::path(post, path = "/orders", responses((status = CREATED, description = "Ordered.")))]
async fn order() -> StatusCode {
    StatusCode::CREATED
}

fn orders_of<A: UserApi>(users: &AxumUsers<A>) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(users.guarded(Readers::default(), routes!(orders)))
        .routes(users.guarded(Writers::default(), routes!(order)))
}

#[tokio::test]
async fn scopes_are_checked_and_stand_in_the_document() {
    let app = wired(Wiring::<SqliteInMemory>::usual().mount(orders_of)).await;
    app.register(EMAIL).await;
    let owner = app.login("cookie", EMAIL).await;
    let reader = app.personal_token(&owner, Some(&["orders:read"])).await;
    let writer = app
        .personal_token(&owner, Some(&["orders:write", "orders:read"]))
        .await;
    let whole = app.personal_token(&owner, None).await;
    for (token, read, write) in [
        (&owner, 200, 201),
        (&whole, 200, 201),
        (&writer, 200, 201),
        (&reader, 200, 403),
    ] {
        assert_eq!(app.get("/orders").by(token).await.status, read);
        assert_eq!(app.post("/orders").by(token).await.status, write);
    }
    let refused = app
        .post("/orders")
        .by(&reader)
        .await
        .refused(403, "INSUFFICIENT_SCOPE");
    assert_eq!(
        refused.header("www-authenticate"),
        "Bearer error=\"insufficient_scope\", scope=\"orders:read orders:write\""
    );
    let document = serde_json::to_value(&app.api).expect("a document is JSON");
    let operation = &document["paths"]["/orders"]["post"];
    let security = operation["security"].as_array().expect("a list");
    assert!(
        security.contains(&json!({"personal": ["orders:read", "orders:write"]})),
        "{security:?}"
    );
    assert!(security.contains(&json!({"cookie": []})), "{security:?}");
    assert!(operation["responses"]["403"].is_object());
    let me = &document["paths"]["/users/me"]["patch"]["security"];
    assert!(!me.to_string().contains("personal"), "{me}");
    assert_eq!(
        document["components"]["securitySchemes"]["personal"]["scheme"],
        "bearer"
    );
}
