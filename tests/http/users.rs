//! Users who see and change themselves, and superusers who see and change all.

use axum_users::{EndSessions, UserManager};
use serde_json::{Value, json};

use crate::harness::{
    App, BACKENDS, Database, OTHER_PASSWORD, PASSWORD, Token, Wiring, app, on_every_database,
};

on_every_database! {
    users_change_their_password_and_stay_signed_in_where_they_did,
    a_new_address_takes_effect_at_once_where_that_is_chosen,
    an_address_that_is_taken_is_refused_in_whatever_spelling,
    a_deactivated_user_is_out_for_good,
    a_deleted_user_is_gone_with_all_sessions,
    a_demoted_superuser_is_refused_at_once,
    superusers_list_users_page_by_page;
    own_columns_change_and_clear,
    a_change_is_made_as_a_whole_or_not_at_all,
}

const EMAIL: &str = "arthur@camelot.bt";
const KAY: &str = "kay@camelot.bt";
const MERLIN: &str = "merlin@camelot.bt";
const NOBODY: &str = "00000000-0000-4000-8000-000000000001";

impl<D: Database> App<D> {
    async fn admin(&self) -> Token {
        self.superuser(MERLIN).await;
        self.login("token", MERLIN).await
    }

    async fn shown(&self, token: &Token) -> Value {
        self.get("/users/me").by(token).await.is(200).json()
    }
}

async fn users_change_their_password_and_stay_signed_in_where_they_did<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let mut password = PASSWORD.to_owned();
    for backend in BACKENDS {
        let login = async |backend| app.try_login(backend, EMAIL, &password).await.token();
        let mut others = Vec::new();
        for backend in BACKENDS {
            others.push((backend, login(backend).await));
        }
        let mine = login(backend).await;
        let new = format!("{OTHER_PASSWORD} {backend}");
        let body = json!({"password": new, "current_password": password});
        let answer = app
            .patch("/users/me")
            .by(&mine)
            .json(body)
            .await
            .is(200)
            .hides(&new);
        answer.is_hardened();
        // A JWT cannot move on to the new epoch.
        let stays = if backend.ends_with("jwt") { 401 } else { 200 };
        assert_eq!(app.me(&mine).await, stays, "{backend}");
        for (other, token) in &others {
            assert_eq!(app.me(token).await, 401, "{other} after a change by {backend}");
        }
        app.try_login("jwt", EMAIL, &password).await.is(400);
        password = new;
    }
}

async fn a_new_address_takes_effect_at_once_where_that_is_chosen<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.set_verified(EMAIL).await;
    let sessions = app.login_everywhere(EMAIL).await;
    let session = &sessions[1].1;
    // The same address in another spelling is no change that matters.
    let body = json!({"email": "Arthur@Camelot.BT"});
    let user = app.patch("/users/me").by(session).json(body).await.is(200).json();
    assert_eq!(
        json!([user["email"], user["is_verified"]]),
        json!(["Arthur@camelot.bt", true])
    );

    // At once and unconfirmed, as FastAPI-Users does it, by name only.
    let app = app.rewired(Wiring::usual().manager(UserManager::insecure_immediate_email_change));
    let body = json!({"email": "King@camelot.bt", "current_password": PASSWORD});
    let user = app.patch("/users/me").by(session).json(body).await.is(200).json();
    assert_eq!(
        json!([user["email"], user["is_verified"]]),
        json!(["King@camelot.bt", false])
    );
    for (backend, session) in &sessions {
        assert_eq!(app.me(session).await, 200, "{backend}");
    }
    app.try_login("jwt", EMAIL, PASSWORD).await.is(400);
    app.try_login("jwt", "king@camelot.bt", PASSWORD).await.is(200);
    app.register(EMAIL).await;
}

