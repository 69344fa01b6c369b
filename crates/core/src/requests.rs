//! The small bodies that no application extends.

use std::time::Duration;

use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type, schema::SchemaType},
};

use crate::{
    BodyError, EmailAddress, MailToken, NoExtra, Password, RequestBody,
    body::Fields,
    schemas::{email, email_schema, password, password_schema},
};

/// Names an address.
///
/// ```
/// use axum_users_core::{EmailRequest, RequestBody};
/// # use serde_json::{Value, json};
/// # let object = |value: Value| value.as_object().unwrap().clone();
///
/// let body = EmailRequest::from_object(object(json!({"email": "arthur@camelot.bt"}))).unwrap();
/// assert_eq!(body.email.as_str(), "arthur@camelot.bt");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct EmailRequest {
    /// The address.
    pub email: EmailAddress,
}

/// Redeems a mailed token.
///
/// ```
/// use axum_users_core::{RequestBody, TokenRequest};
/// # use serde_json::{Value, json};
/// # let object = |value: Value| value.as_object().unwrap().clone();
///
/// assert_eq!(TokenRequest::from_object(object(json!({"token": "abc"}))).unwrap().token.as_str(), "abc");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The token.
    pub token: MailToken,
}

/// Redeems a mailed token for a new password.
///
/// ```
/// use axum_users_core::{RequestBody, ResetPasswordRequest};
/// # use serde_json::{Value, json};
/// # let object = |value: Value| value.as_object().unwrap().clone();
///
/// let body = json!({"token": "abc", "password": "excalibur in the lake"});
/// assert_eq!(ResetPasswordRequest::from_object(object(body)).unwrap().token.as_str(), "abc");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ResetPasswordRequest {
    /// The token.
    pub token: MailToken,
    /// The new password.
    pub password: Password,
}

/// Shows the present password.
///
/// ```
/// use axum_users_core::{CurrentPasswordRequest, RequestBody};
/// # use serde_json::Map;
///
/// let body = CurrentPasswordRequest::from_object(Map::new()).unwrap();
/// assert!(body.current_password.is_none(), "whether that will do is for the manager to say");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct CurrentPasswordRequest {
    /// The present password.
    pub current_password: Option<Password>,
}

/// Gives a session a name, or takes it away.
///
/// ```
/// use axum_users_core::{RequestBody, SessionNameRequest};
/// # use serde_json::{Value, json};
/// # let object = |value: Value| value.as_object().unwrap().clone();
///
/// let body = SessionNameRequest::from_object(object(json!({"name": "  old laptop "}))).unwrap();
/// assert_eq!(body.name.as_deref(), Some("old laptop"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct SessionNameRequest {
    /// The name: 1 to 100 characters; `None` for none.
    pub name: Option<String>,
}

/// Asks for a personal access token.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::PersonalTokenRequest;
///
/// let mut backup = PersonalTokenRequest::new("nightly backup");
/// backup.lifetime = Some(Duration::from_hours(24 * 30));
/// backup.scopes = Some(vec!["orders:read".to_owned()]);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct PersonalTokenRequest {
    /// What its owner calls it: 1 to 100 characters.
    pub name: String,
    /// How long it is to be good; `None` for as long as may be.
    pub lifetime: Option<Duration>,
    /// What it may be used for; `None` for all that its owner may do.
    pub scopes: Option<Vec<String>>,
    /// The present password.
    pub current_password: Option<Password>,
}

impl PersonalTokenRequest {
    /// A token of this name for all that its owner may do, good for as long as may be.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            lifetime: None,
            scopes: None,
            current_password: None,
        }
    }
}

const NAME_CHARS: usize = 100;

fn name(text: &str) -> Result<String, BodyError> {
    let text = text.trim();
    let chars = text.chars().count();
    if chars == 0 || chars > NAME_CHARS || text.contains(char::is_control) {
        return Err(BodyError::new(
            "name",
            "length",
            "A name has 1 to 100 characters, none of them a control character",
        ));
    }
    Ok(text.to_owned())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "stands where other fields are parsed and may fail"
)]
fn token(text: &str) -> Result<MailToken, BodyError> {
    Ok(MailToken::from(text))
}

fn done(fields: Fields) -> Result<(), Vec<BodyError>> {
    fields.own::<NoExtra>().map(|_| ())
}

impl RequestBody for EmailRequest {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>> {
        let mut fields = Fields::new(object);
        let email = fields.required("email", email);
        done(fields)?;
        email.map(|email| Self { email }).ok_or_default()
    }
}

