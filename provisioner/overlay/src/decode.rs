//! From typed values to the structures of kustomization files: field names match in any case, and what does not fit
//! is named the way Go's JSON decoder names it, because that is the wording people know.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::value::{NoValue, Value};
use crate::yaml::{Dialect, Limits, Node, Syntax, first_document};

/// How forgiving a document's fields are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Unknown fields are errors, and a number is no string: kustomization files.
    Strict,
    /// Unknown fields are skipped and scalars become strings where strings are wanted: plugin configurations.
    Lenient,
    /// Unknown fields are errors, scalars become strings: transformer configurations.
    StrictNames,
}

/// The first document of a text as a value. `None` when the text has none.
pub(crate) fn document(text: &[u8]) -> std::result::Result<Option<Value>, DecodeError> {
    read(text, crate::value::of_document)
}

/// As [`document`]; a key that is said twice is an error.
pub(crate) fn strict_document(text: &[u8]) -> std::result::Result<Option<Value>, DecodeError> {
    read(text, crate::value::of_strict_document)
}

fn read(
    text: &[u8],
    value: fn(&Node) -> std::result::Result<Value, NoValue>,
) -> std::result::Result<Option<Value>, DecodeError> {
    match first_document(text, Dialect::Legacy, Limits::default()) {
        Err(syntax) => Err(DecodeError::Syntax(syntax)),
        Ok(None) => Ok(None),
        Ok(Some(node)) => value(&node).map(Some).map_err(|e| DecodeError::Value(e.0)),
    }
}

/// Why a text has no value.
#[derive(Clone, Debug)]
pub(crate) enum DecodeError {
    Syntax(Syntax),
    Value(String),
}

impl DecodeError {
    pub(crate) fn into_error(self) -> Error {
        match self {
            DecodeError::Syntax(syntax) => Error::syntax(&syntax),
            DecodeError::Value(message) => Error::invalid(message),
        }
    }
}

/// A thing that can be read from a value.
pub(crate) trait Decode: Sized + Default {
    /// Go's name of the type.
    fn type_name() -> String;
    fn decode(value: &Value, at: &At<'_>) -> Result<Self>;
}

/// Where in a document a value is, for messages.
pub(crate) struct At<'a> {
    pub(crate) mode: Mode,
    owner: &'a str,
    path: String,
}

impl<'a> At<'a> {
    pub(crate) fn top(mode: Mode, owner: &'a str) -> At<'a> {
        At {
            mode,
            owner,
            path: String::new(),
        }
    }

    fn mismatch<T: Decode>(&self, value: &Value) -> Error {
        let target = if self.path.is_empty() {
            "Go value".to_owned()
        } else {
            format!("Go struct field {}.{}", self.owner, self.path)
        };
        let shown = match value {
            Value::Int(v) if T::type_name() == "int" => format!("number {v}"),
            other => other.kind_name().to_owned(),
        };
        Error::invalid(format!(
            "json: cannot unmarshal {shown} into {target} of type {}",
            T::type_name()
        ))
    }

    /// The fields of a mapping; nothing but the named ones may be there, in strict modes.
    pub(crate) fn fields<'v>(
        &self,
        value: &'v Value,
        type_name: &str,
        known: &[&str],
    ) -> Result<Fields<'v, '_>> {
        let entries = match value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            other => {
                let target = if self.path.is_empty() {
                    "Go value".to_owned()
                } else {
                    format!("Go struct field {}.{}", self.owner, self.path)
                };
                return Err(Error::invalid(format!(
                    "json: cannot unmarshal {} into {target} of type types.{type_name}",
                    other.kind_name()
                )));
            }
        };
        if self.mode != Mode::Lenient {
            let mut unknown: Vec<&str> = entries
                .iter()
                .map(|(key, _)| key.as_str())
                .filter(|key| !known.iter().any(|k| k.eq_ignore_ascii_case(key)))
                .collect();
            unknown.sort_unstable();
            if let Some(key) = unknown.first() {
                return Err(Error::invalid(format!("json: unknown field \"{key}\"")));
            }
        }
        Ok(Fields {
            entries,
            mode: self.mode,
            owner: self.owner,
            path: self.path.clone(),
        })
    }
}

/// The fields of one mapping.
pub(crate) struct Fields<'v, 'a> {
    entries: &'v [(String, Value)],
    mode: Mode,
    owner: &'a str,
    path: String,
}

impl<'v> Fields<'v, '_> {
    /// The value of a field, whatever the case of its name; of several the last in byte order counts.
    pub(crate) fn raw(&self, name: &str) -> Option<&'v Value> {
        self.entries
            .iter()
            .filter(|(key, value)| key.eq_ignore_ascii_case(name) && *value != Value::Null)
            .max_by(|a, b| a.0.cmp(&b.0))
            .map(|(_, value)| value)
    }

    /// The field, or its zero value.
    pub(crate) fn get<T: Decode>(&self, name: &str) -> Result<T> {
        Ok(self.optional(name)?.unwrap_or_default())
    }

    pub(crate) fn optional<T: Decode>(&self, name: &str) -> Result<Option<T>> {
        let Some(value) = self.raw(name) else {
            return Ok(None);
        };
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        T::decode(
            value,
            &At {
                mode: self.mode,
                owner: self.owner,
                path,
            },
        )
        .map(Some)
    }
}

impl Decode for String {
    fn type_name() -> String {
        "string".to_owned()
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<String> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            other if at.mode != Mode::Strict => match other.normalized_number() {
                Value::Bool(v) => Ok(v.to_string()),
                Value::Int(v) => Ok(v.to_string()),
                Value::Uint(v) => Ok(v.to_string()),
                Value::Float(v) => Ok(crate::yaml::float::general(f64::from(v as f32))),
                _ => Err(at.mismatch::<String>(value)),
            },
            _ => Err(at.mismatch::<String>(value)),
        }
    }
}

impl Decode for bool {
    fn type_name() -> String {
        "bool".to_owned()
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<bool> {
        match value {
            Value::Bool(v) => Ok(*v),
            Value::Null => Ok(false),
            other => Err(at.mismatch::<bool>(other)),
        }
    }
}

impl Decode for i64 {
    fn type_name() -> String {
        "int64".to_owned()
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<i64> {
        match value.normalized_number() {
            Value::Int(v) => Ok(v),
            Value::Null => Ok(0),
            other => Err(at.mismatch::<i64>(&other)),
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn type_name() -> String {
        format!("[]{}", T::type_name())
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<Vec<T>> {
        match value {
            Value::List(items) => items
                .iter()
                .map(|item| {
                    if *item == Value::Null {
                        Ok(T::default())
                    } else {
                        T::decode(item, at)
                    }
                })
                .collect(),
            Value::Null => Ok(Vec::new()),
            other => Err(at.mismatch::<Vec<T>>(other)),
        }
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn type_name() -> String {
        format!("map[string]{}", T::type_name())
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<BTreeMap<String, T>> {
        match value {
            Value::Map(entries) => entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), T::decode(value, at)?)))
                .collect(),
            Value::Null => Ok(BTreeMap::new()),
            other => Err(at.mismatch::<BTreeMap<String, T>>(other)),
        }
    }
}

/// A value taken as it is.
impl Decode for Value {
    fn type_name() -> String {
        "interface {}".to_owned()
    }

    fn decode(value: &Value, _: &At<'_>) -> Result<Value> {
        Ok(value.clone())
    }
}
