//! A transport of the application's own: the token travels in a header of another name.

use std::borrow::Cow;

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use axum_users::{
    AxumUsers, Backend, BearerTransport, JwtStrategy,
    refusal::Challenge,
    strategy::IssuedToken,
    transport::{LoginAnswer, Transport},
    utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme},
};
use axum_users_testing::{TestClock, fast_hasher};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use crate::harness::{
    Api, Call, Database, HouseRules, LIFETIME, PASSWORD, SqliteInMemory, Watched, app, manager, secrets,
};

const EMAIL: &str = "arthur@camelot.bt";

/// `X-Api-Key: …`.
#[derive(Debug)]
struct KeyHeader;

impl Transport for KeyHeader {
    fn read<'h>(&self, headers: &'h HeaderMap) -> Option<Cow<'h, str>> {
        let value = headers.get("x-api-key")?;
        Some(Cow::Borrowed(value.to_str().unwrap_or_default()))
    }

    fn sign_in(&self, token: &IssuedToken) -> Response {
        BearerTransport::new().sign_in(token)
    }

    fn sign_out(&self) -> Response {
        (StatusCode::NO_CONTENT, [("x-signed-out", "yes")]).into_response()
    }

    fn login_answer(&self) -> LoginAnswer {
        LoginAnswer::Body
    }

    fn scheme(&self) -> SecurityScheme {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Api-Key")))
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(Challenge::new("ApiKey"))
    }
}

#[tokio::test]
async fn tokens_travel_as_a_transport_of_the_application_has_it() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    let store = Watched::new(app.db.store());
    let strategy = || JwtStrategy::new(secrets().access(), LIFETIME, store.clone());
    let backends = [
        Backend::new("key", KeyHeader, strategy()),
        Backend::new("bearer", BearerTransport::new(), strategy()),
    ];
    let manager = manager::<SqliteInMemory>(
        &store,
        &TestClock::default(),
        fast_hasher(),
        HouseRules::default(),
    );
    let users = AxumUsers::<Api<SqliteInMemory>>::new(manager, backends).unwrap();
    let (router, api) = OpenApiRouter::new()
        .nest("/auth/key", axum_users::auth_router(&users, &users.backends()[0]))
        .nest(
            "/auth/bearer",
            axum_users::auth_router(&users, &users.backends()[1]),
        )
        .nest("/users", axum_users::users_router(&users))
        .split_for_parts();
    let api = serde_json::to_value(users.finish(api).unwrap()).unwrap();
    assert_eq!(
        api["components"]["securitySchemes"]["key"],
        json!({"type": "apiKey", "in": "header", "name": "X-Api-Key"})
    );
    let either = json!([{"key": []}, {"bearer": []}]);
    assert_eq!(api["paths"]["/users/me"]["get"]["security"], either);

    let login = |backend: &str| {
        Call::new(&router, "POST", &format!("/auth/{backend}/login"))
            .form(&[("username", EMAIL), ("password", PASSWORD)])
    };
    let me = || Call::new(&router, "GET", "/users/me");
    let (key, bearer) = (login("key").await.token(), login("bearer").await.token());
    let answer = me().header("x-api-key", key.text()).await.is(200);
    assert_eq!(answer.json()["id"], id);
    me().by(&bearer).await.is(200);
    // Neither is taken where the other belongs.
    me().by(&key).await.refused(401, "UNAUTHORIZED");
    me().header("x-api-key", bearer.text())
        .await
        .refused(401, "UNAUTHORIZED");
    me().header("x-api-key", "\u{e9}")
        .await
        .refused(401, "UNAUTHORIZED");
    let answer = me().await.refused(401, "UNAUTHORIZED");
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert!(format!("{challenges:?}").contains("ApiKey"), "{challenges:?}");

    let logout = Call::new(&router, "POST", "/auth/key/logout").header("x-api-key", key.text());
    let answer = logout.cross_site().await.is(204);
    assert_eq!(answer.header("x-signed-out"), "yes");
    me().header("x-api-key", key.text())
        .await
        .refused(401, "UNAUTHORIZED");
    me().by(&bearer).await.is(200);
}
