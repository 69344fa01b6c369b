//! What was written to the log.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use axum_users_core::{SECURITY_TARGET, SecurityEvent};
use tracing::{
    Dispatch, Event, Level, Subscriber,
    field::{Field, Visit},
    instrument::{WithDispatch, WithSubscriber},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
};

use crate::leaks::Listener;

/// Captures all events of the present thread, at all levels, until the value is dropped.
///
/// The body of a `#[tokio::test]` and all it calls or spawns run on one thread. A task that may run on another one, in a
/// test of the `multi_thread` flavor, is wrapped in [`CapturedEvents::follow`]. Tests that run at the same time do not see
/// each other's events.
///
/// ```
/// use axum_users_core::{Context, SecurityEvent, Timestamp};
/// use axum_users_testing::captured_events;
///
/// let events = captured_events();
/// SecurityEvent::LoginFailed.emit(None, &Context::new(Timestamp::from_secs(0)));
/// assert_eq!(events.security(), ["login_failed"]);
/// ```
pub fn captured_events() -> CapturedEvents {
    // With only one dispatcher, `tracing` lets the thread that comes by a place first judge for all whether anybody listens.
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Registry::default()));
    LazyLock::force(&SECOND);
    let log = Log::default();
    let dispatch = Dispatch::new(Registry::default().with(log.clone()).with(Listener));
    let guard = tracing::dispatcher::set_default(&dispatch);
    CapturedEvents {
        log,
        dispatch,
        _guard: guard,
    }
}

/// The events since [`captured_events`] was called.
///
/// ```
/// use axum_users_core::{Context, SecurityEvent, Timestamp};
/// use axum_users_testing::captured_events;
///
/// let events = captured_events();
/// SecurityEvent::LoginFailed.emit(None, &Context::new(Timestamp::from_secs(0)));
/// assert_eq!(events.count(SecurityEvent::LoginFailed), 1);
/// assert!(!events.text().contains("excalibur"), "no password gets into the log");
/// ```
#[must_use = "nothing is captured any longer once this is dropped"]
pub struct CapturedEvents {
    log: Log,
    dispatch: Dispatch,
    _guard: DefaultGuard,
}

impl CapturedEvents {
    /// All events, oldest first.
    pub fn all(&self) -> Vec<CapturedEvent> {
        self.log.lock().clone()
    }

    /// The names of the security events, oldest first.
    pub fn security(&self) -> Vec<String> {
        let events = self.security_events();
        events
            .iter()
            .filter_map(|event| event.field("event").map(str::to_owned))
            .collect()
    }

    /// The security events with all their fields, oldest first.
    pub fn security_events(&self) -> Vec<CapturedEvent> {
        let mut events = self.all();
        events.retain(|event| event.target == SECURITY_TARGET);
        events
    }

    /// How often this security event was written.
    pub fn count(&self, event: SecurityEvent) -> usize {
        self.security()
            .iter()
            .filter(|name| *name == event.name())
            .count()
    }

    /// All that was written, as one text: to look for what must not be in a log.
    pub fn text(&self) -> String {
        format!("{:#?}", self.all())
    }

    /// Forgets the events so far.
    pub fn clear(&self) {
        self.log.lock().clear();
    }

    /// Captures the events of a future as well, on whatever thread it runs.
    pub fn follow<F: Future>(&self, future: F) -> WithDispatch<F> {
        future.with_subscriber(self.dispatch.clone())
    }
}

impl fmt::Debug for CapturedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.log.lock().iter()).finish()
    }
}

/// One event of a log.
///
/// ```
/// use axum_users_core::{Context, SecurityEvent, Timestamp};
/// use axum_users_testing::captured_events;
///
/// let events = captured_events();
/// SecurityEvent::LoginFailed.emit(None, &Context::new(Timestamp::from_secs(0)).with_request_id("r-1"));
/// assert_eq!(events.security_events()[0].field("request_id"), Some("r-1"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CapturedEvent {
    /// Where it belongs: a module path, or [`SECURITY_TARGET`].
    pub target: String,
    /// How important it is.
    pub level: Level,
    /// Its fields as text; the text of the event itself is `message`.
    pub fields: BTreeMap<String, String>,
}

impl CapturedEvent {
    /// A field as text, if the event has it.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<CapturedEvent>>>);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<CapturedEvent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.lock().push(CapturedEvent {
            target: event.metadata().target().to_owned(),
            level: *event.metadata().level(),
            fields: fields.0,
        });
    }
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use axum_users_core::{Context, Timestamp};

    use super::*;

    fn emit() {
        SecurityEvent::LoginFailed.emit(
            None,
            &Context::new(Timestamp::from_secs(0)).with_request_id("r-1"),
        );
    }

    #[test]
    fn fields_are_captured_as_text() {
        let events = captured_events();
        emit();
        let event = &events.security_events()[0];
        assert_eq!(event.field("request_id"), Some("r-1"));
        assert_eq!(event.field("user"), None);
        assert!(events.text().contains("login_failed"));
    }

    #[test]
    fn other_threads_are_not_captured() {
        let events = captured_events();
        std::thread::spawn(emit).join().unwrap();
        assert_eq!(events.security(), Vec::<String>::new());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn task_on_another_thread_is_captured_where_it_is_followed() {
        let events = captured_events();
        tokio::spawn(events.follow(async { emit() })).await.unwrap();
        tokio::spawn(async { emit() }).await.unwrap();
        assert_eq!(events.count(SecurityEvent::LoginFailed), 1);
    }
}