impl RequestBody for TokenRequest {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>> {
        let mut fields = Fields::new(object);
        let token = fields.required("token", token);
        done(fields)?;
        token.map(|token| Self { token }).ok_or_default()
    }
}

impl RequestBody for ResetPasswordRequest {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>> {
        let mut fields = Fields::new(object);
        let token = fields.required("token", token);
        let password = fields.required("password", password("password"));
        done(fields)?;
        token
            .zip(password)
            .map(|(token, password)| Self { token, password })
            .ok_or_default()
    }
}

impl RequestBody for CurrentPasswordRequest {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>> {
        let mut fields = Fields::new(object);
        let current_password = fields.optional("current_password", password("current_password"));
        done(fields)?;
        Ok(Self { current_password })
    }
}

impl RequestBody for SessionNameRequest {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>> {
        // Absent is not the same as null: what names nothing takes nothing away.
        if !object.contains_key("name") {
            return Err(vec![BodyError::missing("name")]);
        }
        let mut fields = Fields::new(object);
        let name = fields.optional("name", name);
        done(fields)?;
        Ok(Self { name })
    }
}

impl RequestBody for PersonalTokenRequest {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>> {
        let mut fields = Fields::new(object);
        let name = fields.required("name", name);
        let lifetime = fields.seconds("expires_in");
        let scopes = fields.texts("scopes");
        let current_password = fields.optional("current_password", password("current_password"));
        done(fields)?;
        name.map(|name| Self {
            name,
            lifetime,
            scopes,
            current_password,
        })
        .ok_or_default()
    }
}

trait OkOrDefault<T> {
    /// Whatever is missing here has left its error behind already.
    fn ok_or_default(self) -> Result<T, Vec<BodyError>>;
}

impl<T> OkOrDefault<T> for Option<T> {
    fn ok_or_default(self) -> Result<T, Vec<BodyError>> {
        self.ok_or_else(Vec::new)
    }
}

fn object(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
}

fn token_schema() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The token, as the mail has it."))
}

impl PartialSchema for EmailRequest {
    fn schema() -> RefOr<Schema> {
        object("Names an address.")
            .property("email", email_schema("The address; letter case does not matter."))
            .required("email")
            .into()
    }
}

impl PartialSchema for TokenRequest {
    fn schema() -> RefOr<Schema> {
        object("Redeems a mailed token.")
            .property("token", token_schema())
            .required("token")
            .into()
    }
}

impl PartialSchema for ResetPasswordRequest {
    fn schema() -> RefOr<Schema> {
        object("Redeems a mailed token for a new password.")
            .property("token", token_schema())
            .property("password", password_schema("The new password."))
            .required("token")
            .required("password")
            .into()
    }
}

impl PartialSchema for CurrentPasswordRequest {
    fn schema() -> RefOr<Schema> {
        object("Shows that it is really the user.")
            .property("current_password", password_schema("The present password."))
            .required("current_password")
            .into()
    }
}

impl PartialSchema for SessionNameRequest {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new()
            .schema_type(nullable(Type::String))
            .min_length(Some(1))
            .max_length(Some(NAME_CHARS))
            .examples(["old laptop"])
            .description(Some("What its owner calls it; null for nothing."));
        object("Gives a session a name.")
            .property("name", name)
            .required("name")
            .into()
    }
}

impl PartialSchema for PersonalTokenRequest {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(NAME_CHARS))
            .examples(["nightly backup"])
            .description(Some("What its owner calls it."));
        let expires_in = ObjectBuilder::new()
            .schema_type(nullable(Type::Integer))
            .minimum(Some(1))
            .description(Some(
                "After how many seconds it ends; where this is absent, as late as the application lets it.",
            ));
        let scope = ObjectBuilder::new().schema_type(Type::String);
        let scopes = ArrayBuilder::new()
            .schema_type(nullable(Type::Array))
            .items(scope)
            .min_items(Some(1))
            .description(Some(
                "What it may be used for; where this is absent, all that its owner may do.",
            ));
        object("Asks for a token for a machine.")
            .property("name", name)
            .property("expires_in", expires_in)
            .property("scopes", scopes)
            .property("current_password", password_schema("The present password."))
            .required("name")
            .into()
    }
}

fn nullable(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}

impl ToSchema for SessionNameRequest {}
impl ToSchema for PersonalTokenRequest {}
impl ToSchema for EmailRequest {}
impl ToSchema for TokenRequest {}
impl ToSchema for ResetPasswordRequest {}
impl ToSchema for CurrentPasswordRequest {}
