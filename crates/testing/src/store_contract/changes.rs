//! Users are changed: wholly or not at all, and only where what is expected still holds.

use axum_users_core::{Applied, Change, EndSessions, Epoch, Expected, Inserted, NewUser, User, UserStore};

use super::{
    StoreFixture,
    stage::{ColumnsOf, Facts, HASH, NOW, RACERS, ROUNDS, Stage, applied, count, email, hash, mail, race},
};

/// Each value is written where it is named, and stays as it is where it is not.
pub async fn changes_write_what_they_name_and_nothing_else<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    let bob_before = stage.facts(&bob).await;
    let mut expected = stage.facts(&ada).await;
    for step in 0..6 {
        let mut change = Change::new(NOW);
        match step {
            0 => {
                change.set.email = Some(email("New.Ada@example.com"));
                "New.Ada@example.com".clone_into(&mut expected.email);
            }
            1 => {
                change.set.hashed_password = Some(hash("new"));
                expected.hashed_password = Some("new".to_owned());
            }
            2 => {
                change.set.is_active = Some(false);
                expected.is_active = false;
            }
            3 => {
                change.set.is_verified = Some(true);
                expected.is_verified = true;
            }
            4 => {
                change.set.is_superuser = Some(true);
                expected.is_superuser = true;
            }
            _ => {
                change.end_sessions = EndSessions::All;
                expected.epoch = Epoch(1);
            }
        }
        let answered = stage.apply(&ada, change).await;
        assert_eq!(answered.id(), ada);
        assert_eq!(Facts::of(&answered), expected, "the answer to step {step}");
        assert_eq!(
            stage.facts(&ada).await,
            expected,
            "what is stored after step {step}"
        );
    }
    assert_eq!(stage.facts(&bob).await, bob_before, "others are not touched");
    stage.clear().await;
}

/// A change that names nothing is applied, and so is one that names what is there already.
pub async fn changes_of_nothing_change_nothing<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let before = stage.facts(&ada).await;
    assert_eq!(Facts::of(&stage.apply(&ada, Change::new(NOW)).await), before);
    let mut change = Change::new(NOW);
    change.set.email = Some(email("ada@example.com"));
    change.set.hashed_password = Some(hash(HASH));
    change.set.is_active = Some(true);
    change.set.is_verified = Some(false);
    assert_eq!(Facts::of(&stage.apply(&ada, change).await), before);
    assert_eq!(stage.facts(&ada).await, before);
    stage.clear().await;
}

/// Nobody to change is an outcome of its own, and its mails are not kept.
pub async fn changes_of_unknown_users_are_missing<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let gone = stage.user("ada@example.com").await.id();
    stage.delete(&gone).await;
    for expects in [false, true] {
        let mut change = full_change::<F>("new@example.com");
        change.expect.is_active = expects.then_some(true);
        assert_eq!(applied(&stage.update(&gone, change).await), "missing");
    }
    assert!(stage.waiting().await.is_empty());
    stage.clear().await;
}

/// Each expectation alone, and all together, let a change through where they hold.
pub async fn changes_that_expect_what_is_there_are_applied<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("Ada@example.com").await.id();
    let epoch = stage.end_sessions(&ada, EndSessions::All).await;
    for expect in right(epoch) {
        let mut change = Change::new(NOW);
        change.expect = expect.clone();
        change.set.is_superuser = Some(true);
        assert_eq!(
            applied(&stage.update(&ada, change).await),
            "applied",
            "where {expect:?} holds"
        );
    }
    stage.clear().await;
}

/// One expectation that does not hold keeps everything from being written: columns, epoch, sessions, mails.
pub async fn changes_that_expect_something_else_write_nothing<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let digest = stage.token(&ada, "token", Epoch(0)).await;
    let before = stage.facts(&ada).await;
    for (what, expect) in wrong() {
        let mut change = full_change::<F>("new@example.com");
        change.expect = expect;
        let outcome = stage.update(&ada, change).await;
        assert_eq!(applied(&outcome), "stale", "{what}");
        assert_eq!(stage.facts(&ada).await, before, "{what}");
        assert!(stage.is_alive(digest).await, "{what}");
        assert!(stage.waiting().await.is_empty(), "{what}");
    }
    stage.clear().await;
}

/// All expectations must hold, not any of them.
pub async fn changes_are_stale_where_one_of_many_expectations_fails<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    for (what, wrong) in wrong() {
        let mut expect = all_right(Epoch(0));
        expect.hashed_password = wrong.hashed_password.or(expect.hashed_password);
        expect.no_password = wrong.no_password;
        expect.email = wrong.email.or(expect.email);
        expect.is_active = wrong.is_active.or(expect.is_active);
        expect.is_verified = wrong.is_verified.or(expect.is_verified);
        expect.epoch = wrong.epoch.or(expect.epoch);
        let mut change = full_change::<F>("new@example.com");
        change.expect = expect;
        assert_eq!(applied(&stage.update(&ada, change).await), "stale", "{what}");
    }
    stage.clear().await;
}

