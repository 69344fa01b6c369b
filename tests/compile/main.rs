//! Wrong wiring does not compile, and the compiler says in our words what is wrong.
//!
//! The cases are compiled in a folder of their own. After a change, or with another compiler, look at what is said now and
//! keep it with `TRYBUILD=overwrite`.

#[test]
fn each_mistake_is_named_where_it_was_made() {
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}
