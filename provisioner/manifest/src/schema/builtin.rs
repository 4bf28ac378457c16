//! Objects of built-in kinds.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::faults::Faults;
use super::table::{Definition, Field, Shape, Table};
use super::values;
use crate::object::is_late;
use crate::path::Step;

/// Checks a whole object.
pub(super) fn check<'a>(table: &Table, definition: &Definition, faults: &mut Faults<'_, '_, 'a>) {
    let Some(map) = faults.value().as_object() else {
        return;
    };
    fields(table, definition, map, true, faults);
}

/// Checks the `metadata` of an object whose kind is not built in.
pub(super) fn check_metadata<'a>(table: &Table, faults: &mut Faults<'_, '_, 'a>) {
    let Some(definition) = table.metadata() else {
        return;
    };
    let value: &'a Value = &faults.value()["metadata"];
    metadata(table, definition, value, faults);
}

fn metadata<'a>(
    table: &Table,
    definition: &Definition,
    value: &'a Value,
    faults: &mut Faults<'_, '_, 'a>,
) {
    if let Some(map) = value.as_object() {
        faults.within(Step::Field("metadata"), |faults| {
            fields(table, definition, map, false, faults);
        });
    }
}

/// `standing` is an object of its own, whose `status` is not looked at: it is not sent.
fn fields<'a>(
    table: &Table,
    definition: &Definition,
    map: &'a Map<String, Value>,
    standing: bool,
    faults: &mut Faults<'_, '_, 'a>,
) {
    for (name, value) in map {
        if standing && name == "status" {
            continue;
        }
        match definition.field(name) {
            Some(field) => faults.within(Step::Field(name), |faults| {
                look(table, field, &field.shape, value, faults);
            }),
            None => {
                let known = definition.fields.iter().map(|field| field.name);
                faults.within(Step::Field(name), |faults| {
                    faults.unknown_field(name, known)
                });
            }
        }
    }
    for field in &definition.fields {
        if field.required && map.get(field.name).is_none_or(Value::is_null) {
            faults.missing(field.name);
        }
    }
}

/// `null` is the same as nothing: <https://kubernetes.io/docs/reference/using-api/api-concepts/>.
fn look<'a>(
    table: &Table,
    field: &Field,
    shape: &Shape,
    value: &'a Value,
    faults: &mut Faults<'_, '_, 'a>,
) {
    if value.is_null() || is_late(value) {
        return;
    }
    if !values::is(shape, value) {
        faults.wrong_type(shape.name(), value);
        return;
    }
    match (shape, value) {
        (Shape::Of(at), Value::Object(map)) => {
            if let Some(definition) = table.definition(*at) {
                fields(table, definition, map, false, faults);
            }
        }
        (Shape::Map(inner), Value::Object(map)) => {
            for (key, value) in map {
                faults.within(Step::Field(key), |faults| {
                    look(table, field, inner, value, faults);
                });
            }
        }
        (Shape::List(inner), Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                faults.within(Step::Element(at), |faults| {
                    look(table, field, inner, item, faults);
                });
            }
            duplicates(&field.keys, items, faults);
        }
        (Shape::Text, Value::String(text)) => {
            // An empty text is none, for every enumeration there is.
            let known = field.values.is_empty() || field.values.contains(&text.as_str());
            if !known && !text.is_empty() {
                faults.unknown_value(text, &field.values);
            }
        }
        (Shape::Quantity, Value::String(text)) if !values::is_quantity(text) => {
            faults.malformed(shape.name(), text);
        }
        _ => {}
    }
}

/// Elements that a list keeps apart by their keys must differ in them.
pub(super) fn duplicates<'a>(keys: &[&str], items: &'a [Value], faults: &mut Faults<'_, '_, 'a>) {
    if keys.is_empty() {
        return;
    }
    let mut seen = HashSet::new();
    for (at, item) in items.iter().enumerate() {
        let parts: Option<Vec<String>> = keys.iter().map(|key| part(item, key)).collect();
        let Some(parts) = parts else { continue };
        let whole = parts.join("/");
        if !seen.insert(parts) {
            faults.within(Step::Element(at), |faults| faults.duplicate(&whole));
        }
    }
}

/// A key's value. `protocol` is the one key of a built-in list that has a default.
fn part(item: &Value, key: &str) -> Option<String> {
    match item.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        None | Some(Value::Null) if key == "protocol" && item.is_object() => Some("TCP".to_owned()),
        _ => None,
    }
}
