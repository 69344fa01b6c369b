//! Counters in the memory of one process.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    future::ready,
    sync::{Mutex, PoisonError},
};

use super::{LimitChange, LimitCharge, LimitFuture, LimitKey, LimitStore, LimitVerdict};
use crate::Timestamp;

const CAPACITY: usize = 100_000;

/// Counters in the memory of this process, at most 100 000, and as many marks of known clients: about 25 MiB when full.
///
/// What is empty is forgotten first, then what will be empty next. Who floods it with counters of one attempt each pushes out
/// those, and not the counter of an account that is being attacked.
///
/// ```
/// use axum_users_core::{InMemoryLimits, RateLimits};
///
/// let limits = RateLimits::new().counted_in(InMemoryLimits::with_capacity(1_000_000));
/// # let _ = limits;
/// ```
pub struct InMemoryLimits {
    held: Mutex<Held>,
}

impl InMemoryLimits {
    /// No counters yet.
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// No counters yet, and never more than `capacity`; at least 16.
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.max(16);
        Self {
            held: Mutex::new(Held {
                counters: Bounded::new(capacity),
                marks: Bounded::new(capacity),
            }),
        }
    }

    fn held<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for InMemoryLimits {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for InMemoryLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (counters, marks) = self.held(|held| (held.counters.len(), held.marks.len()));
        f.debug_struct("InMemoryLimits")
            .field("counters", &counters)
            .field("marks", &marks)
            .finish()
    }
}

impl LimitStore for InMemoryLimits {
    fn take<'a>(&'a self, charges: &'a [LimitCharge], now: Timestamp) -> LimitFuture<'a, LimitVerdict> {
        Box::pin(ready(Ok(self.held(|held| held.take(charges, now)))))
    }

    fn settle<'a>(&'a self, changes: &'a [LimitChange], now: Timestamp) -> LimitFuture<'a, ()> {
        self.held(|held| {
            for change in changes {
                held.settle(change, now);
            }
        });
        Box::pin(ready(Ok(())))
    }
}

/// A counter that is not empty, or has something to say.
#[derive(Clone, Copy)]
struct Counter {
    empty_at: Timestamp,
    /// Until when a refusal is old news.
    told_until: Timestamp,
}

impl Counter {
    fn over_at(self) -> Timestamp {
        self.empty_at.max(self.told_until)
    }
}

struct Held {
    counters: Bounded<Counter>,
    marks: Bounded<()>,
}

impl Held {
    fn take(&mut self, charges: &[LimitCharge], now: Timestamp) -> LimitVerdict {
        let known = charges
            .iter()
            .filter_map(|charge| charge.known)
            .any(|client| self.marks.get(&client.mark, now).is_some());
        let mut worst = None;
        let mut taken = Vec::with_capacity(charges.len());
        for (index, charge) in charges.iter().enumerate() {
            let key = charge.charged(known);
            let held = self.counters.get(&key, now).copied();
            match charge.quota.take(held.map(|held| held.empty_at), now) {
                Ok(empty_at) => taken.push((key, empty_at, held.map_or(now, |held| held.told_until))),
                Err(wait) if worst.is_none_or(|(_, longest)| wait > longest) => worst = Some((index, wait)),
                Err(_) => {}
            }
        }
        let Some((index, retry_after)) = worst else {
            for (key, empty_at, told_until) in taken {
                self.put(key, Counter { empty_at, told_until }, now);
            }
            return LimitVerdict::Passed { known };
        };
        let first = charges.get(index).is_some_and(|charge| {
            let key = charge.charged(known);
            let held = self.counters.get(&key, now).copied();
            let news = held.filter(|held| held.told_until <= now);
            if let Some(held) = news {
                let told_until = now.plus(charge.quota.window());
                self.put(key, Counter { told_until, ..held }, now);
            }
            news.is_some()
        });
        LimitVerdict::Refused {
            charge: index,
            retry_after,
            first,
        }
    }

