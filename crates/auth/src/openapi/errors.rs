//! Errors of the document in a format of the application's own.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use utoipa::{
    ToSchema,
    openapi::{Content, OpenApi, Ref, RefOr, Response, Schema, path::PathItem},
};

use super::{finish::operations, schema::SCHEMAS};
use crate::refusal::{ErrorModel, FastApiErrorModel, FastApiValidationError, ValidationErrorModel};

/// The type by which a document shows errors, in the place of the library's.
#[derive(Clone)]
pub(crate) struct ErrorSchema {
    media_type: String,
    name: String,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl ErrorSchema {
    pub(crate) fn of<T: ToSchema>(media_type: String) -> Self {
        let name = T::name().into_owned();
        let mut schemas = vec![(name.clone(), T::schema())];
        T::schemas(&mut schemas);
        Self {
            media_type,
            name,
            schemas,
        }
    }

    /// Puts the type in the place of the library's, wherever an answer is one of these.
    pub(crate) fn write(&self, api: &mut OpenApi) {
        let ours = [
            ErrorModel::name(),
            ValidationErrorModel::name(),
            FastApiErrorModel::name(),
            FastApiValidationError::name(),
        ];
        let is_ours = |content: &RefOr<Content>| {
            let RefOr::T(content) = content else { return false };
            let Some(RefOr::Ref(reference)) = &content.schema else {
                return false;
            };
            let name = reference.ref_location.strip_prefix(SCHEMAS);
            name.is_some_and(|name| ours.iter().any(|our| our == name))
        };
        let mut replaced = false;
        for item in api.paths.paths.values_mut() {
            for response in responses(item) {
                if !response.content.values().any(is_ours) {
                    continue;
                }
                let mut examples = BTreeMap::new();
                for content in std::mem::take(&mut response.content).into_values() {
                    if let RefOr::T(content) = content {
                        examples.extend(content.examples);
                    }
                }
                for example in examples.values_mut() {
                    if let RefOr::T(example) = example {
                        example.value = None;
                    }
                }
                let mut content = Content::new(Some(Ref::from_schema_name(&self.name)));
                content.examples = examples;
                response
                    .content
                    .insert(self.media_type.clone(), RefOr::T(content));
                replaced = true;
            }
        }
        if !replaced {
            return;
        }
        let components = api.components.get_or_insert_default();
        for (name, schema) in &self.schemas {
            components
                .schemas
                .entry(name.clone())
                .or_insert_with(|| schema.clone());
        }
        drop_unused(api, &ours.map(Cow::into_owned));
    }
}

/// Takes schemas away that nothing refers to any longer.
fn drop_unused(api: &mut OpenApi, names: &[String]) {
    let text = serde_json::to_string(api).unwrap_or_default();
    if let Some(components) = &mut api.components {
        let unused: BTreeSet<_> = names
            .iter()
            .filter(|name| !text.contains(&format!("\"{SCHEMAS}{name}\"")))
            .collect();
        components.schemas.retain(|name, _| !unused.contains(name));
    }
}

fn responses(item: &mut PathItem) -> impl Iterator<Item = &mut Response> {
    operations(item)
        .flat_map(|(_, operation)| operation.responses.responses.values_mut())
        .filter_map(|response| match response {
            RefOr::T(response) => Some(response),
            RefOr::Ref(_) => None,
        })
}

impl fmt::Debug for ErrorSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorSchema")
            .field("name", &self.name)
            .field("media_type", &self.media_type)
            .finish_non_exhaustive()
    }
}
