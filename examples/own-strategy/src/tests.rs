//! The application over HTTP.

use axum_users::{Change, Secret, UserStore, connect, migrations::migrate, sea_orm::DatabaseConnection};
use axum_users_testing::TestApp;
use serde_json::{Value, json};

use crate::{
    app::{self, Api},
    strategy::Entry,
};

const READER: &str = "a key that may only look at the stock";
const COUNTER: &str = "a key that may look and count, and no more";
const EVERYTHING: &str = "a key that may do what its user may do";

fn entries(keys: Value) -> Vec<Entry> {
    serde_json::from_value(keys).unwrap()
}

fn keys() -> Value {
    json!([
        {"name": "till", "key": READER, "user": "Importer@camelot.bt", "scopes": ["stock:read"]},
        {"name": "scale", "key": COUNTER, "user": "importer@camelot.bt", "scopes": ["stock:read", "stock:write"]},
        {"name": "backup", "key": EVERYTHING, "user": "importer@camelot.bt"},
    ])
}

fn root() -> Secret {
    Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx")
}

async fn started(db: &DatabaseConnection, keys: Value) -> TestApp<Api> {
    let users = app::users(db.clone(), &root(), entries(keys)).await.unwrap();
    TestApp::new(users, |users| app::router(users).unwrap())
}

/// The application once its importer has registered and its keys are configured.
async fn app() -> TestApp<Api> {
    let db = connect("sqlite::memory:").await.unwrap();
    migrate(&db).await.unwrap();
    let app = started(&db, json!([])).await;
    app.user("importer@camelot.bt").await;
    started(&db, keys()).await
}

#[tokio::test]
async fn a_key_acts_as_its_user() {
    let app = app().await;
    let stock = app.get("/stock").header("x-api-key", EVERYTHING).await.is(200);
    assert_eq!(stock.text(), "12 shrubberies, as importer@camelot.bt is told");
    app.get("/users/me").header("x-api-key", EVERYTHING).await.is(200);
    app.post("/stock/count")
        .header("x-api-key", EVERYTHING)
        .await
        .is(204);
    for key in ["", "no key", &READER.to_uppercase()] {
        let refused = app.get("/stock").header("x-api-key", key).await;
        refused.refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn a_key_with_scopes_does_what_they_say_and_no_more() {
    let app = app().await;
    let call = |method: &str, path: &str, key: &str| {
        let call = if method == "GET" {
            app.get(path)
        } else {
            app.post(path)
        };
        call.header("x-api-key", key)
    };
    call("GET", "/stock", READER).await.is(200);
    call("GET", "/stock", COUNTER).await.is(200);
    call("POST", "/stock/count", COUNTER).await.is(204);
    let refused = call("POST", "/stock/count", READER).await;
    refused.refused(403, "INSUFFICIENT_SCOPE");
    call("GET", "/users/me", COUNTER)
        .await
        .refused(403, "INSUFFICIENT_SCOPE");
}

#[tokio::test]
async fn no_key_decides_over_the_account_of_its_user() {
    let app = app().await;
    let rename = app
        .patch("/users/me")
        .json(json!({"email": "mordred@camelot.bt"}));
    let refused = rename.header("x-api-key", EVERYTHING).await;
    refused.refused(403, "PERSONAL_TOKEN_REFUSED");
    let logout = app
        .post("/auth/cookie/logout")
        .header("x-api-key", EVERYTHING)
        .await;
    logout.refused(403, "PERSONAL_TOKEN_REFUSED");
}

#[tokio::test]
async fn people_sign_in_by_cookie_beside_the_keys() {
    let app = app().await;
    let kay = app.user("kay@camelot.bt").await;
    app.get("/stock").as_user(&kay).await.is(200);
    let refused = app.post("/stock/count").as_user(&kay).await;
    refused.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_key_rests_while_its_user_is_inactive() {
    let app = app().await;
    let store = app.users().manager().store();
    let importer = store.find_by_login("importer@camelot.bt").await.unwrap().unwrap();
    let mut change = Change::new(app.users().manager().context().now);
    change.set.is_active = Some(false);
    store.update(&importer.id, change).await.unwrap();
    let refused = app.get("/stock").header("x-api-key", EVERYTHING).await;
    refused.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_key_that_cannot_be_meant_stops_the_start() {
    let db = connect("sqlite::memory:").await.unwrap();
    migrate(&db).await.unwrap();
    started(&db, json!([])).await.user("importer@camelot.bt").await;
    let key = |name: &str, key: &str, user: &str| json!({"name": name, "key": key, "user": user});
    let wrong = [
        json!([key("till", "too short", "importer@camelot.bt")]),
        json!([key("till", READER, "nobody@camelot.bt")]),
        json!([
            key("till", READER, "importer@camelot.bt"),
            key("till", COUNTER, "importer@camelot.bt")
        ]),
        json!([
            key("till", READER, "importer@camelot.bt"),
            key("scale", READER, "importer@camelot.bt")
        ]),
    ];
    for keys in wrong {
        let error = app::users(db.clone(), &root(), entries(keys.clone()))
            .await
            .unwrap_err();
        assert!(error.to_string().starts_with("key `"), "{keys}: {error}");
        assert!(!error.to_string().contains(READER), "{error}");
    }
}

#[tokio::test]
async fn the_document_shows_where_keys_are_taken() {
    let app = app().await;
    let document = app.get("/openapi.json").await.is(200).json();
    let scheme = json!({"type": "apiKey", "in": "header", "name": "X-Api-Key"});
    assert_eq!(document["components"]["securitySchemes"]["api-key"], scheme);
    let paths = &document["paths"];
    let by_key = json!([{"api-key": ["stock:write"]}]);
    assert_eq!(paths["/stock/count"]["post"]["security"], by_key);
    assert_eq!(paths["/users/me"]["patch"]["security"], json!([{"cookie": []}]));
}
