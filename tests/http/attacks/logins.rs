//! Getting in without the password.

use axum_users::{EmailAddress, Inserted, NewUser, UserStore};
use serde_json::json;

use super::aftermath::{assert_refused, still_works};
use crate::{
    harness::{App, BACKENDS, Database, OTHER_PASSWORD, PASSWORD, app, on_every_database},
    work::{cost, counted},
};

on_every_database! {
    a001_metacharacters_sign_nobody_in,
    a003_whatever_is_wrong_with_a_login_the_answer_is_the_same,
    a017_a_login_gives_no_more_than_the_account_has,
    a019_an_account_without_a_password_has_none_that_works;
    a019_an_account_without_a_password_costs_what_an_unknown_one_does,
}

const EMAIL: &str = "arthur@camelot.bt";
const IDLE: &str = "idle@camelot.bt";
const FEDERATED: &str = "lancelot@camelot.bt";
const FORM: &str = "application/x-www-form-urlencoded";

const METACHARACTERS: [&str; 34] = [
    "' OR 1=1 --",
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "') OR ('1'='1",
    "arthur@camelot.bt' --",
    "arthur@camelot.bt'/*",
    "arthur@camelot.bt' #",
    "'; DROP TABLE account; --",
    "' UNION SELECT * FROM account --",
    "\\' OR 1=1 #",
    "1 OR 1=1",
    "' || '1'='1",
    "E'\\x27 OR 1=1'",
    "$1",
    "?",
    ":id",
    "%",
    "_",
    "%@camelot.bt",
    "arthur@camelot.b_",
    "arthur_camelot.bt",
    "*",
    "*)(uid=*))(|(uid=*",
    "arthur@camelot.bt)(&)",
    "admin)(!(&(1=0",
    "{{7*7}}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{\"$ne\": null}",
    "$(id)",
    "`id`",
    "../../etc/passwd",
    "\\",
];

async fn a001_metacharacters_sign_nobody_in<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    for payload in METACHARACTERS {
        for (username, password) in [(payload, PASSWORD), (EMAIL, payload), (payload, payload)] {
            let answer = app.try_login("token", username, password).await;
            assert_refused(&answer, (username, password));
            assert!(!answer.body.contains("49"), "{}", answer.body);
        }
        assert_refused(&app.try_login("cookie", payload, PASSWORD).await, payload);
    }
    still_works(app, EMAIL).await;
}

#[tokio::test]
async fn a002_what_is_not_the_form_of_a_login_is_refused() {
    let app = app().await;
    app.register(EMAIL).await;
    let part = |name: &str, value: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let both = format!("username={EMAIL}&password={}", PASSWORD.replace(' ', "+"));
    let multipart = "multipart/form-data; boundary=x";
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        (FORM, Vec::new()),
        (FORM, format!("username={EMAIL}").into()),
        (FORM, "password=excalibur+in+the+lake".into()),
        (FORM, both.replace("username", "username[]").into()),
        (FORM, both.replace("password", "password[]").into()),
        (FORM, both.replace("username", "username[$ne]").into()),
        (FORM, both.replace("username", "USERNAME").into()),
        (FORM, format!("{both}&username=kay@camelot.bt").into()),
        (FORM, format!("{both}&password=x").into()),
        (FORM, format!("{both}&{both}").into()),
        (FORM, "&".repeat(5000).into()),
        (FORM, "=".repeat(5000).into()),
        (FORM, "a=b&".repeat(5000).into()),
        (FORM, both.replace('&', ";").into()),
        (FORM, both.replace("arthur", "%").into()),
        (FORM, both.replace("arthur", "%ff%fe").into()),
        (FORM, both.replace("arthur", "arthur%00").into()),
        (
            FORM,
            b"username=\xffrthur@camelot.bt&password=excalibur+in+the+lake".to_vec(),
        ),
        (
            FORM,
            json!({"username": EMAIL, "password": PASSWORD})
                .to_string()
                .into(),
        ),
        (
            "application/json",
            json!({"username": EMAIL, "password": PASSWORD})
                .to_string()
                .into(),
        ),
        ("text/plain", both.clone().into()),
        ("application/xml", format!("<username>{EMAIL}</username>").into()),
        ("", both.clone().into()),
        ("nonsense", both.clone().into()),
        ("multipart/form-data", part("username", EMAIL).into()),
        (multipart, Vec::new()),
        (multipart, part("username", EMAIL).into()),
        (
            multipart,
            format!("{}{}", part("username", EMAIL), part("password", PASSWORD))
                .replace("--x", "--y")
                .into(),
        ),
        (multipart, format!("{}--x--\r\n", part("username", EMAIL)).into()),
        (
            multipart,
            b"--x\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\n\xff\xfe\r\n--x--\r\n".to_vec(),
        ),
        (multipart, "--x\r\n".repeat(1000).into()),
    ];
    for (media_type, body) in bodies {
        let text = String::from_utf8_lossy(&body).into_owned();
        let answer = app.post("/auth/token/login").body(media_type, body).await;
        assert_refused(&answer, (media_type, text));
    }
    assert_refused(&app.post("/auth/token/login").await, "no body at all");
    still_works(&app, EMAIL).await;
}

