//! A store that has an outbox and nothing else.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum_users_core::{
    Applied, Change, Compose, EmailKey, Expected, Inserted, Leased, Message, NewUser, Outbox, Removed,
    StoreError, Stored, Timestamp, UserStore,
};
use axum_users_testing::leaks::{self, Kind, Watch};

use crate::kit::{Ada, TOKEN};

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) attempts: u32,
    pub(crate) due: Timestamp,
    pub(crate) message: Message,
}

#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// What is logged while it is there tells nobody of its mails.
    _watch: Arc<Watch>,
    rows: Arc<Mutex<BTreeMap<i64, Row>>>,
    pub(crate) given_up: Arc<Mutex<Vec<i64>>>,
    pub(crate) down: Arc<AtomicBool>,
    pub(crate) deaf: Arc<AtomicBool>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            _watch: Arc::new(Watch::start()),
            rows: Arc::default(),
            given_up: Arc::default(),
            down: Arc::default(),
            deaf: Arc::default(),
        }
    }
}

impl Store {
    pub(crate) fn add(&self, messages: Vec<Message>) {
        leaks::note(Kind::Token, TOKEN);
        let mut rows = self.rows();
        for message in messages {
            leaks::note(Kind::Address, &message.to);
            let id = i64::try_from(rows.len()).unwrap() + 1;
            let due = Timestamp::from_secs(0);
            rows.insert(
                id,
                Row {
                    attempts: 0,
                    due,
                    message,
                },
            );
        }
    }

    pub(crate) fn rows(&self) -> MutexGuard<'_, BTreeMap<i64, Row>> {
        self.rows.lock().unwrap()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows().is_empty()
    }

    fn answer(&self, flag: &AtomicBool) -> Result<MutexGuard<'_, BTreeMap<i64, Row>>, StoreError> {
        if flag.load(Ordering::SeqCst) {
            Err(StoreError::unavailable("down"))
        } else {
            Ok(self.rows())
        }
    }
}

impl UserStore for Store {
    type User = Ada;
    type Columns = ();

    async fn find(&self, _: &i64) -> Result<Option<Stored<Ada>>, StoreError> {
        Ok(None)
    }
    async fn find_by_email(&self, _: &EmailKey) -> Result<Option<Stored<Ada>>, StoreError> {
        Ok(None)
    }
    async fn insert(&self, _: NewUser<()>, _: Compose<'_, Ada>) -> Result<Inserted<Ada>, StoreError> {
        Ok(Inserted::EmailTaken)
    }
    async fn update(&self, _: &i64, _: Change<()>) -> Result<Applied<Ada>, StoreError> {
        Ok(Applied::Missing)
    }
    async fn delete(&self, _: &i64, _: Expected) -> Result<Removed, StoreError> {
        Ok(Removed::Missing)
    }
}

impl Outbox for Store {
    async fn lease(&self, limit: u32, now: Timestamp, lease: Duration) -> Result<Vec<Leased>, StoreError> {
        let mut rows = self.answer(&self.down)?;
        let due = rows.iter_mut().filter(|(_, row)| row.due <= now);
        Ok(due
            .take(usize::try_from(limit).unwrap())
            .map(|(id, row)| {
                row.due = now.plus(lease);
                row.attempts += 1;
                Leased::new(*id, row.attempts - 1, row.message.clone())
            })
            .collect())
    }

    async fn sent(&self, id: i64, _: Timestamp) -> Result<(), StoreError> {
        self.answer(&self.deaf)?.remove(&id);
        Ok(())
    }

    async fn retry(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.answer(&self.deaf)?.get_mut(&id) {
            row.due = at;
        }
        Ok(())
    }

    async fn release(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.answer(&self.deaf)?.get_mut(&id) {
            row.attempts -= 1;
            row.due = at;
        }
        Ok(())
    }

    async fn give_up(&self, id: i64, _: Timestamp) -> Result<(), StoreError> {
        self.answer(&self.deaf)?.remove(&id);
        self.given_up.lock().unwrap().push(id);
        Ok(())
    }
}
