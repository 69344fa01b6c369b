//! Changing one's address: from both mailboxes, and by nobody else.

use std::time::Duration;

use axum_users::{
    AxumUsers, Backend, BearerTransport, InMemoryUsers, JwtStrategy, MessageKind, UserManager, users_router,
};
use axum_users_testing::{InMemoryApi, TestApp, captured_events};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use crate::harness::{
    App, Database, LIFETIME, OTHER_PASSWORD, PASSWORD, Token, Wiring, app, on_every_database, secrets,
};

on_every_database! {
    a_new_address_waits_until_its_own_mailbox_confirms_it,
    the_old_mailbox_cancels_a_change_that_waits,
    the_old_mailbox_undoes_a_confirmed_change_and_the_account_is_its_owners,
    an_undone_change_takes_all_later_ones_with_it,
    an_address_that_can_be_undone_to_is_kept_for_its_owner,
    whatever_shows_another_owner_cancels_a_change_that_waits,
    a_change_by_a_superuser_is_final_and_told_to_the_old_mailbox;
}

const EMAIL: &str = "arthur@camelot.bt";
const KING: &str = "King@camelot.bt";
const THIEF: &str = "morgan@evil.example";
const MERLIN: &str = "merlin@camelot.bt";

const DAY: Duration = Duration::from_hours(24);
const ALMOST_A_DAY: Duration = Duration::from_secs(24 * 3600 - 1);

impl<D: Database> App<D> {
    /// Whose address is shown to this session, and whether it is confirmed.
    async fn address(&self, session: &Token) -> Value {
        let user = self.get("/users/me").by(session).await.is(200).json();
        json!([user["email"], user["is_verified"]])
    }

    /// The kinds of the mails to an address since the last call.
    async fn mailed_to(&self, address: &str) -> Vec<MessageKind> {
        let mails = self.outbox.mails_to(address).await;
        self.outbox.clear().await;
        mails.iter().map(|mail| mail.kind).collect()
    }
}

async fn a_new_address_waits_until_its_own_mailbox_confirms_it<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.set_verified(EMAIL).await;
    let sessions = app.login_everywhere(EMAIL).await;
    let session = &sessions[1].1;
    let (reset, body) = (
        app.reset_token(EMAIL).await,
        json!({"email": KING, "current_password": PASSWORD}),
    );
    app.outbox.clear().await;
    let answer = app.patch("/users/me").by(session).json(body).await.is(200);
    assert_eq!(answer.json()["email"], EMAIL, "the answer shows the old address");
    let answer = answer.hides(KING);
    assert_eq!(answer.json()["is_verified"], true);
    assert_eq!(app.address(session).await, json!([EMAIL, true]));
    app.try_login("jwt", KING, PASSWORD).await.is(400);
    app.try_login("jwt", EMAIL, PASSWORD).await.is(200);
    let mails = app.outbox.mails().await;
    let sent: Vec<_> = mails.iter().map(|mail| (mail.to.as_str(), mail.kind)).collect();
    assert_eq!(
        sent,
        [
            (KING, MessageKind::ConfirmEmailChange),
            (EMAIL, MessageKind::UndoEmailChange)
        ]
    );
    let confirm = app
        .outbox
        .last_token_to(KING, MessageKind::ConfirmEmailChange)
        .await
        .unwrap();
    app.outbox.clear().await;

    app.clock.advance(Duration::from_secs(3599));
    let answer = app.confirm_email(&confirm).await.is(200);
    answer.is_hardened();
    assert_eq!(answer.set_cookies(), [""; 0], "nobody is signed in by it");
    let user = answer.json();
    assert_eq!(json!([user["email"], user["is_verified"]]), json!([KING, true]));
    assert_eq!(app.mailed_to(EMAIL).await, [MessageKind::EmailChanged]);
    for (backend, session) in &sessions {
        assert_eq!(app.me(session).await, 401, "{backend}");
    }
    app.try_login("jwt", EMAIL, PASSWORD).await.is(400);
    app.try_login("jwt", "king@camelot.bt", PASSWORD).await.is(200);
    app.reset(&reset, OTHER_PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.confirm_email(&confirm)
        .await
        .refused(400, "CHANGE_EMAIL_BAD_TOKEN");
}

async fn the_old_mailbox_cancels_a_change_that_waits<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    let (confirm, undo) = app.ask_for_email(&session, EMAIL, THIEF).await;
    let answer = app.undo_email(&undo).await.is(200);
    assert_eq!(answer.body, "null");
    answer.is_hardened();
    for answer in [app.confirm_email(&confirm), app.undo_email(&undo)] {
        answer.await.refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    }
    assert_eq!(app.address(&session).await, json!([EMAIL, false]));
    app.register(THIEF).await;
}

