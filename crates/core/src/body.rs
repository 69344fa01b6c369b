//! From a JSON object to a request body, with an error for every field and no value in any of them.

use std::{borrow::Cow, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use validator::{Validate, ValidationErrors, ValidationErrorsKind};
use zeroize::Zeroizing;

/// What is wrong with one field of a body. The value is never part of it.
///
/// ```
/// use axum_users_core::BodyError;
///
/// let error = BodyError::new("item", "out_of_stock", "There is none left");
/// assert_eq!((error.path, &*error.code), (vec!["item".to_owned()], "out_of_stock"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BodyError {
    /// The way to the field, outermost first; empty for the body as a whole.
    pub path: Vec<String>,
    /// A stable code for programs: `missing`, `invalid_type`, `invalid_email`, or a validator's name.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub message: Cow<'static, str>,
}

impl BodyError {
    /// An error in the field of this name.
    pub fn new(
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            path: vec![field.into()],
            code: code.into(),
            message: message.into(),
        }
    }

    /// A required field is not there.
    pub fn missing(field: impl Into<String>) -> Self {
        Self::new(field, "missing", "Field required")
    }

    /// A field has the wrong type or form.
    pub fn invalid_type(field: impl Into<String>) -> Self {
        Self::new(field, "invalid_type", WRONG_TYPE)
    }
}

const WRONG_TYPE: &str = "This value has the wrong type or form";

/// A body that is read from a JSON object.
///
/// Anything that derives `Deserialize` and `Validate` is one.
///
/// ```
/// use axum_users_core::RequestBody;
/// use serde::Deserialize;
/// use serde_json::{Map, json};
/// use validator::Validate;
///
/// #[derive(Debug, Deserialize, Validate)]
/// struct Profile {
///     #[validate(length(max = 80))]
///     name: String,
/// }
///
/// let errors = Profile::from_object(Map::new()).unwrap_err();
/// assert_eq!((errors[0].path[0].as_str(), &*errors[0].code), ("name", "missing"));
/// let body = Map::from_iter([("name".to_owned(), json!("Arthur"))]);
/// assert_eq!(Profile::from_object(body).unwrap().name, "Arthur");
/// ```
pub trait RequestBody: Sized + Send + 'static {
    /// Reads the body, or says what is wrong with each field.
    ///
    /// # Errors
    /// All fields that are wrong, not only the first one found where they are told apart.
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>>;
}

impl<T: DeserializeOwned + Validate + Send + 'static> RequestBody for T {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>> {
        let body: Self = serde_path_to_error::deserialize(Value::Object(object))
            .map_err(|error| vec![field_error(&error)])?;
        match body.validate() {
            Ok(()) => Ok(body),
            Err(errors) => {
                let mut found = Vec::new();
                collect(&errors, &mut Vec::new(), &mut found);
                Err(found)
            }
        }
    }
}

fn field_error(error: &serde_path_to_error::Error<serde_json::Error>) -> BodyError {
    use serde_path_to_error::Segment;

    let mut path: Vec<String> = error
        .path()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { variant } => Some(variant.clone()),
            Segment::Unknown => None,
        })
        .collect();
    // Serde's texts quote the value, so all that is taken from them is the name of a field that our own types spell.
    let text = error.inner().to_string();
    match text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        Some(field) => {
            path.push(field.to_owned());
            BodyError {
                path,
                code: "missing".into(),
                message: "Field required".into(),
            }
        }
        None => BodyError {
            path,
            code: "invalid_type".into(),
            message: WRONG_TYPE.into(),
        },
    }
}

fn collect(errors: &ValidationErrors, path: &mut Vec<String>, found: &mut Vec<BodyError>) {
    for (field, kind) in errors.errors() {
        path.push(field.to_string());
        match kind {
            ValidationErrorsKind::Field(errors) => {
                for error in errors {
                    let message = error
                        .message
                        .clone()
                        .unwrap_or(Cow::Borrowed("This value is not allowed"));
                    found.push(BodyError {
                        path: path.clone(),
                        code: error.code.clone(),
                        message,
                    });
                }
            }
            ValidationErrorsKind::Struct(nested) => collect(nested, path, found),
            ValidationErrorsKind::List(items) => {
                for (index, nested) in items {
                    path.push(index.to_string());
                    collect(nested, path, found);
                    path.pop();
                }
            }
        }
        path.pop();
    }
}

/// Takes the library's own fields out of a body, and gathers what is wrong with them.
#[derive(Debug)]
pub(crate) struct Fields {
    object: Map<String, Value>,
    errors: Vec<BodyError>,
}

impl Fields {
    pub(crate) fn new(object: Map<String, Value>) -> Self {
        Self {
            object,
            errors: Vec::new(),
        }
    }

