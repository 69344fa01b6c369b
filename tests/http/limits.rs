//! What is tried too often is put off before it costs anything, and nobody is kept out for good.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum_users::{
    AxumUsers, InMemoryLimits, LimitChange, LimitCharge, LimitFuture, LimitStore, LimitVerdict, MessageKind,
    PasswordHasher, Quota, RateLimits, RedisLimits, RedisSessions, StoreError, Timestamp,
};
use axum_users_testing::{captured_events, fast_hasher_settings};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{
    Answer, Api, App, BACKENDS, Call, Database, OTHER_PASSWORD, PASSWORD, Token, TokensInRedis, Wiring, app,
    on_every_database, run,
};

macro_rules! wherever_it_is_counted {
    ($($test:ident,)*) => {
        on_every_database!(@on in_memory SqliteInMemory: $($test)*);
        on_every_database!(@on in_redis TokensInRedis: $($test)*);
    };
}

wherever_it_is_counted! {
    a011_a_hundred_and_one_wrong_passwords_are_mostly_put_off,
    a015_the_owner_gets_in_by_mail_while_others_guess_and_stays_in,
    a124_forty_requests_cause_few_mails_and_tell_nothing,
    every_spelling_and_every_backend_shares_one_counter,
    who_is_missing_is_put_off_as_who_is_there,
    guesses_at_the_same_time_pass_as_often_as_others,
    a_client_that_has_signed_in_is_counted_apart,
    guesses_of_who_is_signed_in_count_together,
    a_good_login_forgives_the_account_and_not_the_address,
    many_people_behind_one_address_sign_in,
    a_failure_of_ours_is_nobodys_guess,
    each_route_that_is_limited_is_put_off_before_it_costs_anything,
    ipv6_clients_are_counted_by_64_bits_and_mapped_ones_as_ipv4,
    headers_that_anybody_can_send_do_not_evade,
    a_limit_is_logged_once_in_its_window_and_without_names,
}

const EMAIL: &str = "arthur@camelot.bt";
const NOBODY: &str = "nobody@camelot.bt";
/// The client of the owner.
const HOME: &str = "192.0.2.1";
/// How many wrong passwords an account takes at once.
const GUESSES: usize = 30;
const MINUTE: Duration = Duration::from_mins(1);

/// The same application with limits, counted in Redis where its tokens are, and the hasher that it counts by.
fn limited<D: Database>(app: &App<D>, limits: RateLimits) -> (App<D>, PasswordHasher) {
    limited_and(app, limits, |users| users)
}

fn limited_and<D: Database>(
    app: &App<D>,
    limits: RateLimits,
    change: impl FnOnce(AxumUsers<Api<D>>) -> AxumUsers<Api<D>> + 'static,
) -> (App<D>, PasswordHasher) {
    let limits = match app.db.redis() {
        Some(redis) => limits.counted_in(RedisLimits::new(&redis)),
        None => limits,
    };
    let hasher = PasswordHasher::new(&fast_hasher_settings()).unwrap();
    let wiring = Wiring::usual()
        .limits(limits)
        .hasher(hasher.clone())
        .users(change);
    (app.rewired(wiring), hasher)
}

/// One of many clients.
fn client(number: usize) -> String {
    format!("198.51.{}.{}", number / 250, number % 250 + 1)
}

fn wrong<D: Database>(app: &App<D>, email: &str, number: usize) -> Call {
    app.try_login(BACKENDS[number % BACKENDS.len()], email, OTHER_PASSWORD)
        .coming_from(&client(number))
}

/// Guesses at a password from as many clients until it is put off.
async fn exhaust<D: Database>(app: &App<D>, email: &str) {
    for number in 0..GUESSES {
        wrong(app, email, number)
            .await
            .refused(400, "LOGIN_BAD_CREDENTIALS");
    }
    put_off(&wrong(app, email, 999).await);
}

#[track_caller]
fn put_off(answer: &Answer) {
    let answer = answer.clone().refused(429, "TOO_MANY_REQUESTS");
    let seconds: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    answer.is_hardened();
}

/// Is put off, and neither cost nor asks the store.
async fn put_off_for_free<D: Database>(app: &App<D>, hasher: &PasswordHasher, call: Call) {
    let cost = hasher.counts();
    let asked = app.store.calls();
    app.db.statements().take();
    put_off(&call.await);
    assert_eq!(hasher.counts(), cost);
    assert_eq!(app.store.calls(), asked);
    assert_eq!(app.db.statements().take(), [""; 0]);
}

