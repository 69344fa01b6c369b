//! What the tests share.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum_users_core::{
    AdminUpdate, Authentication, Change, Context, EmailAddress, Epoch, InMemoryUsers, LoginError, MemoryUser,
    Message, MessageKind, Notice, Password, PasswordHash, RateLimits, RequestBody, Secret, Secrets, Session,
    SignedIn, Stored, TokenDigest, User, UserApi, UserCreate, UserHooks, UserManager, UserRead, UserStore,
    UserUpdate,
};
use axum_users_testing::{
    OutboxReader, TestClock, TestRandom, fast_hasher,
    leaks::{self, Kind, Watch},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::hooks::Recorder;

const ROOT: &str = "Zr1mAvhTn0Ww6n0J0fGQk8nR5u3yEwcx";
pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const NEW_PASSWORD: &str = "staple of the new";
pub(crate) const HOUR: Duration = Duration::from_hours(1);

pub(crate) struct Api;

impl UserApi for Api {
    type Store = InMemoryUsers;
    type Hooks = (Mails, Recorder, Recorder);
    type Read = UserRead<Uuid>;
    type Create = UserCreate;
    type Update = UserUpdate;
    type AdminRead = UserRead<Uuid>;
    type AdminUpdate = AdminUpdate;
}

/// Writes one mail for every notice, and a decoy for every mail that nobody gets.
pub(crate) struct Mails;

impl<U: User> UserHooks<U> for Mails {
    fn compose(&self, notice: &Notice<'_, U>, _: &Context) -> Vec<Message> {
        let (kind, user, token) = match notice {
            Notice::Verify { user, token } => (MessageKind::Verify, user, token),
            Notice::ResetPassword { user, token } => (MessageKind::ResetPassword, user, token),
            _ => return Vec::new(),
        };
        leaks::note(Kind::Token, token);
        leaks::note(Kind::Address, user.email());
        let text = format!("Follow https://app.example/{}#token={token}.", kind.as_str());
        vec![Message::new(kind, user.email(), "Hello", text)]
    }

    fn compose_decoy(&self, kind: MessageKind, _: &Context) -> Vec<Message> {
        vec![Message::new(kind, "", "Hello", "x".repeat(200))]
    }
}

/// A manager with its surroundings.
pub(crate) struct Stage {
    pub(crate) manager: UserManager<Api>,
    pub(crate) store: InMemoryUsers,
    pub(crate) clock: TestClock,
    pub(crate) outbox: OutboxReader<InMemoryUsers>,
    pub(crate) calls: Arc<Mutex<Vec<String>>>,
    /// Dropped last.
    _watch: Watch,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|manager| manager)
    }

    pub(crate) fn with(settings: impl FnOnce(UserManager<Api>) -> UserManager<Api>) -> Self {
        let watch = Watch::start();
        leaks::note(Kind::Key, ROOT);
        let (store, clock) = (InMemoryUsers::new(), TestClock::default());
        let calls = Arc::<Mutex<Vec<String>>>::default();
        let hooks = (
            Mails,
            Recorder::new("first", &calls),
            Recorder::new("second", &calls),
        );
        let secrets = Secrets::from_root(&Secret::new(ROOT), "users").unwrap();
        let manager = UserManager::new(store.clone(), hooks, &secrets)
            .unwrap()
            .with_hasher(fast_hasher())
            .with_limits(RateLimits::insecure_off())
            .with_random(Arc::new(TestRandom::default()))
            .with_clock(Arc::new(clock.clone()))
            .insecure_immediate_email_change();
        Self {
            manager: settings(manager),
            outbox: OutboxReader::new(store.clone()),
            store,
            clock,
            calls,
            _watch: watch,
        }
    }

    pub(crate) fn context(&self) -> Context {
        self.manager.context()
    }

    pub(crate) async fn user(&self, address: &str) -> MemoryUser {
        self.manager
            .register(registration(address, PASSWORD), &self.context())
            .await
            .unwrap()
    }

    /// A user whom `change` has changed behind the manager's back.
    pub(crate) async fn user_with(&self, address: &str, change: impl FnOnce(&mut Change<()>)) -> MemoryUser {
        let user = self.user(address).await;
        self.change(&user, change).await;
        self.now(&user).await.user
    }

    pub(crate) async fn change(&self, user: &MemoryUser, change: impl FnOnce(&mut Change<()>)) {
        let mut it = Change::new(self.context().now);
        change(&mut it);
        self.store.update(&user.id, it).await.unwrap();
    }

    /// The user as it is stored now.
    pub(crate) async fn now(&self, user: &MemoryUser) -> Stored<MemoryUser> {
        self.store
            .find(&user.id)
            .await
            .unwrap()
            .expect("the user is there")
    }

    pub(crate) async fn login(
        &self,
        login: &str,
        typed: &str,
    ) -> Result<Authentication<MemoryUser>, LoginError> {
        self.manager
            .authenticate(login, password(typed), &self.context())
            .await
    }

    /// Whether the password is right.
    pub(crate) async fn lets_in(&self, login: &str, typed: &str) -> bool {
        self.login(login, typed).await.is_ok()
    }

    pub(crate) async fn reset_token(&self, address: &str) -> String {
        self.manager
            .forgot_password(&email(address), &self.context())
            .await
            .unwrap();
        let token = self.outbox.last_token(MessageKind::ResetPassword).await;
        token.expect("a mail was written")
    }

    pub(crate) async fn verify_token(&self, address: &str) -> String {
        self.manager
            .request_verify(&email(address), &self.context())
            .await
            .unwrap();
        let token = self.outbox.last_token(MessageKind::Verify).await;
        token.expect("a mail was written")
    }
}

pub(crate) fn email(address: &str) -> EmailAddress {
    leaks::note(Kind::Address, address);
    EmailAddress::parse(address).unwrap()
}

pub(crate) fn password(typed: &str) -> Password {
    leaks::note(Kind::Password, typed);
    Password::parse(typed).unwrap()
}

pub(crate) fn hash(text: &str) -> PasswordHash {
    leaks::note(Kind::Hash, text);
    PasswordHash::from_stored(text)
}

pub(crate) fn registration(address: &str, typed: &str) -> UserCreate {
    leaks::note(Kind::Address, address);
    leaks::note(Kind::Password, typed);
    body(json!({ "email": address, "password": typed }))
}

pub(crate) fn body<B: RequestBody>(value: Value) -> B {
    let Value::Object(object) = value else {
        panic!("a body is an object")
    };
    B::from_object(object).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// `user`, signed in by an opaque token with this digest, or by a self-contained one.
pub(crate) fn signed_in(user: &MemoryUser, digest: Option<TokenDigest>) -> SignedIn<MemoryUser> {
    let mut session = Session::new("cookie", "1", Epoch(0));
    session.digest = digest;
    SignedIn::new(user.clone(), session)
}