async fn an_address_that_is_taken_is_refused_in_whatever_spelling<D: Database>(app: &App<D>) {
    app.register(KAY).await;
    let id = app.user(EMAIL).await;
    let (mine, admin) = (app.login("cookie", EMAIL).await, app.admin().await);
    for email in [KAY, "KAY@camelot.bt", "Kay@CAMELOT.bt"] {
        let body = json!({"email": email, "current_password": PASSWORD});
        app.patch("/users/me")
            .by(&mine)
            .json(body.clone())
            .await
            .refused(400, "UPDATE_USER_EMAIL_ALREADY_EXISTS");
        app.patch(&format!("/users/{id}"))
            .by(&admin)
            .json(body)
            .await
            .refused(400, "UPDATE_USER_EMAIL_ALREADY_EXISTS");
    }
    assert_eq!(app.shown(&mine).await["email"], EMAIL);
}

async fn a_deactivated_user_is_out_for_good<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    let admin = app.admin().await;
    let sessions = app.login_everywhere(EMAIL).await;
    let reset = app.reset_token(EMAIL).await;
    let set = async |active: bool| {
        let body = json!({ "is_active": active });
        let user = app
            .patch(&format!("/users/{id}"))
            .by(&admin)
            .json(body)
            .await
            .is(200)
            .json();
        assert_eq!(user["is_active"], active);
    };
    set(false).await;
    for (backend, session) in &sessions {
        app.get("/users/me")
            .by(session)
            .await
            .refused(401, "UNAUTHORIZED");
        app.try_login(backend, EMAIL, PASSWORD)
            .await
            .refused(400, "LOGIN_BAD_CREDENTIALS");
        app.post(&format!("/auth/{backend}/logout"))
            .by(session)
            .await
            .is(401);
    }
    app.reset(&reset, OTHER_PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    set(true).await;
    for (backend, session) in &sessions {
        assert_eq!(
            app.me(session).await,
            401,
            "{backend}: reactivation revives nothing"
        );
    }
    app.login_everywhere(EMAIL).await;
}

async fn a_deleted_user_is_gone_with_all_sessions<D: Database>(app: &App<D>) {
    let (id, admin) = (app.user(EMAIL).await, app.admin().await);
    let sessions = app.login_everywhere(EMAIL).await;
    let path = format!("/users/{id}");
    let answer = app.delete(&path).by(&admin).await.is(204);
    assert_eq!(answer.body, "");
    for (backend, session) in &sessions {
        assert_eq!(app.me(session).await, 401, "{backend}");
    }
    for method in ["GET", "DELETE"] {
        app.call(method, &path).by(&admin).await.refused(404, "NOT_FOUND");
    }
    assert_ne!(app.user(EMAIL).await, id);

    for backend in BACKENDS {
        let email = format!("{backend}@camelot.bt");
        app.register(&email).await;
        let session = app.login(backend, &email).await;
        let delete = |body| app.post("/users/me/delete").by(&session).json(body);
        for body in [
            json!({}),
            json!({"current_password": OTHER_PASSWORD}),
            json!({"current_password": null}),
        ] {
            delete(body)
                .await
                .refused(400, "DELETE_USER_INVALID_CURRENT_PASSWORD");
        }
        assert_eq!(app.me(&session).await, 200);
        let answer = delete(json!({"current_password": PASSWORD})).await.is(204);
        assert_eq!(answer.body, "");
        delete(json!({"current_password": PASSWORD}))
            .await
            .refused(401, "UNAUTHORIZED");
        app.try_login(backend, &email, PASSWORD).await.is(400);
    }
}

async fn a_demoted_superuser_is_refused_at_once<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    let admin = app.admin().await;
    let body = json!({"is_superuser": true});
    app.patch(&format!("/users/{id}"))
        .by(&admin)
        .json(body)
        .await
        .is(200);
    let sessions = app.login_everywhere(EMAIL).await;
    for (backend, session) in &sessions {
        let answer = app.get(&format!("/users/{id}")).by(session).await;
        assert_eq!(answer.status, 200, "{backend}");
    }
    let body = json!({"is_superuser": false});
    app.patch(&format!("/users/{id}"))
        .by(&admin)
        .json(body)
        .await
        .is(200);
    for (_, session) in &sessions {
        for path in ["/users", "/users/00000000-0000-4000-8000-000000000001"] {
            app.get(path).by(session).await.refused(403, "FORBIDDEN");
        }
        assert_eq!(app.me(session).await, 200);
    }
}

