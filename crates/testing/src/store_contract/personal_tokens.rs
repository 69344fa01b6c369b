//! Personal access tokens.

use axum_users_core::{
    Change, Claim, EndSessions, Epoch, Expected, NewPersonalToken, OpaqueClaim, PersonalTokenRecord,
    PersonalTokenStore, Session, SessionKind, TokenDigest, TokenStored, TokenUse, User, UserStore,
};

use super::{
    StoreFixture,
    stage::{HOUR, KeyOf, MILLISECOND, NOW, ROUNDS, Stage, opaque, race, stored},
};

/// How many may be where a property is not about limits.
const MANY: u32 = 100;
const PERSONAL: &str = "personal";

fn new<F: StoreFixture>(id: &KeyOf<F>, text: &str) -> NewPersonalToken<KeyOf<F>> {
    NewPersonalToken::new(id.clone(), TokenDigest::of(text), text, Epoch(0), NOW, MANY)
}

fn claim<F: StoreFixture>(text: &str) -> Claim<KeyOf<F>> {
    Claim::Personal(OpaqueClaim::new(TokenDigest::of(text), PERSONAL))
}

impl<F: StoreFixture> Stage<'_, F> {
    async fn store_personal(&self, token: NewPersonalToken<KeyOf<F>>) -> TokenStored {
        let stored = self.store.insert_personal_token(token).await;
        stored.expect("insert_personal_token")
    }

    /// Stores a personal token; answers its id.
    async fn personal(&self, token: NewPersonalToken<KeyOf<F>>) -> String {
        match self.store_personal(token).await {
            TokenStored::Stored { id, ended: 0 } => id.to_string(),
            other => panic!("nothing stands against the token, but it is {other:?}"),
        }
    }

    async fn personal_session(&self, text: &str) -> Session {
        let signed_in = self.store.resolve(&claim::<F>(text), NOW).await;
        signed_in.expect("resolve").expect("the token is good").session
    }

    async fn has_personal(&self, text: &str) -> bool {
        self.is_good(&claim::<F>(text)).await
    }

    async fn note_personal_use(&self, noted: TokenUse) -> bool {
        let noted = self.store.note_personal_use(noted).await;
        noted.expect("note_personal_use")
    }

    async fn listed_personal(
        &self,
        id: &KeyOf<F>,
        now: axum_users_core::Timestamp,
    ) -> Vec<PersonalTokenRecord> {
        let listed = self.store.list_personal_tokens(id, now).await;
        listed.expect("list_personal_tokens")
    }

    async fn end_personal(&self, user: &KeyOf<F>, id: &str) -> bool {
        let ended = self.store.end_personal_token(user, id).await;
        ended.expect("end_personal_token")
    }
}

/// A personal token gives its user with the facts of the token.
pub async fn personal_tokens_sign_in_their_user<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    stage.personal(new::<F>(&bob, "of bob")).await;
    let mut token = new::<F>(&ada, "of ada");
    token.scopes = Some(vec!["read".to_owned()]);
    token.expires_at = Some(NOW.plus(HOUR));
    let id = stage.personal(token).await;
    assert_eq!(stage.resolve(&claim::<F>("of ada"), NOW).await, Some(ada));
    assert_eq!(stage.resolve(&claim::<F>("of bob"), NOW).await, Some(bob));
    assert!(!stage.has_personal("of nobody").await);
    let session = stage.personal_session("of ada").await;
    assert_eq!(session.kind, SessionKind::Personal);
    assert_eq!((session.backend.as_str(), session.token_id), (PERSONAL, id));
    assert_eq!(session.digest, Some(TokenDigest::of("of ada")));
    assert_eq!((session.created_at, session.last_seen_at), (Some(NOW), None));
    assert_eq!(session.expires_at, Some(NOW.plus(HOUR)));
    assert_eq!(session.scopes, Some(vec!["read".to_owned()]));
    stage.clear().await;
}