async fn a011_a_hundred_and_one_wrong_passwords_are_mostly_put_off<D: Database>(app: &App<D>) {
    let (app, hasher) = limited(app, RateLimits::new());
    app.register(EMAIL).await;
    let mut statuses = Vec::new();
    for number in 0..101 {
        statuses.push(wrong(&app, EMAIL, number).await.status);
    }
    let expected = [vec![400; GUESSES], vec![429; 101 - GUESSES]].concat();
    assert_eq!(statuses, expected);
    let right = || app.try_login("jwt", EMAIL, PASSWORD);
    put_off_for_free(&app, &hasher, right()).await;
    put_off_for_free(&app, &hasher, right().coming_from(HOME)).await;
    let answer = right().await;
    assert_eq!(answer.header("retry-after"), "60");

    app.clock.advance(MINUTE);
    right().coming_from(HOME).await.token();
    // No more than a hundred on the first day, and fifty on each after it.
    app.clock.advance(MINUTE);
    exhaust(&app, NOBODY).await;
    let mut passed = GUESSES;
    for number in 0..(24 * 60) {
        app.clock.advance(MINUTE);
        passed += usize::from(wrong(&app, NOBODY, number).await.status == 400);
    }
    assert!((90..=100).contains(&passed), "{passed}");
}

async fn a015_the_owner_gets_in_by_mail_while_others_guess_and_stays_in<D: Database>(app: &App<D>) {
    let (app, _) = limited(app, RateLimits::new());
    app.register(EMAIL).await;
    exhaust(&app, EMAIL).await;
    put_off(&app.try_login("jwt", EMAIL, PASSWORD).coming_from(HOME).await);

    let token = app.reset_token(EMAIL).await;
    app.reset(&token, "the holy grail itself")
        .coming_from(HOME)
        .await
        .is(200);
    // Others go on, and are put off again; the owner is known by now.
    exhaust(&app, EMAIL).await;
    for backend in BACKENDS {
        app.try_login(backend, EMAIL, "the holy grail itself")
            .coming_from(HOME)
            .await
            .token();
    }
    put_off(
        &app.try_login("jwt", EMAIL, "the holy grail itself")
            .coming_from("192.0.2.9")
            .await,
    );
}

async fn a124_forty_requests_cause_few_mails_and_tell_nothing<D: Database>(app: &App<D>) {
    let (app, hasher) = limited(app, RateLimits::new());
    app.register(EMAIL).await;
    for path in ["/auth/forgot-password", "/auth/request-verify-token"] {
        let ask = |email: &str, number| {
            app.post(path)
                .json(json!({"email": email}))
                .coming_from(&client(number))
        };
        for number in 0..40 {
            let spelled = if number % 2 == 0 {
                EMAIL
            } else {
                "Arthur@CAMELOT.bt"
            };
            let known = ask(spelled, number).await;
            let unknown = ask(NOBODY, number).await;
            assert_eq!(known.status, if number < 5 { 202 } else { 429 });
            assert_eq!(known.bytes(), unknown.bytes());
        }
        put_off_for_free(&app, &hasher, ask(EMAIL, 99)).await;
    }
    let sent = async || {
        let messages = app.outbox.messages().await;
        messages.iter().filter(|message| !message.is_decoy()).count()
    };
    assert_eq!(sent().await, 10);
    // The owner gets at least one an hour, whoever asks for it.
    app.clock.advance(Duration::from_hours(1));
    app.forgot(EMAIL).await;
    assert_eq!(sent().await, 11);
    let token = app.outbox.last_token_to(EMAIL, MessageKind::ResetPassword).await;
    app.reset(&token.unwrap(), OTHER_PASSWORD).await.is(200);
}

async fn every_spelling_and_every_backend_shares_one_counter<D: Database>(app: &App<D>) {
    let (app, _) = limited(app, RateLimits::new());
    app.register(EMAIL).await;
    let spellings = [
        EMAIL,
        "ARTHUR@camelot.bt",
        "  arthur@Camelot.BT ",
        "\u{ff41}rthur@camelot.bt",
    ];
    for number in 0..GUESSES {
        let call = app.try_login(BACKENDS[number % 4], spellings[number / 4 % 4], OTHER_PASSWORD);
        call.coming_from(&client(number))
            .await
            .refused(400, "LOGIN_BAD_CREDENTIALS");
    }
    for backend in BACKENDS {
        for spelling in spellings {
            put_off(&app.try_login(backend, spelling, PASSWORD).coming_from(HOME).await);
        }
    }
    // What is no address is a name of its own, in any case.
    for number in 0..GUESSES {
        wrong(&app, if number % 2 == 0 { "King" } else { "kING" }, number)
            .await
            .is(400);
    }
    put_off(&wrong(&app, "KING", 99).await);
}

