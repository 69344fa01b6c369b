//! Users are stored, found and removed.

use axum_users_core::{
    EndSessions, Epoch, Expected, Inserted, ListUsers, NewUser, Rehearsed, Removed, User, UserQuery,
    UserStore,
};

use super::{
    StoreFixture,
    stage::{
        Facts, HASH, HOUR, NOW, RACERS, ROUNDS, Stage, by_subject, count, email, inserted, mail, opaque, race,
    },
};

/// Spellings of one address.
const SAME: &[(&str, &str)] = &[
    ("ada@example.com", "ADA@example.com"),
    ("bob@example.com", "bob@EXAMPLE.COM"),
    ("cleo@example.com", "  cleo@example.com "),
    ("dora@example.com", "dora@ｅｘａｍｐｌｅ.com"),
    ("emil@example.com", "ｅｍｉｌ@example.com"),
    ("jos\u{e9}@example.com", "jose\u{301}@example.com"),
    ("\u{c5}sa@example.com", "a\u{30a}sa@example.com"),
    ("kay@example.com", "\u{212a}ay@example.com"),
    ("fi@example.com", "\u{fb01}@example.com"),
    ("ΣΟΦΟΣ@example.com", "σοφος@example.com"),
    ("igor@m\u{fc}nchen.de", "IGOR@xn--mnchen-3ya.de"),
    ("stra\u{1e9e}e@example.com", "straße@example.com"),
];

/// Addresses that some collation of some database takes for one.
const DIFFERENT: &[(&str, &str)] = &[
    ("jose@example.com", "jos\u{e9}@example.com"),
    ("ilker@example.com", "\u{131}lker@example.com"),
    ("izmir@example.com", "\u{130}zmir@example.com"),
    ("strasse@example.com", "stra\u{df}e@example.com"),
    ("kobenhavn@example.com", "k\u{f8}benhavn@example.com"),
    ("muller@example.com", "m\u{fc}ller@example.com"),
    ("mueller@example.com", "m\u{fc}ller@example.com"),
    ("aether@example.com", "\u{e6}ther@example.com"),
    ("anna@example.com", "\u{430}nna@example.com"),
    ("kana\u{304b}@example.com", "kana\u{30ab}@example.com"),
    ("kana\u{304b}@example.com", "kana\u{304c}@example.com"),
    ("a.b@example.com", "ab@example.com"),
    ("tag@example.com", "tag+1@example.com"),
    ("under_score@example.com", "underxscore@example.com"),
    ("percent%@example.com", "percent1@example.com"),
    ("end@example.com", "end@example.com.example"),
    ("0@example.com", "00@example.com"),
    ("1e1@example.com", "10@example.com"),
    ("ada@example.com", "ada@xn--exmple-cua.com"),
    ("\u{10400}@example.com", "\u{10429}@example.com"),
    ("\u{20000}@example.com", "\u{20001}@example.com"),
];

/// All that a new user comes with is stored, and found by key, by address and by login.
pub async fn new_users_are_stored_as_they_are_given<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for flags in 0_u8..8 {
        let address = format!("Ada.{flags}@Example.com");
        let mut new = stage.new_user(&address);
        new.is_active = flags & 1 != 0;
        new.is_verified = flags & 2 != 0;
        new.is_superuser = flags & 4 != 0;
        let expected = Facts {
            email: format!("Ada.{flags}@example.com"),
            hashed_password: Some(HASH.to_owned()),
            is_active: new.is_active,
            is_verified: new.is_verified,
            is_superuser: new.is_superuser,
            epoch: Epoch(0),
        };
        let Inserted::Created(user) = stage.insert(new).await else {
            panic!("the address is free")
        };
        assert_eq!(user.email(), expected.email, "the answer is the stored user");
        assert_eq!(stage.facts(&user.id()).await, expected);
        let by_email = stage.find_by_email(&address).await.expect("found by address");
        assert_eq!(
            (by_email.id(), Facts::of(&by_email)),
            (user.id(), expected.clone())
        );
        let by_login = stage.store.find_by_login(&address).await.expect("find_by_login");
        assert_eq!(Facts::of(&by_login.expect("found by login")), expected);
    }
    stage.clear().await;
}

