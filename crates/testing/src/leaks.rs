//! Searches the log of a whole test for every secret that the test uses, on whatever thread either came to be.
//!
//! For the tests of the library itself; an application looks into [`captured_events`](crate::captured_events).

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt::{self, Write as _},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use aho_corasick::AhoCorasick;
use axum_users_core::TokenDigest;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, util::SubscriberInitExt};

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A password, right or wrong.
    Password,
    /// A token that signs in, or that a mail carries.
    Token,
    /// What is stored in place of a password or a token.
    Hash,
    /// What signs or encrypts.
    Key,
    /// Where somebody reads mail. No secret, and nobody's business.
    Address,
}

struct Known {
    kind: Kind,
    forms: Vec<String>,
    /// The threads that have noted it; that of a test has the name of the test.
    from: BTreeSet<String>,
    noted_at: u64,
    /// Where it is planted: nobody else is told.
    planted_by: Option<u64>,
}

/// One event, or the fields of a span.
struct Line {
    text: String,
    thread: String,
}

impl Known {
    fn is_of(&self, thread: &str) -> bool {
        self.from.contains(thread)
    }

    /// The present thread, or one that has noted it.
    fn whose(&self) -> String {
        let here = here();
        let first = self.from.first().filter(|_| !self.is_of(&here));
        first.cloned().unwrap_or(here)
    }
}

/// Events and secrets are kept for as long as anybody watches who began before them: a token is often logged before the test knows it.
#[derive(Default)]
struct State {
    now: u64,
    watches: BTreeSet<u64>,
    lines: VecDeque<(u64, Arc<Line>)>,
    secrets: HashMap<String, Known>,
}

static STATE: LazyLock<Mutex<State>> = LazyLock::new(Mutex::default);
static WATCHED: AtomicBool = AtomicBool::new(false);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn here() -> String {
    thread::current()
        .name()
        .unwrap_or("a thread without a name")
        .to_owned()
}

impl State {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    fn begin(&mut self) -> u64 {
        let since = self.tick();
        self.watches.insert(since);
        WATCHED.store(true, Ordering::Release);
        since
    }

    fn end(&mut self, since: u64) {
        self.watches.remove(&since);
        WATCHED.store(!self.watches.is_empty(), Ordering::Release);
        let oldest = self.watches.first().copied().unwrap_or(u64::MAX);
        while self.lines.front().is_some_and(|(at, _)| *at < oldest) {
            self.lines.pop_front();
        }
        self.secrets.retain(|_, known| known.noted_at >= oldest);
    }

    fn note(&mut self, kind: Kind, text: &str, planted_by: Option<u64>) {
        let noted_at = self.tick();
        if let Some(known) = self.secrets.get_mut(text) {
            known.noted_at = noted_at;
            known.from.insert(here());
            known.planted_by = planted_by.or(known.planted_by);
            return;
        }
        let known = Known {
            kind,
            forms: forms(text),
            from: BTreeSet::from([here()]),
            noted_at,
            planted_by,
        };
        self.secrets.insert(text.to_owned(), known);
    }

    /// The secrets that concern a watch.
    fn secrets_of(&self, watch: u64) -> impl Iterator<Item = &Known> {
        let secrets = self.secrets.values();
        secrets.filter(move |known| known.planted_by.is_none_or(|by| by == watch))
    }
}

