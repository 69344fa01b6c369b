//! What the properties share.

use std::{sync::Arc, time::Duration};

use axum_users_auth::strategy::{
    Grant, Issue, IssuedToken, SessionList, SessionOwner, Strategy, TokenOptions,
};
use axum_users_core::{
    Applied, Change, Context, EmailAddress, EndSessions, Epoch, IdOf, Inserted, NewUser, SignedIn, Timestamp,
    TokenRecord, TokenUse, User, UserStore,
};

use super::StrategyFixture;
pub(super) use crate::race::race;

/// A moment with milliseconds that must not be dropped.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_123);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const BACKEND: &str = "cookie";
/// How often a race is run: one round may be lucky.
pub(super) const ROUNDS: usize = 4;

pub(super) type KeyOf<F> = IdOf<<F as StrategyFixture>::Users>;
type UserOf<F> = <<F as StrategyFixture>::Users as UserStore>::User;

/// Users, tokens, and the strategy that is tried.
pub(super) struct Stage<'a, F: StrategyFixture> {
    fixture: &'a F,
    pub(super) users: F::Users,
    tokens: F::Tokens,
    pub(super) strategy: Arc<F::Strategy>,
}

impl<'a, F: StrategyFixture> Stage<'a, F> {
    pub(super) async fn set(fixture: &'a F, options: impl Into<TokenOptions>) -> Option<Self> {
        match fixture.open().await {
            Ok((users, tokens)) => {
                let strategy = Arc::new(fixture.strategy(&users, &tokens, options.into()));
                Some(Self {
                    fixture,
                    users,
                    tokens,
                    strategy,
                })
            }
            Err(skipped) => {
                skipped.report();
                None
            }
        }
    }

    /// Another strategy over the same tokens.
    pub(super) fn with(&self, options: impl Into<TokenOptions>) -> F::Strategy {
        self.fixture.strategy(&self.users, &self.tokens, options.into())
    }

    pub(super) async fn clear(self) {
        drop(self.strategy);
        self.fixture.discard(self.users, self.tokens).await;
    }

    pub(super) async fn user(&self, name: &str) -> KeyOf<F> {
        let email = EmailAddress::parse(&format!("{name}@example.com")).expect("an address");
        let new = NewUser::new(email, None, self.fixture.columns(), NOW);
        match self.users.insert(new, &|_| Vec::new()).await.expect("insert") {
            Inserted::Created(user) => user.id(),
            _ => panic!("a user with a free address is created"),
        }
    }

    pub(super) async fn epoch(&self, user: &KeyOf<F>) -> Epoch {
        let stored = self.users.find(user).await.expect("find");
        stored.expect("the user is there").epoch
    }

    /// Ends sessions and answers the epoch after it.
    pub(super) async fn end_sessions(&self, user: &KeyOf<F>, which: EndSessions) -> Epoch {
        let mut change = Change::new(NOW);
        change.end_sessions = which;
        match self.users.update(user, change).await.expect("update") {
            Applied::Applied(stored) => stored.epoch,
            _ => panic!("nothing stands against the change"),
        }
    }

    pub(super) async fn issue_at(&self, user: &KeyOf<F>, now: Timestamp) -> Issue {
        let epoch = self.epoch(user).await;
        issue(&*self.strategy, user, epoch, BACKEND, now).await
    }

    /// Logs in, and expects that it works.
    pub(super) async fn login(&self, user: &KeyOf<F>) -> IssuedToken {
        issued(self.issue_at(user, NOW).await)
    }

    pub(super) async fn signed_in(
        &self,
        token: &str,
        backend: &str,
        now: Timestamp,
    ) -> Option<SignedIn<UserOf<F>>> {
        signed_in::<F>(&self.users, &*self.strategy, token, backend, now).await
    }

    pub(super) async fn is_good(&self, token: &IssuedToken) -> bool {
        self.is_good_at(token, NOW).await
    }

    pub(super) async fn is_good_at(&self, token: &IssuedToken, now: Timestamp) -> bool {
        self.signed_in(token.expose(), BACKEND, now).await.is_some()
    }

    pub(super) async fn logout(&self, token: &IssuedToken) {
        self.strategy
            .end(token.expose(), &token.session)
            .await
            .expect("end");
    }

    /// What is due when the token is used; it is written.
    pub(super) async fn use_at(&self, token: &IssuedToken, now: Timestamp) -> Option<TokenUse> {
        let signed_in = self.signed_in(token.expose(), BACKEND, now).await;
        let session = signed_in.expect("the token is good").session;
        let due = self.strategy.due(&session, now)?;
        let noted = self.strategy.note_use(&session, due).await.expect("note_use");
        assert!(noted, "the token lives");
        Some(due)
    }

    pub(super) fn list(&self) -> &dyn SessionList<KeyOf<F>> {
        self.strategy.sessions().expect("the strategy keeps a list")
    }

    pub(super) async fn listed(&self, user: &KeyOf<F>, backend: &str, now: Timestamp) -> Vec<TokenRecord> {
        let owner = SessionOwner::new(user, self.epoch(user).await, backend, now);
        self.list().list(owner).await.expect("list")
    }
}

pub(super) async fn issue<Id: Sync + 'static>(
    strategy: &dyn Strategy<Id>,
    user: &Id,
    epoch: Epoch,
    backend: &str,
    now: Timestamp,
) -> Issue {
    let context = Context::new(now);
    let grant = Grant::new(user, epoch, backend, &context);
    strategy.issue(grant).await.expect("issue")
}

pub(super) fn issued(issue: Issue) -> IssuedToken {
    match issue {
        Issue::Issued(token) => token,
        other => panic!("nothing stands against the login, but it is {other:?}"),
    }
}

pub(super) async fn signed_in<F: StrategyFixture>(
    users: &F::Users,
    strategy: &dyn Strategy<KeyOf<F>>,
    token: &str,
    backend: &str,
    now: Timestamp,
) -> Option<SignedIn<UserOf<F>>> {
    let claim = strategy.read(token, backend, now).await.expect("read")?;
    users.resolve(&claim, now).await.expect("resolve")
}
