//! Routes that document themselves from their types, and the finishing of the whole document.

mod errors;
mod finish;
mod schema;

use std::{borrow::Cow, collections::BTreeMap, fmt};

use axum::{handler::Handler, http::StatusCode, routing::MethodRouter};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{
        Content, Header, HttpMethod, Object, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Type,
        example::ExampleBuilder,
        extensions::ExtensionsBuilder,
        path::{Operation, ParameterBuilder, ParameterIn, Paths},
        request_body::RequestBody,
        security::SecurityRequirement,
    },
};
use utoipa_axum::{PathItemExt, router::UtoipaMethodRouter};

pub(crate) use self::errors::ErrorSchema;
pub use self::finish::{BackendScheme, FinishError, finish};
use self::schema::{digest, fold, rename, word_characters};
use crate::refusal::{
    ErrorModel, ErrorStyle, FastApiErrorModel, FastApiValidationError, FieldError, Refusal,
    ValidationErrorModel,
};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The extension by which [`finish`] knows our operations; it is gone from the finished document.
const MARK: &str = "x-axum-users";

/// What an operation carries in [`MARK`] until the document is finished.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Mark {
    /// The route's name. `None` once the operation has its final id.
    name: Option<String>,
    /// The backend that this operation signs in to.
    login: Option<String>,
    /// The schema to be called after the operation.
    body: Option<String>,
    /// The digest of every schema that this operation brought along.
    schemas: BTreeMap<String, String>,
}

/// A refusal that an operation may answer with, as its document shows it.
///
/// ```
/// use axum::http::StatusCode;
/// use axum_users_auth::openapi::ErrorDoc;
///
/// const TAKEN: ErrorDoc = ErrorDoc::coded(
///     StatusCode::BAD_REQUEST,
///     "REGISTER_USER_ALREADY_EXISTS",
///     "A user with this e-mail address already exists.",
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorDoc {
    status: StatusCode,
    code: Option<&'static str>,
    summary: &'static str,
    reason: Option<&'static str>,
}

impl ErrorDoc {
    /// A refusal with a code of its own, as [`Refusal::coded`] makes it.
    pub const fn coded(status: StatusCode, code: &'static str, summary: &'static str) -> Self {
        Self {
            status,
            code: Some(code),
            summary,
            reason: None,
        }
    }

    /// A refusal that its status says all about, as [`Refusal::plain`] makes it.
    pub const fn plain(status: StatusCode, summary: &'static str) -> Self {
        Self {
            status,
            code: None,
            summary,
            reason: None,
        }
    }

    /// Shows `detail` as the pair of code and reason, as [`Refusal::with_reason`] makes it.
    #[must_use]
    pub const fn with_reason(mut self, example: &'static str) -> Self {
        self.reason = Some(example);
        self
    }

    /// The status it is answered with.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its code; `None` if the status says all.
    pub const fn code(&self) -> Option<&'static str> {
        self.code
    }

    fn refusal(&self) -> Refusal {
        let refusal = match self.code {
            Some(code) => Refusal::coded(self.status, code),
            None => Refusal::plain(self.status),
        };
        match self.reason {
            Some(reason) => refusal.with_reason(reason),
            None => refusal,
        }
    }
}

/// A security scheme that lets somebody in, and the scopes that a token of it needs.
///
/// ```
/// use axum_users_auth::openapi::SchemeNeed;
///
/// let mut need = SchemeNeed::new("personal");
/// need.scopes = vec!["orders:read"];
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemeNeed {
    /// What the scheme is called in the document.
    pub name: String,
    /// The scopes.
    pub scopes: Vec<&'static str>,
}

impl SchemeNeed {
    /// Any token of this scheme.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            scopes: Vec::new(),
        }
    }

    fn requirement(&self) -> SecurityRequirement {
        SecurityRequirement::new(self.name.clone(), self.scopes.iter().copied())
    }
}