async fn who_is_missing_is_put_off_as_who_is_there<D: Database>(app: &App<D>) {
    let (app, _) = limited(app, RateLimits::new());
    app.register(EMAIL).await;
    app.register("idle@camelot.bt").await;
    app.set_active("idle@camelot.bt", false).await;
    for number in 0..(GUESSES + 3) {
        if number == GUESSES + 1 {
            app.clock.advance(MINUTE);
        }
        let there = wrong(&app, EMAIL, number).await.bytes();
        // After a minute one more passes.
        let passes = number < GUESSES || number == GUESSES + 1;
        assert_eq!(there.0, if passes { 400 } else { 429 }, "{number}");
        for other in [NOBODY, "idle@camelot.bt"] {
            assert_eq!(
                wrong(&app, other, number).await.bytes(),
                there,
                "{number}: {other}"
            );
        }
    }
}

async fn guesses_at_the_same_time_pass_as_often_as_others<D: Database>(app: &App<D>) {
    let (app, _) = limited(app, RateLimits::new());
    app.register(EMAIL).await;
    let mut guesses = JoinSet::new();
    for number in 0..200 {
        guesses.spawn(wrong(&app, EMAIL, number).into_future());
    }
    let answers = guesses.join_all().await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(400), count(429)), (GUESSES, 200 - GUESSES));
}

async fn a_client_that_has_signed_in_is_counted_apart<D: Database>(app: &App<D>) {
    let (app, _) = limited(app, RateLimits::new());
    app.register(EMAIL).await;
    let from = |address: &str, password| app.try_login("jwt", EMAIL, password).coming_from(address);
    let session = from("2001:db8:1:2::7", PASSWORD).await.token();
    exhaust(&app, EMAIL).await;
    put_off(&from(HOME, PASSWORD).await);
    // The same network, another machine.
    from("2001:db8:1:2:9::1", PASSWORD).await.token();
    // Who has a session may use their password wherever they are.
    let body = json!({"email": "king@camelot.bt", "current_password": PASSWORD});
    app.patch("/users/me")
        .by(&session)
        .json(body)
        .coming_from(HOME)
        .await
        .is(200);
    let body = json!({"email": EMAIL, "current_password": PASSWORD});
    app.patch("/users/me")
        .by(&session)
        .json(body)
        .coming_from(HOME)
        .await
        .is(200);

    for _ in 0..GUESSES {
        from("2001:db8:1:2::7", OTHER_PASSWORD).await.is(400);
    }
    put_off(&from("2001:db8:1:2::7", PASSWORD).await);
    app.clock.advance(MINUTE);
    from("2001:db8:1:2::7", PASSWORD).await.token();
    // A right password brings back all that its client had; the others still wait.
    for _ in 0..(GUESSES - 10) {
        from("2001:db8:1:2::7", OTHER_PASSWORD).await.is(400);
    }
    wrong(&app, EMAIL, 7).await.is(400);
    put_off(&wrong(&app, EMAIL, 8).await);
    // Nobody is known for ever.
    app.clock.advance(Duration::from_hours(24 * 91));
    exhaust(&app, EMAIL).await;
    put_off(&from("2001:db8:1:2::7", PASSWORD).await);
}

