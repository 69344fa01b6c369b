//! The bodies of the API, made of the library's fields and the application's own.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, Object, ObjectBuilder, RefOr, Schema, SchemaFormat, Type,
        schema::{AllOf, SchemaType},
    },
};
use validator::Validate;

use crate::{
    Accepts, BodyError, EmailAddress, EmailError, Password, PasswordError, RequestBody, User, UserId,
    UserStore, body::Fields,
};

/// No fields of the application's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
pub struct NoExtra {}

impl<U: User> From<U> for NoExtra {
    fn from(_: U) -> Self {
        Self {}
    }
}

/// Who is to be registered.
///
/// ```
/// use axum_users_core::{EmailAddress, Password, Registration};
///
/// let email = EmailAddress::parse("arthur@camelot.bt")?;
/// let registration = Registration::new(email, Password::parse("excalibur in the lake")?);
/// # let _ = registration;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Registration {
    /// The address.
    pub email: EmailAddress,
    /// The password as typed.
    pub password: Password,
    /// Names that the password must not be made of: see [`PasswordPolicy`](crate::PasswordPolicy).
    pub words: Vec<String>,
}

impl Registration {
    /// Registers this address with this password.
    pub fn new(email: EmailAddress, password: Password) -> Self {
        Self {
            email,
            password,
            words: Vec::new(),
        }
    }

    /// Names that the password must not be made of, such as the person's own.
    #[must_use]
    pub fn words<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }
}

/// What is to be changed of a user; `None` leaves a value as it is.
///
/// The flags count only where a superuser asks.
///
/// ```
/// use axum_users_core::UserPatch;
///
/// let mut patch = UserPatch::new();
/// patch.is_active = Some(false); // the rest stays
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct UserPatch {
    /// A new address.
    pub email: Option<EmailAddress>,
    /// A new password.
    pub password: Option<Password>,
    /// The present password, by which users show that it is them.
    pub current_password: Option<Password>,
    /// Whether the user may sign in.
    pub is_active: Option<bool>,
    /// Whether the address is confirmed.
    pub is_verified: Option<bool>,
    /// Whether the user may manage other users.
    pub is_superuser: Option<bool>,
}

impl UserPatch {
    /// A patch that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

/// A body that registers a user of store `S`: [`UserCreate`], or a struct of your own.
///
/// ```
/// use axum_users_core::*;
/// use serde::Deserialize;
/// use utoipa::ToSchema;
/// use validator::Validate;
///
/// /// An invitation is all that is sent; who is meant stands in it.
/// #[derive(Deserialize, Validate, ToSchema)]
/// struct Accept {
///     invitation: String,
///     password: String,
/// }
///
/// impl CreateUser<InMemoryUsers> for Accept {
///     fn split(self) -> (Registration, ()) {
///         let email = EmailAddress::parse("arthur@camelot.bt"); // what the invitation says
///         let password = Password::parse(&self.password);
///         # let _ = &self.invitation;
///         (Registration::new(email.expect("an address"), password.expect("looked at before")), ())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot register users of `{S}`",
    note = "use `UserCreate<YourFields>`, where `YourFields` can be written to the store's columns"
)]
pub trait CreateUser<S: UserStore>: RequestBody + ToSchema {
    /// Splits the body into what the library stores and the columns it does not know.
    fn split(self) -> (Registration, S::Columns);
}

/// A body that changes a user of store `S`: [`UserUpdate`], [`AdminUpdate`], or a struct of your own.
///
/// ```
/// use axum_users_core::*;
/// use serde::Deserialize;
/// use utoipa::ToSchema;
/// use validator::Validate;
///
/// /// Staff switches users off and on here, and does nothing else.
/// #[derive(Deserialize, Validate, ToSchema)]
/// struct Switch {
///     is_active: bool,
/// }
///
/// impl UpdateUser<InMemoryUsers> for Switch {
///     fn split(self) -> (UserPatch, ()) {
///         let mut patch = UserPatch::new();
///         patch.is_active = Some(self.is_active);
///         (patch, ())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot change users of `{S}`",
    note = "use `UserUpdate<YourFields>` or `AdminUpdate<YourFields>`, where `YourFields` can be written to the store's columns"
)]
pub trait UpdateUser<S: UserStore>: RequestBody + ToSchema {
    /// Splits the body into what the library changes and the columns it does not know.
    fn split(self) -> (UserPatch, S::Columns);
}