const NOT_SIGNED_IN: ErrorDoc = ErrorDoc::plain(
    StatusCode::UNAUTHORIZED,
    "No token, or one that is unknown or expired, or an inactive user.",
);
const TOO_LARGE: ErrorDoc = ErrorDoc::plain(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.");
const WRONG_MEDIA_TYPE: ErrorDoc = ErrorDoc::plain(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "The body is of a media type that is not read here.",
);
const UNAVAILABLE: ErrorDoc = ErrorDoc::plain(
    StatusCode::SERVICE_UNAVAILABLE,
    "Something the service needs is down. Try again later.",
);

/// A handler with its path, method and documentation, for handlers that are generic over the app's types, which
/// `#[utoipa::path]` does not take.
///
/// It becomes what `OpenApiRouter::routes` takes. Setters may come in any order. Give the document to [`finish`] once
/// everything is mounted.
///
/// ```
/// use axum::http::StatusCode;
/// use axum_users_auth::{json::Json, openapi::{ErrorDoc, Route}};
/// use utoipa_axum::router::OpenApiRouter;
///
/// #[derive(serde::Serialize, utoipa::ToSchema)]
/// struct Greeting { hello: String }
///
/// async fn greet() -> Json<Greeting> {
///     Json(Greeting { hello: "world".into() })
/// }
///
/// let router: OpenApiRouter = OpenApiRouter::default().routes(
///     Route::get("/greeting", greet)
///         .id("greetings:greet")
///         .returns::<Greeting>(StatusCode::OK, "A greeting.")
///         .into(),
/// );
/// assert!(router.get_openapi().paths.paths.contains_key("/greeting"));
/// ```
pub struct Route<S> {
    method: HttpMethod,
    path: &'static str,
    handler: MethodRouter<S>,
    operation: Operation,
    id: String,
    family: Option<String>,
    login: Option<String>,
    style: ErrorStyle,
    bodies: Vec<(&'static str, Typed)>,
    answers: BTreeMap<StatusCode, Answer>,
    headers: Vec<(StatusCode, &'static str, &'static str)>,
    errors: Vec<ErrorDoc>,
    validates: bool,
}

/// Whose a schema is, which decides what it is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The app's: carries the name of the mount.
    Family,
    /// The library's: the same for all.
    Library,
    /// The operation's: called after it.
    Operation,
}

struct Typed {
    owner: Owner,
    name: String,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Typed {
    fn new<T: ToSchema>(owner: Owner) -> Self {
        let name = T::name().into_owned();
        let mut schemas = vec![(name.clone(), T::schema())];
        T::schemas(&mut schemas);
        for (_, schema) in &mut schemas {
            fold(schema);
        }
        Self { owner, name, schemas }
    }
}

struct Answer {
    description: String,
    body: AnswerBody,
}

enum AnswerBody {
    Empty,
    Null,
    Typed(&'static str, Typed),
}

impl<S> fmt::Debug for Route<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("path", &self.path)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// Answers GET on `path`.
    pub fn get<H: Handler<T, S>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(HttpMethod::Get, path, handler)
    }

    /// Answers POST on `path`.
    pub fn post<H: Handler<T, S>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(HttpMethod::Post, path, handler)
    }

    /// Answers PATCH on `path`.
    pub fn patch<H: Handler<T, S>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(HttpMethod::Patch, path, handler)
    }

    /// Answers DELETE on `path`.
    pub fn delete<H: Handler<T, S>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(HttpMethod::Delete, path, handler)
    }

    fn new<H: Handler<T, S>, T: 'static>(method: HttpMethod, path: &'static str, handler: H) -> Self {
        Self {
            handler: MethodRouter::new().on(method.to_method_filter(), handler),
            method,
            path,
            operation: Operation::default(),
            id: path.to_owned(),
            family: None,
            login: None,
            style: ErrorStyle::default(),
            bodies: Vec::new(),
            answers: BTreeMap::new(),
            headers: Vec::new(),
            errors: Vec::new(),
            validates: false,
        }
    }
}

impl<S> Route<S> {
    /// Names the route, as in `register:register`. [`finish`] makes the operation id of the name, the path and the method,
    /// as FastAPI does.
    #[must_use]
    pub fn id(mut self, name: impl Into<String>) -> Self {
        self.id = name.into();
        self
    }

