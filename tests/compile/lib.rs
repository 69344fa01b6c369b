//! Wrong wiring does not compile; `cases/` holds one mistake each, with what the compiler says.
