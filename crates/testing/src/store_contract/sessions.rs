//! Tokens sign their user in, until they end.

use std::net::{IpAddr, Ipv6Addr};

use axum_users_core::{
    Change, Claim, EndSessions, Epoch, Expected, NewPersonalToken, NewToken, OpaqueClaim, PersonalTokenStore,
    Purged, Removed, SessionKind, SessionStore, TokenDigest, TokenStored, TokenUse, User, UserStore,
};

use super::{
    StoreFixture,
    stage::{BACKEND, HOUR, MILLISECOND, NOW, RACERS, ROUNDS, Stage, by_subject, opaque, race, subject},
};

/// A token gives its user with the facts of the session.
pub async fn tokens_sign_in_the_user_they_were_issued_to<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    stage.token(&bob, "token of bob", Epoch(0)).await;
    let digest = TokenDigest::of("token of ada");
    let mut token = NewToken::new(ada.clone(), BACKEND, digest, Epoch(0), NOW);
    token.expires_at = Some(NOW.plus(HOUR));
    token.user_agent = Some("\u{1f98a} ".repeat(300));
    token.client_address = Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6)));
    let row = stage.store_token(token).await;
    let claim = opaque::<F>(digest);
    let signed_in = stage.store.resolve(&claim, NOW).await.expect("resolve");
    let signed_in = signed_in.expect("the token is good");
    assert_eq!(
        (signed_in.user.id(), signed_in.user.email()),
        (ada, "ada@example.com")
    );
    let session = signed_in.session;
    assert_eq!(session.backend, BACKEND);
    assert_eq!(session.token_id, row.to_string());
    assert_eq!(session.digest, Some(digest));
    assert_eq!(session.kind, SessionKind::Login);
    assert_eq!(session.epoch, Epoch(0));
    assert_eq!((session.last_seen_at, session.scopes), (None, None));
    assert_eq!(session.created_at, Some(NOW), "to the millisecond");
    assert_eq!(session.expires_at, Some(NOW.plus(HOUR)), "to the millisecond");
    stage.clear().await;
}

/// Whatever was not issued is nobody's token.
pub async fn tokens_that_were_never_stored_are_nobodys<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    assert!(!stage.is_alive(TokenDigest::of("token")).await);
    let ada = stage.user("ada@example.com").await.id();
    stage.token(&ada, "token", Epoch(0)).await;
    for other in ["Token", "token ", ""] {
        assert!(!stage.is_alive(TokenDigest::of(other)).await, "{other:?}");
    }
    stage.clear().await;
}

/// A token that is presented to another backend is no token there; names of backends, which hold no blanks, are compared
/// byte by byte.
pub async fn tokens_are_good_for_their_own_backend_only<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let digest = stage.token(&ada, "token", Epoch(0)).await;
    for backend in ["", "bearer", "Cookie", "cooki", "c\u{f6}okie"] {
        let claim = Claim::Digest(OpaqueClaim::new(digest, backend));
        assert!(!stage.is_good(&claim).await, "{backend:?}");
        let ended = stage.store.end_token(&digest, backend).await.expect("end_token");
        assert!(!ended, "{backend:?} cannot end it either");
    }
    assert!(stage.is_alive(digest).await);
    stage.clear().await;
}

/// A token is good one millisecond before its expiry and dead at it.
pub async fn tokens_end_exactly_at_their_expiry<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let end = NOW.plus(HOUR);
    let claim = opaque::<F>(stage.token_until(&ada, "token", end).await);
    assert_eq!(stage.resolve(&claim, end.minus(MILLISECOND)).await, Some(ada));
    assert_eq!(stage.resolve(&claim, end).await, None);
    assert_eq!(stage.resolve(&claim, end.plus(MILLISECOND)).await, None);
    stage.clear().await;
}

/// A token without expiry is good at any time.
pub async fn tokens_without_expiry_do_not_end<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let claim = opaque::<F>(stage.token(&ada, "token", Epoch(0)).await);
    let late = NOW.plus(HOUR * 24 * 365 * 50);
    assert_eq!(stage.resolve(&claim, late).await, Some(ada.clone()));
    let signed_in = stage.store.resolve(&claim, late).await.expect("resolve");
    assert_eq!(signed_in.and_then(|signed_in| signed_in.session.expires_at), None);
    assert_eq!(stage.purge(late, 100).await, Purged::new(0, 0));
    assert_eq!(stage.resolve(&claim, late).await, Some(ada));
    stage.clear().await;
}