    /// Groups the operation under `tag`.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.operation.tags.get_or_insert_default().push(tag.into());
        self
    }

    /// Says in one line what the operation does.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.operation.summary = Some(summary.into());
        self
    }

    /// Says at length what the operation does, in Markdown.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.operation.description = Some(description.into());
        self
    }

    /// Sets this mount apart from others of the same router: its operation ids and the schemas of the app's own types
    /// ([`accepts`](Self::accepts), [`returns`](Self::returns), and what they contain) begin with `family`.
    #[must_use]
    pub fn named(mut self, family: impl Into<String>) -> Self {
        self.family = Some(family.into());
        self
    }

    /// Documents refusals in `style`. The app's layer has to write them so, see [`restyle`](crate::refusal::restyle).
    #[must_use]
    pub fn style(mut self, style: ErrorStyle) -> Self {
        self.style = style;
        self
    }

    /// Takes a JSON body of the app's type `T`.
    #[must_use]
    pub fn accepts<T: ToSchema>(mut self) -> Self {
        self.bodies.push((JSON, Typed::new::<T>(Owner::Family)));
        self
    }

    /// Takes a JSON body that only this operation has. Its schema is called `Body_` and the operation id, as in FastAPI.
    #[must_use]
    pub fn accepts_fields<T: ToSchema>(mut self) -> Self {
        self.bodies.push((JSON, Typed::new::<T>(Owner::Operation)));
        self
    }

    /// Takes a form that only this operation has. Its schema is called `Body_` and the operation id, as in FastAPI.
    #[must_use]
    pub fn accepts_form<T: ToSchema>(mut self) -> Self {
        self.bodies.push((FORM, Typed::new::<T>(Owner::Operation)));
        self
    }

    /// Takes a parameter of the path.
    #[must_use]
    pub fn path_param(self, name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Self {
        self.param(
            ParameterIn::Path,
            Required::True,
            name,
            schema.into(),
            description,
        )
    }

    /// Takes an optional parameter of the query.
    #[must_use]
    pub fn query_param(self, name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Self {
        self.param(
            ParameterIn::Query,
            Required::False,
            name,
            schema.into(),
            description,
        )
    }

    fn param(
        mut self,
        place: ParameterIn,
        required: Required,
        name: &str,
        schema: RefOr<Schema>,
        description: &str,
    ) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .description(Some(description))
            .schema(Some(schema))
            .build();
        self.operation
            .parameters
            .get_or_insert_default()
            .push(parameter.into());
        self
    }

    /// Answers `status` with the app's type `T` in JSON.
    #[must_use]
    pub fn returns<T: ToSchema>(self, status: StatusCode, description: impl Into<String>) -> Self {
        self.answers(
            status,
            description,
            AnswerBody::Typed(JSON, Typed::new::<T>(Owner::Family)),
        )
    }

    /// Answers `status` with the library's type `T` in JSON, which is the same in every family.
    #[must_use]
    pub fn returns_shared<T: ToSchema>(self, status: StatusCode, description: impl Into<String>) -> Self {
        self.answers(
            status,
            description,
            AnswerBody::Typed(JSON, Typed::new::<T>(Owner::Library)),
        )
    }

    /// The same as another media type than `application/json`.
    #[must_use]
    pub fn returns_shared_as<T: ToSchema>(
        self,
        media_type: &'static str,
        status: StatusCode,
        description: impl Into<String>,
    ) -> Self {
        let body = AnswerBody::Typed(media_type, Typed::new::<T>(Owner::Library));
        self.answers(status, description, body)
    }

    /// Answers `status` without a body.
    #[must_use]
    pub fn returns_empty(self, status: StatusCode, description: impl Into<String>) -> Self {
        self.answers(status, description, AnswerBody::Empty)
    }

    /// Answers `status` with the JSON literal `null`.
    #[must_use]
    pub fn returns_null(self, status: StatusCode, description: impl Into<String>) -> Self {
        self.answers(status, description, AnswerBody::Null)
    }

    fn answers(mut self, status: StatusCode, description: impl Into<String>, body: AnswerBody) -> Self {
        let description = description.into();
        self.answers.insert(status, Answer { description, body });
        self
    }

    /// Sends the header `name` with the answer `status`, as `Set-Cookie` at a login.
    #[must_use]
    pub fn sends_header(mut self, status: StatusCode, name: &'static str, description: &'static str) -> Self {
        self.headers.push((status, name, description));
        self
    }

    /// May refuse with each of `errors`. Those of one status become named examples of one answer.
    #[must_use]
    pub fn fails_with(mut self, errors: &[ErrorDoc]) -> Self {
        self.errors.extend(errors);
        self
    }

    /// Checks what it is given: may refuse with 422, and its body with 413 and 415.
    #[must_use]
    pub fn validates(mut self) -> Self {
        self.validates = true;
        self
    }

    /// Needs the store: may refuse with 503.
    #[must_use]
    pub fn may_be_unavailable(self) -> Self {
        self.fails_with(&[UNAVAILABLE])
    }

    /// Lets in who is signed in by any of `schemes`, and refuses others with 401.
    #[must_use]
    pub fn secured(mut self, schemes: &[SchemeNeed]) -> Self {
        let alternatives = schemes.iter().map(SchemeNeed::requirement);
        self.operation
            .security
            .get_or_insert_default()
            .extend(alternatives);
        self.fails_with(&[NOT_SIGNED_IN])
    }

    /// Signs in to the backend with the security scheme `scheme`: its `tokenUrl` becomes the path where this is mounted.
    #[must_use]
    pub fn signs_in_to(mut self, scheme: impl Into<String>) -> Self {
        self.login = Some(scheme.into());
        self
    }
}