/// Whether a text would be noticed where it has no business. Short ones, single words of small letters and those of few characters stand
/// in names of fields and in sentences by themselves.
fn tells(text: &str) -> bool {
    let distinct: BTreeSet<char> = text.chars().collect();
    text.len() >= 8 && distinct.len() >= 5 && !text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// How a text looks in a log: as it is, quoted, as bytes, in a form or a URL.
fn forms(text: &str) -> Vec<String> {
    let quoted = text.escape_debug().to_string();
    let encoded = text.replace('@', "%40").replace(' ', "+");
    let mut forms = vec![text.to_owned(), list(text.as_bytes())];
    forms.extend([quoted, encoded].into_iter().filter(|form| form != text));
    forms
}

/// As `Debug` shows bytes, without brackets.
fn list(bytes: &[u8]) -> String {
    format!("{bytes:?}").trim_matches(['[', ']']).to_owned()
}

/// How the header of a JWT begins: `{"alg":`.
const HEADER: &str = "eyJhbGciOi";

/// From now on `text` is looked for. Of a JWT claims and signature alone as well, of every token its digest.
pub fn note(kind: Kind, text: &str) {
    // What is left of a JWT may be its header alone, and the beginning of its claims.
    let begins = text.starts_with(HEADER) || HEADER.starts_with(text);
    let cut = begins && text.matches('.').count() < 2;
    if !WATCHED.load(Ordering::Acquire) || !tells(text) || cut {
        return;
    }
    let mut state = state();
    state.note(kind, text, None);
    match kind {
        Kind::Token => {
            // The header of a JWT is that of many.
            let parts = text.split('.').filter(|_| text.starts_with(HEADER)).skip(1);
            for part in parts.filter(|part| part.len() >= 16 && !part.starts_with(HEADER)) {
                state.note(kind, part, None);
            }
            drop(state);
            note_bytes(Kind::Hash, TokenDigest::of(text).as_bytes());
        }
        Kind::Hash => {
            if let Some((_, hash)) = text.rsplit_once('$') {
                state.note(kind, hash, None);
            }
        }
        _ => {}
    }
}

/// As [`note`], for what is no text: in hexadecimal and as a list.
pub fn note_bytes(kind: Kind, bytes: &[u8]) {
    if !WATCHED.load(Ordering::Acquire) || bytes.len() < 8 {
        return;
    }
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let mut state = state();
    state.note(kind, &list(bytes), None);
    state.note(kind, &hex.to_uppercase(), None);
    state.note(kind, &hex, None);
}

/// A secret of this test in a text, of those that `matters` lets pass, and whose it is. Those of others are left out: what one test takes
/// for a token may well stand in the answers of another.
pub fn found_in(text: &str, matters: impl Fn(Kind) -> bool) -> Option<String> {
    let (state, here) = (state(), here());
    let mut own = state.secrets.values().filter(|known| known.is_of(&here));
    let known =
        own.find(|known| matters(known.kind) && known.forms.iter().any(|form| text.contains(form.as_str())))?;
    Some(format!("{:?} {:?} of `{here}`", known.kind, known.forms[0]))
}

/// Searches what is logged while it lives, and fails the test where it is dropped if that holds a secret.
#[derive(Debug)]
#[must_use = "what is logged is searched when this is dropped"]
pub struct Watch(u64);

impl Watch {
    /// Watches from now on, on all threads.
    ///
    /// # Panics
    /// Where the program has a log of its own.
    pub fn start() -> Self {
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| {
            Listener.try_init().expect("nothing else listens to all threads");
        });
        Self(state().begin())
    }

    /// A secret whose leaks no other watch is told of: to see that leaks are found.
    pub fn plant(&self, kind: Kind, text: &str) {
        state().note(kind, text, Some(self.0));
    }

    /// What has leaked so far: which secret of which thread, in which event of which.
    pub fn leaks(&self) -> Vec<String> {
        let state = state();
        let lines: Vec<_> = state
            .lines
            .iter()
            .filter(|(at, _)| *at > self.0)
            .cloned()
            .collect();
        let secrets: Vec<_> = state
            .secrets_of(self.0)
            .flat_map(|known| {
                known
                    .forms
                    .iter()
                    .map(|form| (form.clone(), known.kind, known.whose()))
            })
            .collect();
        drop(state);
        let search = AhoCorasick::new(secrets.iter().map(|(form, ..)| form)).expect("the secrets are few");
        // The same is often logged again.
        let mut leaks = BTreeSet::new();
        for (_, line) in lines {
            if let Some(found) = search.find(&line.text) {
                let (form, kind, from) = &secrets[found.pattern()];
                leaks.insert(format!(
                    "{kind:?} {form:?} of `{from}` in `{}` of `{}`",
                    line.text, line.thread
                ));
            }
        }
        leaks.into_iter().collect()
    }

    /// [`leaks`](Self::leaks), and begins anew.
    pub fn take(&mut self) -> Vec<String> {
        let leaks = self.leaks();
        let mut state = state();
        let since = state.begin();
        state.end(self.0);
        self.0 = since;
        leaks
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let leaks = if thread::panicking() {
            Vec::new()
        } else {
            self.leaks()
        };
        state().end(self.0);
        assert!(leaks.is_empty(), "the log tells secrets: {leaks:#?}");
    }
}

/// Keeps all that is logged on its way to anybody or nobody, while there is a [`Watch`].
pub(crate) struct Listener;

fn keep(what: &str, record: impl FnOnce(&mut Fields)) {
    if !WATCHED.load(Ordering::Acquire) {
        return;
    }
    let mut fields = Fields(what.to_owned());
    record(&mut fields);
    let line = Line {
        text: fields.0,
        thread: here(),
    };
    let mut state = state();
    let at = state.tick();
    state.lines.push_back((at, Arc::new(line)));
}

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        keep(event.metadata().target(), |fields| event.record(fields));
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        keep(span.metadata().target(), |fields| span.record(fields));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        keep("span", |fields| values.record(fields));
    }
}

/// For the threads that nobody else listens to. No `Registry`: it takes a span that began under another one for its own (in 0.3.23).
impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        keep(span.metadata().target(), |fields| span.record(fields));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        keep("span", |fields| values.record(fields));
    }

    fn event(&self, event: &Event<'_>) {
        keep(event.metadata().target(), |fields| event.record(fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields(String);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}