async fn guesses_of_who_is_signed_in_count_together<D: Database>(app: &App<D>) {
    let (app, hasher) = limited(app, RateLimits::new());
    app.register(EMAIL).await;
    let stolen = app.login("token", EMAIL).await;
    let attempts = |password: &str| -> [Call; 3] {
        [
            app.patch("/users/me")
                .json(json!({"password": "a new password", "current_password": password})),
            app.post("/users/me/delete")
                .json(json!({"current_password": password})),
            app.post("/auth/tokens")
                .json(json!({"name": "backup", "current_password": password})),
        ]
    };
    for _ in 0..(GUESSES / 3) {
        for call in attempts("wrong wrong") {
            call.by(&stolen).await.is(400);
        }
    }
    for call in attempts(PASSWORD) {
        let (cost, asked) = (hasher.counts(), app.store.calls());
        put_off(&call.by(&stolen).await);
        assert_eq!(hasher.counts(), cost);
        assert_eq!(app.store.calls(), asked + 1, "the token alone is looked up");
    }
    // What needs no password is not limited, and neither is the login of the owner.
    app.patch("/users/me").by(&stolen).json(json!({})).await.is(200);
    app.login("jwt", EMAIL).await;
    // To show none is no guess.
    app.post("/users/me/delete")
        .by(&stolen)
        .json(json!({}))
        .await
        .is(400);
    app.clock.advance(MINUTE);
    let [change, ..] = attempts(PASSWORD);
    change.by(&stolen).await.is(200);
    // By a superuser's hand as well.
    let admin_id = app.superuser("merlin@camelot.bt").await;
    let admin = app.login("token", "merlin@camelot.bt").await;
    let change = |current: &str| {
        let body = json!({"password": "a new password", "current_password": current});
        app.patch(&format!("/users/{admin_id}")).by(&admin).json(body)
    };
    for _ in 0..GUESSES {
        change("wrong wrong").await.is(400);
    }
    put_off(&change(PASSWORD).await);
}

async fn a_good_login_forgives_the_account_and_not_the_address<D: Database>(app: &App<D>) {
    let mut limits = RateLimits::new();
    limits.failures_of_client = Quota::per_hour(50);
    let (app, hasher) = limited(app, limits);
    app.register(EMAIL).await;
    let guess = |email: &str, password| app.try_login("jwt", email, password).coming_from(HOME);
    for round in 0..50 {
        guess(&format!("victim{round}@camelot.bt"), PASSWORD)
            .await
            .is(400);
        if round % 10 == 5 {
            guess(EMAIL, PASSWORD).await.token();
        }
    }
    put_off_for_free(&app, &hasher, guess("victim51@camelot.bt", PASSWORD)).await;
    // Nor does who fails all the time keep out those whom the address is known to.
    guess(EMAIL, PASSWORD).await.token();
    put_off(&guess("victim51@camelot.bt", PASSWORD).await);
    app.try_login("jwt", EMAIL, PASSWORD)
        .coming_from("192.0.2.2")
        .await
        .token();

    let (app, _) = limited(&app, RateLimits::new());
    let guess = |password| app.try_login("jwt", EMAIL, password).coming_from("192.0.2.3");
    for _ in 0..4 {
        for _ in 0..(GUESSES - 8) {
            guess(OTHER_PASSWORD).await.is(400);
        }
        guess(PASSWORD).await.token();
    }
}

async fn many_people_behind_one_address_sign_in<D: Database>(app: &App<D>) {
    let (app, _) = limited(app, RateLimits::new());
    for pupil in 0..6 {
        app.register(&format!("pupil{pupil}@camelot.bt")).await;
    }
    for login in 0..300 {
        let email = format!("pupil{}@camelot.bt", login % 6);
        app.try_login("jwt", &email, PASSWORD)
            .coming_from(HOME)
            .await
            .token();
    }
    let more = || {
        app.try_login("jwt", "pupil1@camelot.bt", PASSWORD)
            .coming_from(HOME)
    };
    let answer = more().await;
    put_off(&answer);
    assert_eq!(answer.header("retry-after"), "1");
    // Another address, since what is counted in Redis goes on counting.
    let (app, _) = limited(&app, RateLimits::new().per_client(1000));
    for number in 0..350 {
        let email = format!("victim{number}@camelot.bt");
        wrong(&app, &email, 0).coming_from("192.0.2.5").await.is(400);
    }
    app.try_login("jwt", "pupil1@camelot.bt", PASSWORD)
        .coming_from("192.0.2.5")
        .await
        .token();
    for number in 0..GUESSES {
        wrong(&app, EMAIL, number).coming_from("192.0.2.5").await.is(400);
    }
    put_off(&wrong(&app, EMAIL, 0).coming_from("192.0.2.5").await);
}

