//! The bytes of a refusal, and their schemas. One place, so that document and wire cannot drift apart.

use serde::Serialize;
use utoipa::ToSchema;

use super::{FieldError, Segment};

/// Why the request was refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorModel {
    /// The code, a code with its reason, or the reason phrase of the status.
    #[schema(inline)]
    pub detail: ErrorDetail,
    /// The stable code of the error, always a string.
    #[schema(example = "LOGIN_BAD_CREDENTIALS")]
    pub code: String,
    /// The stable code of the reason, where there is one. Why a password was refused: `too_short`, `contains_email`, `common`,
    /// `context_word`, `too_guessable`, `breached`, or a code of the application's own. There may be more of them later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "too_short", nullable = false)]
    pub reason_code: Option<String>,
}

/// What `detail` of an [`ErrorModel`] holds.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ErrorDetail {
    /// The code, or the reason phrase of the status.
    Text(String),
    /// A code with a reason for people.
    Explained {
        /// The code of the error.
        code: String,
        /// What was wrong, in words for people.
        reason: String,
    },
}

/// What is wrong with the fields of the request. The refused values are not repeated.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ValidationErrorModel {
    /// The faults in FastAPI's form.
    #[schema(inline)]
    pub detail: Vec<ValidationDetail>,
    /// Always `VALIDATION_ERROR`.
    #[schema(example = "VALIDATION_ERROR")]
    pub code: String,
    /// The faults, one per field.
    #[schema(inline)]
    pub errors: Vec<FieldErrorModel>,
}

/// One fault of a request, in FastAPI's form.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ValidationError)]
pub struct ValidationDetail {
    /// The kind of fault.
    #[schema(example = "missing")]
    pub r#type: String,
    /// Where the field was looked for, then the way to it.
    #[schema(inline, example = json!(["body", "email"]))]
    pub loc: Vec<Location>,
    /// What is wrong, in words for people.
    #[schema(example = "Field required")]
    pub msg: String,
}

/// One step of [`ValidationDetail::loc`].
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Location {
    /// A key, or the part of the request at the start.
    Key(String),
    /// The index of an array.
    Index(usize),
}

/// One fault of a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = FieldError)]
pub struct FieldErrorModel {
    /// The field (`email`, `address.street`, `tags[0]`); empty if the whole body is meant.
    #[schema(example = "email")]
    pub field: String,
    /// The kind of fault.
    #[schema(example = "missing")]
    pub code: String,
    /// What is wrong, in words for people.
    #[schema(example = "Field required")]
    pub message: String,
}

/// Why the request was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorModel)]
pub(crate) struct FastApiErrorModel {
    /// The code, a code with its reason, or the reason phrase of the status.
    #[schema(inline)]
    pub(crate) detail: ErrorDetail,
}

/// What is wrong with the fields of the request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPValidationError)]
pub(crate) struct FastApiValidationError {
    /// The faults.
    pub(crate) detail: Vec<ValidationDetail>,
}

impl From<&FieldError> for ValidationDetail {
    fn from(error: &FieldError) -> Self {
        let source = match error.source() {
            super::Source::Body => "body",
            super::Source::Query => "query",
            super::Source::Path => "path",
        };
        let mut loc = vec![Location::Key(source.to_owned())];
        loc.extend(error.path().iter().map(|segment| match segment {
            Segment::Key(key) => Location::Key(key.clone()),
            Segment::Index(index) => Location::Index(*index),
        }));
        Self {
            r#type: error.code().to_owned(),
            loc,
            msg: error.message().to_owned(),
        }
    }
}

impl From<&FieldError> for FieldErrorModel {
    fn from(error: &FieldError) -> Self {
        Self {
            field: error.field(),
            code: error.code().to_owned(),
            message: error.message().to_owned(),
        }
    }
}