async fn superusers_list_users_page_by_page<D: Database>(app: &App<D>) {
    let admin = app.admin().await;
    for email in [
        "Bors@camelot.bt",
        "arthur@camelot.bt",
        "élaine@camelot.bt",
        "bors@lake.bt",
        "kay@camelot.bt",
    ] {
        app.register(email).await;
    }
    let all = [
        "arthur@camelot.bt",
        "Bors@camelot.bt",
        "bors@lake.bt",
        "kay@camelot.bt",
        "merlin@camelot.bt",
        "élaine@camelot.bt",
    ];
    let list = async |query: &str| {
        let answer = app.get(&format!("/users{query}")).by(&admin).await.is(200);
        answer.is_hardened();
        let page = answer.json();
        let emails: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["email"].as_str().unwrap().to_owned())
            .collect();
        (emails, page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(list("").await, (all.map(str::to_owned).to_vec(), None));
    for limit in 1..=6 {
        let (mut seen, mut next) = list(&format!("?limit={limit}")).await;
        while let Some(cursor) = next {
            let (page, after) = list(&format!("?limit={limit}&after={cursor}")).await;
            assert!(!page.is_empty() && page.len() <= limit);
            seen.extend(page);
            next = after;
        }
        assert_eq!(seen, all, "by {limit}");
    }
    assert_eq!(
        list("?email=BORS@camelot.bt").await,
        (vec!["Bors@camelot.bt".to_owned()], None)
    );
    assert_eq!(list("?email=nobody@camelot.bt").await, (vec![], None));
    assert_eq!(
        list("?email_prefix=BORS@").await.0,
        ["Bors@camelot.bt", "bors@lake.bt"]
    );
    // As one letter in capitals, and as two, the first of them full-width.
    for typed in ["%C3%89l", "E%CC%81L", "%EF%BC%A5%CC%81l"] {
        assert_eq!(
            list(&format!("?email_prefix={typed}")).await.0,
            ["élaine@camelot.bt"],
            "{typed}"
        );
    }
    assert_eq!(
        list("?email_prefix=%EF%BD%82ors@L").await.0,
        ["bors@lake.bt"],
        "a full-width b"
    );
    for wild in ["%25", "_", "*", "%27"] {
        assert_eq!(list(&format!("?email_prefix={wild}")).await.0, [""; 0], "{wild}");
    }
    let (first, next) = list("?email_prefix=bors&limit=1").await;
    let rest = list(&format!("?email_prefix=bors&limit=1&after={}", next.unwrap())).await;
    assert_eq!(
        (first[0].as_str(), rest),
        ("Bors@camelot.bt", (vec!["bors@lake.bt".to_owned()], None))
    );
}

async fn own_columns_change_and_clear<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let session = app.login("cookie-jwt", EMAIL).await;
    let change = async |body| {
        let user = app
            .patch("/users/me")
            .by(&session)
            .json(body)
            .await
            .is(200)
            .json();
        json!([user["first_name"], user["nickname"], user["age"]])
    };
    let all = json!({"first_name": "Arthur", "nickname": "wart", "age": 12});
    assert_eq!(change(all).await, json!(["Arthur", "wart", 12]));
    assert_eq!(change(json!({})).await, json!(["Arthur", "wart", 12]));
    assert_eq!(
        change(json!({"age": null})).await,
        json!(["Arthur", "wart", null])
    );
    assert_eq!(
        change(json!({"nickname": null, "first_name": null})).await,
        json!(["Arthur", null, null])
    );

    app.register(KAY).await;
    let kay = app.login("token", KAY).await;
    let named = json!({"nickname": "sir"});
    app.patch("/users/me").by(&kay).json(named.clone()).await.is(200);
    app.patch("/users/me")
        .by(&session)
        .json(named)
        .await
        .refused(409, "VALUE_ALREADY_TAKEN");
    let long = json!({"first_name": "n".repeat(50)});
    let answer = app
        .patch("/users/me")
        .by(&session)
        .json(long)
        .await
        .refused(422, "VALIDATION_ERROR");
    assert_eq!(answer.faults()[0].1, "not_storable");
}