async fn a003_whatever_is_wrong_with_a_login_the_answer_is_the_same<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.register(IDLE).await;
    app.set_active(IDLE, false).await;
    without_a_password(app).await;
    for backend in BACKENDS {
        let first = app
            .try_login(backend, EMAIL, OTHER_PASSWORD)
            .await
            .refused(400, "LOGIN_BAD_CREDENTIALS");
        first.is_hardened();
        for (email, password) in [
            ("nobody@camelot.bt", PASSWORD),
            ("no address", PASSWORD),
            (IDLE, PASSWORD),
            (IDLE, OTHER_PASSWORD),
            (FEDERATED, PASSWORD),
            (EMAIL, " excalibur in the lake"),
            (EMAIL, "Excalibur in the lake"),
            ("' OR 1=1 --", "' OR 1=1 --"),
        ] {
            let other = app.try_login(backend, email, password).await;
            assert_eq!(first.bytes(), other.bytes(), "{backend} {email} {password}");
        }
    }
}

#[tokio::test]
async fn a016_credentials_in_the_query_string_are_not_read() {
    let app = app().await;
    app.register(EMAIL).await;
    let query = format!(
        "username={EMAIL}&password={}&grant_type=password",
        PASSWORD.replace(' ', "+")
    );
    for backend in BACKENDS {
        let path = format!("/auth/{backend}/login?{query}");
        assert_eq!(app.get(&path).await.status, 405);
        let calls = [
            app.get(&path),
            app.call("HEAD", &path),
            app.post(&path),
            app.post(&path).form(&[]),
            app.post(&path).form(&[("username", EMAIL)]),
            app.post(&path).form(&[("grant_type", "password")]),
            app.post(&path).json(json!({})),
        ];
        for call in calls {
            let what = format!("{call:?}");
            assert_refused(&call.await, what);
        }
    }
    still_works(&app, EMAIL).await;
}

