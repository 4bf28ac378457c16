//! Objects of built-in kinds.

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Number, Value};

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
    if keys.is_empty() || items.len() < 2 {
        return;
    }
    let mut seen = HashSet::new();
    for (at, item) in items.iter().enumerate() {
        let parts: Option<Vec<Part<'_>>> = keys.iter().map(|key| part(item, key)).collect();
        let Some(parts) = parts else { continue };
        if seen.contains(&parts) {
            let whole: Vec<String> = parts.iter().map(Part::to_string).collect();
            faults.within(Step::Element(at), |faults| {
                faults.duplicate(&whole.join("/"))
            });
        }
        seen.insert(parts);
    }
}

/// The value of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part<'a> {
    Text(&'a str),
    Number(&'a Number),
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Text(text) => f.write_str(text),
            Part::Number(number) => number.fmt(f),
        }
    }
}

/// `protocol` is the one key of a built-in list that has a default.
fn part<'a>(item: &'a Value, key: &str) -> Option<Part<'a>> {
    match item.get(key) {
        Some(Value::String(text)) => Some(Part::Text(text)),
        Some(Value::Number(number)) => Some(Part::Number(number)),
        None | Some(Value::Null) if key == "protocol" && item.is_object() => {
            Some(Part::Text("TCP"))
        }
        _ => None,
    }
}
