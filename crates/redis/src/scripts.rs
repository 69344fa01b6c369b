//! What Redis does in one go: a script runs alone, so what it has read holds until it has written.

use std::sync::LazyLock;

use redis::Script;

pub(crate) struct Scripts {
    pub(crate) issue: Script,
    pub(crate) end: Script,
    pub(crate) end_by_id: Script,
    pub(crate) rename: Script,
    pub(crate) list: Script,
    pub(crate) note_use: Script,
    pub(crate) carry: Script,
    pub(crate) revoke: Script,
    pub(crate) check: Script,
    pub(crate) take: Script,
    pub(crate) settle: Script,
}

macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(
            include_str!("scripts/shared.lua"),
            include_str!(concat!("scripts/", $name, ".lua"))
        ))
    };
}

pub(crate) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    issue: script!("issue"),
    end: script!("end"),
    end_by_id: script!("end_by_id"),
    rename: script!("rename"),
    list: script!("list"),
    note_use: script!("note_use"),
    carry: script!("carry"),
    revoke: script!("revoke"),
    check: script!("check"),
    take: script!("take"),
    settle: script!("settle"),
});