/// To have no password is something to expect as well, and not the same as an empty one; of eight first passwords at the
/// same moment one is stored.
pub async fn changes_that_expect_no_password_are_applied_once<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let address = email(&format!("ada{round}@example.com"));
        let new = NewUser::new(address, None, fixture.columns(), NOW);
        let Inserted::Created(ada) = stage.insert(new).await else {
            panic!("the address is free")
        };
        let mut change = Change::new(NOW);
        change.expect.hashed_password = Some(hash(""));
        assert_eq!(applied(&stage.update(&ada.id(), change).await), "stale");
        let racers = (0..RACERS).map(|n| {
            let (store, ada) = (stage.store.clone(), ada.clone());
            async move {
                let mut change = Change::new(NOW);
                change.expect.password_of(&ada);
                change.set.hashed_password = Some(hash(&format!("first {n}")));
                applied(&store.update(&ada.id(), change).await.expect("update"))
            }
        });
        let outcomes = race(racers).await;
        assert_eq!(count(&outcomes, "applied"), 1, "{outcomes:?}");
        assert_eq!(count(&outcomes, "stale"), RACERS - 1, "{outcomes:?}");
    }
    stage.clear().await;
}

/// Of eight changes at the same moment that expect the same hash, one is applied: a mailed token is good once.
pub async fn racing_changes_that_expect_one_hash_are_applied_once<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user(&format!("ada{round}@example.com")).await.id();
        let racers = (0..RACERS).map(|n| {
            let (store, id) = (stage.store.clone(), ada.clone());
            async move {
                let mut change = Change::new(NOW);
                change.expect.hashed_password = Some(hash(HASH));
                change.expect.is_active = Some(true);
                change.set.hashed_password = Some(hash(&format!("new {n}")));
                change.end_sessions = EndSessions::All;
                change.messages = vec![mail("changed")];
                let outcome = store.update(&id, change).await.expect("update");
                (applied(&outcome), n)
            }
        });
        let results = race(racers).await;
        let outcomes: Vec<_> = results.iter().map(|(outcome, _)| *outcome).collect();
        assert_eq!(count(&outcomes, "applied"), 1, "{outcomes:?}");
        assert_eq!(count(&outcomes, "stale"), RACERS - 1, "{outcomes:?}");
        let winner = results.iter().find(|(outcome, _)| *outcome == "applied");
        let (_, n) = winner.expect("one was applied");
        let after = stage.facts(&ada).await;
        assert_eq!(after.hashed_password, Some(format!("new {n}")));
        assert_eq!(after.epoch, Epoch(1));
        assert_eq!(stage.waiting().await.len(), 1);
    }
    stage.clear().await;
}

/// Changes of different columns at the same moment are all there afterwards.
pub async fn racing_changes_of_different_columns_lose_none<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user(&format!("ada{round}@example.com")).await.id();
        let address = format!("new{round}@example.com");
        let racers = (0..5).map(|n| {
            let (store, id, address) = (stage.store.clone(), ada.clone(), address.clone());
            async move {
                let mut change = Change::new(NOW);
                match n {
                    0 => change.set.email = Some(email(&address)),
                    1 => change.set.hashed_password = Some(hash("new")),
                    2 => change.set.is_active = Some(false),
                    3 => change.set.is_verified = Some(true),
                    _ => change.set.is_superuser = Some(true),
                }
                applied(&store.update(&id, change).await.expect("update"))
            }
        });
        let outcomes = race(racers).await;
        assert_eq!(count(&outcomes, "applied"), 5, "{outcomes:?}");
        let expected = Facts {
            email: address.clone(),
            hashed_password: Some("new".to_owned()),
            is_active: false,
            is_verified: true,
            is_superuser: true,
            epoch: Epoch(0),
        };
        assert_eq!(stage.facts(&ada).await, expected);
        assert!(stage.find_by_email(&address).await.is_some());
    }
    stage.clear().await;
}

/// An address that somebody has in another spelling keeps everything from being written, mails and sessions among it.
pub async fn changes_to_a_taken_address_write_nothing<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("jos\u{e9}@example.com").await.id();
    let digest = stage.token(&ada, "token", Epoch(0)).await;
    let (ada_before, bob_before) = (stage.facts(&ada).await, stage.facts(&bob).await);
    for taken in ["jos\u{e9}@example.com", "JOSE\u{301}@EXAMPLE.com"] {
        let outcome = stage.update(&ada, full_change::<F>(taken)).await;
        assert_eq!(applied(&outcome), "e-mail taken");
        assert_eq!(stage.facts(&ada).await, ada_before);
        assert_eq!(stage.facts(&bob).await, bob_before);
        assert!(stage.is_alive(digest).await, "no session ends");
        assert!(stage.waiting().await.is_empty(), "no mail is kept");
    }
    stage.clear().await;
}