/// Whatever scopes there are, the token has those it was given: none is not the same as all.
pub async fn scopes_are_kept_as_they_were_given<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let many = (0..200).map(|n| format!("a-rather-long-scope-with-number:{n}"));
    let all = [
        None,
        Some(Vec::new()),
        Some(vec!["orders:read".to_owned(), "orders:write".to_owned()]),
        Some(vec!["b".to_owned(), "a".to_owned(), "b".to_owned()]),
        Some(vec![
            ",".to_owned(),
            "'".to_owned(),
            "\u{1f98a}".to_owned(),
            "[null]".to_owned(),
        ]),
        Some(many.collect()),
    ];
    for (n, scopes) in all.into_iter().enumerate() {
        let text = n.to_string();
        let mut token = new::<F>(&ada, &text);
        token.scopes.clone_from(&scopes);
        let id = stage.personal(token).await;
        assert_eq!(stage.personal_session(&text).await.scopes, scopes);
        let listed = stage.listed_personal(&ada, NOW).await;
        let record = listed.into_iter().find(|record| record.id == id);
        assert_eq!(record.expect("it is listed").scopes, scopes);
    }
    stage.clear().await;
}

/// A personal token is good one millisecond before its expiry and dead at it; one without expiry does not end.
pub async fn personal_tokens_end_exactly_at_their_expiry<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let end = NOW.plus(HOUR);
    let mut token = new::<F>(&ada, "ending");
    token.expires_at = Some(end);
    stage.personal(token).await;
    stage.personal(new::<F>(&ada, "endless")).await;
    let ending = claim::<F>("ending");
    assert_eq!(
        stage.resolve(&ending, end.minus(MILLISECOND)).await,
        Some(ada.clone())
    );
    assert_eq!(stage.resolve(&ending, end).await, None);
    assert_eq!(stage.resolve(&ending, end.plus(MILLISECOND)).await, None);
    let late = NOW.plus(HOUR * 24 * 365 * 50);
    assert_eq!(stage.resolve(&claim::<F>("endless"), late).await, Some(ada));
    stage.clear().await;
}

/// The token of a machine outlives logins that end, and is good at whatever epoch there is.
pub async fn personal_tokens_outlive_the_end_of_sessions<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    stage.personal(new::<F>(&ada, "token")).await;
    let spared = TokenDigest::of("no token");
    for which in [
        EndSessions::None,
        EndSessions::All,
        EndSessions::AllExcept(spared),
    ] {
        let epoch = stage.end_sessions(&ada, which).await;
        assert_eq!(stage.personal_session("token").await.epoch, epoch, "{which:?}");
    }
    assert_eq!(stage.facts(&ada).await.epoch, Epoch(2));
    assert_eq!(stage.listed_personal(&ada, NOW).await.len(), 1);
    stage.clear().await;
}

/// Who ends everything ends the tokens of their machines with their sessions; those of others live on.
pub async fn ending_everything_ends_personal_tokens_too<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    stage.personal(new::<F>(&ada, "of ada")).await;
    stage.personal(new::<F>(&bob, "of bob")).await;
    let session = stage.token(&ada, "session", Epoch(0)).await;
    let session_of_bob = stage.token(&bob, "session of bob", Epoch(0)).await;
    let epoch = stage.end_sessions(&ada, EndSessions::Everything).await;
    assert_eq!(epoch, Epoch(1));
    assert!(!stage.has_personal("of ada").await && !stage.is_alive(session).await);
    assert!(stage.has_personal("of bob").await && stage.is_alive(session_of_bob).await);
    assert_eq!(stage.listed_personal(&ada, NOW).await, []);
    let late = stage.store_personal(new::<F>(&ada, "late")).await;
    assert_eq!(late, TokenStored::Stale, "asked for before the end");
    assert!(!stage.has_personal("late").await);
    let mut another = new::<F>(&ada, "another");
    another.epoch = epoch;
    stage.personal(another).await;
    assert!(stage.has_personal("another").await);
    stage.clear().await;
}