    /// A text that must be there, parsed; an absent and a wrong one leave an error behind.
    pub(crate) fn required<T>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, BodyError>,
    ) -> Option<T> {
        match self.object.remove(field) {
            None => {
                self.errors.push(BodyError::missing(field));
                None
            }
            Some(Value::String(text)) => {
                // Most of these are passwords and tokens.
                let text = Zeroizing::new(text);
                self.parsed(parse(&text))
            }
            Some(_) => {
                self.errors.push(BodyError::invalid_type(field));
                None
            }
        }
    }

    /// A text that may be absent or null, parsed.
    pub(crate) fn optional<T>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, BodyError>,
    ) -> Option<T> {
        match self.object.remove(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                // Most of these are passwords and tokens.
                let text = Zeroizing::new(text);
                self.parsed(parse(&text))
            }
            Some(_) => {
                self.errors.push(BodyError::invalid_type(field));
                None
            }
        }
    }

    /// A whole number of seconds, one or more, that may be absent or null.
    pub(crate) fn seconds(&mut self, field: &'static str) -> Option<Duration> {
        match self.object.remove(field) {
            None | Some(Value::Null) => None,
            Some(value) => match value.as_u64() {
                Some(seconds) if seconds > 0 => Some(Duration::from_secs(seconds)),
                _ => {
                    let error = BodyError::new(field, "invalid", "A whole number of seconds, 1 or more");
                    self.errors.push(error);
                    None
                }
            },
        }
    }

    /// A list of texts that may be absent or null, but not empty.
    pub(crate) fn texts(&mut self, field: &'static str) -> Option<Vec<String>> {
        let error = match self.object.remove(field) {
            None | Some(Value::Null) => return None,
            Some(Value::Array(items)) if items.is_empty() => {
                BodyError::new(field, "too_short", "Leave the list out, or name one at least")
            }
            Some(value) => match serde_json::from_value(value) {
                Ok(texts) => return Some(texts),
                Err(_) => BodyError::invalid_type(field),
            },
        };
        self.errors.push(error);
        None
    }

    /// A boolean that may be absent or null.
    pub(crate) fn flag(&mut self, field: &'static str) -> Option<bool> {
        match self.object.remove(field) {
            None | Some(Value::Null) => None,
            Some(Value::Bool(flag)) => Some(flag),
            Some(_) => {
                self.errors.push(BodyError::invalid_type(field));
                None
            }
        }
    }

    /// The texts among what is left that are names, by the names of their fields: `first_name`, `lastName`, `nickname`.
    pub(crate) fn names(&self) -> Vec<String> {
        let fields = self.object.iter();
        fields
            .filter(|(field, _)| field.to_lowercase().ends_with("name"))
            .filter_map(|(_, value)| value.as_str().map(str::to_owned))
            .collect()
    }

    fn parsed<T>(&mut self, parsed: Result<T, BodyError>) -> Option<T> {
        parsed.map_err(|error| self.errors.push(error)).ok()
    }

    /// Reads what is left as the application's own part.
    pub(crate) fn own<X: RequestBody>(self) -> Result<X, Vec<BodyError>> {
        let mut errors = self.errors;
        match X::from_object(self.object) {
            Ok(own) if errors.is_empty() => Ok(own),
            Ok(_) => Err(errors),
            Err(more) => {
                errors.extend(more);
                Err(errors)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, Validate)]
    struct Address {
        #[validate(length(max = 5))]
        zip: String,
    }

    #[derive(Debug, Deserialize, Validate)]
    struct Profile {
        #[validate(length(max = 10))]
        name: String,
        #[validate(range(max = 150))]
        age: Option<u8>,
        #[validate(nested)]
        address: Option<Address>,
    }

    fn errors(value: Value) -> Vec<(String, String)> {
        let Value::Object(object) = value else {
            panic!("not an object")
        };
        let errors = Profile::from_object(object).expect_err("the body is wrong");
        errors
            .into_iter()
            .map(|error| (error.path.join("."), format!("{} {}", error.code, error.message)))
            .collect()
    }

    #[test]
    fn a_missing_field_is_named() {
        assert_eq!(
            errors(json!({})),
            [("name".to_owned(), "missing Field required".to_owned())]
        );
        assert_eq!(errors(json!({"name": "a", "address": {}}))[0].0, "address.zip");
    }

    #[test]
    fn a_wrong_type_names_the_field_and_not_the_value() {
        let found = errors(json!({"name": "a", "age": "hunter2"}));
        assert_eq!(found, [("age".to_owned(), format!("invalid_type {WRONG_TYPE}"))]);
    }

    #[test]
    fn a_broken_rule_names_the_field_and_not_the_value() {
        let found = errors(json!({"name": "a hunter2 too long", "address": {"zip": "hunter2"}}));
        let fields: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert!(
            fields.contains(&"name") && fields.contains(&"address.zip"),
            "{fields:?}"
        );
        assert!(
            found.iter().all(|(_, text)| !text.contains("hunter2")),
            "{found:?}"
        );
    }
}