/// After a change of address the user is found by the new one, and anybody may have the old one.
pub async fn changed_addresses_are_found_and_old_ones_are_free<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("jose@example.com").await.id();
    let mut change = Change::new(NOW);
    change.set.email = Some(email("Jos\u{e9}@example.com"));
    stage.apply(&ada, change).await;
    assert!(stage.find_by_email("jose@example.com").await.is_none());
    let found = stage.find_by_email("jose\u{301}@EXAMPLE.com").await;
    assert_eq!(found.map(|found| found.id()), Some(ada.clone()));
    let other = stage.user("jose@example.com").await.id();
    assert_ne!(other, ada);
    stage.clear().await;
}

/// Another spelling of one's own address is no conflict with oneself.
pub async fn changes_of_spelling_keep_the_user<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada.kay@example.com").await.id();
    let mut present = "ADA.kay@example.com";
    for spelling in [
        "Ada.Kay@example.com",
        "ADA.\u{ff2b}AY@example.com",
        "ada.kay@example.com",
    ] {
        let mut change = Change::new(NOW);
        change.expect.email = Some(present.to_owned());
        present = spelling;
        change.set.email = Some(email(spelling));
        let answered = stage.apply(&ada, change).await;
        assert_eq!(answered.email(), email(spelling).as_str());
        let found = stage
            .find_by_email("ada.kay@example.com")
            .await
            .expect("still found");
        assert_eq!(
            (found.id(), found.email()),
            (ada.clone(), email(spelling).as_str())
        );
    }
    stage.clear().await;
}

/// Of eight users who change to one address at the same moment, one gets it and the others keep theirs.
pub async fn racing_changes_to_one_address_have_one_winner<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let mut users = Vec::new();
        for n in 0..RACERS {
            let address = format!("user{round}.{n}@example.com");
            users.push((stage.user(&address).await.id(), address));
        }
        let wanted = format!("wanted{round}@example.com");
        let racers = users.clone().into_iter().enumerate().map(|(n, (id, _))| {
            let store = stage.store.clone();
            let spelling = if n % 2 == 0 {
                wanted.clone()
            } else {
                wanted.to_uppercase()
            };
            async move {
                let mut change = Change::new(NOW);
                change.set.email = Some(email(&spelling));
                change.end_sessions = EndSessions::All;
                applied(&store.update(&id, change).await.expect("update"))
            }
        });
        let outcomes = race(racers).await;
        assert_eq!(count(&outcomes, "applied"), 1, "{outcomes:?}");
        assert_eq!(count(&outcomes, "e-mail taken"), RACERS - 1, "{outcomes:?}");
        for ((id, address), outcome) in users.iter().zip(&outcomes) {
            let now = stage.facts(id).await;
            if *outcome == "applied" {
                let found = stage.find_by_email(&wanted).await.map(|found| found.id());
                assert_eq!(found.as_ref(), Some(id));
                assert_eq!(now.epoch, Epoch(1));
            } else {
                assert_eq!((&now.email, now.epoch), (address, Epoch(0)));
            }
        }
    }
    stage.clear().await;
}

/// A registration and a change of address at the same moment do not get the same address.
pub async fn registration_and_change_that_race_for_one_address_have_one_winner<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let id = stage.user(&format!("ada{round}@example.com")).await.id();
        let wanted = format!("wanted{round}@example.com");
        let new = stage.new_user(&wanted.to_uppercase());
        let (registering, changing) = (stage.store.clone(), stage.store.clone());
        let mut change = Change::<ColumnsOf<F>>::new(NOW);
        change.set.email = Some(email(&wanted));
        let register = tokio::spawn(async move {
            let outcome = registering.insert(new, &|_| Vec::new()).await.expect("insert");
            matches!(outcome, Inserted::Created(_))
        });
        let update = tokio::spawn(async move {
            let outcome = changing.update(&id, change).await.expect("update");
            matches!(outcome, Applied::Applied(_))
        });
        let registered = register.await.expect("no racer panics");
        let changed = update.await.expect("no racer panics");
        assert!(
            registered ^ changed,
            "one of them, not {registered} and {changed}"
        );
        assert!(stage.find_by_email(&wanted).await.is_some());
    }
    stage.clear().await;
}

