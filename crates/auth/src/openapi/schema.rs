//! Walking, folding and renaming schemas.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use utoipa::openapi::{
    Object, Ref, RefOr, Schema, Type,
    schema::{AdditionalProperties, AllOf, ArrayItems, Discriminator, SchemaType},
};

pub(super) const SCHEMAS: &str = "#/components/schemas/";

/// Replaces what is no word character by `_`, as Python's `re.sub(r"\W", "_", name)`.
pub(super) fn word_characters(name: &str) -> String {
    name.replace(|c: char| !c.is_alphanumeric() && c != '_', "_")
}

/// A fingerprint of what a schema says.
pub(super) fn digest(schema: &RefOr<Schema>) -> String {
    let text = serde_json::to_string(schema).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

/// Gives every reference to a schema the name that `new_name` says.
pub(super) fn rename(schema: &mut RefOr<Schema>, new_name: &dyn Fn(&str) -> String) {
    let renamed = |location: &mut String| {
        if let Some(name) = location.strip_prefix(SCHEMAS) {
            *location = format!("{SCHEMAS}{}", new_name(name));
        }
    };
    match schema {
        RefOr::Ref(Ref { ref_location, .. }) => renamed(ref_location),
        RefOr::T(inner) => {
            if let Some(discriminator) = discriminator(inner) {
                discriminator.mapping.values_mut().for_each(renamed);
            }
        }
    }
    for_each_child(schema, &mut |child| rename(child, new_name));
}

fn discriminator(schema: &mut Schema) -> Option<&mut Discriminator> {
    match schema {
        Schema::OneOf(one) => one.discriminator.as_mut(),
        Schema::AnyOf(any) => any.discriminator.as_mut(),
        Schema::AllOf(all) => all.discriminator.as_mut(),
        _ => None,
    }
}

/// Makes one schema of every `allOf` that the derive macro writes for a flattened or a documented inline field.
///
/// The last part is the struct that flattens, so its words and its properties count, as they do in serde.
pub(super) fn fold(schema: &mut RefOr<Schema>) {
    for_each_child(schema, &mut fold);
    if let RefOr::T(Schema::AllOf(all)) = schema
        && let Some(one) = annotated(all).or_else(|| folded(all))
    {
        *schema = one;
    }
}

/// One schema with a description beside it. utoipa calls the description's part an `object`, which nothing but an object
/// satisfies.
fn annotated(all: &AllOf) -> Option<RefOr<Schema>> {
    let [one, RefOr::T(Schema::Object(words))] = all.items.as_slice() else {
        return None;
    };
    let mut rest = words.clone();
    (rest.title, rest.description, rest.default) = (None, None, None);
    (rest.read_only, rest.write_only) = (None, None);
    if rest != Object::new() || all.description.is_some() || all.title.is_some() {
        return None;
    }
    let mut one = one.clone();
    macro_rules! annotate {
        ($target:expr; $($field:ident),*) => {{
            $(if words.$field.is_some() { $target.$field.clone_from(&words.$field); })*
        }};
    }
    match &mut one {
        RefOr::Ref(reference) => {
            annotate!(reference; title, default, read_only, write_only);
            reference.description = words.description.clone().unwrap_or_default();
        }
        RefOr::T(Schema::Object(object)) => {
            annotate!(object; title, description, default, read_only, write_only);
        }
        RefOr::T(Schema::OneOf(one)) => {
            annotate!(one; title, description, default, read_only, write_only);
        }
        RefOr::T(Schema::Array(array)) => annotate!(array; title, description, default),
        RefOr::T(Schema::AllOf(all)) => annotate!(all; title, description, default),
        RefOr::T(Schema::AnyOf(any)) => annotate!(any; description, default),
        RefOr::T(_) => return None,
    }
    Some(one)
}

fn folded(all: &AllOf) -> Option<RefOr<Schema>> {
    let Some(RefOr::T(Schema::Object(own))) = all.items.last() else {
        return None;
    };
    if all.discriminator.is_some() {
        return None;
    }
    let mut merged = Object::new();
    for part in all.items.iter().rev() {
        let RefOr::T(Schema::Object(part)) = part else {
            return None;
        };
        if is_unit(part) {
            continue;
        }
        if !is_only_properties(part)
            || (part.additional_properties.is_some() && merged.additional_properties.is_some())
        {
            return None;
        }
        for (name, property) in &part.properties {
            if !merged.properties.contains_key(name) {
                merged.properties.insert(name.clone(), property.clone());
            }
        }
        for name in &part.required {
            if !merged.required.contains(name) {
                merged.required.push(name.clone());
            }
        }
        if part.additional_properties.is_some() {
            merged
                .additional_properties
                .clone_from(&part.additional_properties);
        }
    }
    merged.title = all.title.clone().or_else(|| own.title.clone());
    merged.description = all.description.clone().or_else(|| own.description.clone());
    merged.default = all.default.clone().or_else(|| own.default.clone());
    merged.example = all.example.clone().or_else(|| own.example.clone());
    merged.examples.clone_from(if all.examples.is_empty() {
        &own.examples
    } else {
        &all.examples
    });
    merged.extensions = all.extensions.clone().or_else(|| own.extensions.clone());
    merged.deprecated.clone_from(&own.deprecated);
    merged.read_only = own.read_only;
    merged.write_only = own.write_only;
    Some(merged.into())
}

/// Whether `part` is what `()` leaves behind, the own fields of an app that has none.
fn is_unit(part: &Object) -> bool {
    part.schema_type == SchemaType::AnyValue && part.properties.is_empty()
}

/// Whether folding loses nothing of `part`: it is an object without rules about the object as a whole.
fn is_only_properties(part: &Object) -> bool {
    part.schema_type == SchemaType::Type(Type::Object)
        && part.enum_values.is_none()
        && part.property_names.is_none()
        && part.max_properties.is_none()
        && part.min_properties.is_none()
        && part.xml.is_none()
}

fn for_each_child(schema: &mut RefOr<Schema>, visit: &mut dyn FnMut(&mut RefOr<Schema>)) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            object.properties.values_mut().for_each(&mut *visit);
            if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref_mut() {
                visit(values);
            }
            if let Some(content) = object.content_schema.as_deref_mut() {
                visit(content);
            }
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                visit(items);
            }
            for item in &mut array.prefix_items {
                let mut inner = RefOr::T(std::mem::take(item));
                visit(&mut inner);
                if let RefOr::T(inner) = inner {
                    *item = inner;
                }
            }
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(visit),
        Schema::AllOf(all) => all.items.iter_mut().for_each(visit),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(visit),
        _ => {}
    }
}

