//! Changes of address wait, are confirmed, undone and overtaken: each exactly once.

use std::time::Duration;

use axum_users_core::{
    Applied, Change, EmailChange, EmailChangeRecord, EmailChangeStore, EmailChangeToken, EndSessions,
    NewEmailChange, SessionStore, Timestamp, TokenDigest, User, UserStore,
};

use super::{
    StoreFixture,
    stage::{ColumnsOf, KeyOf, NOW, RACERS, ROUNDS, Stage, applied, count, email, inserted, race},
};

const HOUR: Duration = Duration::from_hours(1);
const OLD: &str = "ada@example.com";
const NEW: &str = "New.Ada@example.com";

fn waits_for(confirm: &str) -> EmailChangeToken {
    EmailChangeToken::Confirm(TokenDigest::of(confirm))
}

fn undo_of(confirm: &str) -> String {
    format!("undo {confirm}")
}

fn asking<C: Default>(confirm: &str, new: &str) -> Change<C> {
    let mut change = Change::new(NOW);
    let (undo, confirm) = (TokenDigest::of(&undo_of(confirm)), TokenDigest::of(confirm));
    change.email_change = EmailChange::Ask(NewEmailChange::new(confirm, undo, email(new), NOW.plus(HOUR)));
    change
}

fn confirming<C: Default, Id>(waiting: &EmailChangeRecord<Id>, until: Timestamp) -> Change<C> {
    let mut change = Change::new(NOW);
    change.set.email = Some(email(&waiting.email));
    change.set.is_verified = Some(true);
    let (id, undo_until) = (waiting.id, until);
    change.email_change = EmailChange::Confirm { id, undo_until };
    change.end_sessions = EndSessions::All;
    change
}

fn undoing<C: Default, Id>(found: &EmailChangeRecord<Id>) -> Change<C> {
    let mut change = Change::new(NOW);
    let (id, confirmed) = (found.id, found.confirmed_at.is_some());
    change.email_change = EmailChange::Undo { id, confirmed };
    if confirmed {
        change.set.email = Some(email(&found.old_email));
        change.set.is_verified = Some(found.old_verified);
    }
    change
}

impl<F: StoreFixture<Store: EmailChangeStore>> Stage<'_, F> {
    async fn change_by(&self, token: EmailChangeToken) -> Option<EmailChangeRecord<KeyOf<F>>> {
        let found = self.store.find_email_change(token).await;
        found.expect("the store can be asked")
    }

    async fn waiting_for(&self, confirm: &str) -> EmailChangeRecord<KeyOf<F>> {
        let found = self.change_by(waits_for(confirm)).await;
        found.expect("the change waits")
    }

    /// A change to `new` that is confirmed and can be undone for an hour.
    async fn moved(&self, id: &KeyOf<F>, confirm: &str, new: &str) -> EmailChangeRecord<KeyOf<F>> {
        self.apply(id, asking(confirm, new)).await;
        let waiting = self.waiting_for(confirm).await;
        self.apply(id, confirming(&waiting, NOW.plus(HOUR))).await;
        self.waiting_for(confirm).await
    }
}

/// A change is found by either token with all that was noted, and the user stays as they are.
pub async fn changes_of_address_wait_with_what_they_were_asked_with<F>(fixture: &F)
where
    F: StoreFixture<Store: EmailChangeStore>,
{
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    assert!(stage.store.keeps_email_changes());
    let id = stage.user(OLD).await.id();
    let before = stage.facts(&id).await;
    stage.apply(&id, asking("one", NEW)).await;
    assert_eq!(stage.facts(&id).await, before);
    assert!(stage.find_by_email(NEW).await.is_none());
    let undo = EmailChangeToken::Undo(TokenDigest::of(&undo_of("one")));
    for token in [waits_for("one"), undo] {
        let found = stage.change_by(token).await.expect("the change waits");
        assert_eq!(
            (found.user_id, found.old_email.as_str(), found.email.as_str()),
            (id.clone(), OLD, NEW)
        );
        assert_eq!(
            (found.old_verified, found.confirmed_at),
            (before.is_verified, None)
        );
        assert_eq!(found.expires_at, NOW.plus(HOUR));
    }
    for token in [
        EmailChangeToken::Undo(TokenDigest::of("one")),
        waits_for(&undo_of("one")),
        waits_for("One"),
    ] {
        assert!(stage.change_by(token).await.is_none());
    }
    stage.clear().await;
}