/// A login that stores a better hash of the old password never wins over a new password, which is either stored for good
/// or told that the hash has changed.
pub async fn upgraded_hashes_never_undo_a_new_password<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS * 2 {
        let expects = round % 2 == 0;
        let ada = stage.user(&format!("ada{round}@example.com")).await.id();
        let racers = (0..RACERS).map(|n| {
            let (store, id) = (stage.store.clone(), ada.clone());
            async move {
                let is_new_password = n == RACERS / 2;
                let mut change = Change::new(NOW);
                if !is_new_password || expects {
                    change.expect.hashed_password = Some(hash(HASH));
                }
                let to = if is_new_password { "new" } else { "upgraded" };
                change.set.hashed_password = Some(hash(to));
                (
                    is_new_password,
                    applied(&store.update(&id, change).await.expect("update")),
                )
            }
        });
        let results = race(racers).await;
        let stored = stage.facts(&ada).await.hashed_password;
        let (_, outcome) = results.iter().find(|(is_new, _)| *is_new).expect("it took part");
        match *outcome {
            "applied" => assert_eq!(stored.as_deref(), Some("new")),
            "stale" if expects => assert_eq!(stored.as_deref(), Some("upgraded")),
            other => panic!("a new password is {other}"),
        }
    }
    stage.clear().await;
}

/// Mails of a change are kept, and so are mails that no change goes with.
pub async fn mails_of_a_change_are_kept_with_it<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let mut change = Change::new(NOW);
    change.messages = vec![mail("one"), mail("two")];
    stage.apply(&ada, change).await;
    stage
        .store
        .enqueue(vec![mail("three")], NOW)
        .await
        .expect("enqueue");
    stage.store.enqueue(Vec::new(), NOW).await.expect("enqueue");
    let mut texts: Vec<_> = stage.waiting().await.into_iter().map(|mail| mail.text).collect();
    texts.sort();
    assert_eq!(texts, ["one", "three", "two"]);
    stage.clear().await;
}

/// A change that writes whatever can be written.
fn full_change<F: StoreFixture>(address: &str) -> Change<ColumnsOf<F>> {
    let mut change = Change::new(NOW);
    change.set.email = Some(email(address));
    change.set.hashed_password = Some(hash("new"));
    change.set.is_active = Some(false);
    change.set.is_verified = Some(true);
    change.set.is_superuser = Some(true);
    change.end_sessions = EndSessions::All;
    change.messages = vec![mail("changed")];
    change
}

/// All that holds for a new user `ada@example.com` at `epoch`.
fn all_right(epoch: Epoch) -> Expected {
    let mut expect = Expected::new();
    expect.hashed_password = Some(hash(HASH));
    expect.email = Some("ADA@example.com".to_owned());
    expect.is_active = Some(true);
    expect.is_verified = Some(false);
    expect.epoch = Some(epoch);
    expect
}

/// Each expectation that holds, alone, and all of them together.
fn right(epoch: Epoch) -> Vec<Expected> {
    let all = all_right(epoch);
    let mut one_by_one = vec![Expected::new(); 5];
    for (n, expect) in one_by_one.iter_mut().enumerate() {
        match n {
            0 => expect.hashed_password.clone_from(&all.hashed_password),
            1 => expect.email.clone_from(&all.email),
            2 => expect.is_active = all.is_active,
            3 => expect.is_verified = all.is_verified,
            _ => expect.epoch = all.epoch,
        }
    }
    one_by_one.push(all);
    one_by_one
}

/// Expectations that do not hold for a new user `ada@example.com`, each alone.
fn wrong() -> Vec<(&'static str, Expected)> {
    let mut wrong = Vec::new();
    let mut add = |what, set: &dyn Fn(&mut Expected)| {
        let mut expect = Expected::new();
        set(&mut expect);
        wrong.push((what, expect));
    };
    let other_case = HASH.to_uppercase();
    add("another hash", &|expect| {
        expect.hashed_password = Some(hash("other"));
    });
    add("a hash in capitals", &|expect| {
        expect.hashed_password = Some(hash(&other_case));
    });
    add("a hash with a blank behind it", &|expect| {
        expect.hashed_password = Some(hash(&format!("{HASH} ")));
    });
    add("an empty hash", &|expect| expect.hashed_password = Some(hash("")));
    add("no password", &|expect| expect.no_password = true);
    add("another address", &|expect| {
        expect.email = Some("bob@example.com".to_owned());
    });
    add("an address with an accent", &|expect| {
        expect.email = Some("\u{e1}da@example.com".to_owned());
    });
    add("an address of the same normal form", &|expect| {
        expect.email = Some("\u{ff41}da@example.com".to_owned());
    });
    add("an inactive user", &|expect| expect.is_active = Some(false));
    add("a confirmed address", &|expect| expect.is_verified = Some(true));
    add("a later epoch", &|expect| expect.epoch = Some(Epoch(1)));
    wrong
}