/// A user may have no password, which is not the same as an empty one.
pub async fn users_without_password_are_stored<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let new = NewUser::new(email("ada@example.com"), None, fixture.columns(), NOW);
    let Inserted::Created(user) = stage.insert(new).await else {
        panic!("the address is free")
    };
    assert_eq!(user.hashed_password(), None);
    assert_eq!(stage.facts(&user.id()).await.hashed_password, None);
    stage.clear().await;
}

/// "Not found" is no error, whatever was looked for.
pub async fn unknown_users_are_none<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    assert!(stage.find_by_email("ada@example.com").await.is_none());
    let gone = stage.user("gone@example.com").await.id();
    stage.delete(&gone).await;
    stage.user("bob@example.com").await;
    assert!(stage.find(&gone).await.is_none());
    assert!(stage.find_by_email("ada@example.com").await.is_none());
    for login in [
        "ada@example.com",
        "",
        " ",
        "no address",
        "%",
        "'; --",
        "bob",
        "a\0b@example.com",
    ] {
        let found = stage.store.find_by_login(login).await.expect("find_by_login");
        assert!(found.is_none(), "{login:?} finds nobody");
    }
    stage.clear().await;
}

/// Whoever spells the address otherwise is the same user.
pub async fn users_are_found_by_any_spelling_of_their_address<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for (stored, typed) in SAME {
        let user = stage.user(stored).await;
        let by_email = stage.find_by_email(typed).await;
        assert_eq!(by_email.map(|found| found.id()), Some(user.id()), "{typed:?}");
        let by_login = stage.store.find_by_login(typed).await.expect("find_by_login");
        assert_eq!(by_login.map(|found| found.id()), Some(user.id()), "{typed:?}");
        let names = [stored, typed].map(|login| stage.store.login_name(login));
        assert_eq!(names[0], names[1], "{typed:?}: tries are counted under one name");
    }
    stage.clear().await;
}

/// Two spellings with one normal form cannot both be registered, in either order.
pub async fn emails_are_unique_by_normal_form<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for (one, other) in SAME {
        for (first, second) in [(one, other), (other, one)] {
            let user = stage.user(first).await;
            let outcome = stage.insert(stage.new_user(second)).await;
            assert_eq!(inserted(&outcome), "e-mail taken", "{second:?} after {first:?}");
            assert_eq!(stage.facts(&user.id()).await.email, email(first).as_str());
            stage.delete(&user.id()).await;
        }
    }
    stage.clear().await;
}

/// What looks alike to the collation of a database stays two users, each found by their own address alone.
pub async fn emails_of_different_normal_form_are_different_users<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for (one, other) in DIFFERENT {
        let first = stage.user(one).await.id();
        assert!(
            stage.find_by_email(other).await.is_none(),
            "{other:?} is not {one:?}"
        );
        let outcome = stage.insert(stage.new_user(other)).await;
        let Inserted::Created(second) = outcome else {
            panic!("{other:?} is free beside {one:?}, not {}", inserted(&outcome))
        };
        for (address, id) in [(one, &first), (other, &second.id())] {
            let found = stage.find_by_email(address).await.map(|found| found.id());
            assert_eq!(found.as_ref(), Some(id), "{address:?}");
        }
        stage.delete(&first).await;
        stage.delete(&second.id()).await;
    }
    stage.clear().await;
}

