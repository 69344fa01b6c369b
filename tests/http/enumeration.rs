//! Whether there is an account shows neither in an answer nor in the work behind it: headers, length of the body, statements,
//! hashes by scheme and rows of the outbox are the same.

use std::time::Duration;

use axum_users::{
    AdminUpdate, Change, Context, EmailAddress, FailedLogin, HashCounts, InMemoryUsers, Password,
    PasswordHash, PasswordHasher, Registration, User, UserApi, UserCreate, UserHooks, UserManager, UserRead,
    UserStore, UserUpdate,
};
use axum_users_testing::{fast_hasher, fast_hasher_settings};
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{
    App, BACKENDS, Call, Database, OTHER_PASSWORD, PASSWORD, Wiring, on_every_database, secrets,
};

on_every_database! {
    ;
    a_failed_login_looks_and_costs_the_same_for_everybody,
    forgot_password_looks_and_costs_the_same_for_everybody,
    request_verify_token_looks_and_costs_the_same_for_everybody,
    silent_registration_looks_and_costs_the_same_for_everybody,
    a_silent_change_of_address_looks_and_costs_the_same_for_every_address,
}

const EMAIL: &str = "arthur@camelot.bt";
const IDLE: &str = "idling@camelot.bt";
const CONFIRMED: &str = "lohengrin@camelot.bt";

/// An address that nobody has.
fn nobody(number: usize) -> String {
    format!("nobody{number}@camelot.bt")
}

/// All that somebody outside could measure of a request.
#[derive(Debug, PartialEq)]
struct Trace {
    status: u16,
    headers: Vec<(String, String)>,
    length: usize,
    hashes: HashCounts,
    statements: Vec<String>,
    rows: usize,
}

/// The application without a word on who has an account, and a hasher whose counts nobody else changes.
struct Stage<D: Database> {
    app: App<D>,
    hasher: PasswordHasher,
}

impl<D: Database> Stage<D> {
    async fn of(app: &App<D>) -> Self {
        for email in [EMAIL, IDLE, CONFIRMED] {
            app.register(email).await;
        }
        app.set_active(IDLE, false).await;
        app.set_verified(CONFIRMED).await;
        let hasher = PasswordHasher::new(&fast_hasher_settings()).unwrap();
        let wiring = Wiring::usual()
            .hasher(hasher.clone())
            .manager(UserManager::silent);
        Self {
            app: app.rewired(wiring),
            hasher,
        }
    }

    async fn trace(&self, call: Call) -> Trace {
        let rows = self.app.outbox.messages().await.len();
        let before = self.hasher.counts();
        self.app.db.statements().take();
        let answer = call.await;
        let statements = self.app.db.statements().take();
        let mut hashes = self.hasher.counts();
        hashes.argon2 -= before.argon2;
        hashes.bcrypt -= before.bcrypt;
        let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
        Trace {
            status: answer.status,
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            length: answer.body.len(),
            hashes,
            statements,
            rows: self.app.outbox.messages().await.len() - rows,
        }
    }

    /// Holds what each of the calls costs to the first.
    async fn all_alike(&self, calls: impl IntoIterator<Item = (String, Call)>) -> Trace {
        let mut first = None;
        for (who, call) in calls {
            let trace = self.trace(call).await;
            match &first {
                None => first = Some(trace),
                Some(first) => assert_eq!(&trace, first, "{who}"),
            }
        }
        first.expect("there is a call")
    }

    fn asking(&self, path: &'static str, emails: &[&str]) -> Vec<(String, Call)> {
        let ask = |email: &&str| {
            let body = json!({"email": email, "password": PASSWORD});
            ((*email).to_owned(), self.app.post(path).json(body))
        };
        emails.iter().map(ask).collect()
    }
}

async fn a_failed_login_looks_and_costs_the_same_for_everybody<D: Database>(app: &App<D>) {
    let stage = Stage::of(app).await;
    for backend in BACKENDS {
        let calls = [
            (EMAIL, OTHER_PASSWORD),
            (CONFIRMED, OTHER_PASSWORD),
            (IDLE, OTHER_PASSWORD),
            (IDLE, PASSWORD),
            ("nobody@camelot.bt", PASSWORD),
        ];
        let calls = calls.map(|(email, password)| {
            (
                format!("{email} {password}"),
                stage.app.try_login(backend, email, password),
            )
        });
        let trace = stage.all_alike(calls).await;
        assert_eq!(
            (
                trace.status,
                trace.hashes.argon2,
                trace.statements.len(),
                trace.rows
            ),
            (400, 1, 1, 0)
        );
    }
}

async fn forgot_password_looks_and_costs_the_same_for_everybody<D: Database>(app: &App<D>) {
    let stage = Stage::of(app).await;
    let calls = stage.asking("/auth/forgot-password", &[EMAIL, CONFIRMED, IDLE, &nobody(1)]);
    let trace = stage.all_alike(calls).await;
    assert_eq!(
        (trace.status, trace.hashes, trace.rows),
        (202, HashCounts::default(), 1)
    );
}