async fn the_old_mailbox_undoes_a_confirmed_change_and_the_account_is_its_owners<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.set_verified(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    let (confirm, undo) = app.ask_for_email(&session, EMAIL, THIEF).await;
    app.confirm_email(&confirm).await.is(200);
    // The thief makes themselves at home.
    let sessions = app.login_everywhere(THIEF).await;
    let machine = app.personal_token(&sessions[1].1, None).await;
    let reset = app.reset_token(THIEF).await;
    let body = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
    app.patch("/users/me").by(&sessions[1].1).json(body).await.is(200);
    app.clock.advance(6 * DAY + ALMOST_A_DAY);
    let session = app.try_login("token", THIEF, OTHER_PASSWORD).await.token();

    app.undo_email(&undo).await.is(200);
    for session in sessions.iter().map(|(_, session)| session).chain([&session]) {
        assert_eq!(app.me(session).await, 401);
    }
    app.get("/auth/tokens").by(&machine).await.is(401);
    for (email, password) in [
        (EMAIL, PASSWORD),
        (EMAIL, OTHER_PASSWORD),
        (THIEF, OTHER_PASSWORD),
    ] {
        app.try_login("jwt", email, password).await.is(400);
    }
    app.reset(&reset, PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
    app.undo_email(&undo).await.refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    let reset = app.reset_token(EMAIL).await;
    app.reset(&reset, "a third password").await.is(200);
    let session = app.try_login("token", EMAIL, "a third password").await.token();
    assert_eq!(app.address(&session).await, json!([EMAIL, true]), "as it was");
}

async fn an_undone_change_takes_all_later_ones_with_it<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let mut undo = Vec::new();
    for (old, new) in [(EMAIL, KING), (KING, THIEF), (THIEF, "third@evil.example")] {
        let session = app.login("token", old).await;
        let (confirm, token) = app.ask_for_email(&session, old, new).await;
        app.confirm_email(&confirm).await.is(200);
        undo.push(token);
    }
    let session = app.login("token", "third@evil.example").await;
    let (waiting, last) = app
        .ask_for_email(&session, "third@evil.example", "fourth@evil.example")
        .await;
    app.undo_email(&undo[1]).await.is(200);
    app.confirm_email(&waiting)
        .await
        .refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    for token in [&undo[2], &last] {
        app.undo_email(token).await.refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    }
    let reset = app.reset_token(KING).await;
    app.reset(&reset, PASSWORD).await.is(200);
    let session = app.login("token", KING).await;
    assert_eq!(app.address(&session).await, json!([KING, true]));
    // Who had the address before that is first.
    app.undo_email(&undo[0]).await.is(200);
    let reset = app.reset_token(EMAIL).await;
    app.reset(&reset, PASSWORD).await.is(200);
    app.login("token", EMAIL).await;
}

async fn an_address_that_can_be_undone_to_is_kept_for_its_owner<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    let (confirm, undo) = app.ask_for_email(&session, EMAIL, THIEF).await;
    app.confirm_email(&confirm).await.is(200);
    let register = |email: &str| {
        app.post("/auth/register")
            .json(json!({"email": email, "password": PASSWORD}))
    };
    register("ARTHUR@camelot.bt")
        .await
        .refused(400, "REGISTER_USER_ALREADY_EXISTS");
    // Nor does another account move there.
    app.register("accomplice@evil.example").await;
    let accomplice = app.login("token", "accomplice@evil.example").await;
    let (confirm, _) = app
        .ask_for_email(&accomplice, "accomplice@evil.example", EMAIL)
        .await;
    app.confirm_email(&confirm)
        .await
        .refused(400, "CHANGE_EMAIL_ALREADY_EXISTS");
    app.undo_email(&undo).await.is(200);
    // An address that nobody can come back to any more is free.
    let reset = app.reset_token(EMAIL).await;
    app.reset(&reset, PASSWORD).await.is(200);
    let session = app.login("token", EMAIL).await;
    let (confirm, undo) = app.ask_for_email(&session, EMAIL, KING).await;
    app.confirm_email(&confirm).await.is(200);
    app.clock.advance(7 * DAY);
    app.undo_email(&undo).await.refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    register(EMAIL).await.is(201);
}

