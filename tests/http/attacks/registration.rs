//! Accounts that are more than they should be, addresses that are more than one, and mails to others.

use serde_json::{Value, json};

use super::aftermath::{assert_refused, id_in, json_operations, still_works};
use crate::harness::{App, Database, OTHER_PASSWORD, PASSWORD, app, on_every_database};

on_every_database! {
    a021_privileged_fields_in_a_registration_are_ignored,
    a027_null_characters_are_refused_everywhere,
    a031_a_long_address_is_refused_or_kept_whole,
    a032_an_address_in_blanks_makes_no_second_account
    ;
}

const VICTIM: &str = "guinevere@camelot.bt";
const SPY: &str = "morgan@evil.example";
/// The routes that take an address from nobody in particular.
const MAILING: [&str; 2] = ["/auth/forgot-password", "/auth/request-verify-token"];

fn registration(email: &Value) -> Value {
    json!({"email": email, "password": PASSWORD})
}

async fn a021_privileged_fields_in_a_registration_are_ignored<D: Database>(app: &App<D>) {
    let wanted = "00000000-0000-4000-8000-000000000007";
    app.superuser("merlin@camelot.bt").await;
    let merlin = app.login("token", "merlin@camelot.bt").await;
    let privileged = json!({
        "is_superuser": true, "is_verified": true, "is_active": false, "id": wanted, "hashed_password": "plain",
        "email_key": VICTIM, "epoch": 7, "created_at": "2001-01-01T00:00:00Z", "oauth_accounts": [], "role": "admin",
        "scopes": ["*"], "permissions": ["admin"], "groups": [1], "__proto__": {"is_superuser": true},
    });
    let all = privileged.as_object().expect("an object").clone();
    let one_by_one = all.iter().map(|(name, value)| json!({ name: value }));
    for (count, fields) in one_by_one.chain([privileged.clone()]).enumerate() {
        let email = format!("mordred{count}@evil.example");
        let mut body = registration(&json!(email));
        body.as_object_mut()
            .expect("an object")
            .extend(fields.as_object().cloned().expect("an object"));
        let made = app.post("/auth/register").json(&body).await;
        if made.status != 201 {
            assert_refused(&made, body);
            continue;
        }
        let user = made.json();
        assert_ne!(user["id"], wanted);
        let by_id = format!("/users/{}", id_in(&user));
        let stored = app.get(&by_id).by(&merlin).await.is(200).json();
        for shown in [&user, &stored] {
            let flags = json!([shown["is_active"], shown["is_superuser"], shown["is_verified"]]);
            assert_eq!(flags, json!([true, false, false]), "{body}");
        }
        assert_refused(&app.try_login("token", &email, "plain").await, &body);
        let token = app.login("token", &email).await;
        app.get(&by_id).by(&token).await.refused(403, "FORBIDDEN");
        still_works(app, &email).await;
    }
    // Nobody sits on the address of another.
    app.register(VICTIM).await;
}

async fn a027_null_characters_are_refused_everywhere<D: Database>(app: &App<D>) {
    app.register(VICTIM).await;
    let token = app.login("token", VICTIM).await;
    for email in [
        "guinevere\0@camelot.bt",
        "guin\0evere@camelot.bt",
        "guinevere@camelot\0.bt",
        "guinevere@\0camelot.bt",
        "guinevere@camelot.bt\0",
        "\0guinevere@camelot.bt",
        "guinevere@camelot.bt\0@evil.example",
        "\0",
    ] {
        let body = registration(&json!(email));
        for path in ["/auth/register", MAILING[0], MAILING[1]] {
            assert_refused(&app.post(path).json(&body).await, (path, email));
        }
        for (username, password) in [(email, PASSWORD), (VICTIM, email)] {
            assert_refused(
                &app.try_login("token", username, password).await,
                (username, password),
            );
        }
        let change = json!({"email": email, "current_password": PASSWORD});
        assert_refused(&app.patch("/users/me").by(&token).json(change).await, email);
        let wrong = json!({"email": SPY, "current_password": email});
        assert_refused(&app.patch("/users/me").by(&token).json(wrong).await, email);
        assert_refused(&app.reset(email, PASSWORD).await, email);
        assert_refused(&app.verify(email).await, email);
    }
    for path in [
        "/users/%00",
        "/auth/sessions/%00",
        "/auth/sessions/token.%00",
        "/auth/tokens/%00",
    ] {
        for method in ["GET", "DELETE"] {
            assert_refused(&app.call(method, path).by(&token).await, path);
        }
    }
    // Where it would go straight into a column.
    for column in ["first_name", "nickname", "unknown", "a\0"] {
        let mut body = registration(&json!("kay@camelot.bt"));
        body[column] = json!("a\0");
        assert_refused(&app.post("/auth/register").json(&body).await, &body);
        let mut change = json!({});
        change[column] = json!({"a": ["\0"]});
        assert_refused(&app.patch("/users/me").by(&token).json(&change).await, &change);
    }
    let name = json!({"name": "a\0", "current_password": PASSWORD});
    assert_refused(&app.post("/auth/tokens").by(&token).json(&name).await, &name);
    assert!(app.outbox.messages().await.is_empty());
    still_works(app, VICTIM).await;
}

