//! The application over HTTP.

use axum_users::Secret;
use axum_users_testing::{PASSWORD, TestApp};
use serde_json::json;

use crate::{
    app::{self, Api, Wired},
    store::SqliteUsers,
};

async fn app() -> TestApp<Api> {
    let store = SqliteUsers::open("sqlite::memory:").await.unwrap();
    let root = Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx");
    let Wired { users, personal } = app::users(&store, &root).unwrap();
    users.check().await.unwrap();
    TestApp::new(users, |users| app::router(users, &personal).unwrap())
}

#[tokio::test]
async fn a_customer_registers_signs_in_and_out() {
    let app = app().await;
    let body = json!({"email": "Arthur@camelot.bt", "password": PASSWORD, "full_name": "Arthur"});
    let registered = app.post("/auth/register").json(&body).await.is(201).json();
    assert_eq!(registered["id"], 1);
    let again = app.post("/auth/register").json(body).await;
    again.refused(400, "REGISTER_USER_ALREADY_EXISTS");

    let login = [("username", "arthur@CAMELOT.bt"), ("password", PASSWORD)];
    let token = app.post("/auth/session/login").form(&login).await.is(200).token();
    let hello = app.get("/hello").by(&token).await.is(200);
    assert_eq!(hello.text(), "Hello Arthur");
    app.post("/auth/session/logout").by(&token).await.is(204);
    app.get("/hello").by(&token).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn the_own_column_is_changed_and_guarded_by_its_table() {
    let app = app().await;
    let arthur = app.user("arthur@camelot.bt").await;
    let rename = async |name: &str| {
        let body = json!({ "full_name": name });
        app.patch("/users/me").as_user(&arthur).json(body).await
    };
    assert_eq!(
        rename("King Arthur").await.is(200).json()["full_name"],
        "King Arthur"
    );
    rename(&"x".repeat(41))
        .await
        .invalid(&[("full_name", "not_storable")]);
    let me = app.get("/users/me").as_user(&arthur).await.is(200);
    assert_eq!(me.json()["full_name"], "King Arthur");
}

#[tokio::test]
async fn sessions_and_tokens_for_machines_are_listed_and_ended() {
    let app = app().await;
    let arthur = app.user("arthur@camelot.bt").await;
    let here = app.token("session", &arthur).await;
    let there = app.token("session", &arthur).await;
    let list = app.get("/auth/sessions").by(&here).await.is(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);

    let body = json!({"name": "backup", "current_password": PASSWORD});
    let made = app.post("/auth/tokens").by(&here).json(body).await.is(201).json();
    let machine = axum_users_testing::Token::bearer(made["token"].as_str().unwrap());
    app.get("/hello").by(&machine).await.is(200);

    app.post("/auth/session/logout-all").by(&here).await.is(204);
    app.get("/hello").by(&there).await.refused(401, "UNAUTHORIZED");
    app.get("/hello").by(&machine).await.is(200);
}

#[tokio::test]
async fn superusers_see_all_customers_in_the_order_of_their_addresses() {
    let app = app().await;
    let kay = app.user("kay@camelot.bt").superuser().await;
    let arthur = app.user("arthur@camelot.bt").await;
    app.get("/users").as_user(&arthur).await.refused(403, "FORBIDDEN");
    let list = app.get("/users").as_user(&kay).await.is(200).json();
    let emails: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["email"])
        .collect();
    assert_eq!(emails, ["arthur@camelot.bt", "kay@camelot.bt"]);
}