/// A later change takes the place of one that waits.
pub async fn later_changes_of_address_replace_those_that_wait<F>(fixture: &F)
where
    F: StoreFixture<Store: EmailChangeStore>,
{
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let id = stage.user(OLD).await.id();
    let other = stage.user("bob@example.com").await.id();
    stage.apply(&other, asking("other", "b@example.com")).await;
    stage.apply(&id, asking("one", NEW)).await;
    stage.apply(&id, asking("two", "third@example.com")).await;
    assert!(stage.change_by(waits_for("one")).await.is_none());
    assert_eq!(stage.waiting_for("two").await.email, "third@example.com");
    assert_eq!(
        stage.waiting_for("other").await.email,
        "b@example.com",
        "others are not touched"
    );
    stage.clear().await;
}

/// What ends sessions, cancels or removes drops the change that waits, and a confirmed one goes with its user alone.
pub async fn waiting_changes_of_address_end_with_sessions<F>(fixture: &F)
where
    F: StoreFixture<Store: EmailChangeStore>,
{
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let id = stage.user(OLD).await.id();
    stage.moved(&id, "first", "second@example.com").await;
    let spared = stage.token(&id, "token", stage.facts(&id).await.epoch).await;
    for which in [
        EndSessions::AllExcept(spared),
        EndSessions::All,
        EndSessions::Everything,
        EndSessions::None,
    ] {
        stage.apply(&id, asking("one", NEW)).await;
        let mut change = Change::new(NOW);
        change.end_sessions = which;
        if which == EndSessions::None {
            change.email_change = EmailChange::Cancel;
        }
        stage.apply(&id, change).await;
        assert!(stage.change_by(waits_for("one")).await.is_none(), "{which:?}");
        assert!(stage.change_by(waits_for("first")).await.is_some());
    }
    let mut both = asking::<ColumnsOf<F>>("both", NEW);
    both.end_sessions = EndSessions::All;
    stage.apply(&id, both).await;
    stage.waiting_for("both").await;
    let mut forget = Change::new(NOW);
    forget.email_change = EmailChange::Forget;
    stage.apply(&id, forget).await;
    for token in ["both", "first"] {
        assert!(stage.change_by(waits_for(token)).await.is_none(), "{token}");
    }
    stage.apply(&id, asking("last", NEW)).await;
    assert!(stage.delete(&id).await);
    assert!(stage.change_by(waits_for("last")).await.is_none());
    stage.clear().await;
}

/// A change is confirmed once, and undone once, with all that came after it.
pub async fn changes_of_address_are_confirmed_and_undone_once<F>(fixture: &F)
where
    F: StoreFixture<Store: EmailChangeStore>,
{
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let id = stage.user(OLD).await.id();
    let other = stage.user("bob@example.com").await.id();
    stage.apply(&id, asking("one", NEW)).await;
    let waiting = stage.waiting_for("one").await;
    let until = NOW.plus(HOUR);
    let foreign = stage.update(&other, confirming(&waiting, until)).await;
    assert!(matches!(foreign, Applied::Stale), "a change is its own user's");
    stage.apply(&id, confirming(&waiting, until)).await;
    assert!(matches!(
        stage.update(&id, confirming(&waiting, until)).await,
        Applied::Stale
    ));
    assert!(matches!(
        stage.update(&id, undoing(&waiting)).await,
        Applied::Stale
    ));
    let confirmed = stage.waiting_for("one").await;
    assert_eq!((confirmed.confirmed_at, confirmed.expires_at), (Some(NOW), until));
    stage.moved(&id, "two", "third@example.com").await;
    stage.apply(&id, asking("three", "fourth@example.com")).await;
    let foreign = stage.update(&other, undoing(&confirmed)).await;
    assert!(matches!(foreign, Applied::Stale));
    stage.apply(&id, undoing(&confirmed)).await;
    let facts = stage.facts(&id).await;
    assert_eq!(
        (facts.email.as_str(), facts.is_verified),
        (OLD, confirmed.old_verified)
    );
    for token in ["one", "two", "three"] {
        assert!(stage.change_by(waits_for(token)).await.is_none(), "{token}");
    }
    assert!(matches!(
        stage.update(&id, undoing(&confirmed)).await,
        Applied::Stale
    ));
    stage.clear().await;
}