#[tokio::test]
async fn a028_line_breaks_in_an_address_reach_no_mail() {
    let app = app().await;
    app.register(VICTIM).await;
    for email in [
        "guinevere@camelot.bt\r\nBcc: morgan@evil.example",
        "guinevere@camelot.bt\nBcc: morgan@evil.example",
        "guinevere@camelot.bt\rBcc: morgan@evil.example",
        "guinevere@camelot.bt\r\n\r\nmorgan@evil.example",
        "guinevere@camelot.bt\r\n.\r\nMAIL FROM:<morgan@evil.example>\r\nRCPT TO:<morgan@evil.example>",
        "guinevere@camelot.bt>\r\nRCPT TO:<morgan@evil.example",
        "guinevere@camelot.bt\r\n\tmorgan@evil.example",
        "morgan@evil.example\r\nTo: guinevere@camelot.bt",
        "\r\nguinevere@camelot.bt",
        "guinevere@camelot.bt\r\n",
        "guinevere@camelot.bt\n",
        "guinevere\r\n@camelot.bt",
        "guinevere@\r\ncamelot.bt",
        "guinevere@camelot.bt\u{2028}Bcc: morgan@evil.example",
        "guinevere@camelot.bt\u{2029}Bcc: morgan@evil.example",
        "guinevere@camelot.bt\u{85}Bcc: morgan@evil.example",
        "guinevere@camelot.bt\u{b}Bcc: morgan@evil.example",
        "guinevere@camelot.bt\u{c}Bcc: morgan@evil.example",
        "guinevere\u{2028}@camelot.bt",
        "\"guinevere\r\nBcc: morgan@evil.example\"@camelot.bt",
        "\"guinevere\\\r\\\nBcc: morgan\"@camelot.bt",
        "guinevere@camelot.bt%0d%0aBcc:%20morgan@evil.example",
        "guinevere@camelot.bt\\r\\nBcc: morgan@evil.example",
        "guinevere@camelot.bt\u{560d}\u{560a}Bcc: morgan@evil.example",
        "=?utf-8?q?guinevere=0d=0aBcc:_morgan?=@camelot.bt",
    ] {
        for path in ["/auth/register", MAILING[0], MAILING[1]] {
            let answer = app.post(path).json(registration(&json!(email))).await;
            assert_refused(&answer, (path, email));
            answer.hides("morgan");
        }
    }
    assert!(app.outbox.messages().await.is_empty());
    app.forgot(VICTIM).await;
    let mails = app.outbox.mails_to(VICTIM).await;
    assert_eq!(mails.len(), 1);
    assert!(!mails[0].text.contains("evil"));
    still_works(&app, VICTIM).await;
}

