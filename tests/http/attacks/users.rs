//! Seeing and changing what is not one's own.

use axum::routing::get;
use axum_users::{AxumUsers, CurrentUser, guard::Verified};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::aftermath::{assert_refused, assert_tells_nothing, operations, still_works};
use crate::harness::{
    Api, App, BACKENDS, Database, OTHER_PASSWORD, PASSWORD, Token, Wiring, app, on_every_database,
};

on_every_database! {
    a128_only_superusers_reach_users_by_id,
    a129_users_cannot_raise_themselves,
    a130_null_and_nonsense_in_any_field_leave_a_working_account,
    a132_an_id_that_is_none_is_an_id_of_nobody,
    a134_ids_cannot_be_counted,
    a137_what_is_for_confirmed_users_is_closed_until_then
    ;
}

const EMAIL: &str = "arthur@camelot.bt";
const KAY: &str = "kay@camelot.bt";
const MERLIN: &str = "merlin@camelot.bt";
const NOBODY: &str = "00000000-0000-4000-8000-000000000001";

async fn merlin<D: Database>(app: &App<D>) -> Token {
    app.superuser(MERLIN).await;
    app.login("token", MERLIN).await
}

async fn shown<D: Database>(app: &App<D>, token: &Token) -> Value {
    app.get("/users/me").by(token).await.is(200).json()
}

async fn a128_only_superusers_reach_users_by_id<D: Database>(app: &App<D>) {
    let (own, other) = (app.user(EMAIL).await, app.user(KAY).await);
    let admin = merlin(app).await;
    let admins = shown(app, &admin).await;
    let admins = admins["id"].as_str().expect("the key is a text");
    for (backend, token) in app.login_everywhere(EMAIL).await {
        let personal = app.personal_token(&token, None).await;
        for id in [own.as_str(), &other, admins, NOBODY, "nonsense", "me2"] {
            let paths = [
                ("GET", format!("/users/{id}")),
                ("PATCH", format!("/users/{id}")),
                ("DELETE", format!("/users/{id}")),
                ("GET", format!("/auth/sessions/users/{id}")),
                ("DELETE", format!("/auth/sessions/users/{id}")),
                ("DELETE", format!("/auth/sessions/users/{id}/token.1")),
            ];
            for (method, path) in paths {
                let call = || {
                    let call = app.call(method, &path);
                    if method == "PATCH" {
                        call.json(json!({"is_superuser": true, "password": OTHER_PASSWORD}))
                    } else {
                        call
                    }
                };
                call().await.refused(401, "UNAUTHORIZED");
                call().by(&token).await.refused(403, "FORBIDDEN").hides(KAY);
                let answer = call().by(&personal).await.hides(KAY);
                assert!([401, 403].contains(&answer.status), "{backend} {method} {path}");
            }
        }
        for list in ["/users", "/users?limit=1", "/users?email=kay@camelot.bt"] {
            app.get(list).await.refused(401, "UNAUTHORIZED");
            app.get(list)
                .by(&token)
                .await
                .refused(403, "FORBIDDEN")
                .hides(KAY);
        }
    }
    for id in [&own, &other] {
        let user = app.get(&format!("/users/{id}")).by(&admin).await.is(200).json();
        assert_eq!(user["is_superuser"], false);
    }
    still_works(app, EMAIL).await;
    still_works(app, KAY).await;
}