impl<S> From<Route<S>> for UtoipaMethodRouter<S> {
    fn from(route: Route<S>) -> Self {
        let mut writer = Writer::new(&route);
        let mut operation = route.operation;
        // An empty list says that the route is public, also where the app secures its whole document.
        operation.security.get_or_insert_default();
        let mut body = None;
        let reads_body = !route.bodies.is_empty();
        for (media_type, typed) in route.bodies {
            if typed.owner == Owner::Operation {
                body = Some(writer.names.own_body());
            }
            let content = Content::new(Some(writer.take(typed)));
            let request = operation
                .request_body
                .get_or_insert_with(|| RefOr::T(RequestBody::new()));
            if let RefOr::T(request) = request {
                request.required = Some(Required::True);
                request.content.insert(media_type.to_owned(), RefOr::T(content));
            }
        }
        let mut responses = BTreeMap::new();
        for (status, answer) in route.answers {
            let response = ResponseBuilder::new().description(answer.description);
            let response = match answer.body {
                AnswerBody::Empty => response,
                AnswerBody::Null => response.content(JSON, Content::new(Some(Object::with_type(Type::Null)))),
                AnswerBody::Typed(media_type, typed) => {
                    response.content(media_type, Content::new(Some(writer.take(typed))))
                }
            };
            responses.insert(status, response.build());
        }
        for error in &route.errors {
            writer.error(&mut responses, error);
        }
        if route.validates {
            if reads_body {
                writer.error(&mut responses, &TOO_LARGE);
                writer.error(&mut responses, &WRONG_MEDIA_TYPE);
            }
            writer.validation(&mut responses);
        }
        for (status, name, description) in route.headers {
            if let Some(response) = responses.get_mut(&status) {
                response.headers.insert(name.to_owned(), text_header(description));
            }
        }
        operation.responses.responses = responses
            .into_iter()
            .map(|(status, response)| (status.as_str().to_owned(), RefOr::T(response)))
            .collect();

        let name = writer.names.operation();
        operation.operation_id = Some(name.clone());
        let schemas = writer.schemas;
        let mark = Mark {
            name: Some(name),
            login: route.login,
            body,
            schemas: schemas
                .iter()
                .map(|(name, schema)| (name.clone(), digest(schema)))
                .collect(),
        };
        mark.write(&mut operation);

        let mut paths = Paths::new();
        paths.add_path_operation(route.path, vec![route.method], operation);
        (schemas, paths, route.handler)
    }
}

/// Documents that handlers of the application's own are guarded.
pub(crate) fn guarded<S>(
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
    needs: &[SchemeNeed],
    refusals: &[ErrorDoc],
    style: ErrorStyle,
) -> UtoipaMethodRouter<S> {
    let mut writer = Writer {
        names: Names {
            id: String::new(),
            family: None,
        },
        style,
        schemas,
    };
    for item in paths.paths.values_mut() {
        for (_, operation) in finish::operations(item) {
            let alternatives = needs.iter().map(SchemeNeed::requirement);
            operation.security.get_or_insert_default().extend(alternatives);
            let mut responses = BTreeMap::new();
            writer.error(&mut responses, &NOT_SIGNED_IN);
            for refusal in refusals {
                writer.error(&mut responses, refusal);
            }
            for (status, response) in responses {
                operation
                    .responses
                    .responses
                    .entry(status.as_str().to_owned())
                    .or_insert(RefOr::T(response));
            }
        }
    }
    (writer.schemas, paths, router)
}

impl Mark {
    fn write(&self, operation: &mut Operation) {
        let value = serde_json::to_value(self).unwrap_or_default();
        let extensions = operation.extensions.get_or_insert_default();
        extensions.merge(ExtensionsBuilder::new().add(MARK, value).build());
    }

    /// Takes the mark off `operation`.
    fn take(operation: &mut Operation) -> Option<Self> {
        let extensions = operation.extensions.as_mut()?;
        let value = extensions.remove(MARK)?;
        if extensions.is_empty() {
            operation.extensions = None;
        }
        serde_json::from_value(value).ok()
    }
}

