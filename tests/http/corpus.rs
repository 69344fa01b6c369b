//! What a fuzzer begins with and what it once found, through the same checks, without a fuzzer.

use std::{fs, panic::catch_unwind, path::Path};

#[expect(unreachable_pub, reason = "a library for the fuzzer")]
#[path = "../../fuzz/src/targets.rs"]
mod targets;

/// Throws every file of a corpus at its target.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut count = 0;
    for file in fs::read_dir(&folder).expect("there is a corpus") {
        let path = file.expect("a file").path();
        let data = fs::read(&path).expect("the file can be read");
        assert!(catch_unwind(|| check(&data)).is_ok(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 12, "{target}: {count} files");
}

macro_rules! corpus {
    ($($target:ident),*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), targets::$target);
        })*
    };
}
corpus!(headers, jwt, bodies, emails);
