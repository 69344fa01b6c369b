//! Placeholder until the real module lands.
#![allow(missing_docs, clippy::all, clippy::pedantic)]
#[derive(Debug, Clone)]
pub struct Password(String);
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash(String);
impl Password {
    pub fn parse(s: &str) -> Result<Self, ()> {
        Ok(Self(s.to_owned()))
    }
    pub fn expose(&self) -> &str {
        &self.0
    }
}
impl PasswordHash {
    pub fn from_stored(s: impl Into<String>) -> Self {
        Self(s.into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
