//! Custom resources, by the structural schema of their definition:
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>.
//!
//! Fields, types, required fields, enumerations and keys of lists are checked. Bounds, patterns, formats, `anyOf` and CEL rules are left
//! to the server: a pattern of others is never run here.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::builtin;
use super::faults::Faults;
use super::table::{Shape, Table};
use super::values;
use crate::object::{Object, is_late, list, text};
use crate::path::Step;

/// The definitions in a set of objects, by group and kind.
pub(super) struct Definitions<'a>(HashMap<(&'a str, &'a str), &'a Value>);

impl<'a> Definitions<'a> {
    pub(super) fn of(objects: &[Object<'a>]) -> Self {
        Self(
            objects
                .iter()
                .filter(|object| {
                    (object.api_version, object.kind)
                        == ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
                })
                .filter_map(|object| {
                    let spec = object.value.get("spec")?;
                    let key = (text(spec, "group")?, text(&spec["names"], "kind")?);
                    Some((key, spec))
                })
                .collect(),
        )
    }

    /// The `spec` of a kind's definition.
    pub(super) fn of_kind(&self, group: &'a str, kind: &'a str) -> Option<&'a Value> {
        self.0.get(&(group, kind)).copied()
    }
}

/// Checks an object against the `spec` of its definition.
pub(super) fn check<'a>(
    table: &Table,
    definition: &Value,
    version: &str,
    faults: &mut Faults<'_, '_, 'a>,
) {
    let mut served = Vec::new();
    for (_, one) in list(definition, "versions").filter(|(_, one)| one["served"] == true) {
        let Some(name) = text(one, "name") else {
            continue;
        };
        if name == version {
            builtin::check_metadata(table, faults);
            if let Some(map) = faults.value().as_object() {
                fields(
                    &one["schema"]["openAPIV3Schema"],
                    map,
                    Place::Standing,
                    faults,
                );
            }
            return;
        }
        served.push(name);
    }
    faults.unknown_version(&served);
}

/// Where an object stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// By itself: its metadata are checked elsewhere, and its status is not sent.
    Standing,
    /// In a field that holds whole objects.
    Embedded,
    /// In an ordinary field.
    Inner,
}

fn is(schema: &Value, mark: &str) -> bool {
    schema[mark] == true
}

fn look<'a>(schema: &Value, value: &'a Value, faults: &mut Faults<'_, '_, 'a>) {
    if value.is_null() || is_late(value) {
        return;
    }
    let shape = match schema["type"].as_str() {
        _ if is(schema, "x-kubernetes-int-or-string") => Shape::IntOrText,
        Some("object") => Shape::Object,
        Some("array") => Shape::List(Box::new(Shape::Any)),
        Some("string") => Shape::Text,
        Some("integer") => Shape::Int64,
        Some("number") => Shape::Number,
        Some("boolean") => Shape::Boolean,
        _ => Shape::Any,
    };
    if !values::is(&shape, value) {
        faults.wrong_type(shape.name(), value);
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        faults.unknown_value(value.as_str().unwrap_or("that"), &allowed);
    }
    match value {
        Value::Object(map) => {
            let place = if is(schema, "x-kubernetes-embedded-resource") {
                Place::Embedded
            } else {
                Place::Inner
            };
            fields(schema, map, place, faults);
        }
        Value::Array(items) => elements(schema, items, faults),
        _ => {}
    }
}

fn elements<'a>(schema: &Value, items: &'a [Value], faults: &mut Faults<'_, '_, 'a>) {
    if let Some(schema) = schema.get("items") {
        for (at, item) in items.iter().enumerate() {
            faults.within(Step::Element(at), |faults| look(schema, item, faults));
        }
    }
    if schema["x-kubernetes-list-type"] == "map" {
        let keys: Vec<&str> = list(schema, "x-kubernetes-list-map-keys")
            .filter_map(|(_, key)| key.as_str())
            .collect();
        builtin::duplicates(&keys, items, faults);
    }
}

fn fields<'a>(
    schema: &Value,
    map: &'a Map<String, Value>,
    place: Place,
    faults: &mut Faults<'_, '_, 'a>,
) {
    let properties = schema["properties"].as_object();
    let others = schema.get("additionalProperties");
    // Without any of these the server keeps no field at all, unless nothing is said of the value's form.
    let keeps_all = is(schema, "x-kubernetes-preserve-unknown-fields")
        || schema.get("type").is_none()
        || others.is_some_and(|others| *others == true);
    for (name, value) in map {
        let name = name.as_str();
        let known_to_all = match place {
            Place::Standing => matches!(name, "apiVersion" | "kind" | "metadata" | "status"),
            Place::Embedded => matches!(name, "apiVersion" | "kind" | "metadata"),
            Place::Inner => false,
        };
        if known_to_all {
            continue;
        }
        let inner = properties
            .and_then(|properties| properties.get(name))
            .or(others.filter(|others| others.is_object()));
        faults.within(Step::Field(name), |faults| match inner {
            Some(schema) => look(schema, value, faults),
            None if keeps_all => {}
            None => {
                let known = properties
                    .into_iter()
                    .flat_map(|properties| properties.keys().map(String::as_str));
                faults.unknown_field(name, known);
            }
        });
    }
    for (_, name) in list(schema, "required") {
        let Some(name) = name.as_str() else { continue };
        if place == Place::Standing && name == "status" {
            continue;
        }
        let filled_in = properties
            .and_then(|properties| properties.get(name))
            .is_some_and(|property| property.get("default").is_some());
        if !filled_in && map.get(name).is_none_or(Value::is_null) {
            faults.missing(name);
        }
    }
}