/// What things are called under a mount's name.
struct Names {
    id: String,
    family: Option<String>,
}

impl Names {
    fn operation(&self) -> String {
        match &self.family {
            Some(family) => format!("{family}:{}", self.id),
            None => self.id.clone(),
        }
    }

    fn own_body(&self) -> String {
        format!("Body_{}", word_characters(&self.operation()))
    }

    fn schema<'a>(&self, typed: &Typed, name: &'a str) -> Cow<'a, str> {
        match (typed.owner, &self.family) {
            (Owner::Operation, _) if name == typed.name => self.own_body().into(),
            (Owner::Family, Some(family)) => format!("{}{name}", pascal_case(family)).into(),
            _ => name.into(),
        }
    }
}

fn pascal_case(name: &str) -> String {
    name.split(|c: char| !c.is_alphanumeric())
        .flat_map(|word| {
            let mut rest = word.chars();
            rest.next().into_iter().flat_map(char::to_uppercase).chain(rest)
        })
        .collect()
}

/// Writes the parts of an operation and gathers the schemas they need.
struct Writer {
    names: Names,
    style: ErrorStyle,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Writer {
    fn new<S>(route: &Route<S>) -> Self {
        Self {
            names: Names {
                id: route.id.clone(),
                family: route.family.clone(),
            },
            style: route.style,
            schemas: Vec::new(),
        }
    }

    fn take(&mut self, mut typed: Typed) -> Ref {
        for (name, mut schema) in std::mem::take(&mut typed.schemas) {
            rename(&mut schema, &|target| {
                self.names.schema(&typed, target).into_owned()
            });
            let name = self.names.schema(&typed, &name).into_owned();
            if !self.schemas.iter().any(|(known, _)| *known == name) {
                self.schemas.push((name, schema));
            }
        }
        Ref::from_schema_name(self.names.schema(&typed, &typed.name))
    }

    fn error(&mut self, responses: &mut BTreeMap<StatusCode, Response>, error: &ErrorDoc) {
        let refusal = error.refusal().styled(self.style);
        // Under a style that answers it as another status, that status has its own documentation.
        if refusal.status() != error.status {
            return;
        }
        let model = match self.style {
            ErrorStyle::Full => Typed::new::<ErrorModel>(Owner::Library),
            ErrorStyle::FastApiUsers => Typed::new::<FastApiErrorModel>(Owner::Library),
        };
        let model = self.take(model);
        let response = responses
            .entry(error.status)
            .or_insert_with(|| refusal_answer(error.status));
        let content = response
            .content
            .entry(JSON.to_owned())
            .or_insert_with(|| RefOr::T(Content::new(Some(model))));
        if let RefOr::T(content) = content {
            let example = ExampleBuilder::new()
                .summary(error.summary)
                .value(serde_json::from_slice(&refusal.body()).ok())
                .build();
            content.examples.insert(refusal.code().to_owned(), example.into());
        }
    }

    fn validation(&mut self, responses: &mut BTreeMap<StatusCode, Response>) {
        let model = match self.style {
            ErrorStyle::Full => Typed::new::<ValidationErrorModel>(Owner::Library),
            ErrorStyle::FastApiUsers => Typed::new::<FastApiValidationError>(Owner::Library),
        };
        let refusal = Refusal::invalid(vec![FieldError::missing("email")]).styled(self.style);
        let mut content = Content::new(Some(self.take(model)));
        content.example = serde_json::from_slice(&refusal.body()).ok();
        let response = ResponseBuilder::new()
            .description("Validation Error")
            .content(JSON, content)
            .build();
        responses.insert(refusal.status(), response);
    }
}

fn refusal_answer(status: StatusCode) -> Response {
    let mut response = Response::new(status.canonical_reason().unwrap_or_default());
    let header = match status {
        StatusCode::UNAUTHORIZED => Some((
            "WWW-Authenticate",
            "How to authenticate (RFC 9110, section 11.6.1).",
        )),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            Some(("Retry-After", "After how many seconds to try again."))
        }
        _ => None,
    };
    if let Some((name, description)) = header {
        response.headers.insert(name.to_owned(), text_header(description));
    }
    response
}

fn text_header(description: &str) -> RefOr<Header> {
    let mut header = Header::new(Object::with_type(Type::String));
    header.description = Some(description.to_owned());
    RefOr::T(header)
}

#[cfg(test)]
mod tests;