/// A body that shows a user of store `S`: [`UserRead`], or anything that a user converts into.
///
/// ```
/// use axum_users_core::{InMemoryUsers, MemoryUser, ReadUser};
/// use serde::Serialize;
/// use utoipa::ToSchema;
///
/// #[derive(Serialize, ToSchema)]
/// struct Shown {
///     email: String,
/// }
///
/// impl From<MemoryUser> for Shown {
///     fn from(user: MemoryUser) -> Self {
///         Self { email: user.email }
///     }
/// }
///
/// fn shows_users<R: ReadUser<InMemoryUsers>>() {}
/// shows_users::<Shown>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot show users of `{S}`",
    label = "needs `Serialize`, `ToSchema` and a `From` for the user",
    note = "use `UserRead<Id, YourFields>` with `impl From<your_entity::Model> for YourFields`"
)]
pub trait ReadUser<S: UserStore>: From<S::User> + Serialize + ToSchema + Send + 'static {}
impl<S: UserStore, T: From<S::User> + Serialize + ToSchema + Send + 'static> ReadUser<S> for T {}

/// The body that registers a user: `email`, `password`, and the fields of `X` at the same level.
///
/// ```
/// use axum_users_core::{RequestBody, UserCreate};
/// use serde_json::json;
///
/// let body = json!({"email": "arthur@camelot.bt", "password": "excalibur in the lake"});
/// let body = UserCreate::<axum_users_core::NoExtra>::from_object(body.as_object().unwrap().clone()).unwrap();
/// assert_eq!(body.email.as_str(), "arthur@camelot.bt");
/// ```
#[derive(Debug)]
pub struct UserCreate<X = NoExtra> {
    /// The address.
    pub email: EmailAddress,
    /// The password.
    pub password: Password,
    /// What the password must not be made of: the texts of those of the application's own fields whose name ends in `name`.
    pub words: Vec<String>,
    /// The application's own fields.
    pub own: X,
}

impl<X: RequestBody> RequestBody for UserCreate<X> {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>> {
        let mut fields = Fields::new(object);
        let email = fields.required("email", email);
        let password = fields.required("password", password("password"));
        let words = fields.names();
        let own = fields.own()?;
        match (email, password) {
            (Some(email), Some(password)) => Ok(Self {
                email,
                password,
                words,
                own,
            }),
            _ => Err(Vec::new()),
        }
    }
}

impl<S: Accepts<X>, X: RequestBody + ToSchema> CreateUser<S> for UserCreate<X> {
    fn split(self) -> (Registration, S::Columns) {
        (
            Registration::new(self.email, self.password).words(self.words),
            S::columns(self.own),
        )
    }
}

/// The body with which users change themselves: `email`, `password`, `current_password`, and the fields of `X`.
///
/// ```
/// use axum_users_core::{NoExtra, RequestBody, UserUpdate};
/// use serde_json::json;
///
/// let body = json!({"email": "king@camelot.bt", "is_superuser": true});
/// let body = UserUpdate::<NoExtra>::from_object(body.as_object().unwrap().clone()).unwrap();
/// assert_eq!(body.patch.email.unwrap().as_str(), "king@camelot.bt");
/// assert_eq!(body.patch.is_superuser, None, "not for users to say");
/// ```
#[derive(Debug)]
pub struct UserUpdate<X = NoExtra> {
    /// The library's part.
    pub patch: UserPatch,
    /// The application's own fields.
    pub own: X,
}

impl<X: RequestBody> RequestBody for UserUpdate<X> {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>> {
        let mut fields = Fields::new(object);
        let patch = UserPatch {
            email: fields.optional("email", email),
            password: fields.optional("password", password("password")),
            current_password: fields.optional("current_password", password("current_password")),
            ..UserPatch::default()
        };
        Ok(Self {
            patch,
            own: fields.own()?,
        })
    }
}

impl<S: Accepts<X>, X: RequestBody + ToSchema> UpdateUser<S> for UserUpdate<X> {
    fn split(self) -> (UserPatch, S::Columns) {
        (self.patch, S::columns(self.own))
    }
}

/// The body with which a superuser changes a user: `email`, `password`, the three flags, and the fields of `X`;
/// `current_password` where superusers change their own.
///
/// ```
/// use axum_users_core::{AdminUpdate, NoExtra, RequestBody};
/// use serde_json::json;
///
/// let body = json!({"is_superuser": true});
/// let body = AdminUpdate::<NoExtra>::from_object(body.as_object().unwrap().clone()).unwrap();
/// assert_eq!(body.patch.is_superuser, Some(true));
/// ```
#[derive(Debug)]
pub struct AdminUpdate<X = NoExtra> {
    /// The library's part.
    pub patch: UserPatch,
    /// The application's own fields.
    pub own: X,
}