async fn a017_a_login_gives_no_more_than_the_account_has<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    let form = |backend: &str, extra: &[(&str, &str)]| {
        let mut fields = vec![("username", EMAIL), ("password", PASSWORD)];
        fields.extend(extra);
        app.post(&format!("/auth/{backend}/login")).form(&fields)
    };
    for backend in BACKENDS {
        for extra in [
            ("scope", "admin superuser *"),
            ("scope", "orders:read orders:write"),
            ("is_superuser", "true"),
            ("client_id", "admin"),
            ("client_secret", "admin"),
            ("sub", "00000000-0000-4000-8000-000000000001"),
            ("epoch", "0"),
        ] {
            let token = form(backend, &[extra]).await.token();
            let me = app.get("/users/me").by(&token).await.is(200).json();
            assert_eq!((&me["id"], &me["is_superuser"]), (&json!(id), &json!(false)));
            for path in ["/users", &format!("/users/{id}")] {
                app.get(path).by(&token).await.refused(403, "FORBIDDEN");
            }
        }
        for grant in [
            "client_credentials",
            "refresh_token",
            "authorization_code",
            "implicit",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "PASSWORD",
            "password ",
            "password refresh_token",
        ] {
            let answer = form(backend, &[("grant_type", grant)]).await;
            assert_refused(&answer, grant);
            let alone = app.post(&format!("/auth/{backend}/login")).form(&[
                ("grant_type", grant),
                ("refresh_token", "x"),
                ("code", "x"),
                ("assertion", "x"),
            ]);
            assert_refused(&alone.await, grant);
        }
    }
    still_works(app, EMAIL).await;
}

/// An account as a login by another provider leaves it.
async fn without_a_password<D: Database>(app: &App<D>) {
    let address = EmailAddress::parse(FEDERATED).expect("an address");
    let own = <D::Store as UserStore>::Columns::default();
    let new = NewUser::new(address, None, own, app.users.manager().clock().now());
    let made = app.db.store().insert(new, &|_| Vec::new()).await;
    assert!(matches!(made.expect("the store is up"), Inserted::Created(_)));
}

async fn a019_an_account_without_a_password_has_none_that_works<D: Database>(app: &App<D>) {
    without_a_password(app).await;
    for backend in BACKENDS {
        for password in [
            "",
            " ",
            "!",
            "*",
            "x",
            "0",
            "null",
            "NULL",
            "None",
            "undefined",
            "unusable",
            "password",
            "\0",
            FEDERATED,
            PASSWORD,
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$",
        ] {
            let answer = app.try_login(backend, FEDERATED, password).await;
            assert_refused(&answer, password);
        }
        let absent = app
            .post(&format!("/auth/{backend}/login"))
            .form(&[("username", FEDERATED)]);
        assert_refused(&absent.await, "no password at all");
    }
    // The owner of the mailbox can choose one.
    let token = app.reset_token(FEDERATED).await;
    app.reset(&token, PASSWORD).await.is(200);
    still_works(app, FEDERATED).await;
}

async fn a019_an_account_without_a_password_costs_what_an_unknown_one_does<D: Database>(app: &App<D>) {
    let (app, hasher) = counted(app);
    without_a_password(&app).await;
    for backend in BACKENDS {
        let unknown = app.try_login(backend, "nobody@camelot.bt", PASSWORD);
        let unknown = cost(&app, &hasher, unknown).await;
        assert_eq!(unknown.0.argon2, 1);
        for password in [PASSWORD, "!", " "] {
            let without = app.try_login(backend, FEDERATED, password);
            assert_eq!(
                cost(&app, &hasher, without).await,
                unknown,
                "{backend} {password}"
            );
        }
    }
}

#[tokio::test]
async fn a020_there_is_no_account_that_nobody_made() {
    let app = app().await;
    for name in [
        "admin",
        "root",
        "test",
        "user",
        "guest",
        "demo",
        "administrator",
        "superuser",
        "sa",
        "postgres",
        "admin@localhost",
        "admin@example.com",
        "admin@camelot.bt",
        "root@localhost",
        "test@example.com",
        "king.arthur@camelot.bt",
    ] {
        for password in [
            "admin", "password", "root", "test", "guest", "changeme", "123456", "12345678", "letmein",
            "secret", "toor", " ", name,
        ] {
            assert_refused(&app.try_login("token", name, password).await, (name, password));
        }
    }
    app.superuser("merlin@camelot.bt").await;
    let merlin = app.login("token", "merlin@camelot.bt").await;
    let page = app.get("/users").by(&merlin).await.is(200).json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
}
