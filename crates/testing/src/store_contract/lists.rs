//! Users are listed.

use axum_users_core::{ListUsers as _, User, UserQuery};

use super::{
    StoreFixture,
    stage::{Stage, key},
};

/// Addresses whose order depends on who sorts them.
const MANY: &[&str] = &[
    "zoe@example.com",
    "Ada@example.com",
    "ada-b@example.com",
    "ada_b@example.com",
    "ada.b@example.com",
    "ada+b@example.com",
    "ada%b@example.com",
    "adab@example.com",
    "ada@example.net",
    "ada'b@example.com",
    "o'neil@example.com",
    "0@example.com",
    "10@example.com",
    "9@example.com",
    "{x}@example.com",
    "~x@example.com",
    "jose@example.com",
    "jos\u{e9}@example.com",
    "josf@example.com",
    "\u{e9}mile@example.com",
    "emile@example.com",
    "stra\u{df}e@example.com",
    "strasse@example.com",
    "\u{131}lker@example.com",
    "ilker@example.com",
    "\u{65e5}\u{672c}@example.com",
    "\u{65e5}\u{66dc}@example.com",
    "\u{ff21}bc@example.com",
    "\u{20000}@example.com",
];

impl<F: StoreFixture> Stage<'_, F> {
    async fn keys(&self, query: &UserQuery) -> Vec<String> {
        let users = self.store.list(query).await.expect("list");
        users.iter().map(|user| key(user.email()).into_string()).collect()
    }

    /// Stores all of [`MANY`] and answers their keys in byte order.
    async fn many(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for address in MANY {
            self.user(address).await;
            keys.push(key(address).into_string());
        }
        keys.sort();
        keys
    }
}

/// The order of a list is that of the bytes of the normal form, on every database the same.
pub async fn lists_are_in_byte_order<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    assert!(
        stage.keys(&UserQuery::new(100)).await.is_empty(),
        "nobody at first"
    );
    let all = stage.many().await;
    assert_eq!(stage.keys(&UserQuery::new(100)).await, all);
    stage.clear().await;
}

/// Page after page shows every user once, whatever the size of the pages, and also where the last user of a page is
/// deleted before the next is asked for.
pub async fn pages_are_complete_without_gaps_and_repeats<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let all = stage.many().await;
    for size in [1, 2, 7, 100] {
        let mut seen = Vec::new();
        let mut query = UserQuery::new(size);
        loop {
            let page = stage.keys(&query).await;
            assert!(page.len() <= size as usize, "a page has at most {size}");
            let Some(last) = page.last() else { break };
            query.after = Some(key(last));
            seen.extend(page);
        }
        assert_eq!(seen, all, "in pages of {size}");
    }
    let mut query = UserQuery::new(5);
    let first = stage.store.list(&query).await.expect("list");
    let last = first.last().expect("there are five users");
    query.after = Some(key(last.email()));
    stage.delete(&last.id()).await;
    let second = stage.keys(&query).await;
    assert_eq!(second.first(), all.get(5));
    stage.clear().await;
}

/// A list of exactly one address has that user or nobody.
pub async fn lists_of_one_address_have_one_user<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let all = stage.many().await;
    for one in &all {
        let mut query = UserQuery::new(100);
        query.email = Some(key(one));
        assert_eq!(stage.keys(&query).await, std::slice::from_ref(one));
        query.after = Some(key(one));
        assert!(
            stage.keys(&query).await.is_empty(),
            "nobody comes after themselves"
        );
    }
    let mut query = UserQuery::new(100);
    query.email = Some(key("nobody@example.com"));
    assert!(stage.keys(&query).await.is_empty());
    stage.clear().await;
}

/// A prefix means its own bytes: no character of it is a wildcard, an escape or a quote, and no collation makes it match
/// more.
pub async fn prefixes_are_plain_text<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let all = stage.many().await;
    let prefixes = [
        "",
        "a",
        "ada",
        "ada@",
        "ada_",
        "ada%",
        "ada.",
        "ada+",
        "ada'",
        "ada-",
        "ada*",
        "ada?",
        "ADA",
        "Ada",
        "ada ",
        " ada",
        "%",
        "_",
        "\\",
        "\\%",
        "'",
        "''",
        "\"",
        "`",
        "o'",
        "[a]",
        "{",
        "jos",
        "jose",
        "jos\u{e9}",
        "jose\u{301}",
        "\u{e9}",
        "e",
        "stra\u{df}",
        "strass",
        "\u{131}",
        "i",
        "\u{65e5}",
        "\u{65e5}\u{672c}",
        "\u{20000}",
        "0",
        "z",
        "zz",
        "\u{d7ff}",
        "\u{10ffff}",
        "a\u{10ffff}",
        "--",
        "; DROP TABLE users",
        "ada@example.com",
        "ada@example.com ",
    ];
    for prefix in prefixes {
        let mut query = UserQuery::new(100);
        query.email_prefix = Some(prefix.to_owned());
        let expected: Vec<_> = all
            .iter()
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect();
        assert_eq!(stage.keys(&query).await, expected, "{prefix:?}");
        query.limit = 2;
        if let Some(first) = expected.first() {
            query.after = Some(key(first));
            let expected: Vec<_> = expected.iter().skip(1).take(2).cloned().collect();
            assert_eq!(stage.keys(&query).await, expected, "{prefix:?}, in pages");
        }
    }
    stage.clear().await;
}