    fn settle(&mut self, change: &LimitChange, now: Timestamp) {
        match *change {
            LimitChange::GiveBack { counter, quota } => {
                if let Some(held) = self.counters.get(&counter, now).copied() {
                    let empty_at = held.empty_at.minus(quota.interval());
                    self.put(counter, Counter { empty_at, ..held }, now);
                }
            }
            LimitChange::Clear { counter } => self.counters.remove(&counter),
            LimitChange::Mark { mark, until } => self.marks.put(mark, until, (), now),
        }
    }

    fn put(&mut self, key: LimitKey, counter: Counter, now: Timestamp) {
        self.counters.put(key, counter.over_at(), counter, now);
    }
}

/// Values that are over at some time; where there is no room, those go that are over first.
struct Bounded<V> {
    capacity: usize,
    values: HashMap<LimitKey, (Timestamp, V)>,
    order: BTreeSet<(Timestamp, LimitKey)>,
}

impl<V> Bounded<V> {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            values: HashMap::new(),
            order: BTreeSet::new(),
        }
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn get(&self, key: &LimitKey, now: Timestamp) -> Option<&V> {
        let (over_at, value) = self.values.get(key)?;
        (*over_at > now).then_some(value)
    }

    fn remove(&mut self, key: &LimitKey) {
        if let Some((over_at, _)) = self.values.remove(key) {
            self.order.remove(&(over_at, *key));
        }
    }

    fn put(&mut self, key: LimitKey, over_at: Timestamp, value: V, now: Timestamp) {
        self.remove(&key);
        while let Some(&(first, other)) = self.order.first()
            && (first <= now || self.len() >= self.capacity)
        {
            self.remove(&other);
        }
        if over_at > now {
            self.values.insert(key, (over_at, value));
            self.order.insert((over_at, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Quota;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
    const QUOTA: Quota = Quota::per_minute(6);

    fn key(number: u32) -> LimitKey {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        LimitKey::new(bytes)
    }

    fn take(limits: &InMemoryLimits, number: u32, quota: Quota, now: Timestamp) -> bool {
        let charge = [LimitCharge::new(key(number), quota)];
        matches!(
            limits.held(|held| held.take(&charge, now)),
            LimitVerdict::Passed { .. }
        )
    }

    fn counters(limits: &InMemoryLimits) -> usize {
        limits.held(|held| {
            assert_eq!(held.counters.values.len(), held.counters.order.len());
            held.counters.len()
        })
    }

    #[test]
    fn a_flood_of_counters_pushes_out_its_own_and_not_the_one_that_is_nearly_full() {
        let limits = InMemoryLimits::with_capacity(100);
        for _ in 0..6 {
            assert!(take(&limits, 0, QUOTA, NOW));
        }
        for number in 1..10_000 {
            assert!(take(&limits, number, QUOTA, NOW));
        }
        assert_eq!(counters(&limits), 100);
        assert!(!take(&limits, 0, QUOTA, NOW));
    }

    #[test]
    fn what_is_empty_is_forgotten() {
        let limits = InMemoryLimits::new();
        for number in 0..50 {
            take(&limits, number, QUOTA, NOW);
        }
        assert_eq!(counters(&limits), 50);
        take(&limits, 99, QUOTA, NOW.plus(Duration::from_secs(10)));
        assert_eq!(counters(&limits), 1);
        let back = LimitChange::GiveBack {
            counter: key(99),
            quota: QUOTA,
        };
        limits.held(|held| held.settle(&back, NOW.plus(Duration::from_secs(10))));
        assert_eq!(counters(&limits), 0);
    }

    #[test]
    fn marks_are_bounded_by_themselves() {
        let limits = InMemoryLimits::with_capacity(20);
        take(&limits, 0, QUOTA, NOW);
        for number in 0..1000 {
            let mark = LimitChange::Mark {
                mark: key(number),
                until: NOW.plus(Duration::from_hours(number.into())),
            };
            limits.held(|held| held.settle(&mark, NOW));
        }
        assert_eq!(format!("{limits:?}"), "InMemoryLimits { counters: 1, marks: 20 }");
        assert!(limits.held(|held| held.marks.get(&key(999), NOW).is_some()));
    }
}
