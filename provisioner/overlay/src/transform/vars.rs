//! `$(NAME)` in the fields that may hold it.

use std::collections::{BTreeMap, BTreeSet};

use super::fieldspec::{Create, PreparedSpec};
use super::path;
use crate::budget;
use crate::config::FieldSpec;
use crate::error::{Error, Result};
use crate::id::ResId;
use crate::kustomization::Var;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::shared;
use crate::value::Value;
use crate::yaml::node::Data;
use crate::yaml::{Node, Style, Tag};

/// The variables of a kustomization, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct VarSet(BTreeMap<String, Var>);

impl VarSet {
    /// Adds variables and marks the objects they take their values from.
    pub(crate) fn define(&mut self, vars: &[Var], map: &mut ResMap, schema: &Schema) -> Result<()> {
        for var in vars {
            let id = ResId {
                gvk: var.object.gvk(),
                name: var.object.name.clone(),
                namespace: var.object.namespace.clone(),
            };
            // The reference only knows kinds it has read from objects to be cluster-scoped.
            let found = if id.namespace.is_empty() {
                map.named(&id.name, |other| id.same_but_namespace(other))
            } else {
                map.named(&id.name, |other| id.same(other, schema))
            };
            match found.as_slice() {
                [] => {}
                [at] => map.items_mut()[*at].vars.push(var.name.clone()),
                several => {
                    return Err(Error::invalid(format!(
                        "found {} resId matches for var {} (unable to disambiguate)",
                        several.len(),
                        shown(var)
                    )));
                }
            }
        }
        vars.iter().try_for_each(|var| self.add(var.clone()))
    }

    /// Adds the variables of another kustomization.
    pub(crate) fn merge(&mut self, other: VarSet) -> Result<()> {
        other.0.into_values().try_for_each(|var| self.add(var))
    }

    fn add(&mut self, var: Var) -> Result<()> {
        if self.0.contains_key(&var.name) {
            return Err(Error::invalid(format!(
                "var '{}' already encountered",
                var.name
            )));
        }
        self.0.insert(var.name.clone(), var);
        Ok(())
    }

    /// Replaces variables by their values. Returns the names of those nothing refers to.
    pub(crate) fn resolve(&self, map: &mut ResMap, specs: &[FieldSpec]) -> Result<Vec<String>> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = BTreeMap::new();
        for (name, var) in &self.0 {
            values.insert(name.as_str(), value_of(var, map)?);
        }
        let mut used = BTreeSet::new();
        let specs = PreparedSpec::all(specs);
        map.each(|node| {
            specs.iter().try_for_each(|spec| {
                spec.apply(node, &Create::Never, &mut |field| {
                    set(field, &values, &mut used)
                })
            })
        })?;
        shared::settle(map);
        Ok(values
            .keys()
            .filter(|name| !used.contains(**name))
            .map(|name| (*name).to_owned())
            .collect())
    }
}

/// A variable, as messages show it.
pub(crate) fn shown(var: &Var) -> String {
    let gvk = var.object.gvk();
    format!("{{{} {gvk} {{{}}}}}", var.name, var.field_path())
}

fn value_of(var: &Var, map: &ResMap) -> Result<Value> {
    let Some(resource) = map.items().iter().find(|r| r.vars.contains(&var.name)) else {
        return Err(Error::invalid(format!(
            "var '{}' cannot be mapped to a field in the set of known resources",
            shown(var)
        )));
    };
    field_value(resource, var.field_path())
        .ok()
        .flatten()
        .ok_or_else(|| {
            Error::invalid(format!(
                "field specified in var '{}' not found in corresponding resource",
                shown(var)
            ))
        })
}

fn field_value(resource: &Resource, field_path: &str) -> Result<Option<Value>> {
    let parts = with_indices(path::split(field_path));
    budget::path(parts.len())?;
    let Some(node) = path::lookup(&resource.node, &parts)? else {
        return Ok(None);
    };
    if !node.is_scalar() {
        return Ok(Some(crate::value::of_resource(node)?));
    }
    let text = node.text();
    let bad = || Error::invalid(format!("invalid value {text}"));
    Ok(Some(match node.tag {
        Tag::Int => Value::Int(text.parse().map_err(|_| bad())?),
        Tag::Float => Value::Float(text.parse().map_err(|_| bad())?),
        Tag::Bool => Value::Bool(match text {
            "true" | "True" | "TRUE" | "t" | "T" | "1" => true,
            "false" | "False" | "FALSE" | "f" | "F" | "0" => false,
            _ => return Err(bad()),
        }),
        _ => Value::String(text.to_owned()),
    }))
}

