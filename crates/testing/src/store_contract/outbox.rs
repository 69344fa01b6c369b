//! Mails are kept until they are sent.

use std::{collections::BTreeSet, time::Duration};

use axum_users_core::{Leased, Message, MessageKind, Outbox, Timestamp, UserStore};

use super::{
    StoreFixture,
    stage::{HOUR, MILLISECOND, NOW, RACERS, Stage, mail, race},
};

const LEASE: Duration = Duration::from_mins(1);

impl<F: StoreFixture> Stage<'_, F> {
    async fn enqueue(&self, messages: Vec<Message>) {
        self.store.enqueue(messages, NOW).await.expect("enqueue");
    }

    async fn lease(&self, limit: u32, now: Timestamp) -> Vec<Leased> {
        self.store.lease(limit, now, LEASE).await.expect("lease")
    }

    async fn lease_one(&self, now: Timestamp) -> Leased {
        let mut leased = self.lease(10, now).await;
        assert_eq!(leased.len(), 1, "one mail is due");
        leased.pop().expect("one mail is due")
    }
}

/// Kind, address, subject and bodies come back as they were, whatever letters are in them.
pub async fn mails_are_given_out_as_they_were_kept<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let kinds = [
        MessageKind::Verify,
        MessageKind::ResetPassword,
        MessageKind::Other,
    ];
    let long = "\u{1f98a} <a href=\"https://app.example/#token=a.b.c\">'\\%_\r\n".repeat(500);
    let mut kept = Vec::new();
    for kind in kinds {
        kept.push(Message::new(
            kind,
            "Jos\u{e9}@xn--mnchen-3ya.de",
            "Hello, \u{1f98a}",
            "plain",
        ));
        kept.push(Message::new(kind, "ada@example.com", "", &*long).with_html(&*long));
        kept.push(Message::new(kind, "bob@example.com", "empty", "").with_html(""));
    }
    stage.enqueue(kept.clone()).await;
    let mut leased = stage.lease(100, NOW).await;
    leased.sort_by_key(|leased| leased.id);
    assert_eq!(leased.len(), kept.len());
    for (leased, kept) in leased.iter().zip(&kept) {
        assert_eq!(leased.message.kind, kept.kind);
        assert_eq!(leased.message.to, kept.to);
        assert_eq!(leased.message.subject, kept.subject);
        assert_eq!(leased.message.text, kept.text);
        assert_eq!(leased.message.html, kept.html);
        assert_eq!(leased.attempts, 0);
    }
    stage.clear().await;
}

/// A leased mail is nobody else's; it is due again at the end of the lease, so that a killed worker loses none.
pub async fn leased_mails_belong_to_one_worker_until_the_lease_ends<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    stage.enqueue(vec![mail("once")]).await;
    let first = stage.lease_one(NOW).await;
    let end = NOW.plus(LEASE);
    assert!(stage.lease(10, NOW).await.is_empty());
    assert!(stage.lease(10, end.minus(MILLISECOND)).await.is_empty());
    let second = stage.lease_one(end).await;
    assert_eq!(second.id, first.id);
    assert_eq!((first.attempts, second.attempts), (0, 1), "attempts are counted");
    let third = stage.lease_one(end.plus(LEASE)).await;
    assert_eq!((third.attempts, third.message.text.as_str()), (2, "once"));
    stage.clear().await;
}

/// A worker gets no more than it asks for, and the others get the rest.
pub async fn leases_take_no_more_than_their_limit<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    assert!(stage.lease(10, NOW).await.is_empty(), "nothing to send at first");
    stage
        .enqueue((0..7).map(|n| mail(&n.to_string())).collect())
        .await;
    let mut ids = BTreeSet::new();
    for expected in [3, 3, 1, 0] {
        let leased = stage.lease(3, NOW).await;
        assert_eq!(leased.len(), expected);
        ids.extend(leased.into_iter().map(|leased| leased.id));
    }
    assert_eq!(ids.len(), 7);
    stage.clear().await;
}

/// Eight workers at the same moment get every mail, and none of them twice.
pub async fn parallel_workers_get_each_mail_once<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let all: BTreeSet<String> = (0..60).map(|n| format!("mail {n}")).collect();
    stage.enqueue(all.iter().map(|text| mail(text)).collect()).await;
    let workers = (0..RACERS).map(|_| {
        let store = stage.store.clone();
        async move {
            let mut got = Vec::new();
            let mut idle = 0;
            while idle < 3 {
                let leased = store.lease(3, NOW, LEASE).await.expect("lease");
                idle = if leased.is_empty() { idle + 1 } else { 0 };
                for leased in leased {
                    store.sent(leased.id, NOW).await.expect("sent");
                    got.push(leased.message.text);
                }
            }
            got
        }
    });
    let mut got: Vec<String> = race(workers).await.into_iter().flatten().collect();
    // A worker may find all rows locked by others and go home early; what it left is still there.
    got.extend(stage.waiting().await.into_iter().map(|mail| mail.text));
    assert_eq!(got.len(), all.len(), "no mail is sent twice");
    assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), all, "no mail is lost");
    stage.clear().await;
}

