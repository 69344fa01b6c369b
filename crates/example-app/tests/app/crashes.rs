//! Processes that are killed at the worst moment, and what the next one finds.

use std::thread;

use axum_users_testing::token_in as mailed_token_in;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};

use crate::harness::{Client, EMAIL, PASSWORD, Place, Process, count, texts, token_in};

const OTHER_PASSWORD: &str = "holy hand grenade";

/// A mail server where nobody is, so that mails stay in the outbox with their text.
const NOBODY: (&str, &str) = ("MAIL_URL", "smtp://127.0.0.1:1?tls=none");

macro_rules! place {
    (sqlite) => {
        crate::harness::Place::sqlite()
    };
    ($database:ident) => {
        crate::harness::Place::$database().await
    };
}

/// Makes a test of a function on each of these databases.
macro_rules! on {
    ($($database:ident)*: $test:ident) => {
        mod $test {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $database() {
                let Some(place) = place!($database) else {
                    return;
                };
                super::$test(&place).await;
                place.drop().await;
            })*
        }
    };
}

on!(postgres sqlite: killed_before_the_commit_of_a_registration_there_is_no_user);
on!(postgres sqlite: killed_after_the_commit_of_a_registration_there_is_one);
on!(postgres sqlite: killed_in_a_password_change_there_is_the_old_password_with_its_sessions_or_the_new_one_without);
on!(postgres sqlite: killed_in_a_reset_its_token_is_as_good_or_as_spent_as_the_password_is_old_or_new);
on!(postgres sqlite: killed_between_sending_a_mail_and_noting_it_the_next_process_sends_it);
on!(postgres sqlite: killed_while_a_token_is_issued_the_limit_holds);
on!(postgres sqlite: killed_between_two_batches_a_purge_goes_on_where_it_ended);
on!(postgres mariadb sqlite: killed_in_the_middle_of_a_migration_the_next_process_makes_the_tables);

/// A process that will not get past this place.
fn doomed(place: &Place, at: &str, settings: &[(&str, &str)]) -> Process {
    place.serve(&[settings, &[("AXUM_USERS_CRASH_AT", at)]].concat())
}

/// Kills the process as soon as its answer to a request has got to this place; the client hears nothing.
fn is_killed<T: std::fmt::Debug + Send>(
    process: Process,
    at: &str,
    ask: impl FnOnce(&Client) -> Option<T> + Send,
) {
    let client = Client::clone(&process);
    thread::scope(|scope| {
        let answer = scope.spawn(|| ask(&client));
        process.killed_at(at);
        let answer = answer.join().unwrap();
        assert!(answer.is_none(), "{answer:?}");
    });
}

async fn killed_before_the_commit_of_a_registration_there_is_no_user(place: &Place) {
    let at = "user-before-commit";
    is_killed(doomed(place, at, &[]), at, Client::try_register);
    let db = place.db().await;
    let next = place.serve(&[]);
    assert_eq!(count(&db, "account").await, 0);
    next.register();
    assert_eq!(next.me(&next.login("db")), 200);
    db.close().await.unwrap();
}

async fn killed_after_the_commit_of_a_registration_there_is_one(place: &Place) {
    let at = "user-after-commit";
    is_killed(doomed(place, at, &[]), at, Client::try_register);
    let next = place.serve(&[]);
    let (status, body) = next.try_register().unwrap();
    assert_eq!(status, 400);
    assert!(body.contains("REGISTER_USER_ALREADY_EXISTS"), "{body}");
    assert_eq!(next.me(&next.login("db")), 200);
}

/// What there is of the only account: the hash, the epoch, the number of sessions and the kinds of mails that wait.
async fn account(db: &DatabaseConnection) -> (String, Vec<String>, i64, Vec<String>) {
    let hash = texts(db, "SELECT hashed_password FROM account").await;
    (
        hash.concat(),
        texts(db, "SELECT CAST(epoch AS varchar(20)) FROM account_epochs").await,
        count(db, "account_tokens").await,
        texts(
            db,
            "SELECT kind FROM account_outbox WHERE done_at IS NULL ORDER BY id",
        )
        .await,
    )
}

