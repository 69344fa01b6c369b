//! A token as Redis keeps it.

use std::{num::ParseIntError, time::Duration};

use axum_users_core::{Epoch, Session, Subject, Timestamp, TokenDigest, TokenRecord, UserId};

/// How long Redis keeps a token after its end: our clock tells when it is over, the server only cleans up.
pub(crate) const GRACE: Duration = Duration::from_hours(24);
/// The longest time that Redis is told to keep anything, about a century.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 36_525);

/// Where tokens without end stand in the order of ends: behind all others, by their issue.
const NEVER: i64 = 1_000_000_000_000_000;

/// The fields that say whose a token is, and whether it is good.
pub(crate) const CLAIM_FIELDS: [&str; 7] = ["user", "backend", "id", "epoch", "created", "seen", "expires"];
/// The fields that its owner sees.
pub(crate) const RECORD_FIELDS: [&str; 8] = [
    "id", "created", "serial", "seen", "expires", "name", "agent", "address",
];

pub(crate) type Claimed = [Option<String>; CLAIM_FIELDS.len()];
pub(crate) type Listed = [Option<String>; RECORD_FIELDS.len()];

/// What is told by the end of a token.
pub(crate) struct End {
    /// The end itself; empty for never.
    pub(crate) expires: String,
    /// Its place in the index.
    pub(crate) score: String,
    /// How many milliseconds Redis keeps the token; empty for ever.
    pub(crate) keep: String,
}

impl End {
    pub(crate) fn new(expires_at: Option<Timestamp>, now: Timestamp) -> Self {
        match expires_at {
            Some(end) => Self {
                expires: millis(end),
                score: end.as_millis().min(NEVER).to_string(),
                keep: (end.since(now).saturating_add(GRACE))
                    .min(LONGEST)
                    .as_millis()
                    .to_string(),
            },
            None => Self {
                expires: String::new(),
                score: NEVER.saturating_add(now.as_millis()).to_string(),
                keep: String::new(),
            },
        }
    }
}

pub(crate) fn millis(moment: Timestamp) -> String {
    moment.as_millis().to_string()
}

pub(crate) fn hex(digest: &TokenDigest) -> String {
    base16ct::lower::encode_string(digest.as_bytes())
}

/// What a token claims that was presented to `backend`; `None` where it is another's, or over.
pub(crate) fn subject<Id: UserId>(
    held: Claimed,
    digest: TokenDigest,
    backend: &str,
    now: Timestamp,
) -> Option<Subject<Id>> {
    let [user, of_backend, id, epoch, created, seen, expires] = held;
    if of_backend? != backend {
        return None;
    }
    let mut session = Session::new(backend, id?, Epoch(epoch?.parse().ok()?))
        .since(moment(&created?).ok()?)
        .until(optional(expires.as_deref()).ok()?);
    session.digest = Some(digest);
    session.last_seen_at = optional(seen.as_deref()).ok()?;
    (!session.is_over(now)).then_some(Subject::new(Id::parse(&user?)?, session))
}

/// A token in a list, with its place among those of the same moment.
pub(crate) fn record(held: Listed, backend: &str) -> Option<(TokenRecord, u64)> {
    let [id, created, serial, seen, expires, name, agent, address] = held;
    let mut record = TokenRecord::new(id?, backend, moment(&created?).ok()?);
    record.last_seen_at = optional(seen.as_deref()).ok()?;
    record.expires_at = optional(expires.as_deref()).ok()?;
    record.name = name;
    record.user_agent = agent;
    record.client_address = address.and_then(|address| address.parse().ok());
    Some((record, serial?.parse().ok()?))
}

fn moment(text: &str) -> Result<Timestamp, ParseIntError> {
    text.parse().map(Timestamp::from_millis)
}

/// A moment may be absent, but not unreadable: that would be a token without end.
fn optional(text: Option<&str>) -> Result<Option<Timestamp>, ParseIntError> {
    text.map(moment).transpose()
}