impl<X: RequestBody> RequestBody for AdminUpdate<X> {
    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<BodyError>> {
        let mut fields = Fields::new(object);
        let patch = UserPatch {
            email: fields.optional("email", email),
            password: fields.optional("password", password("password")),
            current_password: fields.optional("current_password", password("current_password")),
            is_active: fields.flag("is_active"),
            is_verified: fields.flag("is_verified"),
            is_superuser: fields.flag("is_superuser"),
        };
        Ok(Self {
            patch,
            own: fields.own()?,
        })
    }
}

impl<S: Accepts<X>, X: RequestBody + ToSchema> UpdateUser<S> for AdminUpdate<X> {
    fn split(self) -> (UserPatch, S::Columns) {
        (self.patch, S::columns(self.own))
    }
}

/// The body that shows a user: key, address, the three flags, and the fields of `X` at the same level.
///
/// ```
/// use axum_users_core::{MemoryUser, NoExtra, UserRead};
/// use serde_json::json;
/// use uuid::Uuid;
///
/// fn shown(user: MemoryUser) -> serde_json::Value {
///     json!(UserRead::<Uuid, NoExtra>::from(user)) // id, email and the three flags; never the hash
/// }
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct UserRead<Id, X = NoExtra> {
    /// The key.
    pub id: Id,
    /// The address.
    pub email: String,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Whether the user may manage other users.
    pub is_superuser: bool,
    /// Whether the address is confirmed.
    pub is_verified: bool,
    /// The application's own fields.
    #[serde(flatten)]
    pub own: X,
}

impl<U: User, X: From<U>> From<U> for UserRead<U::Id, X> {
    fn from(user: U) -> Self {
        Self {
            id: user.id(),
            email: user.email().to_owned(),
            is_active: user.is_active(),
            is_superuser: user.is_superuser(),
            is_verified: user.is_verified(),
            own: user.into(),
        }
    }
}

/// The body that shows a user to superusers: as [`UserRead`], with a schema of its own in the document, for an application
/// whose superusers see more than users do.
///
/// ```
/// use axum_users_core::{AdminRead, InMemoryUsers, MemoryUser, NoExtra, UserApi, UserCreate, UserRead, UserUpdate, AdminUpdate};
/// use serde::Serialize;
/// use utoipa::ToSchema;
/// # use uuid::Uuid;
///
/// /// What superusers see beside the library's fields.
/// #[derive(Serialize, ToSchema)]
/// struct ForStaff {
///     has_password: bool,
/// }
///
/// impl From<MemoryUser> for ForStaff {
///     fn from(user: MemoryUser) -> Self {
///         Self { has_password: user.hashed_password.is_some() }
///     }
/// }
///
/// struct Api;
///
/// impl UserApi for Api {
///     type AdminRead = AdminRead<Uuid, ForStaff>;
///     type Read = UserRead<Uuid>;
///     # type Store = InMemoryUsers;
///     # type Hooks = ();
///     # type Create = UserCreate;
///     # type Update = UserUpdate;
///     # type AdminUpdate = AdminUpdate;
/// }
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct AdminRead<Id, X = NoExtra>(pub UserRead<Id, X>);

impl<U: User, X: From<U>> From<U> for AdminRead<U::Id, X> {
    fn from(user: U) -> Self {
        Self(user.into())
    }
}

/// Reads an e-mail address from a body.
pub(crate) fn email(text: &str) -> Result<EmailAddress, BodyError> {
    EmailAddress::parse(text).map_err(|error| match error {
        EmailError::TooLong => BodyError::new("email", "too_long", "This e-mail address is too long"),
        _ => BodyError::new("email", "invalid_email", "This is not a valid e-mail address"),
    })
}

/// Reads a password from the field of this name.
pub(crate) fn password(field: &'static str) -> impl FnOnce(&str) -> Result<Password, BodyError> {
    move |text| {
        Password::parse(text).map_err(|error| match error {
            PasswordError::TooLong => BodyError::new(field, "too_long", "A password has at most 1024 bytes"),
            _ => BodyError::new(field, "invalid_password", "This cannot be a password"),
        })
    }
}

const EMAIL_EXAMPLE: &str = "king.arthur@camelot.bt";

fn text(format: KnownFormat, description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(format)))
        .description(Some(description))
}