/// The places of a change, and whether it is done there.
const CHANGE: [(&str, bool); 3] = [
    ("change-sessions-not-ended", false),
    ("change-before-commit", false),
    ("change-after-commit", true),
];

/// The only account back as it was, with sessions on three backends.
async fn afresh(process: &Client, db: &DatabaseConnection) -> [String; 3] {
    for table in ["account_tokens", "account_epochs", "account_outbox", "account"] {
        db.execute_unprepared(&format!("DELETE FROM {table}"))
            .await
            .unwrap();
    }
    process.register();
    [process.login("db"), process.login("db"), process.login("jwt")]
}

async fn killed_in_a_password_change_there_is_the_old_password_with_its_sessions_or_the_new_one_without(
    place: &Place,
) {
    let change = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
    for (at, done) in CHANGE {
        let victim = doomed(place, at, &[NOBODY]);
        let db = place.db().await;
        let [own, other, jwt] = afresh(&victim, &db).await;
        let before = account(&db).await;
        is_killed(victim, at, |client| {
            client.try_json("PATCH", "/users/me", Some(&own), &change)
        });
        let next = place.serve(&[NOBODY]);
        let after = account(&db).await;
        if done {
            assert_ne!(after.0, before.0);
            assert_eq!((after.1.as_slice(), after.2), (["1".to_owned()].as_slice(), 1));
            assert_eq!(after.3.len(), before.3.len() + 1, "the owner is told");
        } else {
            assert_eq!(after, before);
        }
        let lives = if done { 401 } else { 200 };
        assert_eq!(
            [next.me(&own), next.me(&other), next.me(&jwt)],
            [200, lives, lives]
        );
        if !done {
            let again = next.try_json("PATCH", "/users/me", Some(&own), &change);
            assert_eq!(again.unwrap().0, 200);
        }
        assert_eq!(next.try_login_with("db", PASSWORD).unwrap().0, 400);
        assert_eq!(next.try_login_with("db", OTHER_PASSWORD).unwrap().0, 200);
        db.close().await.unwrap();
    }
}

async fn killed_in_a_reset_its_token_is_as_good_or_as_spent_as_the_password_is_old_or_new(place: &Place) {
    for (at, done) in CHANGE {
        let victim = doomed(place, at, &[NOBODY]);
        let db = place.db().await;
        let sessions = afresh(&victim, &db).await;
        let forgot = json!({ "email": EMAIL });
        let asked = victim.try_json("POST", "/auth/forgot-password", None, &forgot);
        assert_eq!(asked.unwrap().0, 202);
        let mail = texts(&db, "SELECT body FROM account_outbox ORDER BY id DESC").await;
        let token = mailed_token_in(&mail[0]).unwrap();
        let reset = json!({"token": token, "password": OTHER_PASSWORD});
        let before = account(&db).await;
        is_killed(victim, at, |client| {
            client.try_json("POST", "/auth/reset-password", None, &reset)
        });
        let next = place.serve(&[NOBODY]);
        let after = account(&db).await;
        if done {
            assert_ne!(after.0, before.0);
            assert_eq!((after.1.as_slice(), after.2), (["1".to_owned()].as_slice(), 0));
        } else {
            assert_eq!(after, before);
        }
        let lives = if done { 401 } else { 200 };
        assert_eq!(sessions.map(|session| next.me(&session)), [lives; 3]);
        let again = next.try_json("POST", "/auth/reset-password", None, &reset);
        let (status, body) = again.unwrap();
        assert_eq!(status, if done { 400 } else { 200 }, "{body}");
        assert_eq!(next.try_login_with("db", OTHER_PASSWORD).unwrap().0, 200);
        db.close().await.unwrap();
    }
}

