//! Accounts: who has one, whose mailbox it is, and how it is taken away.

use std::collections::BTreeSet;

use axum_users::{MessageKind, UserManager};
use serde_json::json;

use crate::harness::{
    Answer, App, BACKENDS, Database, OTHER_PASSWORD, PASSWORD, Wiring, app, on_every_database,
};

on_every_database! {
    a024_a025_one_address_in_other_letters_makes_no_second_account,
    a041_registration_does_not_tell_who_has_an_account,
    a117_a_token_mailed_to_the_old_address_confirms_no_other,
    a118_a_change_to_a_taken_address_takes_nothing,
    a126_an_account_that_was_made_by_somebody_else_is_its_owners_after_a_reset,
    prehijack_unexpired_email_change_dies_with_the_reset_of_the_owner;
}

const VICTIM: &str = "guinevere@camelot.bt";
const THIEF: &str = "morgan@evil.example";
const IDLE: &str = "idle@camelot.bt";
const CONFIRMED: &str = "confirmed@camelot.bt";
const NOBODY: &str = "nobody@camelot.bt";

fn silent<D: Database>(app: &App<D>) -> App<D> {
    app.rewired(Wiring::usual().manager(UserManager::silent))
}

impl<D: Database> App<D> {
    async fn try_register(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": PASSWORD});
        self.post("/auth/register").json(body).await
    }

    async fn change_password(&self, by: &crate::harness::Token, current: &str, new: &str) -> Answer {
        let body = json!({"password": new, "current_password": current});
        self.patch("/users/me").by(by).json(body).await
    }
}

async fn a024_a025_one_address_in_other_letters_makes_no_second_account<D: Database>(app: &App<D>) {
    app.register("Lancelot\u{e9}@camelot.bt").await;
    for spelling in [
        "lancelot\u{e9}@camelot.bt",
        "LANCELOT\u{c9}@CAMELOT.BT",
        "lancelote\u{301}@camelot.bt",
        "LANCELOTE\u{301}@camelot.bt",
    ] {
        app.try_register(spelling)
            .await
            .refused(400, "REGISTER_USER_ALREADY_EXISTS");
    }
}

async fn a041_registration_does_not_tell_who_has_an_account<D: Database>(app: &App<D>) {
    app.register(VICTIM).await;
    app.register(IDLE).await;
    app.set_active(IDLE, false).await;
    let app = silent(app);
    let free = app.try_register(NOBODY).await.is(202);
    assert_eq!(free.body, "null");
    free.is_hardened();
    for taken in [VICTIM, "GUINEVERE@camelot.bt", IDLE, NOBODY] {
        assert_eq!(app.try_register(taken).await.bytes(), free.bytes(), "{taken}");
    }
    // Whose address it is learns it, and nobody else.
    let mails = app.outbox.messages().await;
    let sent: Vec<_> = mails.iter().map(|mail| (mail.to.as_str(), mail.kind)).collect();
    let known = MessageKind::AlreadyRegistered;
    assert_eq!(
        sent,
        [
            (NOBODY, MessageKind::Verify),
            (VICTIM, known),
            (VICTIM, known),
            ("", known),
            (NOBODY, known),
        ]
    );
    // Nothing of the account has changed, and both mails help.
    app.try_login("jwt", VICTIM, PASSWORD).await.is(200);
    let reset = app.outbox.last_token_to(VICTIM, known).await.unwrap();
    app.reset(&reset, OTHER_PASSWORD).await.is(200);
    let verify = app
        .outbox
        .last_token_to(NOBODY, MessageKind::Verify)
        .await
        .unwrap();
    app.verify(&verify).await.is(200);
    // What is wrong whatever the address is told.
    let body = json!({"email": VICTIM, "password": "short"});
    app.post("/auth/register")
        .json(body)
        .await
        .refused(400, "REGISTER_INVALID_PASSWORD");
}

#[tokio::test]
async fn a041_registration_does_not_tell_by_what_else_is_taken() {
    let app = app().await;
    app.register(VICTIM).await;
    let body = json!({"email": "bors@camelot.bt", "password": PASSWORD, "nickname": "bors"});
    app.post("/auth/register").json(body).await.is(201);
    let app = silent(&app);
    let with_nickname = |email: &str| {
        let body = json!({"email": email, "password": PASSWORD, "nickname": "bors"});
        app.post("/auth/register").json(body)
    };
    let free = with_nickname(NOBODY).await.refused(409, "VALUE_ALREADY_TAKEN");
    assert_eq!(with_nickname(VICTIM).await.bytes(), free.bytes());
    assert!(app.outbox.messages().await.is_empty());
}