#[tokio::test]
async fn a030_one_address_is_asked_for_and_not_a_list() {
    let app = app().await;
    for email in [VICTIM, SPY] {
        app.register(email).await;
    }
    for email in [
        json!([VICTIM, SPY]),
        json!([VICTIM]),
        json!([]),
        json!([[VICTIM], [SPY]]),
        json!({"0": VICTIM, "1": SPY}),
        json!({"email": VICTIM}),
        json!({"$ne": null}),
        json!(true),
        json!(1),
        json!(null),
        json!(""),
        json!(format!("{VICTIM},{SPY}")),
        json!(format!("{VICTIM}, {SPY}")),
        json!(format!("{VICTIM};{SPY}")),
        json!(format!("{VICTIM} {SPY}")),
        json!(format!("{VICTIM}\t{SPY}")),
        json!(format!("{VICTIM}|{SPY}")),
        json!(format!("<{VICTIM}>,<{SPY}>")),
        json!(format!("Guinevere <{VICTIM}>")),
        json!(format!("\"{VICTIM}\" <{SPY}>")),
        json!(format!("\"{SPY}\"@camelot.bt")),
        json!(format!("@evil.example:{VICTIM}")),
        json!(format!("{SPY}@camelot.bt")),
        json!("guinevere%camelot.bt@evil.example@camelot.bt"),
        json!(format!("mailto:{VICTIM}?cc={SPY}")),
        json!("knights: guinevere@camelot.bt, morgan@evil.example;"),
    ] {
        for path in ["/auth/register", MAILING[0], MAILING[1]] {
            assert_refused(&app.post(path).json(registration(&email)).await, (path, &email));
        }
    }
    for path in MAILING {
        for form in [
            format!("email={VICTIM}&email={SPY}"),
            format!("email[]={VICTIM}&email[]={SPY}"),
        ] {
            let call = app
                .post(path)
                .body("application/x-www-form-urlencoded", form.clone());
            assert_refused(&call.await, (path, form));
        }
        let twice = format!(r#"{{"email": "{VICTIM}", "email": "{SPY}"}}"#);
        let call = app.post(path).body("application/json", twice);
        call.await.invalid(&[("email", "duplicate")]);
        let query = format!("{path}?email={SPY}");
        assert_refused(&app.post(&query).json(json!({})).await, query);
    }
    assert!(app.outbox.messages().await.is_empty());
    still_works(&app, VICTIM).await;
}

async fn a031_a_long_address_is_refused_or_kept_whole<D: Database>(app: &App<D>) {
    let local = |length: usize| format!("{}@camelot.bt", "a".repeat(length));
    let labels = |count: usize| format!("a@{}bt", "camelot.".repeat(count));
    let label = |length: usize| format!("a@{}.bt", "c".repeat(length));
    let mut addresses: Vec<String> = [
        64, 65, 100, 128, 200, 243, 244, 254, 255, 256, 320, 321, 1000, 10_000, 200_000,
    ]
    .map(local)
    .to_vec();
    addresses.extend([10, 30, 31, 32, 40, 1000, 20_000].map(labels));
    addresses.extend([63, 64, 200, 60_000].map(label));
    addresses.push(format!("{}@camelot.bt", "é".repeat(40)));
    addresses.push(format!("a@{}.bt", "é".repeat(100)));
    let mut taken = 0;
    for email in addresses {
        let answer = app.post("/auth/register").json(registration(&json!(email))).await;
        if answer.status == 201 {
            assert_eq!(answer.json()["email"], email.as_str());
            assert!(email.len() <= 320);
            still_works(app, &email).await;
            // What is stored is not a beginning of what was sent.
            app.try_login("token", &email[1..], PASSWORD).await.is(400);
            taken += 1;
        } else {
            assert_refused(&answer, &email);
            assert_refused(&app.try_login("token", &email, PASSWORD).await, &email);
        }
        let ask = json!({ "email": email });
        let asked = app.post("/auth/forgot-password").json(ask).await;
        assert_eq!(asked.status == 202, answer.status == 201, "{email:.100}");
    }
    assert!(taken >= 4, "{taken}");
}

async fn a032_an_address_in_blanks_makes_no_second_account<D: Database>(app: &App<D>) {
    app.register(VICTIM).await;
    let (local, domain) = VICTIM.split_once('@').expect("an address");
    for blank in [
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\u{a0}",
        "\u{ad}",
        "\u{180e}",
        "\u{2003}",
        "\u{200b}",
        "\u{200c}",
        "\u{200d}",
        "\u{200e}",
        "\u{202e}",
        "\u{2060}",
        "\u{3000}",
        "\u{fe0f}",
        "\u{feff}",
        "\u{e0020}",
        ".",
        "..",
    ] {
        for email in [
            format!("{blank}{VICTIM}"),
            format!("{VICTIM}{blank}"),
            format!("{blank}{VICTIM}{blank}"),
            format!("{local}{blank}@{domain}"),
            format!("{local}@{blank}{domain}"),
            format!("guin{blank}evere@{domain}"),
        ] {
            // A dot in the middle is another address.
            if email == "guin.evere@camelot.bt" {
                continue;
            }
            let answer = app.post("/auth/register").json(registration(&json!(email))).await;
            assert_refused(&answer, &email);
        }
    }
    app.superuser("merlin@camelot.bt").await;
    let merlin = app.login("token", "merlin@camelot.bt").await;
    let page = app.get("/users").by(&merlin).await.is(200).json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2), "{page}");
    still_works(app, VICTIM).await;
}

#[tokio::test]
async fn a043_what_a_form_can_send_is_no_json() {
    let app = app().await;
    let id = app.user(VICTIM).await;
    app.superuser("merlin@camelot.bt").await;
    let merlin = app.login("token", "merlin@camelot.bt").await;
    let body = json!({
        "email": SPY, "password": OTHER_PASSWORD, "current_password": PASSWORD, "token": "x", "name": "x",
        "is_superuser": true,
    });
    let json = body.to_string();
    let form = format!("email={SPY}&password=holy+hand+grenade&current_password=excalibur+in+the+lake");
    let part =
        |name: &str| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{SPY}\r\n");
    for operation in json_operations(&app, &id) {
        for (media_type, body) in [
            ("text/plain", json.clone()),
            ("text/plain;charset=UTF-8", json.clone()),
            ("text/json", json.clone()),
            ("application/x-www-form-urlencoded", json.clone()),
            (
                "application/x-www-form-urlencoded; application/json",
                json.clone(),
            ),
            ("application/x-www-form-urlencoded", form.clone()),
            ("application/x-www-form-urlencoded", format!("{json}=")),
            ("multipart/form-data; boundary=x", json.clone()),
            (
                "multipart/form-data; boundary=x",
                format!("{}--x--\r\n", part("email")),
            ),
            ("application/octet-stream", json.clone()),
            ("text/plain, application/json", json.clone()),
            ("application/jsonp", json.clone()),
            ("", json.clone()),
        ] {
            let answer = operation.call_by(&app, &merlin).body(media_type, body).await;
            assert_eq!(answer.status, 415, "{operation:?} {media_type}: {}", answer.body);
        }
    }
    assert_refused(&app.try_login("token", SPY, OTHER_PASSWORD).await, SPY);
    assert!(app.outbox.messages().await.is_empty());
    still_works(&app, VICTIM).await;
}