async fn a129_users_cannot_raise_themselves<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    app.superuser(MERLIN).await;
    for (email, superuser) in [(EMAIL, false), (MERLIN, true)] {
        let session = app.login("token", email).await;
        let before = shown(app, &session).await;
        let privileged = json!({
            "is_superuser": !superuser, "is_verified": !superuser, "is_active": false, "id": id, "hashed_password": "x",
            "email_key": KAY, "epoch": 9, "created_at": "2001-01-01T00:00:00Z", "oauth_accounts": [], "role": "admin",
            "scopes": ["*"], "__proto__": {"is_superuser": true},
        });
        let fields = privileged.as_object().expect("an object").clone();
        for body in fields
            .into_iter()
            .map(|(name, value)| json!({ name: value }))
            .chain([privileged])
        {
            let answer = app.patch("/users/me").by(&session).json(&body).await;
            if answer.status == 200 {
                assert_eq!(answer.json(), before, "{body}");
            } else {
                assert_refused(&answer, &body);
            }
            assert_eq!(shown(app, &session).await, before, "{body}");
            let expected = if superuser { 200 } else { 403 };
            app.get(&format!("/users/{id}")).by(&session).await.is(expected);
        }
    }
    app.register(KAY).await;
    still_works(app, EMAIL).await;
}

async fn a130_null_and_nonsense_in_any_field_leave_a_working_account<D: Database>(app: &App<D>) {
    let (id, admin) = (app.user(EMAIL).await, merlin(app).await);
    let mine = app.login("token", EMAIL).await;
    let before = shown(app, &mine).await;
    let by_id = format!("/users/{id}");
    for (path, session) in [("/users/me", &mine), (by_id.as_str(), &admin)] {
        for field in [
            "email",
            "password",
            "current_password",
            "is_active",
            "is_verified",
            "is_superuser",
            "id",
            "first_name",
            "age",
        ] {
            for value in [
                json!(null),
                json!(""),
                json!(" "),
                json!([]),
                json!({}),
                json!([1]),
                json!([null]),
                json!({"a": {"b": 1}}),
                json!(7.5),
                json!(-1),
                json!(1e300),
                json!(u64::MAX),
                json!("pl4nted\0"),
            ] {
                // A name of one blank is a name.
                if (field, &value) == ("first_name", &json!(" ")) {
                    continue;
                }
                let mut body = json!({});
                body[field] = value.clone();
                let answer = app.patch(path).by(session).json(&body).await.hides("pl4nted");
                assert_tells_nothing(&answer);
                if answer.status == 200 {
                    let is_kept = ["email", "password"].contains(&field);
                    assert!(value.is_null() || !is_kept, "{path} {body}");
                } else {
                    let known = [400, 422].contains(&answer.status);
                    assert!(known, "{path} {body}: {}", answer.body);
                }
                assert_eq!(shown(app, &mine).await, before, "{path} {body}");
            }
        }
    }
    let wrong = app.patch(&by_id).by(&admin).json(json!({"is_active": "yes"}));
    wrong.await.invalid(&[("is_active", "invalid_type")]);
    still_works(app, EMAIL).await;
}

async fn a132_an_id_that_is_none_is_an_id_of_nobody<D: Database>(app: &App<D>) {
    let (id, admin) = (app.user(EMAIL).await, merlin(app).await);
    let long = "0".repeat(6000);
    let cut = id.get(..id.len() - 1).expect("an id is ASCII");
    for bad in [
        "1",
        "0",
        "-1",
        "1e9",
        "me2",
        "null",
        "undefined",
        "*",
        "%",
        "%25",
        "_",
        "..%2f",
        "..%2f..%2fusers%2fme",
        "%2e%2e%2fme",
        "%00",
        "%0d%0aSet-Cookie:%20a=b",
        "%ff",
        "%c0%af",
        "%F0%9F%91%91",
        "'%20OR%201=1--",
        "'%20OR%20'1'='1",
        "1;%20DROP%20TABLE%20account",
        "1%20UNION%20SELECT%201",
        "$(id)",
        "{{7*7}}",
        "%7B%7B7*7%7D%7D",
        &format!("{id}%00"),
        &format!("{id}'"),
        &format!("{id}%20OR%201=1"),
        cut,
        &format!("{id}0"),
        &long,
    ] {
        for method in ["GET", "PATCH", "DELETE"] {
            for path in [format!("/users/{bad}"), format!("/auth/sessions/users/{bad}")] {
                // Some of these are no path at all.
                if axum::http::Uri::try_from(path.as_str()).is_err()
                    || method == "PATCH" && path.contains("sessions")
                {
                    continue;
                }
                let mut call = app.call(method, &path).by(&admin);
                if method == "PATCH" {
                    call = call.json(json!({"is_active": false}));
                }
                let answer = call.await;
                assert_refused(&answer, (method, path));
                assert_tells_nothing(&answer);
            }
        }
    }
    let page = app.get("/users").by(&admin).await.is(200).json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2), "{page}");
    still_works(app, EMAIL).await;
}