async fn a_change_is_made_as_a_whole_or_not_at_all<D: Database>(app: &App<D>) {
    app.register(KAY).await;
    let id = app.user(EMAIL).await;
    let (mine, admin) = (app.login("token", EMAIL).await, app.admin().await);
    let before = app.shown(&mine).await;
    let bodies = [
        json!({"first_name": "Wart", "email": KAY, "current_password": PASSWORD}),
        json!({"first_name": "Wart", "password": "sh0rt!", "current_password": PASSWORD}),
        json!({"first_name": "Wart", "password": OTHER_PASSWORD, "current_password": "wrong wrong"}),
        json!({"first_name": "Wart", "age": 1000}),
        json!({"first_name": "n".repeat(50), "age": 3}),
        json!({"first_name": "Wart", "password": OTHER_PASSWORD, "email": KAY, "current_password": PASSWORD}),
    ];
    for body in bodies {
        let answer = app.patch("/users/me").by(&mine).json(body.clone()).await;
        assert!((400..=422).contains(&answer.status), "{body}: {}", answer.body);
        assert_eq!(app.shown(&mine).await, before, "{body}");
        if body["current_password"] != "wrong wrong" {
            let answer = app
                .patch(&format!("/users/{id}"))
                .by(&admin)
                .json(body.clone())
                .await;
            assert!((400..=422).contains(&answer.status), "{body}: {}", answer.body);
            assert_eq!(app.shown(&mine).await, before, "{body}");
        }
    }
    app.try_login("jwt", EMAIL, PASSWORD).await.is(200);
}

#[tokio::test]
async fn password_and_address_change_only_with_the_present_password() {
    let app = app().await;
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    let patch = |body: Value| app.patch("/users/me").by(&session).json(body);
    for change in [json!({"password": OTHER_PASSWORD}), json!({"email": KAY})] {
        for current in [
            None,
            Some(json!(null)),
            Some(json!("")),
            Some(json!(OTHER_PASSWORD)),
        ] {
            let mut body = change.clone();
            if let Some(current) = current {
                body["current_password"] = current;
            }
            patch(body)
                .await
                .refused(400, "UPDATE_USER_INVALID_CURRENT_PASSWORD")
                .hides(OTHER_PASSWORD);
        }
    }
    patch(json!({"current_password": ["x"]}))
        .await
        .invalid(&[("current_password", "invalid_type")]);
    // The present password comes first, so that a thief learns nothing about addresses.
    app.register(KAY).await;
    patch(json!({"email": KAY}))
        .await
        .refused(400, "UPDATE_USER_INVALID_CURRENT_PASSWORD");
    patch(json!({"first_name": "Wart"})).await.is(200);
    patch(json!({"email": EMAIL})).await.is(200);
    for (password, code) in [
        ("sh0rt!", "UPDATE_USER_INVALID_PASSWORD"),
        ("password123", "UPDATE_USER_INVALID_PASSWORD"),
    ] {
        patch(json!({"password": password, "current_password": PASSWORD}))
            .await
            .refused(400, code)
            .hides(password);
    }
    let loose = app.rewired(Wiring::usual().manager(UserManager::insecure_no_current_password));
    let body = json!({"email": "king@camelot.bt", "password": OTHER_PASSWORD});
    loose.patch("/users/me").by(&session).json(body).await.is(200);
}

