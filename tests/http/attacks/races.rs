//! Races, over several connections of each database at once: what must happen once happens once.

use std::future::IntoFuture;

use axum_users::MessageKind;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Answer, App, Call, Database, OTHER_PASSWORD, PASSWORD, on_every_database};

on_every_database! {
    a033_of_racing_registrations_of_one_address_one_wins,
    a108_of_racing_resets_by_one_token_one_wins,
    of_racing_changes_of_address_one_waits,
    of_racing_confirmations_of_one_change_one_wins,
    of_changes_of_two_users_to_one_address_one_wins,
    a_change_that_is_confirmed_and_undone_at_once_is_undone,
    a_change_that_is_confirmed_while_the_password_is_reset_never_outlives_it;
}

const EMAIL: &str = "arthur@camelot.bt";
const KING: &str = "king@camelot.bt";
const KAY: &str = "kay@camelot.bt";
const ROUNDS: usize = 4;

/// The answers to calls that run at the same time, in their order.
async fn at_once(calls: impl IntoIterator<Item = Call>) -> Vec<Answer> {
    let mut race = JoinSet::new();
    for (number, call) in calls.into_iter().enumerate() {
        race.spawn(async move { (number, call.into_future().await) });
    }
    let mut answers = race.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// How many succeeded; all others were refused with this code.
fn won(answers: Vec<Answer>, success: u16, code: &str) -> usize {
    let (winners, losers): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == success);
    for loser in losers {
        loser.refused(400, code);
    }
    winners.len()
}

async fn a033_of_racing_registrations_of_one_address_one_wins<D: Database>(app: &App<D>) {
    let register = |number: usize| {
        let email = if number.is_multiple_of(2) {
            EMAIL
        } else {
            "ARTHUR@Camelot.bt"
        };
        app.post("/auth/register")
            .json(json!({"email": email, "password": PASSWORD}))
    };
    let answers = at_once((0..12).map(register)).await;
    assert_eq!(won(answers, 201, "REGISTER_USER_ALREADY_EXISTS"), 1);
}

async fn a108_of_racing_resets_by_one_token_one_wins<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let token = app.reset_token(EMAIL).await;
    let password = |number: usize| format!("excalibur {number}");
    let answers = at_once((0..10).map(|number| app.reset(&token, &password(number)))).await;
    let winner = answers.iter().position(|answer| answer.status == 200);
    assert_eq!(won(answers, 200, "RESET_PASSWORD_BAD_TOKEN"), 1);
    for number in 0..10 {
        let expected = if Some(number) == winner { 200 } else { 400 };
        app.try_login("token", EMAIL, &password(number))
            .await
            .is(expected);
    }
    let told = app.outbox.mails_to(EMAIL).await;
    let told = told
        .iter()
        .filter(|mail| mail.kind == MessageKind::PasswordChanged);
    assert_eq!(told.count(), 1, "the mail of a change that lost is not kept");
}

async fn of_racing_changes_of_address_one_waits<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    let address = |number: usize| format!("king{number}@camelot.bt");
    let ask = |number: usize| {
        let body = json!({"email": address(number), "current_password": PASSWORD});
        app.patch("/users/me").by(&session).json(body)
    };
    for answer in at_once((0..8).map(ask)).await {
        answer.is(200);
    }
    let mut tokens = Vec::new();
    for number in 0..8 {
        let kind = MessageKind::ConfirmEmailChange;
        let token = app.outbox.last_token_to(&address(number), kind).await;
        tokens.push(token.unwrap());
    }
    let answers = at_once(tokens.iter().map(|token| app.confirm_email(token))).await;
    let winner = answers.iter().position(|answer| answer.status == 200);
    assert_eq!(won(answers, 200, "CHANGE_EMAIL_BAD_TOKEN"), 1);
    for number in 0..8 {
        let expected = if Some(number) == winner { 200 } else { 400 };
        app.try_login("token", &address(number), PASSWORD)
            .await
            .is(expected);
    }
}

async fn of_racing_confirmations_of_one_change_one_wins<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    let (confirm, undo) = app.ask_for_email(&session, EMAIL, KING).await;
    let answers = at_once((0..8).map(|_| app.confirm_email(&confirm))).await;
    assert_eq!(won(answers, 200, "CHANGE_EMAIL_BAD_TOKEN"), 1);
    let answers = at_once((0..8).map(|_| app.undo_email(&undo))).await;
    assert_eq!(won(answers, 200, "CHANGE_EMAIL_BAD_TOKEN"), 1);
}

async fn of_changes_of_two_users_to_one_address_one_wins<D: Database>(app: &App<D>) {
    let mut tokens = Vec::new();
    for email in [EMAIL, KAY] {
        app.register(email).await;
        let session = app.login("token", email).await;
        tokens.push(app.ask_for_email(&session, email, KING).await.0);
    }
    let register = app
        .post("/auth/register")
        .json(json!({"email": KING, "password": PASSWORD}));
    let mut answers = at_once([
        app.confirm_email(&tokens[0]),
        app.confirm_email(&tokens[1]),
        register,
    ])
    .await;
    let registered = answers.pop().unwrap();
    let confirmed = won(answers, 200, "CHANGE_EMAIL_ALREADY_EXISTS");
    if registered.status == 201 {
        assert_eq!(confirmed, 0);
    } else {
        registered.refused(400, "REGISTER_USER_ALREADY_EXISTS");
        assert_eq!(confirmed, 1);
    }
}

async fn a_change_that_is_confirmed_and_undone_at_once_is_undone<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    for _ in 0..ROUNDS {
        let session = app.login("token", EMAIL).await;
        let (confirm, undo) = app.ask_for_email(&session, EMAIL, KING).await;
        let answers = at_once([app.confirm_email(&confirm), app.undo_email(&undo)]).await;
        let [confirmed, undone] = &answers[..] else {
            panic!("two answers")
        };
        assert_eq!(undone.status, 200, "{}", undone.body);
        if confirmed.status != 200 {
            confirmed.clone().refused(400, "CHANGE_EMAIL_BAD_TOKEN");
            app.try_login("token", EMAIL, PASSWORD).await.is(200);
        }
        for address in [KING, EMAIL] {
            let login = app.try_login("token", address, PASSWORD).await;
            assert!(login.status == 400 || address == EMAIL, "{address}");
        }
        let reset = app.reset_token(EMAIL).await;
        app.reset(&reset, PASSWORD).await.is(200);
    }
}

async fn a_change_that_is_confirmed_while_the_password_is_reset_never_outlives_it<D: Database>(app: &App<D>) {
    let mut address = EMAIL.to_owned();
    app.register(EMAIL).await;
    for round in 0..ROUNDS {
        let session = app.login("token", &address).await;
        let new = format!("king{round}@camelot.bt");
        let (confirm, _) = app.ask_for_email(&session, &address, &new).await;
        let reset = app.reset_token(&address).await;
        let calls = [app.confirm_email(&confirm), app.reset(&reset, OTHER_PASSWORD)];
        let answers = at_once(calls).await;
        // Each ends what the other one needs, so exactly one succeeds.
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        match statuses[..] {
            [200, 400] => address = new,
            [400, 200] => {
                app.try_login("token", &new, OTHER_PASSWORD).await.is(400);
                let reset = app.reset_token(&address).await;
                app.reset(&reset, PASSWORD).await.is(200);
            }
            _ => panic!("{statuses:?}"),
        }
        app.try_login("token", &address, PASSWORD).await.is(200);
    }
}