/// Of eight registrations of one address at the same moment, however it is spelled, one succeeds and seven are told that
/// the address is taken.
pub async fn racing_registrations_of_one_address_make_one_user<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let spellings = [
            format!("jos\u{e9}.kay{round}@example.com"),
            format!("JOS\u{c9}.KAY{round}@EXAMPLE.COM"),
            format!("jose\u{301}.kay{round}@example.com"),
            format!("jos\u{e9}.\u{212a}ay{round}@example.com"),
            format!("ｊｏｓ\u{e9}.kay{round}@example.com"),
            format!("jos\u{e9}.kay{round}@ｅｘａｍｐｌｅ.com"),
            format!("  Jos\u{e9}.Kay{round}@Example.Com "),
            format!("josE\u{301}.kaY{round}@example.com"),
        ];
        let racers = spellings.map(|spelling| {
            let (store, new) = (stage.store.clone(), stage.new_user(&spelling));
            async move {
                let outcome = store
                    .insert(new, &|_| vec![mail("Welcome")])
                    .await
                    .expect("insert");
                (inserted(&outcome), spelling)
            }
        });
        let results = race(racers).await;
        let outcomes: Vec<_> = results.iter().map(|(outcome, _)| *outcome).collect();
        assert_eq!(count(&outcomes, "created"), 1, "{outcomes:?}");
        assert_eq!(count(&outcomes, "e-mail taken"), RACERS - 1, "{outcomes:?}");
        let winner = results.iter().find(|(outcome, _)| *outcome == "created");
        let (_, spelling) = winner.expect("one was created");
        let found = stage.find_by_email(spelling).await.expect("the winner is stored");
        assert_eq!(
            found.email(),
            email(spelling).as_str(),
            "as the winner spelled it"
        );
        assert_eq!(stage.waiting().await.len(), 1, "only the winner gets a mail");
    }
    stage.clear().await;
}

/// Registrations of different addresses at the same moment all succeed.
pub async fn racing_registrations_of_many_addresses_lose_none<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let addresses: Vec<_> = (0..RACERS)
            .map(|n| format!("ada{round}.{n}@example.com"))
            .collect();
        let racers = addresses.iter().map(|address| {
            let (store, new) = (stage.store.clone(), stage.new_user(address));
            async move {
                inserted(
                    &store
                        .insert(new, &|_| vec![mail("Welcome")])
                        .await
                        .expect("insert"),
                )
            }
        });
        let outcomes = race(racers).await;
        assert_eq!(count(&outcomes, "created"), RACERS, "{outcomes:?}");
        for address in &addresses {
            assert!(
                stage.find_by_email(address).await.is_some(),
                "{address} is not lost"
            );
        }
        assert_eq!(stage.waiting().await.len(), RACERS);
    }
    stage.clear().await;
}

/// Mails that go with a registration are written when the key is known, and kept with the user.
pub async fn mails_of_a_new_user_are_composed_for_the_stored_user<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let new = stage.new_user("Ada@example.com");
    let outcome = stage
        .store
        .insert(new, &|user| {
            let text = format!("{} {}", user.id(), user.email());
            vec![mail(&text), mail("second")]
        })
        .await
        .expect("insert");
    let Inserted::Created(user) = outcome else {
        panic!("the address is free")
    };
    let mut texts: Vec<_> = stage.waiting().await.into_iter().map(|mail| mail.text).collect();
    texts.sort();
    let mut expected = [format!("{} Ada@example.com", user.id()), "second".to_owned()];
    expected.sort();
    assert_eq!(texts, expected);
    stage.clear().await;
}

/// Nobody gets a mail for an account that was not made.
pub async fn mails_of_a_refused_registration_are_not_kept<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    stage.user("ada@example.com").await;
    let new = stage.new_user("ADA@example.com");
    let outcome = stage
        .store
        .insert(new, &|_| vec![mail("Welcome")])
        .await
        .expect("insert");
    assert_eq!(inserted(&outcome), "e-mail taken");
    assert!(stage.waiting().await.is_empty());
    stage.clear().await;
}

/// A rehearsal keeps its mails, and nobody is there afterwards: neither under the address nor in a list.
pub async fn rehearsals_keep_their_mails_and_store_nobody<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let before = stage.facts(&ada).await;
    for address in ["ADA@example.com", "bob@example.com"] {
        let new = stage.new_user(address);
        let outcome = stage.store.rehearse(new, vec![mail("Welcome back")]).await;
        let outcome = outcome.expect("the store is up");
        assert!(matches!(outcome, Rehearsed::Done), "{outcome:?}");
    }
    assert_eq!(stage.waiting().await.len(), 2);
    assert_eq!(stage.facts(&ada).await, before);
    assert!(stage.find_by_email("bob@example.com").await.is_none());
    let all = stage
        .store
        .list(&UserQuery::new(10))
        .await
        .expect("the store is up");
    assert_eq!(all.len(), 1);
    stage.clear().await;
}

