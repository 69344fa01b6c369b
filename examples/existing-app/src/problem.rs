//! How the shop has always refused: problem details, RFC 9457.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use axum_users::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The status once more.
    status: u16,
    /// A stable code for programs.
    #[schema(examples("OUT_OF_STOCK"))]
    title: String,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The fields at fault, each with a code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<[String; 2]>,
}

impl Problem {
    /// Refuses with a code.
    pub fn new(status: StatusCode, title: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            title: title.into(),
            detail: None,
            fields: Vec::new(),
        }
    }

    /// 404: there is no such thing.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND")
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let fields = refusal.errors().iter();
        Self {
            detail: refusal.reason().map(str::to_owned),
            fields: fields
                .map(|error| [error.field(), error.code().to_owned()])
                .collect(),
            ..Self::new(refusal.status(), refusal.code())
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], Json(self)).into_response()
    }
}

/// What problems are sent as.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Writes what the library refuses as a problem; everything else passes.
pub(crate) async fn in_our_format(response: Response) -> Response {
    let Some(refusal) = response.extensions().get::<Refusal>() else {
        return response;
    };
    let mut problem = Problem::from(refusal).into_response();
    // `WWW-Authenticate` and `Retry-After` are among them.
    for (name, value) in refusal.headers() {
        problem.headers_mut().append(name, value.clone());
    }
    problem
}
