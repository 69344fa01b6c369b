//! What can only be told once everything is mounted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use thiserror::Error;
use utoipa::openapi::{
    Components, OpenApi, RefOr,
    path::{Operation, PathItem},
    security::{Flow, SecurityScheme},
};

use super::{
    Mark,
    schema::{SCHEMAS, digest, fold, word_characters},
};

/// The security scheme of a backend, as it stands in the document.
///
/// ```
/// use axum_users_auth::{openapi::{BackendScheme, finish}, transport::{BearerTransport, Transport}};
///
/// let scheme = BackendScheme::new("jwt", BearerTransport::new().scheme()).without_login();
/// let api = finish(utoipa::openapi::OpenApi::default(), &[scheme])?;
/// assert!(api.components.unwrap().security_schemes.contains_key("jwt"));
/// # Ok::<_, axum_users_auth::openapi::FinishError>(())
/// ```
#[derive(Clone)]
pub struct BackendScheme {
    name: String,
    scheme: SecurityScheme,
    login: bool,
}

impl std::fmt::Debug for BackendScheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackendScheme")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl BackendScheme {
    /// A backend that users sign in to over HTTP. `name` is what [`Route::secured`](super::Route::secured) and
    /// [`Route::signs_in_to`](super::Route::signs_in_to) call it.
    pub fn new(name: impl Into<String>, scheme: impl Into<SecurityScheme>) -> Self {
        Self {
            name: name.into(),
            scheme: scheme.into(),
            login: true,
        }
    }

    /// Lets the backend be without a login route, as where tokens are issued by hand.
    #[must_use]
    pub fn without_login(mut self) -> Self {
        self.login = false;
        self
    }
}

/// Why a document cannot be finished. Each is a fault of the wiring, to be met at start-up.
///
/// ```
/// use axum_users_auth::{openapi::{BackendScheme, FinishError, finish}, transport::{BearerTransport, Transport}};
///
/// let scheme = BackendScheme::new("jwt", BearerTransport::new().scheme());
/// let refused = finish(utoipa::openapi::OpenApi::default(), &[scheme]).map(drop).unwrap_err();
/// assert!(matches!(&refused, FinishError::NotMounted { backend } if backend == "jwt"));
/// assert!(refused.to_string().contains("mount its `auth_router`"));
/// ```
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FinishError {
    /// Two operations have one id, so that generated clients lose one of them.
    #[error(
        "the operation id `{id}` is used by both `{first}` and `{second}`; give the app's own operation another \
         `operation_id`, or mount one of the routers under a name of its own"
    )]
    DuplicateOperationId {
        /// The id.
        id: String,
        /// Method and path of one operation.
        first: String,
        /// Method and path of the other.
        second: String,
    },
    /// Two schemas have one name and say different things.
    #[error(
        "two different schemas are called `{name}`, one of them used by `{operation}`; rename one type with \
         `#[schema(as = …)]`, or mount the second family of users under a name of its own"
    )]
    ConflictingSchema {
        /// The name.
        name: String,
        /// Method and path of an operation that means the schema that is lost.
        operation: String,
    },
    /// Two security schemes have one name and say different things.
    #[error("two different security schemes are called `{name}`; give one of the backends another name")]
    ConflictingScheme {
        /// The name.
        name: String,
    },
    /// No route signs in to a backend.
    #[error(
        "no route signs in to the backend `{backend}`; mount its `auth_router` before finishing the document, or take \
         the backend out of the list"
    )]
    NotMounted {
        /// The backend.
        backend: String,
    },
    /// A login is mounted for a backend whose tokens no login makes.
    #[error(
        "`{operation}` signs in to the backend `{backend}`, whose tokens no login makes; take its `auth_router` away"
    )]
    LoginMounted {
        /// The backend.
        backend: String,
        /// The path of the login.
        operation: String,
    },
    /// A reference leads nowhere.
    #[error(
        "`{reference}`, used by `{operation}`, is not in the document; a generic field that is flattened needs \
         `#[schema(inline)]`, a type that is referred to needs `ToSchema`"
    )]
    DanglingReference {
        /// The reference.
        reference: String,
        /// Method and path of an operation that leads to it.
        operation: String,
    },
}

