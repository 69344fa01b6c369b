//! Making accounts.

use axum_users::{MessageKind, UserManager};
use serde_json::{Value, json};

use crate::harness::{App, Database, OTHER_PASSWORD, PASSWORD, Wiring, app, on_every_database, wired};

on_every_database! {
    anyone_registers_and_is_shown_as_stored,
    one_address_has_one_account_in_whatever_spelling,
    of_racing_registrations_one_wins;
    own_values_are_stored_and_shown,
    an_own_value_that_is_taken_is_a_conflict_and_no_known_address,
    an_own_value_that_the_database_refuses_is_invalid,
}

async fn anyone_registers_and_is_shown_as_stored<D: Database>(app: &App<D>) {
    let body = json!({"email": "King.Arthur@CAMELOT.bt", "password": PASSWORD});
    let answer = app
        .post("/auth/register")
        .json(body)
        .await
        .is(201)
        .hides(PASSWORD)
        .hides("argon2");
    answer.is_hardened();
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.set_cookies(), [""; 0]);
    let mut rest = answer.body.as_str();
    for part in [
        r#"{"id":""#,
        r#""email":"King.Arthur@camelot.bt""#,
        r#""is_active":true"#,
        r#""is_superuser":false"#,
        r#""is_verified":false"#,
    ] {
        let place = rest.split_once(part);
        (_, rest) = place.unwrap_or_else(|| panic!("{part} is not in its place in {}", answer.body));
    }
    app.try_login("jwt", "king.arthur@camelot.bt", PASSWORD)
        .await
        .is(200);
    assert!(app.outbox.messages().await.is_empty(), "nobody asked for a mail");
}

async fn one_address_has_one_account_in_whatever_spelling<D: Database>(app: &App<D>) {
    app.register("José@camelot.bt").await;
    for spelling in ["josé@camelot.bt", "JOSÉ@CAMELOT.BT", " Jose\u{301}@Camelot.bt "] {
        let body = json!({"email": spelling, "password": PASSWORD});
        app.post("/auth/register")
            .json(body)
            .await
            .refused(400, "REGISTER_USER_ALREADY_EXISTS")
            .hides(PASSWORD);
    }
    app.register("jose@camelot.bt").await;
}

async fn of_racing_registrations_one_wins<D: Database>(app: &App<D>) {
    let race: Vec<_> = ["a@camelot.bt", "A@camelot.bt", "a@CAMELOT.bt", "A@Camelot.BT"]
        .into_iter()
        .cycle()
        .take(8)
        .map(|email| {
            let body = json!({"email": email, "password": PASSWORD});
            tokio::spawn(app.post("/auth/register").json(body).into_future())
        })
        .collect();
    let mut won = 0;
    for answer in race {
        let answer = answer.await.unwrap();
        if answer.status == 201 {
            won += 1;
        } else {
            answer.refused(400, "REGISTER_USER_ALREADY_EXISTS");
        }
    }
    assert_eq!(won, 1);
    app.try_login("token", "a@camelot.bt", PASSWORD).await.is(200);
}

async fn own_values_are_stored_and_shown<D: Database>(app: &App<D>) {
    let body = json!({
        "email": "arthur@camelot.bt", "password": PASSWORD,
        "first_name": "Arthur 👑", "nickname": "the king", "age": 35,
    });
    let user = app.post("/auth/register").json(body).await.is(201).json();
    let own = json!([user["first_name"], user["nickname"], user["age"]]);
    assert_eq!(own, json!(["Arthur 👑", "the king", 35]));
}

async fn an_own_value_that_is_taken_is_a_conflict_and_no_known_address<D: Database>(app: &App<D>) {
    let named = |email: &str| json!({"email": email, "password": PASSWORD, "nickname": "wart"});
    app.post("/auth/register")
        .json(named("arthur@camelot.bt"))
        .await
        .is(201);
    let answer = app
        .post("/auth/register")
        .json(named("kay@camelot.bt"))
        .await
        .refused(409, "VALUE_ALREADY_TAKEN");
    assert_eq!(
        answer.json()["detail"],
        json!({"code": "VALUE_ALREADY_TAKEN", "reason": "nickname"})
    );
    app.try_login("jwt", "kay@camelot.bt", PASSWORD).await.is(400);
    // Where both are taken, the address is what counts.
    app.post("/auth/register")
        .json(named("Arthur@camelot.bt"))
        .await
        .hides("wart");
}