async fn a134_ids_cannot_be_counted<D: Database>(app: &App<D>) {
    let mut chance = Vec::new();
    for email in [EMAIL, KAY, "bors@camelot.bt", "pellinore@camelot.bt"] {
        let id = Uuid::parse_str(&app.user(email).await).expect("the key is a UUID");
        // The last 62 bits are chance in every version that has any.
        chance.push(id.as_u128() & ((1 << 62) - 1));
    }
    for (index, one) in chance.iter().enumerate() {
        for other in &chance[..index] {
            assert!(one.abs_diff(*other) > 1 << 32, "{chance:x?}");
        }
    }
}

#[tokio::test]
async fn a135_other_methods_show_nothing() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    for operation in operations(&app, &id) {
        for method in [
            "TRACE", "PUT", "POST", "DELETE", "PATCH", "FOO", "get", "Get", "HEAD", "OPTIONS", "PROPFIND",
            "GET",
        ] {
            // What is for everybody is not meant here.
            if !operation.is_guarded {
                continue;
            }
            let answer = app
                .call(method, &operation.path)
                .header("x-http-method-override", "GET")
                .header("max-forwards", "0")
                .await;
            assert_refused(&answer, (method, &operation.path));
            answer.hides(EMAIL).hides(&id);
        }
    }
    let token = app.login("token", EMAIL).await;
    for method in ["TRACE", "PUT", "POST", "DELETE", "FOO", "get", "OPTIONS"] {
        app.call(method, "/users/me")
            .by(&token)
            .await
            .is(405)
            .hides(EMAIL)
            .hides(token.text());
    }
    still_works(&app, EMAIL).await;
}

async fn a137_what_is_for_confirmed_users_is_closed_until_then<D: Database>(app: &App<D>) {
    async fn secret<D: Database>(_: CurrentUser<Api<D>, Verified>) -> &'static str {
        "the grail"
    }

    let app = app.rewired(Wiring::usual().mount(|users: &AxumUsers<Api<D>>| {
        OpenApiRouter::new()
            .route("/confirmed", get(secret::<D>))
            .with_state(users.clone())
    }));
    app.register(EMAIL).await;
    let tokens = app.login_everywhere(EMAIL).await;
    app.get("/confirmed").await.refused(401, "UNAUTHORIZED");
    for (backend, token) in &tokens {
        let answer = app.get("/confirmed").by(token).await;
        answer.refused(403, "FORBIDDEN").hides("grail");
        assert_eq!(app.me(token).await, 200, "{backend}");
    }
    let token = app.verify_token(EMAIL).await;
    app.verify(&token).await.is(200);
    for (backend, token) in &tokens {
        let answer = app.get("/confirmed").by(token).await.is(200);
        assert_eq!(answer.body, "the grail", "{backend}");
    }
    // Another address waits until it is confirmed; until then the confirmed one stands.
    let change = json!({"email": KAY, "current_password": PASSWORD});
    let waiting = app.patch("/users/me").by(&tokens[0].1).json(change).await.is(200);
    assert_eq!(waiting.json()["email"], EMAIL);
    app.get("/confirmed").by(&tokens[0].1).await.is(200);
    assert_eq!(tokens.len(), BACKENDS.len());
}