/// A token cannot be stored for a user who is gone.
pub async fn tokens_of_unknown_users_are_not_stored<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let gone = stage.user("ada@example.com").await.id();
    stage.delete(&gone).await;
    let digest = TokenDigest::of("token");
    let token = NewToken::new(gone, BACKEND, digest, Epoch(0), NOW);
    let outcome = stage.store.insert_token(token).await.expect("insert_token");
    assert!(matches!(outcome, TokenStored::NoUser));
    assert!(!stage.is_alive(digest).await);
    stage.clear().await;
}

/// A token that was ended is dead, others of the same user live, and there is nothing to end a second time.
pub async fn ended_tokens_are_dead<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let one = stage.token(&ada, "one", Epoch(0)).await;
    let other = stage.token(&ada, "other", Epoch(0)).await;
    assert!(stage.store.end_token(&one, BACKEND).await.expect("end_token"));
    assert!(!stage.is_alive(one).await);
    assert!(!stage.store.end_token(&one, BACKEND).await.expect("end_token"));
    assert!(stage.is_alive(other).await);
    assert_eq!(stage.facts(&ada).await.epoch, Epoch(0), "no other session ends");
    stage.clear().await;
}

/// Whether an inactive user may do anything is for guards to say, so the store still tells whose token it is.
pub async fn inactive_users_are_resolved_for_guards_to_judge<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let digest = stage.token(&ada, "token", Epoch(0)).await;
    let mut change = Change::new(NOW);
    change.set.is_active = Some(false);
    stage.apply(&ada, change).await;
    let claims = [
        opaque::<F>(digest),
        by_subject::<F>(&ada, "jti", Epoch(0)),
        Claim::Stateless(subject::<F>(&ada, "jti", Epoch(0))),
    ];
    for claim in claims {
        let signed_in = stage.store.resolve(&claim, NOW).await.expect("resolve");
        assert_eq!(signed_in.map(|signed_in| signed_in.user.is_active()), Some(false));
    }
    stage.clear().await;
}

/// One change ends all sessions, opaque and self-contained; sessions of the new epoch begin as usual.
pub async fn ending_all_sessions_kills_tokens_of_every_kind<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    for round in 0..3 {
        let epoch = Epoch(round);
        let one = stage.token(&ada, &format!("one {round}"), epoch).await;
        let other = stage.token(&ada, &format!("other {round}"), epoch).await;
        let jwt = by_subject::<F>(&ada, "jti", epoch);
        assert!(stage.is_alive(one).await && stage.is_alive(other).await && stage.is_good(&jwt).await);
        let next = stage.end_sessions(&ada, EndSessions::All).await;
        assert_eq!(next, Epoch(round + 1), "the answer has the new epoch");
        assert_eq!(stage.facts(&ada).await.epoch, next);
        assert!(!stage.is_alive(one).await && !stage.is_alive(other).await);
        assert!(!stage.is_good(&jwt).await);
    }
    stage.clear().await;
}

/// Sessions of other users do not end.
pub async fn ending_all_sessions_of_one_user_leaves_the_others<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    stage.token(&ada, "token of ada", Epoch(0)).await;
    let digest = stage.token(&bob, "token of bob", Epoch(0)).await;
    stage.end_sessions(&ada, EndSessions::All).await;
    assert!(stage.is_alive(digest).await);
    assert!(stage.is_good(&by_subject::<F>(&bob, "jti", Epoch(0))).await);
    assert_eq!(stage.facts(&bob).await.epoch, Epoch(0));
    stage.clear().await;
}