fn nullable(object: ObjectBuilder, kind: Type) -> ObjectBuilder {
    object.schema_type(SchemaType::from_iter([kind, Type::Null]))
}

pub(crate) fn email_schema(description: &str) -> ObjectBuilder {
    text(KnownFormat::Email, description)
        .max_length(Some(320))
        .examples([EMAIL_EXAMPLE])
}

pub(crate) fn password_schema(description: &str) -> ObjectBuilder {
    text(KnownFormat::Password, description).max_length(Some(1024))
}

fn flag(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some(description))
}

/// One object of the library's fields and those of `X`, as the JSON has them.
fn with_own<X: ToSchema>(known: ObjectBuilder) -> RefOr<Schema> {
    let mut object = known.build();
    merge(X::schema(), &mut object);
    object.into()
}

fn merge(schema: RefOr<Schema>, into: &mut Object) {
    match schema {
        RefOr::T(Schema::Object(own)) => {
            for (name, property) in own.properties {
                into.properties.entry(name).or_insert(property);
            }
            for name in own.required {
                if !into.required.contains(&name) {
                    into.required.push(name);
                }
            }
        }
        RefOr::T(Schema::AllOf(AllOf { items, .. })) => {
            for item in items {
                merge(item, into);
            }
        }
        _ => {}
    }
}

impl<X: ToSchema> PartialSchema for UserCreate<X> {
    fn schema() -> RefOr<Schema> {
        with_own::<X>(
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .description(Some("Who is to be registered."))
                .property("email", email_schema("The address; letter case does not matter."))
                .property("password", password_schema("The password."))
                .required("email")
                .required("password"),
        )
    }
}

impl<X: ToSchema> PartialSchema for UserUpdate<X> {
    fn schema() -> RefOr<Schema> {
        let current = password_schema("The present password; needed where e-mail or password change.");
        with_own::<X>(
            patch_schema("What users change of themselves; what is absent stays.")
                .property("current_password", nullable(current, Type::String)),
        )
    }
}

impl<X: ToSchema> PartialSchema for AdminUpdate<X> {
    fn schema() -> RefOr<Schema> {
        let current = password_schema(
            "The present password of the superuser; needed where e-mail or password of their own account change.",
        );
        with_own::<X>(
            patch_schema("What a superuser changes of a user; what is absent stays.")
                .property("current_password", nullable(current, Type::String))
                .property(
                    "is_active",
                    nullable(
                        flag("Whether the user may sign in; false ends all sessions."),
                        Type::Boolean,
                    ),
                )
                .property(
                    "is_superuser",
                    nullable(flag("Whether the user may manage other users."), Type::Boolean),
                )
                .property(
                    "is_verified",
                    nullable(flag("Whether the address is confirmed."), Type::Boolean),
                ),
        )
    }
}

fn patch_schema(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
        .property("email", nullable(email_schema("A new address."), Type::String))
        .property(
            "password",
            nullable(password_schema("A new password."), Type::String),
        )
}

impl<Id: UserId, X: ToSchema> PartialSchema for UserRead<Id, X> {
    fn schema() -> RefOr<Schema> {
        with_own::<X>(
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .description(Some("A user."))
                .property("id", Id::schema())
                .property(
                    "email",
                    text(KnownFormat::Email, "The address.").examples([EMAIL_EXAMPLE]),
                )
                .property("is_active", flag("Whether the user may sign in."))
                .property("is_superuser", flag("Whether the user may manage other users."))
                .property("is_verified", flag("Whether the address is confirmed."))
                .required("id")
                .required("email")
                .required("is_active")
                .required("is_superuser")
                .required("is_verified"),
        )
    }
}

impl<Id: UserId, X: ToSchema> PartialSchema for AdminRead<Id, X> {
    fn schema() -> RefOr<Schema> {
        UserRead::<Id, X>::schema()
    }
}

macro_rules! named_schema {
    ($name:literal, $body:ty, $($bound:tt)+) => {
        impl<$($bound)+> ToSchema for $body {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }

            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                X::schemas(schemas);
            }
        }
    };
}
named_schema!("UserCreate", UserCreate<X>, X: ToSchema);
named_schema!("UserUpdate", UserUpdate<X>, X: ToSchema);
named_schema!("AdminUpdate", AdminUpdate<X>, X: ToSchema);
named_schema!("UserRead", UserRead<Id, X>, Id: UserId, X: ToSchema);
named_schema!("AdminRead", AdminRead<Id, X>, Id: UserId, X: ToSchema);