async fn a_failure_of_ours_is_nobodys_guess<D: Database>(app: &App<D>) {
    let (app, _) = limited(app, RateLimits::new());
    app.register(EMAIL).await;
    app.store.down(true);
    for _ in 0..200 {
        app.try_login("jwt", EMAIL, PASSWORD)
            .coming_from(HOME)
            .await
            .is(503);
    }
    let mail = |path: &str| app.post(path).json(json!({"email": EMAIL})).coming_from(HOME);
    let register = || {
        let body = json!({"email": NOBODY, "password": PASSWORD});
        app.post("/auth/register").json(body).coming_from(HOME)
    };
    for _ in 0..20 {
        mail("/auth/forgot-password").await.is(503);
        mail("/auth/request-verify-token").await.is(503);
        register().await.is(503);
    }
    app.store.down(false);
    app.try_login("jwt", EMAIL, PASSWORD)
        .coming_from(HOME)
        .await
        .token();
    mail("/auth/forgot-password").await.is(202);
    mail("/auth/request-verify-token").await.is(202);
    register().await.is(201);
}

/// The routes that are limited for each client, with a call that is refused for another reason, if not for too much.
fn of_each_address<D: Database>(app: &App<D>, session: &Token) -> Vec<(&'static str, Call)> {
    let email = json!({ "email": NOBODY });
    let weak = json!({"email": NOBODY, "password": "weak"});
    let token = json!({"token": "nonsense", "password": OTHER_PASSWORD});
    vec![
        ("login", app.try_login("jwt", NOBODY, PASSWORD)),
        ("register", app.post("/auth/register").json(weak)),
        ("forgot", app.post("/auth/forgot-password").json(email.clone())),
        ("request", app.post("/auth/request-verify-token").json(email)),
        ("verify", app.post("/auth/verify").json(token.clone())),
        ("reset", app.post("/auth/reset-password").json(token)),
        (
            "token",
            app.post("/auth/tokens")
                .by(session)
                .json(json!({"name": "backup"})),
        ),
    ]
}

async fn each_route_that_is_limited_is_put_off_before_it_costs_anything<D: Database>(app: &App<D>) {
    let mut limits = RateLimits::new();
    let two = Quota::per_minute(2);
    limits.logins_of_client = two;
    limits.mails_of_client = two;
    limits.registrations_of_client = two;
    limits.mailed_tokens_of_client = two;
    limits.personal_tokens_of_client = two;
    let session = {
        app.register(EMAIL).await;
        app.login("token", EMAIL).await
    };
    let routes = of_each_address(app, &session).len();
    for route in 0..routes {
        let (app, hasher) = limited(app, limits.clone());
        let address = client(route);
        let call = |from: &str| {
            let (name, call) = of_each_address(&app, &session).swap_remove(route);
            (name, call.coming_from(from))
        };
        for _ in 0..2 {
            let (name, call) = call(&address);
            assert!([202, 400].contains(&call.await.status), "{name}");
        }
        let (name, refused) = call(&address);
        if name == "token" {
            // What is written beside requests is not to be counted.
            app.users.settle().await;
            let (cost, asked) = (hasher.counts(), app.store.calls());
            put_off(&refused.await);
            assert_eq!(hasher.counts(), cost);
            assert_eq!(app.store.calls(), asked + 1, "who asks is looked up");
        } else {
            put_off_for_free(&app, &hasher, refused).await;
        }
        let (_, other) = call("192.0.2.77");
        assert_ne!(other.await.status, 429, "{name}");
        app.clock.advance(MINUTE / 2);
        assert_ne!(call(&address).1.await.status, 429, "{name}");
        put_off(&call(&address).1.await);
    }
    // Registrations of one address are mails to it, sooner or later.
    let (app, hasher) = limited(app, RateLimits::new());
    let register = |number: usize| {
        let body = json!({"email": "galahad@camelot.bt", "password": PASSWORD});
        app.post("/auth/register")
            .json(body)
            .coming_from(&client(100 + number))
    };
    for number in 0..5 {
        assert_ne!(register(number).await.status, 429);
    }
    put_off_for_free(&app, &hasher, register(5)).await;
}

async fn ipv6_clients_are_counted_by_64_bits_and_mapped_ones_as_ipv4<D: Database>(app: &App<D>) {
    let mut limits = RateLimits::new();
    limits.logins_of_client = Quota::per_minute(3);
    let (app, _) = limited(app, limits);
    let mut number = 0;
    let mut status = async |address: &str| {
        number += 1;
        let email = format!("victim{number}@camelot.bt");
        app.try_login("jwt", &email, PASSWORD)
            .coming_from(address)
            .await
            .status
    };
    for address in ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:0:a:b:c:d"] {
        assert_eq!(status(address).await, 400);
    }
    assert_eq!(status("2001:db8::2").await, 429);
    assert_eq!(status("2001:db8:0:1::1").await, 400);
    for address in ["192.0.2.9", "::ffff:192.0.2.9", "::ffff:c000:209"] {
        assert_eq!(status(address).await, 400);
    }
    assert_eq!(status("192.0.2.9").await, 429);
    assert_eq!(status("::ffff:192.0.2.9").await, 429);
    assert_eq!(status("::ffff:192.0.2.8").await, 400);
}