async fn request_verify_token_looks_and_costs_the_same_for_everybody<D: Database>(app: &App<D>) {
    let stage = Stage::of(app).await;
    let calls = stage.asking(
        "/auth/request-verify-token",
        &[EMAIL, CONFIRMED, IDLE, &nobody(1)],
    );
    let trace = stage.all_alike(calls).await;
    assert_eq!(
        (trace.status, trace.hashes, trace.rows),
        (202, HashCounts::default(), 1)
    );
}

async fn silent_registration_looks_and_costs_the_same_for_everybody<D: Database>(app: &App<D>) {
    let stage = Stage::of(app).await;
    let emails = [&nobody(1), EMAIL, IDLE, CONFIRMED, &nobody(1), &nobody(2)];
    let trace = stage.all_alike(stage.asking("/auth/register", &emails)).await;
    assert_eq!(
        (trace.status, trace.hashes.argon2, trace.rows),
        (202, 1, 1),
        "{trace:?}"
    );
    assert!(trace.statements.len() >= 4, "{:?}", trace.statements);
    // Nobody was stored for an address that is taken.
    for email in [EMAIL, CONFIRMED, &nobody(1)] {
        stage.app.try_login("jwt", email, PASSWORD).await.is(200);
    }
}

async fn a_silent_change_of_address_looks_and_costs_the_same_for_every_address<D: Database>(app: &App<D>) {
    let stage = Stage::of(app).await;
    let session = stage.app.login("token", EMAIL).await;
    let ask = |email: &str| {
        let body = json!({"email": email, "current_password": PASSWORD});
        (
            email.to_owned(),
            stage.app.patch("/users/me").by(&session).json(body),
        )
    };
    // The first one writes that the session is in use.
    stage.app.patch("/users/me").by(&session).json(json!({})).await;
    let trace = stage
        .all_alike([ask(&nobody(1)), ask(CONFIRMED), ask(IDLE), ask(&nobody(2))])
        .await;
    assert_eq!((trace.status, trace.rows), (200, 2));
}

/// "hunter22 hunter22" by bcrypt at cost 4.
const OLD_HASH: &str = "$2b$04$abcdefghijklmnopqrstuuvSCwyJF1JYShBc7Wtijaua6K.0jvUcC";

/// Stops the clock of the runtime once the work for a failed login is done: it then jumps to whatever is waited for, so that no
/// time passes and yet it is counted.
struct StopClock;

impl<U: User> UserHooks<U> for StopClock {
    async fn on_failed_login(&self, _: FailedLogin<'_, U>, _: &Context) {
        tokio::time::pause();
    }
}

struct Kingdom;

impl UserApi for Kingdom {
    type Store = InMemoryUsers;
    type Hooks = StopClock;
    type Read = UserRead<uuid::Uuid>;
    type Create = UserCreate;
    type Update = UserUpdate;
    type AdminRead = UserRead<uuid::Uuid>;
    type AdminUpdate = AdminUpdate;
}

#[tokio::test]
async fn while_hashes_of_an_older_scheme_are_about_a_failed_login_is_answered_no_earlier_than_the_floor() {
    let floor = Duration::from_secs(20);
    let store = InMemoryUsers::new();
    let manager = UserManager::<Kingdom>::new(store.clone(), StopClock, &secrets()).unwrap();
    let manager = manager.with_hasher(fast_hasher()).failed_login_floor(floor);
    let context = manager.context();
    let password = |typed| Password::parse(typed).unwrap();
    for email in [EMAIL, IDLE, CONFIRMED] {
        let email = EmailAddress::parse(email).unwrap();
        let registration = Registration::new(email, password(PASSWORD));
        let user = manager
            .create_superuser(registration, (), &context)
            .await
            .unwrap();
        let mut change = Change::new(context.now);
        match user.email.as_str() {
            IDLE => change.set.is_active = Some(false),
            CONFIRMED => change.set.hashed_password = Some(PasswordHash::from_stored(OLD_HASH)),
            _ => {}
        }
        store.update(&user.id, change).await.unwrap();
    }
    let begun = Instant::now();
    let right = manager.authenticate(EMAIL, password(PASSWORD), &context).await;
    assert!(
        right.is_ok() && begun.elapsed() < floor,
        "who is let in does not wait"
    );
    for (email, typed) in [
        (EMAIL, OTHER_PASSWORD),
        (CONFIRMED, OTHER_PASSWORD),
        (IDLE, PASSWORD),
        ("nobody@camelot.bt", PASSWORD),
    ] {
        let begun = Instant::now();
        let failed = manager.authenticate(email, password(typed), &context).await;
        assert!(failed.is_err(), "{email}");
        let took = begun.elapsed();
        tokio::time::resume();
        assert!(
            took >= floor && took < floor + Duration::from_secs(2),
            "{email}: {took:?}"
        );
    }
}