/// A deleted user leaves no personal token, and another user keeps theirs.
pub async fn deleted_users_are_gone_with_their_personal_tokens<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    stage.personal(new::<F>(&ada, "of ada")).await;
    stage.personal(new::<F>(&bob, "of bob")).await;
    assert!(stage.delete(&ada).await);
    assert!(!stage.has_personal("of ada").await && stage.has_personal("of bob").await);
    let late = stage.store_personal(new::<F>(&ada, "late")).await;
    assert_eq!(late, TokenStored::NoUser);
    assert!(!stage.has_personal("late").await);
    stage.clear().await;
}

/// A personal token is no session and a session no personal token, whatever backend they are presented to.
pub async fn personal_tokens_and_sessions_are_told_apart<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    stage.token(&ada, "session", Epoch(0)).await;
    stage.personal(new::<F>(&ada, "personal")).await;
    assert!(!stage.has_personal("session").await);
    let personal = TokenDigest::of("personal");
    assert!(!stage.is_good(&opaque::<F>(personal)).await);
    let presented = Claim::Digest(OpaqueClaim::new(personal, PERSONAL));
    assert!(!stage.is_good(&presented).await);
    assert!(!stage.note_use(TokenUse::new(personal, NOW)).await);
    let session = TokenDigest::of("session");
    assert!(!stage.note_personal_use(TokenUse::new(session, NOW)).await);
    assert_eq!(stage.listed(&ada, NOW).await.len(), 1);
    assert_eq!(stage.listed_personal(&ada, NOW).await.len(), 1);
    stage.clear().await;
}

/// A user who has as many as may be gets no other one, until one of them ends or is over; those of others do not count.
pub async fn personal_tokens_are_refused_beyond_the_limit<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    stage.personal(new::<F>(&bob, "of bob")).await;
    let end = NOW.plus(HOUR);
    let within = |text, most, now| {
        let mut token = new::<F>(&ada, text);
        (token.most, token.created_at) = (most, now);
        token
    };
    let mut ending = within("ending", 2, NOW);
    ending.expires_at = Some(end);
    let refused = stage.store_personal(within("none", 0, NOW)).await;
    assert_eq!(refused, TokenStored::LimitReached);
    stage.personal(ending).await;
    let endless = stage.personal(within("endless", 2, NOW)).await;
    for now in [NOW, end.minus(MILLISECOND)] {
        let refused = stage.store_personal(within("refused", 2, now)).await;
        assert_eq!(refused, TokenStored::LimitReached);
        assert!(!stage.has_personal("refused").await);
    }
    stage
        .personal(within("in place of one that is over", 2, end))
        .await;
    let refused = stage.store_personal(within("refused", 2, end)).await;
    assert_eq!(refused, TokenStored::LimitReached);
    assert!(stage.end_personal(&ada, &endless).await);
    stage
        .personal(within("in place of one that was ended", 2, end))
        .await;
    stage.clear().await;
}

/// Sixteen tokens that are made at the same moment take no more than the five places there are, and no fewer.
pub async fn racing_personal_tokens_keep_the_limit<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user(&format!("ada{round}@example.com")).await.id();
        let racers = (0..16).map(|n| {
            let store = stage.store.clone();
            let mut token = new::<F>(&ada, &format!("{round} {n}"));
            token.most = 5;
            async move {
                let outcome = store.insert_personal_token(token).await;
                stored(&outcome.expect("insert_personal_token"))
            }
        });
        let outcomes = race(racers).await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Some(0)).count(), 5);
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_none()).count(), 11);
        assert_eq!(stage.listed_personal(&ada, NOW).await.len(), 5);
    }
    stage.clear().await;
}

/// Tokens that are made while their user ends everything and is deleted are gone with them, and no command fails.
pub async fn personal_tokens_stored_while_their_user_ends_are_dead<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user("ada@example.com").await.id();
        let racers = (0..8).map(|n| {
            let (store, id) = (stage.store.clone(), ada.clone());
            let token = new::<F>(&ada, &format!("{round} {n}"));
            async move {
                match n {
                    0 => assert_eq!(
                        store.delete(&id, Expected::new()).await.expect("delete"),
                        axum_users_core::Removed::Removed
                    ),
                    1 => {
                        let mut change = Change::new(NOW);
                        change.end_sessions = EndSessions::Everything;
                        store.update(&id, change).await.expect("update");
                    }
                    _ => {
                        let stored = store.insert_personal_token(token).await;
                        stored.expect("insert_personal_token");
                    }
                }
            }
        });
        race(racers).await;
        for n in 0..8 {
            assert!(!stage.has_personal(&format!("{round} {n}")).await);
        }
    }
    stage.clear().await;
}