/// In which an address may be claimed.
const HEADERS: [&str; 6] = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "cf-connecting-ip",
    "true-client-ip",
];

async fn headers_that_anybody_can_send_do_not_evade<D: Database>(app: &App<D>) {
    let mut limits = RateLimits::new();
    limits.logins_of_client = Quota::per_minute(3);
    let claiming = |app: &App<D>, peer: &str, number: usize, heard: Option<&str>| {
        let claimed = client(number);
        let mut call = app
            .try_login("jwt", &format!("victim{number}@camelot.bt"), PASSWORD)
            .coming_from(peer);
        for header in HEADERS {
            call = match (header, heard) {
                ("forwarded", _) => call.header(header, &format!("for={claimed}")),
                ("x-forwarded-for", Some(heard)) => call.header(header, &format!("{claimed}, {heard}")),
                _ => call.header(header, &claimed),
            };
        }
        call
    };
    let (direct, _) = limited(app, limits.clone());
    let mut statuses = Vec::new();
    for number in 0..6 {
        statuses.push(claiming(&direct, HOME, number, None).await.status);
    }
    assert_eq!(statuses, [400, 400, 400, 429, 429, 429]);

    let trusting = |users: AxumUsers<_>| users.trust_proxy("10.0.0.0/8").unwrap();
    let (proxied, _) = limited_and(app, limits, trusting);
    let mut statuses = Vec::new();
    for number in 10..16 {
        let proxy = format!("10.0.0.{number}");
        statuses.push(
            claiming(&proxied, &proxy, number, Some("203.0.113.7"))
                .await
                .status,
        );
    }
    assert_eq!(statuses, [400, 400, 400, 429, 429, 429]);
    let other = claiming(&proxied, "10.0.0.1", 20, Some("203.0.113.8, 10.3.3.3"));
    assert_eq!(other.await.status, 400, "clients behind the proxy are told apart");
    let around = claiming(&proxied, "203.0.113.7", 21, None);
    assert_eq!(around.await.status, 429, "and who comes around it is known");
}