/// All sessions end but one, which moves on to the new epoch and ends with the next.
pub async fn spared_tokens_live_on<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let spared = stage.token_until(&ada, "spared", NOW.plus(HOUR)).await;
    let other = stage.token(&ada, "other", Epoch(0)).await;
    for round in 0..3 {
        let next = stage.end_sessions(&ada, EndSessions::AllExcept(spared)).await;
        assert_eq!(next, Epoch(round + 1));
        assert!(stage.is_alive(spared).await);
        assert_eq!(stage.session(spared).await.epoch, next);
        assert!(!stage.is_alive(other).await);
        assert!(!stage.is_good(&by_subject::<F>(&ada, "jti", Epoch(round))).await);
    }
    let end = stage.resolve(&opaque::<F>(spared), NOW.plus(HOUR)).await;
    assert_eq!(end, None, "its expiry is what it was");
    stage.end_sessions(&ada, EndSessions::All).await;
    assert!(!stage.is_alive(spared).await);
    stage.clear().await;
}

/// A token that died with an earlier epoch, before its row was written, stays dead when it is spared.
pub async fn sparing_a_dead_token_does_not_revive_it<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    stage.end_sessions(&ada, EndSessions::All).await;
    let dead = stage.token(&ada, "late", Epoch(0)).await;
    stage.end_sessions(&ada, EndSessions::AllExcept(dead)).await;
    assert!(!stage.is_alive(dead).await);
    stage.clear().await;
}

/// The token of another user neither is spared nor changes.
pub async fn sparing_a_token_of_somebody_else_spares_none<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    let of_ada = stage.token(&ada, "token of ada", Epoch(0)).await;
    let of_bob = stage.token(&bob, "token of bob", Epoch(0)).await;
    stage.end_sessions(&ada, EndSessions::AllExcept(of_bob)).await;
    assert!(!stage.is_alive(of_ada).await);
    let signed_in = stage.resolve(&opaque::<F>(of_bob), NOW).await;
    assert_eq!(signed_in, Some(bob));
    stage.clear().await;
}

/// A session for a password that was right a moment ago, stored after the password was changed, never lives.
pub async fn tokens_of_an_earlier_epoch_are_dead_on_arrival<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let before = stage.facts(&ada).await.epoch;
    let after = stage.end_sessions(&ada, EndSessions::All).await;
    let late = stage.token(&ada, "late", before).await;
    assert!(!stage.is_alive(late).await);
    let fresh = stage.token(&ada, "fresh", after).await;
    assert!(stage.is_alive(fresh).await);
    stage.clear().await;
}

/// A self-contained token is good at the epoch it was issued at, neither before nor after it.
pub async fn self_contained_tokens_live_at_the_present_epoch_only<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    for present in 0..3 {
        for claimed in -1..4 {
            let claim = by_subject::<F>(&ada, "jti", Epoch(claimed));
            assert_eq!(
                stage.is_good(&claim).await,
                claimed == present,
                "{claimed} at {present}"
            );
        }
        stage.end_sessions(&ada, EndSessions::All).await;
    }
    let claim = by_subject::<F>(&ada, "jti", Epoch(3));
    let signed_in = stage
        .store
        .resolve(&claim, NOW)
        .await
        .expect("resolve")
        .expect("good");
    assert_eq!(signed_in.user.id(), ada);
    assert_eq!(signed_in.session.backend, BACKEND);
    assert_eq!(signed_in.session.token_id, "jti");
    assert_eq!(signed_in.session.epoch, Epoch(3));
    assert_eq!(signed_in.session.expires_at, Some(NOW.plus(HOUR)));
    stage.clear().await;
}

/// The store does not take the word of a strategy that forgot to look at the expiry.
pub async fn self_contained_tokens_end_exactly_at_their_expiry<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let end = NOW.plus(HOUR);
    let said = subject::<F>(&ada, "jti", Epoch(0));
    let mut endless = subject::<F>(&ada, "endless", Epoch(0));
    endless.session.expires_at = None;
    for claim in [Claim::Subject(said.clone()), Claim::Stateless(said)] {
        let before = stage.resolve(&claim, end.minus(MILLISECOND)).await;
        assert_eq!(before, Some(ada.clone()));
        assert_eq!(stage.resolve(&claim, end).await, None);
    }
    for claim in [Claim::Subject(endless.clone()), Claim::Stateless(endless)] {
        assert_eq!(stage.resolve(&claim, end).await, Some(ada.clone()));
    }
    stage.clear().await;
}

