use std::{borrow::Cow, fmt::Write};

use serde::Serialize;

/// Where in a request a field was looked for.
///
/// ```
/// use axum_users_auth::refusal::{FieldError, Source};
///
/// let fault = FieldError::new(Source::Query, ["page"], "invalid", "A number");
/// assert_eq!(fault.source(), Source::Query);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Source {
    /// The request body.
    Body,
    /// The query string.
    Query,
    /// A parameter of the path.
    Path,
}

/// One step on the way to a field: the key of an object or the index of an array.
///
/// ```
/// use axum_users_auth::refusal::{FieldError, Segment, Source};
///
/// let way = [Segment::from("tags"), Segment::from(0)];
/// assert_eq!(FieldError::new(Source::Body, way, "length", "Too long").field(), "tags[0]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Segment {
    /// The key of an object.
    Key(String),
    /// The index of an array, from 0.
    Index(usize),
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<String> for Segment {
    fn from(key: String) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// What is wrong with one field of a request.
///
/// ```
/// use axum_users_auth::{Refusal, refusal::FieldError};
///
/// let refusal = Refusal::invalid(vec![FieldError::in_body("item", "unknown", "There is no such item")]); // 422
/// assert_eq!(refusal.errors()[0].field(), "item");
/// ```
///
/// # Security
/// There is no room for the refused value, so a rejected password never comes back in an answer. Keep it out of
/// `message` too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    source: Source,
    path: Vec<Segment>,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
}

impl From<axum_users_core::BodyError> for FieldError {
    /// The same fault, in a body.
    fn from(error: axum_users_core::BodyError) -> Self {
        let path = error.path.into_iter().map(|key| match key.parse() {
            Ok(index) => Segment::Index(index),
            Err(_) => Segment::Key(key),
        });
        Self::new(Source::Body, path.collect::<Vec<_>>(), error.code, error.message)
    }
}

impl FieldError {
    /// Names a fault: `code` for programs (pydantic's words where one fits), `message` for people.
    ///
    /// An empty `path` speaks of the whole body.
    pub fn new<P>(
        source: Source,
        path: P,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self
    where
        P: IntoIterator,
        P::Item: Into<Segment>,
    {
        Self {
            source,
            path: path.into_iter().map(Into::into).collect(),
            code: code.into(),
            message: message.into(),
        }
    }

    /// A fault of the body's own field `key`.
    pub fn in_body(
        key: &str,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Source::Body, [key], code, message)
    }

    /// A fault of the body as a whole.
    pub fn whole_body(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Source::Body, Vec::<Segment>::new(), code, message)
    }

    /// The body lacks its required field `key`.
    pub fn missing(key: &str) -> Self {
        Self::in_body(key, "missing", "Field required")
    }

    /// Where the field was looked for.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The way to the field; empty for the whole body.
    pub fn path(&self) -> &[Segment] {
        &self.path
    }

    /// The way to the field in one string (`address.street`, `tags[0]`); empty for the whole body.
    pub fn field(&self) -> String {
        let mut field = String::new();
        for segment in &self.path {
            match segment {
                Segment::Key(key) => {
                    if !field.is_empty() {
                        field.push('.');
                    }
                    field.push_str(key);
                }
                // Writing to a `String` cannot fail.
                Segment::Index(index) => drop(write!(field, "[{index}]")),
            }
        }
        field
    }

    /// The stable code of the fault.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What to tell a person.
    pub fn message(&self) -> &str {
        &self.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_fields_read_like_code() {
        let path = [Segment::from("tags"), 0.into(), "name".into()];
        let error = FieldError::new(Source::Body, path, "missing", "Field required");
        assert_eq!(error.field(), "tags[0].name");
        assert_eq!(
            FieldError::whole_body("json_invalid", "JSON decode error").field(),
            ""
        );
    }
}