async fn a_limit_is_logged_once_in_its_window_and_without_names<D: Database>(app: &App<D>) {
    let (app, _) = limited(app, RateLimits::new());
    app.register(EMAIL).await;
    // On a thread of its own, so that all of it is seen.
    let events = captured_events();
    let limits = || {
        let events = events.security_events();
        let limits = events
            .iter()
            .filter(|event| event.field("event") == Some("rate_limited"));
        limits
            .filter_map(|event| event.field("limit").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    exhaust(&app, EMAIL).await;
    for number in 0..100 {
        wrong(&app, EMAIL, number).await.is(429);
    }
    assert_eq!(limits(), ["failures_of_account"]);
    for _ in 0..20 {
        app.clock.advance(MINUTE);
        wrong(&app, EMAIL, 1).await.is(400);
        wrong(&app, EMAIL, 2).await.is(429);
    }
    // By now the long run is reached as well.
    assert_eq!(
        limits(),
        ["failures_of_account", "failures_of_account_in_the_long_run"]
    );
    app.clock.advance(Duration::from_hours(48));
    exhaust(&app, EMAIL).await;
    assert_eq!(limits().len(), 3);
    let text = events.text();
    for hidden in ["camelot", "198.51", OTHER_PASSWORD] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
}

#[test]
fn processes_that_share_redis_share_their_counters() {
    run::<TokensInRedis>(async |app| {
        let (one, _) = limited(app, RateLimits::new());
        let (two, _) = limited(app, RateLimits::new());
        app.register(EMAIL).await;
        for number in 0..GUESSES {
            let app = if number % 2 == 0 { &one } else { &two };
            wrong(app, EMAIL, number).await.is(400);
        }
        put_off(&wrong(&one, EMAIL, 98).await);
        put_off(&wrong(&two, EMAIL, 99).await);
        // A client that signed in at one of them is known at the other.
        let token = one.reset_token(EMAIL).await;
        one.reset(&token, OTHER_PASSWORD).coming_from(HOME).await.is(200);
        for number in 0..GUESSES {
            two.try_login("jwt", EMAIL, PASSWORD)
                .coming_from(&client(number))
                .await
                .is(400);
        }
        put_off(
            &one.try_login("jwt", EMAIL, PASSWORD)
                .coming_from("192.0.2.8")
                .await,
        );
        two.try_login("jwt", EMAIL, OTHER_PASSWORD)
            .coming_from(HOME)
            .await
            .token();
    });
}

#[test]
fn redis_holds_no_names_and_nothing_for_ever() {
    run::<TokensInRedis>(async |app| {
        let (limited, _) = limited(app, RateLimits::new());
        limited.register(EMAIL).await;
        limited
            .try_login("jwt", EMAIL, PASSWORD)
            .coming_from(HOME)
            .await
            .token();
        wrong(&limited, EMAIL, 3).await.is(400);
        limited
            .post("/auth/forgot-password")
            .json(json!({"email": EMAIL}))
            .coming_from(HOME)
            .await
            .is(202);
        let mut seen = BTreeSet::new();
        for (key, content, ttl) in app.db.in_redis().await {
            let text = format!("{key} {content}");
            for name in ["camelot", "arthur", "192.0.2", "198.51"] {
                assert!(!text.contains(name), "{text}");
            }
            assert!(ttl > 0, "{key}: {ttl}");
            seen.insert(key.split(':').nth(1).unwrap_or_default().to_owned());
        }
        assert_eq!(seen, BTreeSet::from(["known", "limit"].map(str::to_owned)));
    });
}

/// A store of counters that counts what it is asked, and can be down.
#[derive(Debug, Clone, Default)]
struct OwnLimits {
    counted: Arc<InMemoryLimits>,
    asked: Arc<AtomicUsize>,
    down: Arc<AtomicBool>,
}

impl OwnLimits {
    fn ask(&self) -> Result<&InMemoryLimits, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable(
                "the counters at counters.internal are down",
            ));
        }
        Ok(&self.counted)
    }
}

impl LimitStore for OwnLimits {
    fn take<'a>(&'a self, charges: &'a [LimitCharge], now: Timestamp) -> LimitFuture<'a, LimitVerdict> {
        Box::pin(async move { self.ask()?.take(charges, now).await })
    }

    fn settle<'a>(&'a self, changes: &'a [LimitChange], now: Timestamp) -> LimitFuture<'a, ()> {
        Box::pin(async move { self.ask()?.settle(changes, now).await })
    }
}

#[tokio::test]
async fn while_the_store_of_counters_is_down_the_process_counts_by_itself() {
    let own = OwnLimits::default();
    let app = app().await;
    let app = app.rewired(Wiring::usual().limits(RateLimits::new().counted_in(own.clone())));
    app.register(EMAIL).await;
    for number in 0..GUESSES {
        wrong(&app, EMAIL, number).await.is(400);
    }
    put_off(&wrong(&app, EMAIL, 99).await);
    let events = captured_events();
    own.down.store(true, Ordering::SeqCst);
    let before = own.asked.load(Ordering::SeqCst);
    for number in 0..GUESSES {
        wrong(&app, EMAIL, number)
            .await
            .refused(400, "LOGIN_BAD_CREDENTIALS");
    }
    put_off(&wrong(&app, EMAIL, 99).await);
    assert_eq!(
        own.asked.load(Ordering::SeqCst),
        before + 1,
        "it is left alone for a while"
    );
    assert_eq!(events.count(axum_users::SecurityEvent::RateLimitsUnshared), 1);
    assert!(
        events
            .text()
            .contains("the counters at counters.internal are down")
    );

    app.clock.advance(Duration::from_secs(5));
    put_off(&wrong(&app, EMAIL, 99).await);
    assert_eq!(own.asked.load(Ordering::SeqCst), before + 2);
    own.down.store(false, Ordering::SeqCst);
    app.clock.advance(Duration::from_secs(5));
    let answer = wrong(&app, EMAIL, 99).await;
    put_off(&answer);
    assert_eq!(
        answer.header("retry-after"),
        "50",
        "what it counted before still holds"
    );
}