#[tokio::test]
async fn a103_a105_asking_for_a_mail_tells_nobody_who_has_an_account() {
    let app = app().await;
    for email in [VICTIM, IDLE, CONFIRMED] {
        app.register(email).await;
    }
    app.set_active(IDLE, false).await;
    app.set_verified(CONFIRMED).await;
    for path in ["/auth/forgot-password", "/auth/request-verify-token"] {
        let ask = |email: &str| app.post(path).json(json!({ "email": email }));
        let known = ask(VICTIM).await.is(202).bytes();
        for email in [IDLE, CONFIRMED, NOBODY] {
            assert_eq!(ask(email).await.bytes(), known, "{path} {email}");
        }
    }
    let to: BTreeSet<_> = app.outbox.mails().await.into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, BTreeSet::from([VICTIM.to_owned(), CONFIRMED.to_owned()]));
}

#[tokio::test]
async fn a107_a109_a110_a_reset_token_is_good_once_and_dies_with_every_other_reset_and_change() {
    let app = app().await;
    app.register(VICTIM).await;
    let (first, second) = (app.reset_token(VICTIM).await, app.reset_token(VICTIM).await);
    app.reset(&second, OTHER_PASSWORD).await.is(200);
    for spent in [&second, &first] {
        app.reset(spent, "a third password")
            .await
            .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    }
    let older = app.reset_token(VICTIM).await;
    let session = app.try_login("token", VICTIM, OTHER_PASSWORD).await.token();
    app.change_password(&session, OTHER_PASSWORD, PASSWORD)
        .await
        .is(200);
    app.reset(&older, "a third password")
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
}