/// A token that was logged out is refused; to say so twice is fine, and never shortens the mark.
pub async fn revoked_tokens_are_dead<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let (one, other) = (
        by_subject::<F>(&ada, "one", Epoch(0)),
        by_subject::<F>(&ada, "other", Epoch(0)),
    );
    assert!(stage.is_good(&one).await);
    stage.revoke("one", NOW.plus(HOUR)).await;
    assert!(!stage.is_good(&one).await);
    assert!(stage.is_good(&other).await);
    stage.revoke("one", NOW.plus(HOUR)).await;
    stage.revoke("one", NOW.minus(HOUR)).await;
    stage.purge(NOW, 100).await;
    assert!(!stage.is_good(&one).await);
    let racers = (0..RACERS).map(|_| {
        let store = stage.store.clone();
        async move { store.revoke("other", NOW.plus(HOUR)).await.expect("revoke") }
    });
    race(racers).await;
    assert!(!stage.is_good(&other).await);
    stage.clear().await;
}

/// Ids of tokens are random letters in both cases: a collation that folds them would log out strangers.
pub async fn revoked_ids_are_compared_byte_by_byte<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    stage.revoke("AbCdEf-_01", NOW.plus(HOUR)).await;
    for other in ["abcdef-_01", "ABCDEF-_01", "AbCdEf-_0", "\u{c1}bCdEf-_01", ""] {
        let claim = by_subject::<F>(&ada, other, Epoch(0));
        assert!(stage.is_good(&claim).await, "{other:?} was not revoked");
    }
    assert!(
        !stage
            .is_good(&by_subject::<F>(&ada, "AbCdEf-_01", Epoch(0)))
            .await
    );
    stage.clear().await;
}

/// A stateless token looks at neither epoch nor revocation, which is what its name warns of; without its user it is nobody's.
pub async fn stateless_tokens_outlive_all_but_their_user<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let claim = Claim::Stateless(subject::<F>(&ada, "jti", Epoch(0)));
    stage.revoke("jti", NOW.plus(HOUR)).await;
    stage.end_sessions(&ada, EndSessions::All).await;
    assert_eq!(stage.resolve(&claim, NOW).await, Some(ada.clone()));
    stage.delete(&ada).await;
    assert_eq!(stage.resolve(&claim, NOW).await, None);
    stage.clear().await;
}

/// Clearing up takes what is over, from the very moment of its end, and leaves what is still good or still refused.
pub async fn purging_removes_only_what_has_expired<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let personal = async |text: &str, end| {
        let digest = TokenDigest::of(text);
        let mut token = NewPersonalToken::new(ada.clone(), digest, text, Epoch(0), NOW.minus(HOUR), 9);
        token.expires_at = end;
        let stored = stage.store.insert_personal_token(token).await;
        stored.expect("insert_personal_token");
        Claim::Personal(OpaqueClaim::new(digest, "personal"))
    };
    let expired = stage.token_until(&ada, "expired", NOW.minus(MILLISECOND)).await;
    let ending = stage.token_until(&ada, "ending", NOW).await;
    let good = stage.token_until(&ada, "good", NOW.plus(MILLISECOND)).await;
    let endless = stage.token(&ada, "endless", Epoch(0)).await;
    let expired_personal = personal("expired", Some(NOW)).await;
    let good_personal = personal("good", Some(NOW.plus(MILLISECOND))).await;
    let endless_personal = personal("endless", None).await;
    stage.revoke("over", NOW.minus(MILLISECOND)).await;
    stage.revoke("ending", NOW).await;
    stage.revoke("refused", NOW.plus(MILLISECOND)).await;
    assert_eq!(stage.purge(NOW, 100).await, Purged::new(3, 2));
    assert_eq!(stage.purge(NOW, 100).await, Purged::new(0, 0));
    let before = NOW.minus(HOUR);
    for claim in [opaque::<F>(expired), opaque::<F>(ending), expired_personal] {
        let at = stage.resolve(&claim, before).await;
        assert_eq!(at, None, "its row is gone");
    }
    assert!(stage.is_alive(good).await && stage.is_alive(endless).await);
    assert!(stage.is_good(&good_personal).await && stage.is_good(&endless_personal).await);
    assert!(!stage.is_good(&by_subject::<F>(&ada, "refused", Epoch(0))).await);
    assert!(stage.find(&ada).await.is_some());
    stage.clear().await;
}