/// `main` shows an error by its `Debug`: it says what to do, as `Display` does.
impl std::fmt::Debug for FinishError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Finishes the document of an app once all routers are mounted.
///
/// It gives our operations their final ids, adds the security schemes of `backends` with the `tokenUrl` of the first path
/// that signs in to each, and checks what would otherwise be lost in silence. The app's own operations stay as they are. With
/// several families of users call it once for each, in any order.
///
/// # Errors
/// See [`FinishError`]; each message says what to do.
pub fn finish(mut api: OpenApi, backends: &[BackendScheme]) -> Result<OpenApi, FinishError> {
    let mut components = api.components.take().unwrap_or_default();

    let mut logins = BTreeMap::new();
    let mut ours = BTreeSet::new();
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut bodies = BTreeSet::new();
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            let place = format!("{} {path}", method.to_ascii_uppercase());
            if let Some(mut mark) = Mark::take(operation) {
                if let Some(name) = mark.name.take() {
                    check_schemas(&mut components, &mark, &place)?;
                    let id = format!("{}_{method}", word_characters(&format!("{name}{path}")));
                    if let Some(body) = mark.body.take() {
                        own_body(&mut components, operation, &body, &id);
                        bodies.insert(body);
                    }
                    operation.operation_id = Some(id);
                    ours.insert(place.clone());
                    mark.schemas.clear();
                }
                if let Some(backend) = mark.login.clone() {
                    if backends.iter().any(|known| known.name == backend) {
                        logins.entry(backend).or_insert_with(|| path.clone());
                    } else {
                        // A backend of another family, to be finished by another call.
                        mark.write(operation);
                    }
                }
            }
            if let Some(id) = &operation.operation_id {
                ids.entry(id.clone()).or_default().push(place);
            }
        }
    }
    components.schemas.retain(|name, _| !bodies.contains(name));

    check_ids(ids, &ours)?;
    for backend in backends {
        add_scheme(&mut components, backend, logins.get(&backend.name))?;
    }
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            let place = format!("{} {path}", method.to_ascii_uppercase());
            if ours.contains(&place) {
                check_references(&components, operation, &place)?;
            }
        }
    }
    if components != Components::default() {
        api.components = Some(components);
    }
    Ok(api)
}

pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", item.get.as_mut()),
        ("put", item.put.as_mut()),
        ("post", item.post.as_mut()),
        ("delete", item.delete.as_mut()),
        ("options", item.options.as_mut()),
        ("head", item.head.as_mut()),
        ("patch", item.patch.as_mut()),
        ("trace", item.trace.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

// Routers are merged by name, first come first kept, so what was lost can be told by its digest only.
fn check_schemas(components: &mut Components, mark: &Mark, place: &str) -> Result<(), FinishError> {
    for (name, expected) in &mark.schemas {
        let kept = components.schemas.get_mut(name);
        let same = kept.is_some_and(|kept| {
            // The app may use the type too, and have brought it unfolded.
            fold(kept);
            digest(kept) == *expected
        });
        if !same {
            return Err(FinishError::ConflictingSchema {
                name: name.clone(),
                operation: place.to_owned(),
            });
        }
    }
    Ok(())
}

fn own_body(components: &mut Components, operation: &mut Operation, provisional: &str, id: &str) {
    let name = format!("Body_{id}");
    if let Some(schema) = components.schemas.get(provisional).cloned() {
        components.schemas.insert(name.clone(), schema);
    }
    let Some(RefOr::T(body)) = &mut operation.request_body else {
        return;
    };
    for content in body.content.values_mut() {
        if let RefOr::T(content) = content
            && let Some(RefOr::Ref(reference)) = &mut content.schema
            && reference.ref_location == format!("{SCHEMAS}{provisional}")
        {
            reference.ref_location = format!("{SCHEMAS}{name}");
        }
    }
}

fn check_ids(ids: BTreeMap<String, Vec<String>>, ours: &BTreeSet<String>) -> Result<(), FinishError> {
    for (id, places) in ids {
        let mut others = places.iter().filter(|place| !ours.contains(*place));
        let mut known = places.iter().filter(|place| ours.contains(*place));
        let pair = (known.next(), known.next().or_else(|| others.next()));
        if let (Some(first), Some(second)) = pair {
            let (first, second) = (first.clone(), second.clone());
            return Err(FinishError::DuplicateOperationId { id, first, second });
        }
    }
    Ok(())
}

fn add_scheme(
    components: &mut Components,
    backend: &BackendScheme,
    login: Option<&String>,
) -> Result<(), FinishError> {
    let name = &backend.name;
    if backend.login && login.is_none() {
        return Err(FinishError::NotMounted {
            backend: name.clone(),
        });
    }
    if let (false, Some(path)) = (backend.login, login) {
        return Err(FinishError::LoginMounted {
            backend: name.clone(),
            operation: path.clone(),
        });
    }
    let mut scheme = backend.scheme.clone();
    if let (SecurityScheme::OAuth2(oauth2), Some(path)) = (&mut scheme, login) {
        for flow in oauth2.flows.values_mut() {
            if let Flow::Password(password) = flow {
                password.token_url.clone_from(path);
            }
        }
    }
    let known = components.security_schemes.get(name);
    if known.is_some_and(|known| *known != RefOr::T(scheme.clone())) {
        return Err(FinishError::ConflictingScheme { name: name.clone() });
    }
    components.add_security_scheme(name, scheme);
    Ok(())
}

fn check_references(components: &Components, operation: &Operation, place: &str) -> Result<(), FinishError> {
    let mut open = references(&serde_json::to_value(operation).unwrap_or_default());
    let mut seen = BTreeSet::new();
    while let Some(reference) = open.pop() {
        if !seen.insert(reference.clone()) {
            continue;
        }
        let Some(name) = reference.strip_prefix(SCHEMAS) else {
            continue;
        };
        let Some(schema) = components.schemas.get(name) else {
            return Err(FinishError::DanglingReference {
                reference,
                operation: place.to_owned(),
            });
        };
        open.extend(references(&serde_json::to_value(schema).unwrap_or_default()));
    }
    Ok(())
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(target) if key == "$ref" => vec![target.clone()],
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
