//! The mails of a test.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum_users_core::{Message, MessageKind, Outbox, Timestamp};

/// Later than any test: 9999-12-31.
const LATE: Timestamp = Timestamp::from_secs(253_402_214_400);
const BATCH: u32 = 100;

/// Reads the mails that a test has caused, from any store with an outbox.
///
/// It takes them as a worker would, so they are gone from the store afterwards; the reader remembers them. Mails that a
/// worker has leased already are not seen.
///
/// ```
/// use axum_users_core::{InMemoryUsers, Message, MessageKind, Timestamp, UserStore};
/// use axum_users_testing::OutboxReader;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = InMemoryUsers::new();
/// let link = "Follow https://app.example/verify#token=abc.def.ghi to confirm.";
/// let mail = Message::new(MessageKind::Verify, "arthur@camelot.bt", "Confirm", link);
/// store.enqueue(vec![mail], Timestamp::from_secs(0)).await?;
///
/// let outbox = OutboxReader::new(store);
/// assert_eq!(outbox.mails_to("arthur@camelot.bt").await.len(), 1);
/// assert_eq!(outbox.last_token(MessageKind::Verify).await.as_deref(), Some("abc.def.ghi"));
/// # Ok(())
/// # }
/// ```
pub struct OutboxReader<S> {
    store: S,
    read: Mutex<Vec<Message>>,
}

impl<S> OutboxReader<S> {
    /// Reads the outbox of `store`.
    pub fn new(store: S) -> Self {
        Self {
            store,
            read: Mutex::default(),
        }
    }
}

impl<S: Outbox> OutboxReader<S> {
    /// All messages so far in the order of their rows, decoys among them.
    pub async fn messages(&self) -> Vec<Message> {
        loop {
            let mut leased = self
                .store
                .lease(BATCH, LATE, Duration::from_mins(1))
                .await
                .expect("the outbox can be read");
            if leased.is_empty() {
                return self.remembered().clone();
            }
            leased.sort_by_key(|leased| leased.id);
            for leased in leased {
                self.store
                    .sent(leased.id, LATE)
                    .await
                    .expect("the outbox can be read");
                self.remembered().push(leased.message);
            }
        }
    }

    /// All mails so far, oldest first, without decoys.
    pub async fn mails(&self) -> Vec<Message> {
        let messages = self.messages().await;
        messages.into_iter().filter(|mail| !mail.is_decoy()).collect()
    }

    /// The mails to exactly this address, oldest first.
    pub async fn mails_to(&self, address: &str) -> Vec<Message> {
        let mails = self.mails().await;
        mails.into_iter().filter(|mail| mail.to == address).collect()
    }

    /// How many decoys were written so far.
    pub async fn decoys(&self) -> usize {
        let messages = self.messages().await;
        messages.iter().filter(|message| message.is_decoy()).count()
    }

    /// The token in the last mail of this kind; `None` where there is no such mail or no token in it.
    pub async fn last_token(&self, kind: MessageKind) -> Option<String> {
        let mails = self.mails().await;
        let last = mails.iter().rev().find(|mail| mail.kind == kind)?;
        token_in(&last.text).map(str::to_owned)
    }

    /// The token in the last mail of this kind to this address.
    pub async fn last_token_to(&self, address: &str, kind: MessageKind) -> Option<String> {
        let mails = self.mails_to(address).await;
        let last = mails.iter().rev().find(|mail| mail.kind == kind)?;
        token_in(&last.text).map(str::to_owned)
    }

    /// Forgets the mails so far.
    pub async fn clear(&self) {
        self.messages().await;
        self.remembered().clear();
    }

    fn remembered(&self) -> MutexGuard<'_, Vec<Message>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> fmt::Debug for OutboxReader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxReader").finish_non_exhaustive()
    }
}

/// The token in the first link of a text that carries one, in its fragment (`#token=…`).
///
/// ```
/// use axum_users_testing::token_in;
///
/// assert_eq!(token_in("Open https://app.example/reset#token=a-b_c.d.e."), Some("a-b_c.d.e"));
/// assert_eq!(token_in("Nothing to see"), None);
/// ```
pub fn token_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("#token=")?;
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
        .unwrap_or(rest.len());
    rest.get(..end)
        .map(|token| token.trim_end_matches('.'))
        .filter(|token| !token.is_empty())
}