#[tokio::test]
async fn without_redis_logins_go_on() {
    let redis = RedisSessions::from_url("redis://127.0.0.1:1").unwrap();
    let app = app().await;
    let limits = RateLimits::new().counted_in(RedisLimits::new(&redis));
    let app = app.rewired(Wiring::usual().limits(limits));
    app.register(EMAIL).await;
    app.try_login("jwt", EMAIL, PASSWORD)
        .coming_from(HOME)
        .await
        .token();
    exhaust(&app, EMAIL).await;
    app.try_login("jwt", EMAIL, PASSWORD)
        .coming_from(HOME)
        .await
        .token();
}

#[tokio::test]
async fn where_the_address_is_unknown_accounts_are_limited_and_the_log_says_so_once() {
    let plain = app().await;
    let events = captured_events();
    let warnings = |text: &str| {
        let all = events.all();
        let said = all.iter().filter_map(|event| event.field("message"));
        said.filter(|message| message.contains(text)).count()
    };
    for _ in 0..3 {
        plain.try_login("jwt", EMAIL, PASSWORD).await.is(400);
    }
    assert_eq!(
        warnings("are not known"),
        0,
        "without limits there is nothing to say"
    );
    let mut limits = RateLimits::new();
    limits.logins_of_client = Quota::per_hour(1);
    let app = plain.rewired(Wiring::usual().limits(limits));
    for number in 0..GUESSES {
        let email = if number % 2 == 0 { EMAIL } else { NOBODY };
        app.try_login("jwt", email, PASSWORD).await.is(400);
        app.try_login("jwt", email, PASSWORD).await.is(400);
    }
    put_off(&app.try_login("jwt", EMAIL, PASSWORD).await);
    assert_eq!(warnings("are not known"), 1);
    assert_eq!(warnings("trust_proxy"), 0);
    for number in 0..3 {
        let call = app
            .try_login("jwt", "kay@camelot.bt", PASSWORD)
            .coming_from(&client(number));
        call.header("x-forwarded-for", "203.0.113.7").await.is(400);
    }
    assert_eq!(warnings("trust_proxy"), 1);
}

#[tokio::test]
async fn limits_can_be_turned_off_by_name() {
    let app = app().await;
    app.register(EMAIL).await;
    for _ in 0..101 {
        app.try_login("jwt", EMAIL, OTHER_PASSWORD)
            .coming_from(HOME)
            .await
            .is(400);
    }
    app.try_login("jwt", EMAIL, PASSWORD)
        .coming_from(HOME)
        .await
        .token();
    assert_eq!(limited_operations(&app), BTreeSet::new());
}

fn limited_operations<D: Database>(app: &App<D>) -> BTreeSet<String> {
    let document = serde_json::to_value(&app.api).unwrap();
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let answer = &operation["responses"]["429"];
            if answer != &Value::Null {
                assert!(answer["headers"]["Retry-After"].is_object(), "{method} {path}");
                let examples = &answer["content"]["application/json"]["examples"];
                assert!(examples["TOO_MANY_REQUESTS"].is_object(), "{method} {path}");
                found.insert(format!("{method} {path}"));
            }
        }
    }
    found
}

#[tokio::test]
async fn each_limited_route_is_documented_as_such() {
    let app = app().await;
    let app = app.rewired(Wiring::usual().limits(RateLimits::new()));
    let expected = [
        "patch /users/me",
        "patch /users/{id}",
        "post /auth/confirm-email-change",
        "post /auth/cookie-jwt/login",
        "post /auth/cookie/login",
        "post /auth/forgot-password",
        "post /auth/jwt/login",
        "post /auth/register",
        "post /auth/request-verify-token",
        "post /auth/reset-password",
        "post /auth/token/login",
        "post /auth/tokens",
        "post /auth/undo-email-change",
        "post /auth/verify",
        "post /users/me/delete",
    ];
    let found = limited_operations(&app);
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn who_knows_the_password_does_not_bury_a_mailbox_in_notices() {
    let app = app().await;
    app.register(EMAIL).await;
    let (limited, hasher) = limited(&app, RateLimits::new());
    let session = app.login("token", EMAIL).await;
    let mut passwords = [PASSWORD, OTHER_PASSWORD];
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let body = json!({"current_password": passwords[0], "password": passwords[1]});
        let before = hasher.counts().argon2;
        let answer = limited.patch("/users/me").by(&session).json(body).await;
        statuses.push(answer.status);
        if answer.status == 200 {
            passwords.swap(0, 1);
        } else {
            answer.refused(429, "TOO_MANY_REQUESTS");
            assert_eq!(hasher.counts().argon2, before, "it costs no hash");
        }
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
}
