//! Staff is staff, and customers are customers.
#![expect(
    clippy::expect_used,
    reason = "where something is not as it must be, the test is to fail"
)]

use axum_users::{Secret, connect};
use axum_users_testing::{PASSWORD, TestApp, TestClock, Token, for_tests};
use example_two_kinds::{
    AppState,
    customers::{self, Customers, Wishes, customers},
    router,
    staff::{self, Desk, Staff, staff},
};
use serde_json::{Value, json};

struct Shop {
    staff: TestApp<Staff>,
    customers: TestApp<Customers>,
}

async fn shop() -> Shop {
    let root = Secret::new("Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx");
    let db = connect("sqlite::memory:").await.expect("SQLite needs no server");
    let clock = TestClock::default();
    let staff = for_tests(staff(&db, &root).await.expect("staff is sound"), &clock);
    let customers = for_tests(customers(&db, &root).await.expect("customers are sound"), &clock);
    let state = AppState {
        staff: staff.clone(),
        customers: customers.clone(),
    };
    let router = router(&state).expect("the document is sound");
    Shop {
        staff: TestApp::of(router.clone(), staff, clock.clone()),
        customers: TestApp::of(router, customers, clock),
    }
}

impl Shop {
    async fn kay(&self) -> staff::entity::Model {
        let desk = Desk {
            desk: "the gate".to_owned(),
        };
        self.staff.user("kay@camelot.bt").superuser().own(desk).await
    }

    async fn arthur(&self) -> customers::entity::Model {
        self.customers
            .user("arthur@camelot.bt")
            .own(Wishes { newsletter: true })
            .await
    }
}

#[tokio::test]
async fn each_family_has_its_own_routes() {
    let shop = shop().await;
    let (kay, arthur) = (shop.kay().await, shop.arthur().await);
    let drawer = shop.staff.get("/staff/drawer").as_user(&kay).await.is(200);
    assert_eq!(drawer.text(), "the drawer at the gate");
    let basket = shop.customers.get("/shop/basket").as_user(&arthur).await.is(200);
    assert_eq!(basket.text(), "the basket of arthur@camelot.bt");
    let me = shop
        .staff
        .get("/staff/users/me")
        .as_user(&kay)
        .await
        .is(200)
        .json();
    assert_eq!((&me["desk"], me.get("newsletter")), (&json!("the gate"), None));
    let me = shop
        .customers
        .get("/shop/users/me")
        .as_user(&arthur)
        .await
        .is(200)
        .json();
    assert_eq!((me.get("desk"), &me["newsletter"]), (None, &json!(true)));
}

#[tokio::test]
async fn a_token_of_one_family_is_refused_by_the_other() {
    let shop = shop().await;
    let (kay, arthur) = (shop.kay().await, shop.arthur().await);
    assert_eq!(kay.id, arthur.id, "the keys alone do not tell them apart");
    for backend in ["jwt", "cookie"] {
        let of_staff = shop.staff.token(backend, &kay).await;
        shop.staff.get("/staff/drawer").by(&of_staff).await.is(200);
        shop.staff
            .get("/shop/basket")
            .by(&of_staff)
            .await
            .refused(401, "UNAUTHORIZED");
        let of_customer = shop.customers.token(backend, &arthur).await;
        shop.staff.get("/shop/basket").by(&of_customer).await.is(200);
        shop.staff
            .get("/staff/drawer")
            .by(&of_customer)
            .await
            .refused(401, "UNAUTHORIZED");
        shop.staff
            .get("/staff/users")
            .by(&of_customer)
            .await
            .refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn a_token_is_refused_under_the_name_of_the_other_cookie() {
    let shop = shop().await;
    let (kay, arthur) = (shop.kay().await, shop.arthur().await);
    let of_staff = shop.staff.token("cookie", &kay).await;
    let of_customer = shop.customers.token("cookie", &arthur).await;
    let get = |path: &str, cookie: &str, token: &Token| {
        shop.staff.get(path).by(&Token::cookie(cookie, token.text()))
    };
    get("/staff/drawer", "__Host-staff", &of_staff).await.is(200);
    get("/staff/drawer", "__Host-staff", &of_customer)
        .await
        .refused(401, "UNAUTHORIZED");
    get("/shop/basket", "__Host-customer", &of_customer).await.is(200);
    get("/shop/basket", "__Host-customer", &of_staff)
        .await
        .refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn one_address_may_be_in_both_families() {
    let shop = shop().await;
    shop.kay().await;
    let body = json!({"email": "kay@camelot.bt", "password": PASSWORD});
    shop.customers
        .post("/shop/auth/register")
        .json(&body)
        .await
        .is(201);
    shop.staff.post("/staff/auth/register").json(&body).await.is(404);
    let form = [("username", "kay@camelot.bt"), ("password", PASSWORD)];
    let token = shop
        .customers
        .post("/shop/auth/jwt/login")
        .form(&form)
        .await
        .is(200)
        .token();
    shop.customers.get("/shop/basket").by(&token).await.is(200);
    shop.customers
        .get("/staff/drawer")
        .by(&token)
        .await
        .refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_handler_may_ask_for_either() {
    let shop = shop().await;
    let (kay, arthur) = (shop.kay().await, shop.arthur().await);
    let (of_staff, of_customer) = (
        shop.staff.token("cookie", &kay).await,
        shop.customers.token("cookie", &arthur).await,
    );
    assert_eq!(shop.staff.get("/shop/help").await.text(), "Sign in to ask");
    assert_eq!(
        shop.staff.get("/shop/help").by(&of_customer).await.text(),
        "Anybody at a desk"
    );
    let both = shop.staff.get("/shop/help").by(&of_customer).by(&of_staff).await;
    assert_eq!(both.text(), "You, I hope");
}

#[tokio::test]
async fn names_in_the_document_do_not_collide() {
    let shop = shop().await;
    let document = shop.staff.get("/openapi.json").await.is(200).json();
    let schemas = &document["components"]["schemas"];
    assert!(
        schemas["StaffUserRead"]["properties"]["desk"].is_object(),
        "{schemas}"
    );
    assert!(
        schemas["CustomerUserRead"]["properties"]["newsletter"].is_object(),
        "{schemas}"
    );
    let security = &document["components"]["securitySchemes"];
    let login = |scheme: &str| security[scheme]["flows"]["password"]["tokenUrl"].clone();
    assert_eq!(login("staff_jwt"), "/staff/auth/jwt/login");
    assert_eq!(login("customer_jwt"), "/shop/auth/jwt/login");
    let security = |path: &str| -> Value { document["paths"][path]["get"]["security"].clone() };
    assert_eq!(
        security("/staff/drawer"),
        json!([{"staff_jwt": []}, {"staff_cookie": []}])
    );
    assert_eq!(
        security("/shop/basket"),
        json!([{"customer_jwt": []}, {"customer_cookie": []}])
    );
}