async fn whatever_shows_another_owner_cancels_a_change_that_waits<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    app.superuser(MERLIN).await;
    let admin = app.login("token", MERLIN).await;
    let by_id = format!("/users/{id}");
    let by_admin = async |body| app.patch(&by_id).by(&admin).json(body).await.is(200);
    for event in [
        "password",
        "reset",
        "another change",
        "end of sessions",
        "deactivation",
        "superuser",
    ] {
        let session = app.login("token", EMAIL).await;
        let (confirm, undo) = app.ask_for_email(&session, EMAIL, THIEF).await;
        match event {
            "password" => {
                let body = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
                app.patch("/users/me").by(&session).json(body).await.is(200);
                by_admin(json!({"password": PASSWORD})).await;
            }
            "reset" => {
                let reset = app.reset_token(EMAIL).await;
                app.reset(&reset, PASSWORD).await.is(200);
            }
            "another change" => {
                app.ask_for_email(&session, EMAIL, KING).await;
            }
            "end of sessions" => {
                app.post("/auth/token/logout-all").by(&session).await.is(204);
            }
            "deactivation" => {
                by_admin(json!({"is_active": false})).await;
                by_admin(json!({"is_active": true})).await;
            }
            _ => {
                by_admin(json!({"email": KING})).await;
                by_admin(json!({"email": EMAIL})).await;
            }
        }
        app.confirm_email(&confirm)
            .await
            .refused(400, "CHANGE_EMAIL_BAD_TOKEN");
        app.undo_email(&undo).await.refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    }
    let session = app.login("token", EMAIL).await;
    let (confirm, undo) = app.ask_for_email(&session, EMAIL, THIEF).await;
    app.delete(&by_id).by(&admin).await.is(204);
    for answer in [app.confirm_email(&confirm), app.undo_email(&undo)] {
        answer.await.refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    }
}

async fn a_change_by_a_superuser_is_final_and_told_to_the_old_mailbox<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    app.superuser(MERLIN).await;
    let admin = app.login("token", MERLIN).await;
    let session = app.login("token", EMAIL).await;
    let (confirm, undo) = app.ask_for_email(&session, EMAIL, THIEF).await;
    app.confirm_email(&confirm).await.is(200);
    app.outbox.clear().await;
    let user = app
        .patch(&format!("/users/{id}"))
        .by(&admin)
        .json(json!({"email": KING}))
        .await
        .is(200)
        .json();
    assert_eq!(json!([user["email"], user["is_verified"]]), json!([KING, false]));
    let mails = app.outbox.mails().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(
        (mails[0].to.as_str(), mails[0].kind),
        (THIEF, MessageKind::EmailChanged)
    );
    assert!(!mails[0].text.contains("#token"));
    app.undo_email(&undo).await.refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    app.register(EMAIL).await;
}

#[tokio::test]
async fn a_change_waits_for_an_hour() {
    let app = app().await;
    app.register(EMAIL).await;
    let session = app.login("jwt", EMAIL).await;
    let (confirm, undo) = app.ask_for_email(&session, EMAIL, KING).await;
    app.clock.advance(Duration::from_hours(1));
    app.confirm_email(&confirm)
        .await
        .refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    app.undo_email(&undo).await.is(200);
    let long = Wiring::usual().manager(|manager| manager.email_change_lifetime(DAY).unwrap());
    let app = app.rewired(long);
    let session = app.login("jwt", EMAIL).await;
    let (confirm, _) = app.ask_for_email(&session, EMAIL, KING).await;
    app.clock.advance(ALMOST_A_DAY);
    app.confirm_email(&confirm).await.is(200);
}

#[tokio::test]
async fn tokens_of_a_change_are_good_for_nothing_else_and_mutilated_ones_for_nothing() {
    let app = app().await;
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    let (confirm, undo) = app.ask_for_email(&session, EMAIL, KING).await;
    assert!(confirm.len() >= 43 && undo.len() >= 43 && confirm != undo);
    let (reset, verify) = (app.reset_token(EMAIL).await, app.verify_token(EMAIL).await);
    for wrong in [
        &undo,
        &reset,
        &verify,
        &confirm[1..].to_owned(),
        &format!("{confirm}A"),
        &confirm.to_lowercase(),
        &String::new(),
    ] {
        app.confirm_email(wrong)
            .await
            .refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    }
    for wrong in [&confirm, &reset, &verify, &undo[1..].to_owned()] {
        app.undo_email(wrong).await.refused(400, "CHANGE_EMAIL_BAD_TOKEN");
    }
    for token in [&confirm, &undo] {
        app.reset(token, OTHER_PASSWORD)
            .await
            .refused(400, "RESET_PASSWORD_BAD_TOKEN");
        app.verify(token).await.refused(400, "VERIFY_USER_BAD_TOKEN");
        app.get("/users/me")
            .bearer(token)
            .await
            .refused(401, "UNAUTHORIZED");
    }
    app.confirm_email(&confirm).await.is(200);
}