#[tokio::test]
async fn who_is_not_asked_for_a_password_deletes_the_account_without_a_body() {
    let app = app().await;
    let loose = app.rewired(Wiring::usual().manager(UserManager::insecure_no_current_password));
    let operation = serde_json::to_value(&loose.api).unwrap()["paths"]["/users/me/delete"]["post"].take();
    assert_eq!(operation.get("requestBody"), None);
    assert_eq!(operation["responses"].get("400"), None);
    assert_eq!(operation["responses"].get("422"), None);
    for backend in BACKENDS {
        for wrong_too in [false, true] {
            app.register(EMAIL).await;
            let session = app.login(backend, EMAIL).await;
            let delete = |app: &App<_>| app.post("/users/me/delete").by(&session);
            delete(&app)
                .json(json!({}))
                .await
                .refused(400, "DELETE_USER_INVALID_CURRENT_PASSWORD");
            let mut call = delete(&loose);
            if wrong_too {
                call = call.json(json!({"current_password": OTHER_PASSWORD}));
            }
            call.await.is(204);
            assert_eq!(app.me(&session).await, 401, "{backend}");
            delete(&loose).await.refused(401, "UNAUTHORIZED");
        }
    }
    app.register(EMAIL).await;
    let cookie = app.login("cookie", EMAIL).await;
    let call = loose.post("/users/me/delete").by(&cookie).cross_site();
    call.await.refused(403, "CROSS_ORIGIN_REQUEST");
    assert_eq!(app.me(&cookie).await, 200);
}

#[tokio::test]
async fn sessions_can_be_kept_over_a_new_password_by_name() {
    let app = app().await;
    let app = app.rewired(Wiring::usual().manager(UserManager::insecure_keep_sessions));
    app.register(EMAIL).await;
    let sessions = app.login_everywhere(EMAIL).await;
    let body = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
    app.patch("/users/me").by(&sessions[0].1).json(body).await.is(200);
    let token = app.reset_token(EMAIL).await;
    app.reset(&token, PASSWORD).await.is(200);
    for (backend, session) in &sessions {
        assert_eq!(app.me(session).await, 200, "{backend}");
    }
}

#[tokio::test]
async fn by_id_routes_ask_who_then_whether_then_whom_then_what() {
    let app = app().await;
    let (id, admin) = (app.user(EMAIL).await, app.admin().await);
    let user = app.login("token", EMAIL).await;
    let wrong = json!({"email": 1});
    for id in [id.as_str(), NOBODY, "nonsense"] {
        let path = format!("/users/{id}");
        for method in ["GET", "PATCH", "DELETE"] {
            let call = || {
                let call = app.call(method, &path);
                if method == "PATCH" {
                    call.json(wrong.clone())
                } else {
                    call
                }
            };
            call().await.refused(401, "UNAUTHORIZED");
            call().by(&user).await.refused(403, "FORBIDDEN");
        }
        app.patch(&path)
            .body("text/plain", "x")
            .await
            .refused(401, "UNAUTHORIZED");
        app.patch(&path)
            .by(&user)
            .body("application/json", "x")
            .await
            .refused(403, "FORBIDDEN");
    }
    for id in [NOBODY, "nonsense"] {
        let path = format!("/users/{id}");
        app.patch(&path)
            .by(&admin)
            .json(wrong.clone())
            .await
            .refused(404, "NOT_FOUND");
        app.get(&path).by(&admin).await.refused(404, "NOT_FOUND");
        app.delete(&path).by(&admin).await.refused(404, "NOT_FOUND");
    }
    let path = format!("/users/{id}");
    app.patch(&path)
        .by(&admin)
        .json(wrong)
        .await
        .invalid(&[("email", "invalid_type")]);
    app.patch(&path).by(&admin).json(json!({})).await.is(200);
    assert_eq!(app.get(&path).by(&admin).await.is(200).json()["id"], id.as_str());
}

