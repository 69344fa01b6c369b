//! The small bodies that no application extends.

use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::{
    EmailAddress, FieldError, NoExtra, Password, RequestBody,
    body::Fields,
    schemas::{email, email_schema, password, password_schema},
};

/// Names an address.
#[derive(Debug)]
#[non_exhaustive]
pub struct EmailRequest {
    /// The address.
    pub email: EmailAddress,
}

/// Redeems a mailed token.
#[derive(Debug)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The token.
    pub token: String,
}

/// Redeems a mailed token for a new password.
#[derive(Debug)]
#[non_exhaustive]
pub struct ResetPasswordRequest {
    /// The token.
    pub token: String,
    /// The new password.
    pub password: Password,
}

/// Shows the present password.
#[derive(Debug)]
#[non_exhaustive]
pub struct CurrentPasswordRequest {
    /// The present password.
    pub current_password: Option<Password>,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "stands where other fields are parsed and may fail"
)]
fn text(text: &str) -> Result<String, FieldError> {
    Ok(text.to_owned())
}

fn done(fields: Fields) -> Result<(), Vec<FieldError>> {
    fields.own::<NoExtra>().map(|_| ())
}

impl RequestBody for EmailRequest {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new(object);
        let email = fields.required("email", email);
        done(fields)?;
        email.map(|email| Self { email }).ok_or_default()
    }
}

impl RequestBody for TokenRequest {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new(object);
        let token = fields.required("token", text);
        done(fields)?;
        token.map(|token| Self { token }).ok_or_default()
    }
}

impl RequestBody for ResetPasswordRequest {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new(object);
        let token = fields.required("token", text);
        let password = fields.required("password", password("password"));
        done(fields)?;
        token
            .zip(password)
            .map(|(token, password)| Self { token, password })
            .ok_or_default()
    }
}

impl RequestBody for CurrentPasswordRequest {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new(object);
        let current_password = fields.optional("current_password", password("current_password"));
        done(fields)?;
        Ok(Self { current_password })
    }
}

trait OkOrDefault<T> {
    /// Whatever is missing here has left its error behind already.
    fn ok_or_default(self) -> Result<T, Vec<FieldError>>;
}

impl<T> OkOrDefault<T> for Option<T> {
    fn ok_or_default(self) -> Result<T, Vec<FieldError>> {
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

impl ToSchema for EmailRequest {}
impl ToSchema for TokenRequest {}
impl ToSchema for ResetPasswordRequest {}
impl ToSchema for CurrentPasswordRequest {}