/// The last use of a personal token is noted, its end does not move, and nothing is noted of one that is over or was ended.
pub async fn uses_of_personal_tokens_are_noted<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let end = NOW.plus(HOUR);
    let mut token = new::<F>(&ada, "token");
    token.expires_at = Some(end);
    let digest = token.digest;
    let id = stage.personal(token).await;
    let latest = NOW.plus(MILLISECOND * 2);
    for (later, expected) in [(0, NOW), (2, latest), (1, latest)] {
        let noted = TokenUse::new(digest, NOW.plus(MILLISECOND * later)).renewed_until(end.plus(HOUR));
        assert!(stage.note_personal_use(noted).await);
        let session = stage.personal_session("token").await;
        assert_eq!(
            (session.last_seen_at, session.expires_at),
            (Some(expected), Some(end))
        );
    }
    assert_eq!(
        stage
            .listed_personal(&ada, NOW)
            .await
            .pop()
            .and_then(|record| record.last_seen_at),
        Some(latest)
    );
    assert!(!stage.note_personal_use(TokenUse::new(digest, end)).await);
    assert_eq!(stage.personal_session("token").await.last_seen_at, Some(latest));
    assert!(
        stage
            .note_personal_use(TokenUse::new(digest, end.minus(MILLISECOND)))
            .await
    );
    assert!(stage.end_personal(&ada, &id).await);
    assert!(!stage.note_personal_use(TokenUse::new(digest, NOW)).await);
    stage.clear().await;
}

/// A list holds the live personal tokens of one user with all their facts, and begins with the one that was made last.
pub async fn personal_tokens_are_listed_the_latest_first<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    stage.personal(new::<F>(&bob, "of bob")).await;
    assert_eq!(stage.listed_personal(&ada, NOW).await, []);
    let end = NOW.plus(HOUR);
    let mut expected = Vec::new();
    for (name, later) in [("last", 3), ("first", 0), ("second \u{1f98a}", 1), ("third", 1)] {
        let mut token = new::<F>(&ada, name);
        token.created_at = NOW.plus(MILLISECOND * later);
        token.expires_at = (name == "first").then_some(end);
        token.scopes = (name == "last").then(|| vec!["read".to_owned()]);
        let mut record = PersonalTokenRecord::new("", name, token.created_at);
        record.expires_at = token.expires_at;
        record.scopes.clone_from(&token.scopes);
        record.id = stage.personal(token).await;
        expected.push(record);
    }
    expected.sort_by_key(|record| std::cmp::Reverse((record.created_at, record.name == "third")));
    assert_eq!(
        stage.listed_personal(&ada, end.minus(MILLISECOND)).await,
        expected
    );
    expected.pop();
    assert_eq!(
        stage.listed_personal(&ada, end).await,
        expected,
        "over at its expiry"
    );
    stage.clear().await;
}

/// Users end their own personal tokens one by one, and nobody else's.
pub async fn personal_tokens_are_ended_by_their_user_only<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    let id = stage.personal(new::<F>(&ada, "token")).await;
    stage.personal(new::<F>(&ada, "other")).await;
    stage.personal(new::<F>(&bob, "of bob")).await;
    assert!(!stage.end_personal(&bob, &id).await, "it is of somebody else");
    for wrong in ["", "x", "1 OR 1=1", "0", "9223372036854775808"] {
        assert!(!stage.end_personal(&ada, wrong).await, "{wrong:?}");
    }
    assert!(stage.has_personal("token").await);
    assert!(stage.end_personal(&ada, &id).await);
    assert!(!stage.end_personal(&ada, &id).await, "it has ended already");
    assert!(!stage.has_personal("token").await);
    assert!(stage.has_personal("other").await && stage.has_personal("of bob").await);
    stage.clear().await;
}
