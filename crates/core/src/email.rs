//! Placeholder until the real module lands.
#![allow(missing_docs, clippy::all, clippy::pedantic)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress {
    s: String,
    k: EmailKey,
}
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailKey(String);
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailError {
    Invalid,
}
impl EmailAddress {
    pub fn parse(s: &str) -> Result<Self, EmailError> {
        if s.contains('@') {
            Ok(Self {
                s: s.to_owned(),
                k: EmailKey(s.to_lowercase()),
            })
        } else {
            Err(EmailError::Invalid)
        }
    }
    pub fn as_str(&self) -> &str {
        &self.s
    }
    pub fn key(&self) -> &EmailKey {
        &self.k
    }
}
impl EmailKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn of(s: &str) -> Option<Self> {
        EmailAddress::parse(s).ok().map(|e| e.k)
    }
}