/// As long as an address can be come back to, nobody else gets it.
pub async fn addresses_that_can_be_come_back_to_are_taken<F>(fixture: &F)
where
    F: StoreFixture<Store: EmailChangeStore>,
{
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let id = stage.user(OLD).await.id();
    let other = stage.user("bob@example.com").await.id();
    stage.apply(&id, asking("one", NEW)).await;
    let refused = stage.insert(stage.new_user("ADA@example.com")).await;
    assert_eq!(inserted(&refused), "e-mail taken", "it is there still");
    let waiting = stage.waiting_for("one").await;
    stage.apply(&id, confirming(&waiting, NOW.plus(HOUR))).await;
    let refused = stage.insert(stage.new_user("ADA@example.com")).await;
    assert_eq!(inserted(&refused), "e-mail taken");
    let moving = |at: Timestamp| {
        let mut change = Change::<ColumnsOf<F>>::new(at);
        change.set.email = Some(email(OLD));
        change
    };
    assert!(matches!(
        stage.update(&other, moving(NOW)).await,
        Applied::EmailTaken
    ));
    assert_eq!(stage.facts(&other).await.email, "bob@example.com");
    let back = stage.update(&id, moving(NOW)).await;
    assert!(matches!(back, Applied::Applied(_)), "its own user may have it");
    let mut away = moving(NOW);
    away.set.email = Some(email(NEW));
    stage.apply(&id, away).await;
    let later = stage.update(&other, moving(NOW.plus(HOUR))).await;
    assert!(
        matches!(later, Applied::Applied(_)),
        "nobody can come back to it any more"
    );
    stage.clear().await;
}

/// A change to an address that is taken is refused when it is confirmed, and goes on waiting.
pub async fn changes_to_taken_addresses_are_refused_when_confirmed<F>(fixture: &F)
where
    F: StoreFixture<Store: EmailChangeStore>,
{
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let id = stage.user(OLD).await.id();
    stage.apply(&id, asking("one", NEW)).await;
    stage.user("new.ada@example.com").await;
    let waiting = stage.waiting_for("one").await;
    let refused = stage.update(&id, confirming(&waiting, NOW)).await;
    assert!(matches!(refused, Applied::EmailTaken));
    assert_eq!(stage.waiting_for("one").await.confirmed_at, None);
    assert_eq!(stage.facts(&id).await.email, OLD);
    stage.clear().await;
}

/// Of several that confirm and undo one change at the same time, each kind wins at most once, and undoing has the last word.
pub async fn racing_confirmations_and_undoings_count_once<F>(fixture: &F)
where
    F: StoreFixture<Store: EmailChangeStore>,
{
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let id = stage.user(OLD).await.id();
    for round in 0..ROUNDS {
        let token = format!("round {round}");
        stage.apply(&id, asking(&token, NEW)).await;
        let waiting = stage.waiting_for(&token).await;
        let outcomes = race((0..RACERS).map(|racer| {
            let (store, id) = (stage.store.clone(), id.clone());
            let change = if racer % 2 == 0 {
                confirming(&waiting, NOW.plus(HOUR))
            } else {
                undoing(&waiting)
            };
            async move { applied(&store.update(&id, change).await.expect("the store is up")) }
        }))
        .await;
        assert_eq!(count(&outcomes, "applied"), 1, "{outcomes:?}");
        assert_eq!(count(&outcomes, "stale"), outcomes.len() - 1, "{outcomes:?}");
        if let Some(confirmed) = stage.change_by(waits_for(&token)).await {
            assert_eq!(stage.facts(&id).await.email, NEW);
            stage.apply(&id, undoing(&confirmed)).await;
        }
        assert_eq!(stage.facts(&id).await.email, OLD);
    }
    stage.clear().await;
}

/// Changes that are over are removed, and no others.
pub async fn purging_removes_changes_of_address_that_are_over<F>(fixture: &F)
where
    F: StoreFixture<Store: EmailChangeStore>,
{
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let (ada, bob) = (
        stage.user(OLD).await.id(),
        stage.user("bob@example.com").await.id(),
    );
    stage.moved(&ada, "one", NEW).await;
    stage.apply(&bob, asking("two", "b@example.com")).await;
    let early = NOW.plus(Duration::from_mins(59));
    let purged = stage.store.purge(early, 100).await.expect("the store is up");
    assert_eq!(purged.total(), 0);
    let purged = stage
        .store
        .purge(NOW.plus(HOUR), 100)
        .await
        .expect("the store is up");
    assert_eq!((purged.tokens, purged.others), (0, 2));
    for token in ["one", "two"] {
        assert!(stage.change_by(waits_for(token)).await.is_none());
    }
    stage.clear().await;
}
