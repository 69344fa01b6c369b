//! What every test needs.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use axum_users_core::{Clock, Context, Message, MessageKind, Notice, Timestamp, User, UserHooks as _};
use axum_users_mail::{Links, MailError, MailHooks, MailTransport, Templates};
use tokio::sync::mpsc;

use crate::store::Store;

pub(crate) const TOKEN: &str = "eyJhbGciOi.J9-_x";

#[derive(Debug, Clone)]
pub(crate) struct Ada;

impl User for Ada {
    type Id = i64;
    fn id(&self) -> i64 {
        1
    }
    fn email(&self) -> &'static str {
        "ada@example.org"
    }
    fn hashed_password(&self) -> Option<&str> {
        None
    }
    fn is_active(&self) -> bool {
        true
    }
    fn is_verified(&self) -> bool {
        false
    }
    fn is_superuser(&self) -> bool {
        false
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_700_000_000)))
    }

    pub(crate) fn advance(&self, secs: i64) {
        self.0.fetch_add(secs, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) fn links() -> Links {
    Links::new("https://app.example.com")
}

pub(crate) fn templates() -> Templates {
    Templates::new("Example")
}

pub(crate) fn context() -> Context {
    Context::new(TestClock::new().now())
}

pub(crate) fn message(to: &str) -> Message {
    Message::new(MessageKind::Verify, to, "Hello", "text").with_html("<p>html</p>")
}

/// A store with the mail of one occasion in its outbox.
pub(crate) fn store_with(kind: MessageKind) -> Store {
    let store = Store::default();
    let hooks = MailHooks::outbox(&store, &links(), &templates()).unwrap();
    let notice = match kind {
        MessageKind::ResetPassword => Notice::ResetPassword {
            user: &Ada,
            token: TOKEN,
        },
        _ => Notice::Verify {
            user: &Ada,
            token: TOKEN,
        },
    };
    store.add(hooks.compose(&notice, &context()));
    store
}

/// A transport that keeps what it is given, or fails in the way it is told.
#[derive(Debug, Clone)]
pub(crate) struct Pocket {
    pub(crate) sent: Arc<Mutex<Vec<Message>>>,
    pub(crate) failure: Arc<Mutex<Option<MailError>>>,
    news: mpsc::UnboundedSender<()>,
}

impl Pocket {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<()>) {
        let (news, receiver) = mpsc::unbounded_channel();
        let pocket = Self {
            sent: Arc::default(),
            failure: Arc::default(),
            news,
        };
        (pocket, receiver)
    }

    pub(crate) fn failing(error: MailError) -> Self {
        let (pocket, _) = Self::new();
        *pocket.failure.lock().unwrap() = Some(error);
        pocket
    }

    pub(crate) fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

impl MailTransport for Pocket {
    async fn send(&self, message: &Message) -> Result<(), MailError> {
        if let Some(error) = *self.failure.lock().unwrap() {
            return Err(error);
        }
        self.sent.lock().unwrap().push(message.clone());
        let _ = self.news.send(());
        Ok(())
    }
}