#[tokio::test]
async fn a_change_of_everything_at_once_changes_the_rest_at_once_and_keeps_the_address_waiting() {
    let app = app().await;
    app.register(EMAIL).await;
    let (session, other) = (app.login("token", EMAIL).await, app.login("jwt", EMAIL).await);
    app.outbox.clear().await;
    let body = json!({
        "email": KING, "password": OTHER_PASSWORD, "first_name": "Wart", "current_password": PASSWORD,
    });
    let user = app
        .patch("/users/me")
        .by(&session)
        .json(body)
        .await
        .is(200)
        .json();
    assert_eq!(json!([user["email"], user["first_name"]]), json!([EMAIL, "Wart"]));
    assert_eq!(app.me(&other).await, 401);
    let confirm = app
        .outbox
        .last_token(MessageKind::ConfirmEmailChange)
        .await
        .unwrap();
    assert_eq!(
        app.mailed_to(EMAIL).await,
        [MessageKind::UndoEmailChange, MessageKind::PasswordChanged]
    );
    app.confirm_email(&confirm).await.is(200);
    app.try_login("jwt", KING, OTHER_PASSWORD).await.is(200);
}

#[tokio::test]
async fn links_of_a_change_lead_where_the_application_says() {
    let app = app().await;
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    app.patch("/users/me")
        .by(&session)
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("origin", "https://evil.example")
        .json(json!({"email": KING, "current_password": PASSWORD}))
        .await
        .is(200);
    for (to, page) in [(KING, "confirm-email-change"), (EMAIL, "undo-email-change")] {
        let mails = app.outbox.mails_to(to).await;
        let whole = format!("{}{}", mails[0].text, mails[0].html.clone().unwrap());
        assert!(!whole.contains("evil"), "{whole}");
        assert!(
            whole.contains(&format!("https://app.example.com/{page}#token=")),
            "{whole}"
        );
    }
}

#[tokio::test]
async fn owners_are_told_of_a_new_password_and_may_be_spared_by_name() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    app.superuser(MERLIN).await;
    let admin = app.login("token", MERLIN).await;
    let change_in_all_ways = async |app: &App<_>| {
        let session = app.login("token", EMAIL).await;
        let body = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
        app.patch("/users/me").by(&session).json(body).await.is(200);
        let body = json!({ "password": PASSWORD });
        app.patch(&format!("/users/{id}"))
            .by(&admin)
            .json(body)
            .await
            .is(200);
        let reset = app.reset_token(EMAIL).await;
        app.reset(&reset, PASSWORD).await.is(200);
    };
    change_in_all_ways(&app).await;
    let told = MessageKind::PasswordChanged;
    assert_eq!(
        app.mailed_to(EMAIL).await,
        [told, told, MessageKind::ResetPassword, told]
    );
    let session = app.login("token", EMAIL).await;
    app.patch("/users/me")
        .by(&session)
        .json(json!({"password": OTHER_PASSWORD, "current_password": "wrong wrong"}))
        .await
        .is(400);
    assert_eq!(app.mailed_to(EMAIL).await, []);
    let quiet = app.rewired(Wiring::usual().manager(UserManager::insecure_no_notices));
    change_in_all_ways(&quiet).await;
    assert_eq!(quiet.mailed_to(EMAIL).await, [MessageKind::ResetPassword]);
}

#[tokio::test]
async fn without_a_mailer_nobody_loses_an_account_and_the_log_says_what_to_do() {
    let events = captured_events();
    let store = InMemoryUsers::new();
    let manager = UserManager::<InMemoryApi>::new(store.clone(), (), &secrets()).unwrap();
    let jwt = JwtStrategy::new(secrets().access(), LIFETIME, store);
    let jwt = Backend::new("jwt", BearerTransport::new(), jwt);
    let users = AxumUsers::new(manager.insecure_no_current_password(), [jwt]).unwrap();
    let document = |users: &AxumUsers<InMemoryApi>| {
        let (router, api) = OpenApiRouter::default()
            .merge(users_router(users))
            .split_for_parts();
        (router, serde_json::to_string(&api).unwrap())
    };
    let app = TestApp::new(users, |users| document(users).0);
    for name in ["MailHooks", "insecure_immediate_email_change"] {
        assert!(events.text().contains(name), "{}", events.text());
    }
    let documented = |users| document(users).1.contains("UPDATE_USER_EMAIL_CHANGE_OFF");
    assert!(documented(app.users()));
    let arthur = app.user(EMAIL).await;
    let me = app
        .patch("/me")
        .as_user(&arthur)
        .json(json!({ "email": KING }))
        .await;
    me.refused(403, "UPDATE_USER_EMAIL_CHANGE_OFF");
    let same = json!({"email": "ARTHUR@camelot.bt"});
    app.patch("/me").as_user(&arthur).json(same).await.is(200);

    let at_once = app
        .users()
        .clone()
        .map_manager(UserManager::insecure_immediate_email_change);
    assert!(!documented(&at_once));
}