#[cfg(test)]
#[expect(
    unused_qualifications,
    reason = "utoipa's macros write them for generic fields"
)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::{PartialSchema, ToSchema};

    use super::*;

    /// A level.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Level {
        Low,
    }

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Zip {
        /// How sure we are.
        #[schema(inline)]
        level: Level,
        code: String,
    }

    /// A place.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Place {
        city: String,
        email: i32,
        zip: Option<Zip>,
    }

    /// A profile.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Profile<X> {
        name: String,
        /// Where they live.
        #[serde(flatten)]
        #[schema(inline)]
        place: X,
    }

    /// A user.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Account<X> {
        email: String,
        #[serde(flatten)]
        #[schema(inline)]
        own: X,
    }

    fn value(mut schema: RefOr<Schema>) -> Value {
        fold(&mut schema);
        serde_json::to_value(schema).unwrap()
    }

    #[test]
    fn nested_flattened_fields_become_one_object() {
        let schema = value(Account::<Profile<Place>>::schema());
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "description": "A user.",
                "required": ["email", "name", "city"],
                "properties": {
                    "email": {"type": "string"},
                    "name": {"type": "string"},
                    "city": {"type": "string"},
                    "zip": {"oneOf": [{"$ref": "#/components/schemas/Zip"}, {"type": "null"}]},
                },
            })
        );
    }

    #[test]
    fn nothing_flattened_leaves_the_plain_object() {
        let schema = value(Account::<()>::schema());
        assert_eq!(schema["required"], json!(["email"]), "{schema}");
        assert!(schema.get("allOf").is_none(), "{schema}");
    }

    #[test]
    fn a_documented_inline_field_keeps_its_own_type() {
        let level = &value(Zip::schema())["properties"]["level"];
        let expected = json!({"type": "string", "enum": ["Low"], "description": "How sure we are."});
        assert_eq!(*level, expected);
    }

    #[test]
    fn references_are_renamed_at_any_depth() {
        let mut schema = Account::<Profile<Place>>::schema();
        rename(&mut schema, &|name| format!("Staff{name}"));
        let text = serde_json::to_string(&schema).unwrap();
        assert!(text.contains("#/components/schemas/StaffZip"), "{text}");
        assert!(!text.contains("schemas/Zip"));
    }

    #[test]
    fn names_are_spelled_as_in_the_original() {
        assert_eq!(word_characters("users:user/users/{id}"), "users_user_users__id_");
        assert_eq!(word_characters("auth:jwt.login"), "auth_jwt_login");
    }
}