#[tokio::test]
async fn an_id_that_is_none_is_an_id_of_nobody() {
    let app = app().await;
    let (id, admin) = (app.user(EMAIL).await, app.admin().await);
    let long = "0".repeat(6000);
    for bad in [
        "1",
        "me2",
        "..%2f",
        "%00",
        "%ff",
        "%F0%9F%91%91",
        "'%20OR%201=1--",
        "null",
        "-1",
        "*",
        &long,
    ] {
        let answer = app.get(&format!("/users/{bad}")).by(&admin).await;
        answer.refused(404, "NOT_FOUND");
    }
    let spellings = [
        id.to_uppercase(),
        id.replace('-', ""),
        format!("%7B{id}%7D"),
        format!("urn:uuid:{id}"),
    ];
    for spelling in spellings {
        let answer = app.get(&format!("/users/{spelling}")).by(&admin).await.is(200);
        assert_eq!(answer.json()["id"], id.as_str());
    }
}

#[tokio::test]
async fn superusers_change_everything_but_the_key() {
    let app = app().await;
    let (id, admin) = (app.user(EMAIL).await, app.admin().await);
    let by_id = format!("/users/{id}");
    let patch = async |body| app.patch(&by_id).by(&admin).json(body).await.is(200).json();
    let user =
        patch(json!({"is_verified": true, "is_superuser": true, "id": NOBODY, "first_name": "Wart"})).await;
    assert_eq!(
        json!([
            user["id"],
            user["is_verified"],
            user["is_superuser"],
            user["first_name"]
        ]),
        json!([id, true, true, "Wart"])
    );
    let user = patch(json!({"email": KAY})).await;
    assert_eq!(json!([user["email"], user["is_verified"]]), json!([KAY, false]));
    let user = patch(json!({"is_verified": true, "email": EMAIL})).await;
    assert_eq!(json!([user["email"], user["is_verified"]]), json!([EMAIL, true]));

    let sessions = app.login_everywhere(EMAIL).await;
    app.patch(&by_id)
        .by(&admin)
        .json(json!({"password": "sh0rt!"}))
        .await
        .refused(400, "UPDATE_USER_INVALID_PASSWORD");
    patch(json!({"password": OTHER_PASSWORD})).await;
    for (backend, session) in &sessions {
        assert_eq!(app.me(session).await, 401, "{backend}");
    }
    app.try_login("jwt", EMAIL, OTHER_PASSWORD).await.is(200);
}