/// With a user go their tokens and their epoch; deleting again finds nobody, and the address is free.
pub async fn deleted_users_are_gone_with_their_sessions<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let epoch = stage.end_sessions(&ada, EndSessions::All).await;
    let digest = stage.token(&ada, "token", epoch).await;
    let other = stage.user("bob@example.com").await.id();
    stage.token_until(&ada, "expired", NOW.minus(HOUR)).await;
    stage.token_until(&other, "expired too", NOW.minus(HOUR)).await;
    assert!(stage.delete(&ada).await);
    assert!(!stage.delete(&ada).await, "a second time there is nobody");
    assert_eq!(
        stage.purge(NOW, 100).await,
        axum_users_core::Purged::new(1, 0),
        "of their tokens there is none to clear up"
    );
    assert!(stage.find(&ada).await.is_none());
    assert!(stage.find_by_email("ada@example.com").await.is_none());
    assert!(!stage.is_alive(digest).await);
    assert!(!stage.is_good(&by_subject::<F>(&ada, "jti", epoch)).await);
    let again = stage.user("ada@example.com").await;
    assert_eq!(stage.facts(&again.id()).await.epoch, Epoch(0));
    assert!(!stage.is_alive(digest).await, "a new account has no old sessions");
    stage.clear().await;
}

/// A user whose sessions were ended, or whose password was changed, is not deleted by who knew them before.
pub async fn users_are_deleted_only_as_they_are_expected<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await;
    let mut expect = Expected::new();
    expect.password_of(&ada);
    expect.epoch = Some(Epoch(0));
    let ada = ada.id();
    let epoch = stage.end_sessions(&ada, EndSessions::All).await;
    let digest = stage.token(&ada, "token", epoch).await;
    let before = stage.facts(&ada).await;
    let removed = stage.store.delete(&ada, expect.clone()).await;
    assert_eq!(removed.expect("delete"), Removed::Stale);
    assert_eq!(stage.facts(&ada).await, before);
    assert!(stage.is_alive(digest).await);
    expect.epoch = Some(epoch);
    let removed = stage.store.delete(&ada, expect.clone()).await;
    assert_eq!(removed.expect("delete"), Removed::Removed);
    let again = stage.store.delete(&ada, expect).await;
    assert_eq!(again.expect("delete"), Removed::Missing);
    stage.clear().await;
}

/// Deleting a user touches nobody else.
pub async fn deleting_a_user_leaves_the_others<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    let epoch = stage.end_sessions(&bob, EndSessions::All).await;
    let digest = stage.token(&bob, "token", epoch).await;
    let before = stage.facts(&bob).await;
    assert!(stage.delete(&ada).await);
    assert_eq!(stage.facts(&bob).await, before);
    assert_eq!(
        stage.resolve(&opaque::<F>(digest), NOW).await,
        Some(bob),
        "sessions of others live"
    );
    stage.clear().await;
}

/// A new user never gets the key of a deleted one, or a self-contained token of the one would sign in the other.
pub async fn keys_of_deleted_users_are_not_given_out_again<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let mut seen = Vec::new();
    for _ in 0..3 {
        let id = stage.user("ada@example.com").await.id();
        assert!(!seen.contains(&id), "the key {id} was somebody else's");
        stage.delete(&id).await;
        seen.push(id);
    }
    stage.clear().await;
}

/// Of eight deletions of one user at the same moment, one finds them.
pub async fn racing_deletions_delete_once<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for _ in 0..ROUNDS {
        let ada = stage.user("ada@example.com").await.id();
        stage.token(&ada, "token", Epoch(0)).await;
        let racers = (0..RACERS).map(|_| {
            let (store, id) = (stage.store.clone(), ada.clone());
            async move { store.delete(&id, Expected::new()).await.expect("delete") == Removed::Removed }
        });
        let found = race(racers).await.into_iter().filter(|found| *found).count();
        assert_eq!(found, 1);
    }
    stage.clear().await;
}
