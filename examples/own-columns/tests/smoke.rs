//! Each column on its way in and out.
#![expect(
    clippy::expect_used,
    reason = "where something is not as it must be, the test is to fail"
)]

use axum_users::{Secret, connect};
use axum_users_testing::{PASSWORD, TestApp};
use example_own_columns::{
    Api, NewProfile,
    account::{self, Plan},
    router, users,
};
use serde_json::{Value, json};

async fn app() -> TestApp<Api> {
    let db = connect("sqlite::memory:").await.expect("SQLite needs no server");
    let users = users(db, &Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx")).await;
    let users = users.expect("the users are sound");
    TestApp::new(users, |users| router(users).expect("the document is sound"))
}

fn named(first_name: &str) -> NewProfile {
    NewProfile {
        first_name: first_name.to_owned(),
        nickname: None,
        campaign: None,
    }
}

async fn stored(app: &TestApp<Api>, user: &account::Model) -> account::Model {
    let found = app
        .users()
        .manager()
        .find(&user.id)
        .await
        .expect("the store is up");
    found.expect("the user exists")
}

#[tokio::test]
async fn columns_are_taken_at_registration_and_shown() {
    let app = app().await;
    let body = json!({
        "email": "arthur@camelot.bt", "password": PASSWORD, "first_name": "Arthur", "nickname": "wart", "campaign": "sword"
    });
    let shown = app.post("/auth/register").json(body).await.is(201).json();
    assert_eq!(shown["first_name"], "Arthur");
    assert_eq!(shown["nickname"], "wart");
    assert_eq!(shown["plan"], "free");
    assert_eq!(shown.get("campaign"), None);
}

#[tokio::test]
async fn values_that_break_a_rule_are_refused_field_by_field() {
    let app = app().await;
    let body =
        json!({"email": "arthur@camelot.bt", "password": PASSWORD, "first_name": "", "nickname": "the king"});
    let answer = app.post("/auth/register").json(body).await;
    answer.invalid(&[("first_name", "length"), ("nickname", "nickname")]);
    let body = json!({"email": "arthur@camelot.bt", "password": PASSWORD});
    app.post("/auth/register")
        .json(body)
        .await
        .invalid(&[("first_name", "missing")]);
}

#[tokio::test]
async fn null_clears_and_absence_keeps() {
    let app = app().await;
    let profile = NewProfile {
        nickname: Some("wart".to_owned()),
        ..named("Arthur")
    };
    let arthur = app.user("arthur@camelot.bt").own(profile).await;
    let patch = |body: Value| app.patch("/users/me").as_user(&arthur).json(body);
    let shown = patch(json!({"first_name": "King Arthur"})).await.is(200).json();
    assert_eq!(
        (&shown["first_name"], &shown["nickname"]),
        (&json!("King Arthur"), &json!("wart"))
    );
    let shown = patch(json!({"nickname": null})).await.is(200).json();
    assert_eq!(
        (&shown["first_name"], &shown["nickname"]),
        (&json!("King Arthur"), &Value::Null)
    );
    patch(json!({"nickname": "x"}))
        .await
        .invalid(&[("nickname", "nickname")]);
    assert_eq!(
        app.get("/hello").as_user(&arthur).await.is(200).text(),
        "Hello King Arthur"
    );
}

#[tokio::test]
async fn a_nickname_that_is_taken_is_a_conflict() {
    let app = app().await;
    let profile = NewProfile {
        nickname: Some("wart".to_owned()),
        ..named("Arthur")
    };
    app.user("arthur@camelot.bt").own(profile).await;
    let kay = app.user("kay@camelot.bt").own(named("Kay")).await;
    let patch = app
        .patch("/users/me")
        .as_user(&kay)
        .json(json!({"nickname": "wart"}));
    patch.await.refused(409, "VALUE_ALREADY_TAKEN");
}

#[tokio::test]
async fn the_plan_is_set_by_superusers_only() {
    let app = app().await;
    let arthur = app
        .user("arthur@camelot.bt")
        .superuser()
        .own(named("Arthur"))
        .await;
    let kay = app.user("kay@camelot.bt").own(named("Kay")).await;
    let body = json!({"plan": "full", "note": "Mother's favourite"});

    app.patch("/users/me")
        .as_user(&kay)
        .json(body.clone())
        .await
        .is(200);
    assert_eq!(stored(&app, &kay).await.plan, Plan::Free);
    // Not even superusers do it at `/me`.
    app.patch("/users/me")
        .as_user(&arthur)
        .json(body.clone())
        .await
        .is(200);
    assert_eq!(stored(&app, &arthur).await.plan, Plan::Free);

    let path = format!("/users/{}", kay.id);
    app.patch(&path)
        .as_user(&kay)
        .json(body.clone())
        .await
        .refused(403, "FORBIDDEN");
    let shown = app.patch(&path).as_user(&arthur).json(body).await.is(200).json();
    assert_eq!(
        (&shown["plan"], &shown["note"]),
        (&json!("full"), &json!("Mother's favourite"))
    );
    app.patch(&path)
        .as_user(&arthur)
        .json(json!({"plan": "gold"}))
        .await
        .invalid(&[("plan", "invalid_type")]);

    let me = app.get("/users/me").as_user(&kay).await.is(200).json();
    assert_eq!(me["plan"], "full");
    assert_eq!(me.get("note"), None);
}

#[tokio::test]
async fn the_campaign_is_kept_and_never_shown() {
    let app = app().await;
    let profile = NewProfile {
        campaign: Some("sword".to_owned()),
        ..named("Arthur")
    };
    let arthur = app.user("arthur@camelot.bt").superuser().own(profile).await;
    assert_eq!(stored(&app, &arthur).await.campaign.as_deref(), Some("sword"));
    for path in ["/users/me".to_owned(), format!("/users/{}", arthur.id)] {
        let shown = app.get(&path).as_user(&arthur).await.is(200);
        assert!(
            !shown.text().contains("campaign") && !shown.text().contains("sword"),
            "{}",
            shown.text()
        );
    }
}

#[tokio::test]
async fn the_document_has_the_columns() {
    let document = app().await.get("/openapi.json").await.is(200).json();
    let fields = |schema: &str| {
        let properties = document["components"]["schemas"][schema]["properties"].as_object();
        properties
            .unwrap_or_else(|| panic!("{schema} has properties"))
            .clone()
    };
    assert!(fields("UserCreate").contains_key("campaign"));
    assert!(!fields("UserUpdate").contains_key("plan"));
    assert!(fields("AdminUpdate").contains_key("plan"));
    assert!(!fields("UserRead").contains_key("note"));
    assert!(fields("AdminRead").contains_key("note"));
}