/// A mail that could not be sent is due again at the moment that was named, not earlier.
pub async fn retried_mails_wait_for_their_time<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    stage.enqueue(vec![mail("again")]).await;
    let first = stage.lease_one(NOW).await;
    let at = NOW.plus(HOUR);
    stage.store.retry(first.id, at).await.expect("retry");
    assert!(stage.lease(10, NOW.plus(LEASE)).await.is_empty());
    assert!(stage.lease(10, at.minus(MILLISECOND)).await.is_empty());
    let second = stage.lease_one(at).await;
    assert_eq!((second.id, second.attempts), (first.id, 1));
    assert_eq!(second.message.text, "again");
    stage.clear().await;
}

/// A mail that its worker gives back untried has not lost one of its tries.
pub async fn released_mails_lose_no_try<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    stage.enqueue(vec![mail("untried")]).await;
    let mut now = NOW;
    for _ in 0..3 {
        let leased = stage.lease_one(now).await;
        assert_eq!(leased.attempts, 0);
        let at = now.plus(HOUR);
        stage.store.release(leased.id, at).await.expect("release");
        assert!(stage.lease(10, at.minus(MILLISECOND)).await.is_empty());
        now = at;
    }
    let tried = stage.lease_one(now).await;
    stage.store.retry(tried.id, now).await.expect("retry");
    let leased = stage.lease_one(now).await;
    assert_eq!(leased.attempts, 1);
    stage.store.release(leased.id, now).await.expect("release");
    assert_eq!(
        stage.lease_one(now).await.attempts,
        1,
        "a try before counts still"
    );
    stage.clear().await;
}

/// A mail that was sent or given up is never leased again, not even after a late retry, and neither its address nor its
/// link is kept.
pub async fn finished_mails_never_come_back_and_are_erased<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let secret = |n: u8| {
        let link = format!("https://app.example/#token=secret{n}");
        Message::new(
            MessageKind::Verify,
            format!("ada{n}@secret.example"),
            "Hello",
            &*link,
        )
        .with_html(link)
    };
    stage.enqueue(vec![secret(0), secret(1), secret(2)]).await;
    let leased = stage.lease(2, NOW).await;
    let [sent, given_up] = leased.as_slice() else {
        panic!("two mails are leased")
    };
    stage.store.sent(sent.id, NOW).await.expect("sent");
    stage.store.give_up(given_up.id, NOW).await.expect("give_up");
    for id in [sent.id, given_up.id] {
        stage.store.retry(id, NOW).await.expect("retry");
        stage.store.release(id, NOW).await.expect("release");
    }
    stage
        .store
        .sent(sent.id, NOW)
        .await
        .expect("a second time is no error");
    if let Some(text) = fixture.outbox_text(&stage.store).await {
        assert_eq!(text.matches("secret.example").count(), 1, "one address waits");
        assert_eq!(
            text.matches("#token=secret").count(),
            2,
            "one link waits, in two bodies"
        );
    }
    let later = stage.lease(10, NOW.plus(HOUR * 24 * 365)).await;
    assert_eq!(later.len(), 1, "only the mail that waits");
    assert!(
        later
            .iter()
            .all(|leased| leased.id != sent.id && leased.id != given_up.id)
    );
    stage.clear().await;
}

/// A decoy costs what a mail costs: it is kept, leased and finished like one, and stays a decoy.
pub async fn decoys_are_kept_like_mails<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    stage
        .enqueue(vec![mail("decoy").into_decoy(), mail("real")])
        .await;
    let mut leased = stage.lease(10, NOW).await;
    leased.sort_by_key(|leased| leased.id);
    let decoys: Vec<_> = leased.iter().map(|leased| leased.message.is_decoy()).collect();
    assert_eq!(decoys, [true, false]);
    for leased in leased {
        stage.store.sent(leased.id, NOW).await.expect("sent");
    }
    assert!(stage.lease(10, NOW.plus(HOUR)).await.is_empty());
    stage.clear().await;
}

/// A worker that was slow may note an outcome for a row that has been cleared away.
pub async fn outcomes_of_unknown_mails_are_no_error<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    stage.store.sent(987_654, NOW).await.expect("sent");
    stage.store.give_up(987_654, NOW).await.expect("give_up");
    stage.store.retry(987_654, NOW).await.expect("retry");
    stage.store.release(987_654, NOW).await.expect("release");
    assert!(stage.lease(10, NOW.plus(HOUR)).await.is_empty());
    stage.clear().await;
}