/// Clearing up takes no more rows at once than it is told to, and finishes when it is repeated.
pub async fn purging_works_in_batches<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    for n in 0..5 {
        let (text, end) = (n.to_string(), NOW.minus(HOUR));
        stage.token_until(&ada, &text, end).await;
        stage.revoke(&text, end).await;
        let digest = TokenDigest::of(&text);
        let mut token = NewPersonalToken::new(ada.clone(), digest, text, Epoch(0), end.minus(HOUR), 9);
        token.expires_at = Some(end);
        let stored = stage.store.insert_personal_token(token).await;
        stored.expect("insert_personal_token");
    }
    assert_eq!(stage.purge(NOW, 0).await, Purged::new(0, 0));
    let mut gone = Purged::default();
    for _ in 0..10 {
        let now = stage.purge(NOW, 3).await;
        assert!(now.total() <= 3, "tokens and marks together, not {now:?}");
        gone = Purged::new(gone.tokens + now.tokens, gone.others + now.others);
        if now.total() == 0 {
            break;
        }
    }
    assert_eq!(gone, Purged::new(10, 5));
    stage.clear().await;
}

/// Two that clear up while tokens are used and stored take each row once, and keep nobody from their token.
pub async fn racing_purges_take_each_row_once<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    for round in 0..ROUNDS {
        for n in 0..20 {
            let text = format!("{round} over {n}");
            stage.token_until(&ada, &text, NOW.minus(HOUR)).await;
        }
        let used = stage
            .token_until(&ada, &format!("{round} used"), NOW.plus(HOUR))
            .await;
        let racers = (0..RACERS).map(|n| {
            let (store, id) = (stage.store.clone(), ada.clone());
            async move {
                match n {
                    0..4 => return store.purge(NOW, 10).await.expect("purge").tokens,
                    4 | 5 => {
                        let noted = TokenUse::new(used, NOW).renewed_until(NOW.plus(HOUR * 2));
                        assert!(store.note_use(noted).await.expect("note_use"));
                    }
                    _ => {
                        let digest = TokenDigest::of(&format!("{round} new {n}"));
                        let token = NewToken::new(id, BACKEND, digest, Epoch(0), NOW);
                        store.insert_token(token).await.expect("insert_token");
                    }
                }
                0
            }
        });
        let mut gone: u64 = race(racers).await.into_iter().sum();
        gone += stage.purge(NOW, 100).await.tokens;
        assert_eq!(gone, 20);
        assert!(stage.is_alive(used).await);
        for n in 6..RACERS {
            let digest = TokenDigest::of(&format!("{round} new {n}"));
            assert!(stage.is_alive(digest).await);
        }
    }
    stage.clear().await;
}

/// Sessions that are ended eight times at the same moment are ended eight times: no epoch is given out twice.
pub async fn racing_ends_of_sessions_raise_the_epoch_each<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user(&format!("ada{round}@example.com")).await.id();
        let racers = (0..8_i64).map(|_| {
            let (store, id) = (stage.store.clone(), ada.clone());
            async move {
                let mut change = Change::new(NOW);
                change.end_sessions = EndSessions::All;
                match store.update(&id, change).await.expect("update") {
                    axum_users_core::Applied::Applied(stored) => stored.epoch,
                    other => panic!("nothing stands against it: {}", super::stage::applied(&other)),
                }
            }
        });
        let mut epochs = race(racers).await;
        epochs.sort();
        assert_eq!(epochs, (1..=8).map(Epoch).collect::<Vec<_>>());
        assert_eq!(stage.facts(&ada).await.epoch, Epoch(8));
    }
    stage.clear().await;
}