#[tokio::test]
async fn superusers_change_their_own_password_and_address_only_with_the_present_password() {
    let app = app().await;
    let id = app.superuser(MERLIN).await;
    let admin = app.login("token", MERLIN).await;
    let patch = |body: Value| app.patch(&format!("/users/{id}")).by(&admin).json(body);
    for body in [
        json!({"password": OTHER_PASSWORD}),
        json!({"email": KAY, "current_password": OTHER_PASSWORD}),
    ] {
        patch(body)
            .await
            .refused(400, "UPDATE_USER_INVALID_CURRENT_PASSWORD");
    }
    patch(json!({"current_password": ["x"]}))
        .await
        .invalid(&[("current_password", "invalid_type")]);
    patch(json!({"first_name": "Wizard", "is_verified": true}))
        .await
        .is(200);
    patch(json!({"password": OTHER_PASSWORD, "current_password": PASSWORD}))
        .await
        .is(200);
    app.try_login("jwt", MERLIN, OTHER_PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_user_to_whom_rows_of_the_application_refer_is_not_deleted() {
    let app = app().await;
    let (id, admin) = (app.user(EMAIL).await, app.admin().await);
    let mine = app.login("token", EMAIL).await;
    app.store.in_use(true);
    app.delete(&format!("/users/{id}"))
        .by(&admin)
        .await
        .refused(409, "DELETE_USER_IN_USE");
    app.post("/users/me/delete")
        .by(&mine)
        .json(json!({"current_password": PASSWORD}))
        .await
        .refused(409, "DELETE_USER_IN_USE");
    assert_eq!(app.me(&mine).await, 200);
}

#[tokio::test]
async fn an_address_that_may_be_another_mailbox_needs_the_present_password() {
    let app = app().await;
    app.register(KAY).await;
    app.set_verified(KAY).await;
    let session = app.login("token", KAY).await;
    for twin in ["\u{ff4b}ay@camelot.bt", "\u{1d4f}ay@camelot.bt"] {
        app.patch("/users/me")
            .by(&session)
            .json(json!({ "email": twin }))
            .await
            .refused(400, "UPDATE_USER_INVALID_CURRENT_PASSWORD");
    }
    let user = app.shown(&session).await;
    assert_eq!(json!([user["email"], user["is_verified"]]), json!([KAY, true]));
}

#[tokio::test]
async fn the_application_may_keep_addresses_and_accounts() {
    let app = app().await;
    let id = app.user("fixed@camelot.bt").await;
    let (mine, admin) = (app.login("token", "fixed@camelot.bt").await, app.admin().await);
    let body = json!({"email": KAY, "current_password": PASSWORD});
    app.patch("/users/me")
        .by(&mine)
        .json(body)
        .await
        .refused(403, "ADDRESS_FIXED");
    app.delete(&format!("/users/{id}"))
        .by(&admin)
        .await
        .refused(403, "ACCOUNT_KEPT");
    let body = json!({"current_password": PASSWORD});
    app.post("/users/me/delete")
        .by(&mine)
        .json(body)
        .await
        .refused(403, "ACCOUNT_KEPT");
    assert_eq!(app.shown(&mine).await["email"], "fixed@camelot.bt");
}

#[tokio::test]
async fn the_list_is_for_superusers_and_its_questions_are_checked() {
    let app = app().await;
    app.register(EMAIL).await;
    app.get("/users").await.refused(401, "UNAUTHORIZED");
    let user = app.login("token", EMAIL).await;
    app.get("/users?limit=pl4nted")
        .by(&user)
        .await
        .refused(403, "FORBIDDEN");
    let admin = app.admin().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=pl4nted", "limit"),
        ("after=pl4nted", "after"),
        ("after=%00", "after"),
        ("email=pl4nted", "email"),
        ("email_prefix=%00", "email_prefix"),
    ] {
        let answer = app.get(&format!("/users?{query}")).by(&admin).await;
        let answer = answer.invalid(&[(field, "invalid")]).hides("pl4nted");
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["query", field]));
    }
    for (query, field) in [
        ("after=a&after=b", "after"),
        ("limit=1&limit=1", "limit"),
        ("email=a@b.bt&limit=0&email=a@b.bt", "email"),
        ("email_prefix=pl4nted&email_prefix=", "email_prefix"),
    ] {
        let answer = app.get(&format!("/users?{query}")).by(&admin).await;
        let answer = answer.invalid(&[(field, "duplicate")]).hides("pl4nted");
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["query", field]));
    }
    app.get("/users?limit=0&after=pl4nted&email=pl4nted")
        .by(&admin)
        .await
        .invalid(&[("limit", "invalid"), ("after", "invalid"), ("email", "invalid")])
        .hides("pl4nted");
    app.get("/users?unknown=1&unknown=2").by(&admin).await.is(200);
    let long = "x".repeat(321);
    app.get(&format!("/users?email_prefix={long}"))
        .by(&admin)
        .await
        .invalid(&[("email_prefix", "invalid")]);
    let page = app
        .get("/users?limit=100&unknown=1")
        .by(&admin)
        .await
        .is(200)
        .json();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn who_is_inactive_or_whose_sessions_were_ended_is_not_signed_in() {
    let app = app().await;
    app.register(EMAIL).await;
    let sessions = app.login_everywhere(EMAIL).await;
    app.set_active(EMAIL, false).await;
    for (_, session) in &sessions {
        let answer = app
            .get("/users/me")
            .by(session)
            .await
            .refused(401, "UNAUTHORIZED");
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer error="invalid_token""#
        );
    }
    app.set_active(EMAIL, true).await;
    for (backend, session) in &sessions {
        assert_eq!(app.me(session).await, 200, "{backend}");
    }
    app.change(EMAIL, |change| change.end_sessions = EndSessions::All)
        .await;
    for (backend, session) in &sessions {
        assert_eq!(app.me(session).await, 401, "{backend}");
    }
}
