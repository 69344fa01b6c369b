//! The application over HTTP.

use axum_users::{Secret, connect};
use axum_users_testing::{PASSWORD, TestApp};
use sea_orm::{DatabaseConnection, EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::{
    app::{self, Api, NewCustomer},
    entities::{self, customer, order, wallet},
};

async fn app() -> TestApp<Api> {
    let db = connect("sqlite::memory:").await.unwrap();
    entities::migrate(&db).await.unwrap();
    let root = Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx");
    let users = app::users(db, &root).unwrap();
    users.check().await.unwrap();
    TestApp::new(users, |users| app::router(users).unwrap())
}

async fn arthur(app: &TestApp<Api>) -> customer::Model {
    let currency = "EUR".to_owned();
    app.user("arthur@camelot.bt").own(NewCustomer { currency }).await
}

fn registration(currency: &str) -> Value {
    json!({"email": "arthur@camelot.bt", "password": PASSWORD, "currency": currency})
}

fn db(app: &TestApp<Api>) -> &DatabaseConnection {
    app.users().manager().store().connection()
}

#[tokio::test]
async fn a_new_customer_has_a_wallet_and_no_orders() {
    let app = app().await;
    app.post("/auth/register").json(registration("GBP")).await.is(201);
    let login = [("username", "arthur@camelot.bt"), ("password", PASSWORD)];
    let token = app.post("/auth/session/login").form(&login).await.is(200).token();
    let account = app.get("/account").by(&token).await.is(200).json();
    let expected = json!({"email": "arthur@camelot.bt", "currency": "GBP", "cents": 1000, "orders": []});
    assert_eq!(account, expected);
    app.get("/account").await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_wallet_that_cannot_be_opened_leaves_no_customer_behind() {
    let app = app().await;
    let refused = app.post("/auth/register").json(registration("XXX")).await;
    refused.refused(422, "VALIDATION_ERROR");
    assert_eq!(customer::Entity::find().count(db(&app)).await.unwrap(), 0);
    app.post("/auth/register").json(registration("EUR")).await.is(201);
}

#[tokio::test]
async fn an_order_is_paid_out_of_the_wallet_or_not_kept() {
    let app = app().await;
    let arthur = arthur(&app).await;
    let order = async |cents: u32| {
        let body = json!({"item": "shrubbery", "cents": cents});
        app.post("/orders").as_user(&arthur).json(body).await
    };
    order(700).await.is(201);
    order(301).await.refused(409, "WALLET_TOO_EMPTY");
    order(300).await.is(201);
    let account = app.get("/account").as_user(&arthur).await.is(200).json();
    assert_eq!(account["cents"], 0);
    let cents: Vec<_> = account["orders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| &order["cents"])
        .collect();
    assert_eq!(cents, [700, 300]);
}

#[tokio::test]
async fn what_belongs_to_a_customer_goes_with_them() {
    let app = app().await;
    let arthur = arthur(&app).await;
    let body = json!({"item": "shrubbery", "cents": 1});
    app.post("/orders").as_user(&arthur).json(body).await.is(201);
    let root = app.user("root@camelot.bt").own(NewCustomer {
        currency: "EUR".to_owned(),
    });
    let root = root.superuser().await;
    app.delete(&format!("/users/{}", arthur.id))
        .as_user(&root)
        .await
        .is(204);
    assert_eq!(order::Entity::find().count(db(&app)).await.unwrap(), 0);
    assert_eq!(wallet::Entity::find().count(db(&app)).await.unwrap(), 1);
}