async fn an_own_value_that_the_database_refuses_is_invalid<D: Database>(app: &App<D>) {
    let name = "a-name-that-the-table-has-no-room-for-at-all";
    let body = json!({"email": "arthur@camelot.bt", "password": PASSWORD, "first_name": name});
    let answer = app
        .post("/auth/register")
        .json(body)
        .await
        .refused(422, "VALIDATION_ERROR")
        .hides(name);
    let [(_, code)] = &answer.faults()[..] else {
        panic!("one fault: {}", answer.body)
    };
    assert_eq!(code, "not_storable");
    app.register("arthur@camelot.bt").await;
}

#[tokio::test]
async fn the_password_is_judged_before_the_address_is_looked_up() {
    let app = app().await;
    app.register("arthur@camelot.bt").await;
    let calls = app.store.calls();
    for (password, code, reason) in [
        ("seven77", "too_short", "Password should be at least 8 characters"),
        (
            "x Arthur@camelot.BT x",
            "contains_email",
            "Password should not contain e-mail",
        ),
        (
            "Password123",
            "common",
            "Password is one of those that are tried first",
        ),
        (
            "Arthur-1234",
            "context_word",
            "Password should be more than your name, your e-mail or the name of this service",
        ),
        ("the black knight", "beaten", "None shall pass with this password"),
    ] {
        let body = json!({"email": "arthur@camelot.bt", "password": password});
        let answer = app
            .post("/auth/register")
            .json(body)
            .await
            .refused(400, "REGISTER_INVALID_PASSWORD")
            .hides(password);
        assert_eq!(
            answer.json()["detail"],
            json!({"code": "REGISTER_INVALID_PASSWORD", "reason": reason})
        );
        assert_eq!(answer.json()["reason_code"], code);
    }
    assert_eq!(app.store.calls(), calls, "the store was not asked");
}

#[tokio::test]
async fn passwords_are_counted_in_characters_and_limited_in_bytes() {
    let app = app().await;
    for (index, password) in ["éééééééé".to_owned(), "x".repeat(1024), "🗡".repeat(256)]
        .iter()
        .enumerate()
    {
        let email = format!("arthur{index}@camelot.bt");
        let body = json!({"email": email, "password": password});
        app.post("/auth/register").json(body).await.is(201);
        app.try_login("jwt", &email, password).await.is(200);
    }
    let body = json!({"email": "arthur@camelot.bt", "password": "é".repeat(7)});
    app.post("/auth/register")
        .json(body)
        .await
        .refused(400, "REGISTER_INVALID_PASSWORD");
    for password in ["x".repeat(1025), "🗡".repeat(257)] {
        let body = json!({"email": "arthur@camelot.bt", "password": password});
        app.post("/auth/register")
            .json(body)
            .await
            .invalid(&[("password", "too_long")])
            .hides(&password);
    }
}

const PLANTED: &str = "pl4nted-v4lue";

#[tokio::test]
async fn every_wrong_field_is_named_and_no_value_comes_back() {
    let app = app().await;
    let long = "n".repeat(61);
    let cases: [(Value, &[(&str, &str)]); 14] = [
        (json!({}), &[("email", "missing"), ("password", "missing")]),
        (
            json!({"email": PLANTED, "password": PASSWORD}),
            &[("email", "invalid_email")],
        ),
        (json!({"email": "a@b.bt"}), &[("password", "missing")]),
        (
            json!({"email": [PLANTED], "password": PASSWORD}),
            &[("email", "invalid_type")],
        ),
        (
            json!({"email": {"a": PLANTED}, "password": PASSWORD}),
            &[("email", "invalid_type")],
        ),
        (
            json!({"email": null, "password": null}),
            &[("email", "invalid_type"), ("password", "invalid_type")],
        ),
        (
            json!({"email": "a@b.bt", "password": [PLANTED]}),
            &[("password", "invalid_type")],
        ),
        (
            json!({"email": "a@b.bt", "password": 12_345_678}),
            &[("password", "invalid_type")],
        ),
        (
            json!({"email": format!("{PLANTED}{}@b.bt", "a".repeat(320)), "password": PASSWORD}),
            &[("email", "too_long")],
        ),
        (
            json!({"email": format!("Arthur <{PLANTED}@b.bt>"), "password": PASSWORD}),
            &[("email", "invalid_email")],
        ),
        (
            json!({"email": format!("{PLANTED}@b.bt\r\nBcc: x@y.bt"), "password": PASSWORD}),
            &[("email", "invalid_email")],
        ),
        (
            json!({"email": "a@b.bt", "password": PASSWORD, "first_name": long}),
            &[("first_name", "length")],
        ),
        (
            json!({"email": "a@b.bt", "password": PASSWORD, "age": PLANTED}),
            &[("age", "invalid_type")],
        ),
        (
            json!({"email": PLANTED, "password": PASSWORD, "age": 151}),
            &[("email", "invalid_email"), ("age", "range")],
        ),
    ];
    for (body, faults) in cases {
        app.post("/auth/register")
            .json(body)
            .await
            .invalid(faults)
            .hides(PLANTED)
            .hides(PASSWORD)
            .hides(&long)
            .hides("12345678")
            .is_hardened();
    }
}