async fn killed_between_sending_a_mail_and_noting_it_the_next_process_sends_it(place: &Place) {
    let at = "mail-not-written-down";
    let victim = doomed(place, at, &[]);
    victim.register();
    let forgot: Value = json!({ "email": EMAIL });
    let asked = victim.try_json("POST", "/auth/forgot-password", None, &forgot);
    assert_eq!(asked.unwrap().0, 202);
    victim.killed_at(at);
    assert_eq!(place.mails(), 1);
    let db = place.db().await;
    let waiting = "account_outbox WHERE done_at IS NULL";
    assert_eq!(count(&db, waiting).await, 1);
    // As if the time were over for which the mail was the killed process's.
    db.execute_unprepared("UPDATE account_outbox SET due_at = 0")
        .await
        .unwrap();
    let next = place.serve(&[("RUST_LOG", "info,axum_users::mail=debug")]);
    next.says("mail sent");
    next.terminate();
    next.ends_well();
    assert_eq!(count(&db, waiting).await, 0);
    assert_eq!(place.mails(), 2, "once more rather than never");
    db.close().await.unwrap();
}

async fn killed_while_a_token_is_issued_the_limit_holds(place: &Place) {
    let limit = [
        ("TOKEN_LIMIT_PER_USER", "2"),
        ("TOKEN_LIMIT_POLICY", "end-oldest"),
    ];
    for (at, done) in [("token-room-made", false), ("token-not-answered", true)] {
        let calm = place.serve(&limit);
        let db = place.db().await;
        for table in ["account_tokens", "account"] {
            db.execute_unprepared(&format!("DELETE FROM {table}"))
                .await
                .unwrap();
        }
        calm.register();
        let [oldest, youngest] = [calm.login("db"), calm.login("db")];
        drop(calm);
        is_killed(doomed(place, at, &limit), at, |client| client.try_login("db"));
        assert_eq!(count(&db, "account_tokens").await, 2);
        let next = place.serve(&limit);
        let oldest_lives = if done { 401 } else { 200 };
        assert_eq!([next.me(&oldest), next.me(&youngest)], [oldest_lives, 200]);
        let token = token_in(&next.try_login("db").unwrap().1);
        assert_eq!([next.me(&token), next.me(&oldest)], [200, 401]);
        assert_eq!(count(&db, "account_tokens").await, 2);
        db.close().await.unwrap();
    }
}

async fn killed_between_two_batches_a_purge_goes_on_where_it_ended(place: &Place) {
    let first = place.serve(&[]);
    first.register();
    let alive = first.login("db");
    drop(first);
    let db = place.db().await;
    // Eleven bits of a number: 2048 expired copies of the only token.
    let bits: Vec<_> = (0..11)
        .map(|bit| format!("(SELECT 0 AS b UNION SELECT {}) b{bit}", 1 << bit))
        .collect();
    let number: Vec<_> = (0..11).map(|bit| format!("b{bit}.b")).collect();
    let digest = if place.url.starts_with("postgres") {
        format!("decode(lpad(to_hex({}), 64, '0'), 'hex')", number.join(" + "))
    } else {
        format!("CAST(printf('%032d', {}) AS blob)", number.join(" + "))
    };
    let copies = format!(
        "INSERT INTO account_tokens (user_id, backend, digest, epoch, created_at, expires_at) \
         SELECT user_id, backend, {digest}, epoch, 1, 2 FROM account_tokens, {}",
        bits.join(", ")
    );
    db.execute_unprepared(&copies).await.unwrap();
    assert_eq!(count(&db, "account_tokens").await, 2049);
    let at = "purge-between-batches";
    let mut purge = place.program(&["purge"], &[("AXUM_USERS_CRASH_AT", at)]);
    Process::start(&mut purge).killed_at(at);
    assert_eq!(count(&db, "account_tokens").await, 1049);
    let purge = Process::start(&mut place.program(&["purge"], &[]));
    assert_eq!(purge.ends_well(), "1048 expired tokens removed\n");
    assert_eq!(place.serve(&[]).me(&alive), 200);
    db.close().await.unwrap();
}

async fn killed_in_the_middle_of_a_migration_the_next_process_makes_the_tables(place: &Place) {
    let at = "migration-in-the-middle";
    let mut migrate = place.program(&["migrate"], &[("AXUM_USERS_CRASH_AT", at)]);
    Process::start(&mut migrate).killed_at(at);
    let next = place.serve(&[]);
    next.register();
    assert_eq!(next.me(&next.login("db")), 200);
    let again = Process::start(&mut place.program(&["migrate"], &[]));
    assert_eq!(again.ends_well(), "0 migrations ran\n");
}