/// `ports[0]` is two steps.
fn with_indices(parts: Vec<String>) -> Vec<String> {
    let mut out = Vec::new();
    for part in parts {
        let split = part
            .strip_suffix(']')
            .and_then(|rest| rest.rsplit_once('['))
            .filter(|(_, index)| !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()));
        match split {
            Some((name, index)) => {
                if !name.is_empty() {
                    out.push(name.to_owned());
                }
                out.push(index.to_owned());
            }
            None => out.push(part),
        }
    }
    out
}

type Values<'a> = BTreeMap<&'a str, Value>;

fn set(field: &mut Node, values: &Values<'_>, used: &mut BTreeSet<String>) -> Result<()> {
    if field.is_null() {
        return Ok(());
    }
    match &mut field.data {
        Data::Scalar(_) => {
            if field.is_string() {
                expand(field, values, used)?;
            }
            Ok(())
        }
        Data::Map(entries) => {
            for entry in entries {
                if !entry.key.is_string() {
                    return Err(Error::invalid(format!(
                        "invalid map key: value='{}', tag='{}'",
                        entry.key.text(),
                        entry.key.tag.as_str()
                    )));
                }
                if entry.value.is_string() {
                    expand(&mut entry.value, values, used)?;
                }
            }
            Ok(())
        }
        Data::Seq(items) => items.iter_mut().try_for_each(|item| {
            if !item.is_string() {
                return Err(Error::invalid("invalid value type expect a string"));
            }
            expand(item, values, used)
        }),
    }
}

fn expand(node: &mut Node, values: &Values<'_>, used: &mut BTreeSet<String>) -> Result<()> {
    let expanded = replace(node.text(), values, used)?;
    let (text, tag) = match expanded {
        Value::String(text) => (text, Tag::Str),
        Value::Bool(v) => (v.to_string(), Tag::Bool),
        Value::Float(v) => (plain_float(v), Tag::Float),
        Value::Int(v) => (v.to_string(), Tag::Int),
        Value::Uint(v) => (v.to_string(), Tag::Int),
        _ => return Ok(()),
    };
    node.data = Data::Scalar(text);
    node.tag = tag;
    node.tagged = false;
    node.style = Style::Plain;
    shared::changed(node);
    Ok(())
}

fn plain_float(v: f64) -> String {
    format!("{v}")
}

/// The text with its variables replaced; one that is nothing but a variable takes the value's type.
fn replace(text: &str, values: &Values<'_>, used: &mut BTreeSet<String>) -> Result<Value> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$').filter(|at| at + 1 < rest.len()) {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
            continue;
        }
        let Some(inner) = after.strip_prefix('(') else {
            // Neither a variable nor an escape: both characters stay.
            let width = after.chars().next().map_or(0, char::len_utf8);
            out.push('$');
            out.push_str(&after[..width]);
            rest = &after[width..];
            continue;
        };
        let Some(end) = inner.find(')') else {
            out.push_str("$(");
            rest = inner;
            continue;
        };
        let name = &inner[..end];
        rest = &inner[end + 1..];
        let value = match values.get(name) {
            Some(Value::List(_) | Value::Map(_) | Value::Null) | None => None,
            found => found,
        };
        if let Some(value) = value {
            used.insert(name.to_owned());
            if text.len() == name.len() + 3 {
                return Ok(value.clone());
            }
            let value = as_text(value);
            budget::text(value.len())?;
            out.push_str(&value);
        } else {
            out.push_str("$(");
            out.push_str(name);
            out.push(')');
        }
    }
    out.push_str(rest);
    Ok(Value::String(out))
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::Uint(v) => v.to_string(),
        Value::Float(v) => crate::yaml::float::general(*v),
        _ => String::new(),
    }
}