#[tokio::test]
async fn a112_a_reset_token_of_who_is_inactive_or_gone_is_bad() {
    let app = app().await;
    let id = app.user(VICTIM).await;
    app.superuser("merlin@camelot.bt").await;
    let admin = app.login("token", "merlin@camelot.bt").await;
    let reset = app.reset_token(VICTIM).await;
    let set_active = |active: bool| {
        app.patch(&format!("/users/{id}"))
            .by(&admin)
            .json(json!({ "is_active": active }))
    };
    set_active(false).await.is(200);
    app.reset(&reset, OTHER_PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.delete(&format!("/users/{id}")).by(&admin).await.is(204);
    app.reset(&reset, OTHER_PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
}

#[tokio::test]
async fn a116_a_verification_token_is_good_once() {
    let app = app().await;
    app.register(VICTIM).await;
    let verify = app.verify_token(VICTIM).await;
    app.verify(&verify).await.is(200);
    app.verify(&verify)
        .await
        .refused(400, "VERIFY_USER_ALREADY_VERIFIED");
}

async fn a117_a_token_mailed_to_the_old_address_confirms_no_other<D: Database>(app: &App<D>) {
    app.register(THIEF).await;
    let old = app.verify_token(THIEF).await;
    let session = app.login("token", THIEF).await;
    let (confirm, undo) = app.ask_for_email(&session, THIEF, VICTIM).await;
    // What the thief reads in their own mailbox moves nothing to the victim's address.
    for token in [&old, &undo] {
        app.confirm_email(token)
            .await
            .refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    }
    let user = app.verify(&old).await.is(200).json();
    assert_eq!(user["email"], THIEF);
    // Two changes at once: the token of the first does not confirm the second (Devise, CVE-2026-32700).
    let (mine, _) = app.ask_for_email(&session, THIEF, "second@evil.example").await;
    let (theirs, _) = app.ask_for_email(&session, THIEF, VICTIM).await;
    for token in [&confirm, &mine] {
        app.confirm_email(token)
            .await
            .refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    }
    let user = app.confirm_email(&theirs).await.is(200).json();
    assert_eq!(user["email"], VICTIM, "its own mailbox alone can do it");
}

async fn a118_a_change_to_a_taken_address_takes_nothing<D: Database>(app: &App<D>) {
    app.register(VICTIM).await;
    app.register(THIEF).await;
    let ask = async |app: &App<D>, email: &str| {
        let session = app.login("token", THIEF).await;
        let body = json!({"email": email, "current_password": PASSWORD});
        app.patch("/users/me").by(&session).json(body).await
    };
    for taken in [VICTIM, "GUINEVERE@camelot.bt"] {
        ask(app, taken)
            .await
            .refused(400, "UPDATE_USER_EMAIL_ALREADY_EXISTS");
    }
    // In silence a taken address looks like any other, and its mailbox gets nothing that could confirm it.
    let app = silent(app);
    let free = ask(&app, NOBODY).await.is(200);
    app.outbox.clear().await;
    let taken = ask(&app, VICTIM).await;
    assert_eq!(taken.bytes(), free.bytes());
    let mails = app.outbox.messages().await;
    let sent: Vec<_> = mails.iter().map(|mail| (mail.to.as_str(), mail.kind)).collect();
    assert_eq!(
        sent,
        [
            ("", MessageKind::ConfirmEmailChange),
            (THIEF, MessageKind::UndoEmailChange)
        ]
    );
    app.try_login("jwt", VICTIM, PASSWORD).await.is(200);
}

#[tokio::test]
async fn a119_a120_a_stolen_session_changes_neither_address_nor_password() {
    let app = app().await;
    app.register(VICTIM).await;
    for backend in BACKENDS {
        let stolen = app.login(backend, VICTIM).await;
        for change in [json!({ "email": THIEF }), json!({ "password": OTHER_PASSWORD })] {
            for current in [None, Some(""), Some("wrong wrong"), Some("wrong wrong wrong")] {
                let mut body = change.clone();
                if let Some(current) = current {
                    body["current_password"] = json!(current);
                }
                let answer = app.patch("/users/me").by(&stolen).json(body).await;
                answer.refused(400, "UPDATE_USER_INVALID_CURRENT_PASSWORD");
            }
        }
    }
    assert!(app.outbox.messages().await.is_empty());
    app.try_login("jwt", VICTIM, PASSWORD).await.is(200);
}

#[tokio::test]
async fn a123_mailed_tokens_sign_nobody_in() {
    let app = app().await;
    app.register(VICTIM).await;
    let (reset, verify) = (app.reset_token(VICTIM).await, app.verify_token(VICTIM).await);
    let session = app.login("token", VICTIM).await;
    let (confirm, _) = app.ask_for_email(&session, VICTIM, "queen@camelot.bt").await;
    let undo = app.outbox.last_token(MessageKind::UndoEmailChange).await.unwrap();
    for answer in [
        app.verify(&verify).await.is(200),
        app.confirm_email(&confirm).await.is(200),
        app.undo_email(&undo).await.is(200),
        app.post("/auth/forgot-password")
            .json(json!({ "email": VICTIM }))
            .await
            .is(202),
        app.post("/auth/request-verify-token")
            .json(json!({ "email": VICTIM }))
            .await
            .is(202),
        app.reset(&reset, OTHER_PASSWORD).await,
    ] {
        assert_eq!(answer.set_cookies(), [""; 0]);
        assert_eq!(answer.header("authentication-info"), "");
        let answer = answer.hides("access_token").hides(&confirm).hides(&undo);
        answer.hides(&reset).hides(&verify);
    }
}

/// The unexpired session: who has made the account goes on being in it.
async fn a126_an_account_that_was_made_by_somebody_else_is_its_owners_after_a_reset<D: Database>(
    app: &App<D>,
) {
    app.register(VICTIM).await;
    let planted = app.login_everywhere(VICTIM).await;
    let machine = app.personal_token(&planted[1].1, Some(&["orders:read"])).await;
    let reset = app.reset_token(VICTIM).await;
    app.reset(&reset, OTHER_PASSWORD).await.is(200);
    for (backend, session) in &planted {
        app.get("/users/me")
            .by(session)
            .await
            .refused(401, "UNAUTHORIZED");
        app.try_login(backend, VICTIM, PASSWORD)
            .await
            .refused(400, "LOGIN_BAD_CREDENTIALS");
    }
    // A token for machines would be another way in.
    app.get("/auth/tokens")
        .by(&machine)
        .await
        .refused(401, "UNAUTHORIZED");
}

/// The unexpired change of address: who has made the account lets a change wait for the day on which it is worth something.
async fn prehijack_unexpired_email_change_dies_with_the_reset_of_the_owner<D: Database>(app: &App<D>) {
    app.register(VICTIM).await;
    let planted = app.login("token", VICTIM).await;
    let (confirm, _) = app.ask_for_email(&planted, VICTIM, THIEF).await;
    let reset = app.reset_token(VICTIM).await;
    app.reset(&reset, OTHER_PASSWORD).await.is(200);
    app.confirm_email(&confirm)
        .await
        .refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    let session = app.try_login("jwt", VICTIM, OTHER_PASSWORD).await.token();
    let user = app.get("/users/me").by(&session).await.is(200).json();
    assert_eq!(user["email"], VICTIM);
}

/// The trojan identifier: a second name by which the account can be recovered. There is none but the address: neither a name to
/// log in by nor a former address gets a mail that sets a password.
#[tokio::test]
async fn prehijack_trojan_identifier_recovers_nothing() {
    let app = app().await;
    let body = json!({"email": THIEF, "password": PASSWORD, "nickname": "queen"});
    app.post("/auth/register").json(body).await.is(201);
    let planted = app.login("token", THIEF).await;
    let (confirm, _) = app.ask_for_email(&planted, THIEF, VICTIM).await;
    app.confirm_email(&confirm).await.is(200);
    app.outbox.clear().await;
    app.forgot(THIEF).await;
    let nickname = app.post("/auth/forgot-password").json(json!({"email": "queen"}));
    nickname.await.invalid(&[("email", "invalid_email")]);
    assert!(app.outbox.mails().await.is_empty());
}