/// A token of the old epoch and the end of all sessions at the same moment leave no session.
pub async fn tokens_stored_while_sessions_end_are_dead<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user(&format!("ada{round}@example.com")).await.id();
        let racers = (0..RACERS).map(|n| {
            let (store, id) = (stage.store.clone(), ada.clone());
            let digest = TokenDigest::of(&format!("{round} {n}"));
            async move {
                if n == 0 {
                    let mut change = Change::new(NOW);
                    change.end_sessions = EndSessions::All;
                    store.update(&id, change).await.expect("update");
                } else {
                    let token = NewToken::new(id, BACKEND, digest, Epoch(0), NOW);
                    store.insert_token(token).await.expect("insert_token");
                }
                digest
            }
        });
        for digest in race(racers).await {
            assert!(!stage.is_alive(digest).await);
        }
    }
    stage.clear().await;
}

/// A token and the deletion of its user at the same moment leave neither a session nor an error.
pub async fn tokens_stored_while_their_user_is_deleted_are_dead<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user("ada@example.com").await.id();
        let racers = (0..RACERS).map(|n| {
            let (store, id) = (stage.store.clone(), ada.clone());
            let digest = TokenDigest::of(&format!("{round} {n}"));
            async move {
                if n == 0 {
                    let gone = store.delete(&id, Expected::new()).await.expect("delete");
                    assert_eq!(gone, Removed::Removed);
                } else {
                    let token = NewToken::new(id, BACKEND, digest, Epoch(0), NOW);
                    store.insert_token(token).await.expect("insert_token");
                }
                digest
            }
        });
        for digest in race(racers).await {
            assert!(!stage.is_alive(digest).await);
        }
        stage.user("ada@example.com").await;
        let again = stage.find_by_email("ada@example.com").await.expect("stored").id();
        for n in 0..RACERS {
            assert!(!stage.is_alive(TokenDigest::of(&format!("{round} {n}"))).await);
        }
        stage.delete(&again).await;
    }
    stage.clear().await;
}

/// However many tokens are looked at in one moment, each gives its own user or nobody, by what is stored of it alone.
pub async fn tokens_looked_at_together_are_told_apart<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let mut claims = Vec::new();
    for n in 0..12 {
        let id = stage.user(&format!("user{n}@example.com")).await.id();
        let own = |what: &str| format!("{what} of {n}");
        let good = stage.token(&id, &own("token"), Epoch(0)).await;
        let until = NOW.plus(MILLISECOND * n);
        let ending = stage.token_until(&id, &own("ending"), until).await;
        let ended = stage.token(&id, &own("ended"), Epoch(0)).await;
        stage.end_token(&ended).await;
        stage.revoke(&own("revoked"), NOW.plus(HOUR)).await;
        let personal = TokenDigest::of(&own("personal"));
        let token = NewPersonalToken::new(id.clone(), personal, own("personal"), Epoch(0), NOW, 9);
        let stored = stage.store.insert_personal_token(token).await;
        stored.expect("insert_personal_token");
        let elsewhere = Claim::Digest(OpaqueClaim::new(good, "elsewhere"));
        let personal = Claim::Personal(OpaqueClaim::new(personal, "personal"));
        claims.extend([
            (opaque::<F>(good), Some(id.clone())),
            (opaque::<F>(ending), (n > 0).then(|| id.clone())),
            (opaque::<F>(ended), None),
            (elsewhere, None),
            (personal, Some(id.clone())),
            (by_subject::<F>(&id, &own("jti"), Epoch(0)), Some(id.clone())),
            (by_subject::<F>(&id, "jti of all", Epoch(0)), Some(id.clone())),
            (by_subject::<F>(&id, &own("jti"), Epoch(1)), None),
            (by_subject::<F>(&id, &own("revoked"), Epoch(0)), None),
        ]);
    }
    let racers = claims
        .iter()
        .cycle()
        .take(claims.len() * 2)
        .map(|(claim, expected)| {
            let (store, claim, expected) = (stage.store.clone(), claim.clone(), expected.clone());
            async move {
                let signed_in = store.resolve(&claim, NOW).await.expect("resolve");
                let user = signed_in.map(|signed_in| signed_in.user.id());
                assert_eq!(user, expected, "{claim:?}");
            }
        });
    race(racers).await;
    stage.clear().await;
}