#[tokio::test]
async fn a_422_has_both_the_form_of_fastapi_and_a_plain_one() {
    let app = app().await;
    let answer = app
        .post("/auth/register")
        .json(json!({"email": "x", "password": PASSWORD}))
        .await;
    let message = "This is not a valid e-mail address";
    assert_eq!(
        answer.is(422).json(),
        json!({
            "detail": [{"type": "invalid_email", "loc": ["body", "email"], "msg": message}],
            "code": "VALIDATION_ERROR",
            "errors": [{"field": "email", "code": "invalid_email", "message": message}],
        })
    );
}

#[tokio::test]
async fn null_characters_are_refused_in_every_field() {
    let app = app().await;
    for field in ["email", "password", "first_name", "nickname", "unknown"] {
        let mut body = json!({"email": "a@b.bt", "password": PASSWORD});
        body[field] = json!("pl4nted\0");
        app.post("/auth/register")
            .json(body)
            .await
            .invalid(&[(field, "null_character")])
            .hides("pl4nted");
    }
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_without_being_quoted() {
    let app = app().await;
    let bodies: [(&[u8], &str); 10] = [
        (b"", "missing"),
        (b"pl4nted", "json_invalid"),
        (b"{\"email\": pl4nted}", "json_invalid"),
        (b"{\"email\": \"\\ud800pl4nted\"}", "json_invalid"),
        (b"{\"age\": NaN}", "json_invalid"),
        (b"\xef\xbb\xbf{}", "json_invalid"),
        (b"{\"email\": \"pl4nted\xff\"}", "json_invalid"),
        (b"[\"pl4nted\"]", "model_attributes_type"),
        (b"\"pl4nted\"", "model_attributes_type"),
        (b"null", "model_attributes_type"),
    ];
    for (body, code) in bodies {
        app.post("/auth/register")
            .body("application/json", body)
            .await
            .invalid(&[("", code)])
            .hides("pl4nted");
    }
    app.post("/auth/register")
        .json(json!({"email": "a@b.bt", "password": PASSWORD, "age": 1e300}))
        .await
        .invalid(&[("age", "invalid_type")]);
}

#[tokio::test]
async fn other_media_types_and_long_bodies_are_refused() {
    let app = app().await;
    let body = json!({"email": "a@b.bt", "password": PASSWORD}).to_string();
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        app.post("/auth/register")
            .body(media_type, body.clone())
            .await
            .refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let long = format!("{body}{}", " ".repeat(64 * 1024));
    app.post("/auth/register")
        .body("application/json", long.clone())
        .await
        .refused(413, "PAYLOAD_TOO_LARGE");
    let roomy = app.rewired(Wiring::usual().users(|users| users.body_limit(128 * 1024)));
    roomy
        .post("/auth/register")
        .body("application/vnd.camelot+json; charset=utf-8", long)
        .await
        .is(201);
}

#[tokio::test]
async fn the_application_may_refuse_with_its_own_code_and_reason() {
    let app = app().await;
    let body = json!({"email": "Mordred@camelot.bt", "password": PASSWORD});
    let answer = app
        .post("/auth/register")
        .json(body)
        .await
        .refused(403, "INVITATION_REQUIRED");
    assert_eq!(answer.json()["detail"]["reason"], "Ask the king");
}

#[tokio::test]
async fn the_mail_that_confirms_can_go_out_with_the_account() {
    let app = wired(Wiring::usual().manager(UserManager::verify_at_registration)).await;
    app.register("arthur@camelot.bt").await;
    let mails = app.outbox.mails_to("arthur@camelot.bt").await;
    assert_eq!(mails.len(), 1);
    assert_eq!(app.outbox.messages().await.len(), 1);
    let token = app
        .outbox
        .last_token_to("arthur@camelot.bt", MessageKind::Verify)
        .await
        .unwrap();
    assert_eq!(app.verify(&token).await.is(200).json()["is_verified"], true);
    let body = json!({"email": "arthur@camelot.bt", "password": OTHER_PASSWORD});
    app.post("/auth/register").json(body).await.is(400);
    assert_eq!(
        app.outbox.messages().await.len(),
        1,
        "a taken address gets no mail"
    );
}
