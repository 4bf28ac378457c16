//! The built-in `ValueAddTransformer`: one value put into many fields.

use super::fieldspec::{split_path, wrong_kind};
use super::namespace::{Namespace, Subjects};
use crate::budget;
use crate::decode::{At, Decode};
use crate::error::{Error, Result};
use crate::kustomization::Selector;
use crate::resmap::ResMap;
use crate::schema::Schema;
use crate::value::Value;
use crate::yaml::Node;

/// Where the value goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Target {
    selector: Option<Selector>,
    field_path: String,
    position: i64,
}

impl Decode for Target {
    fn type_name() -> String {
        "builtins.Target".to_owned()
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<Target> {
        let fields = at.fields(
            value,
            "Target",
            &["selector", "fieldPath", "filePathPosition"],
        )?;
        Ok(Target {
            selector: fields.get("selector")?,
            field_path: fields.get("fieldPath")?,
            position: fields.get("filePathPosition")?,
        })
    }
}

/// Checks the targets of a configuration.
pub(crate) fn check(targets: &[Target]) -> Result<()> {
    if targets.is_empty() {
        return Err(Error::invalid("must specify at least one target"));
    }
    for target in targets {
        if target.field_path.is_empty() {
            return Err(Error::invalid("fieldPath cannot be empty"));
        }
        if target.position < 0 {
            return Err(Error::invalid(format!(
                "value of FilePathPosition ({}) cannot be negative",
                target.position
            )));
        }
    }
    Ok(())
}

/// Puts `value` where the targets say.
pub(crate) fn apply(
    map: &mut ResMap,
    value: &str,
    targets: &[Target],
    schema: &Schema,
) -> Result<()> {
    for target in targets {
        let chosen = match &target.selector {
            None => (0..map.items().len()).collect(),
            Some(selector) => map.select(selector, schema)?,
        };
        let items = map.items_mut();
        for at in chosen {
            if target.field_path == "metadata/namespace" {
                let namespace = Namespace {
                    name: value,
                    specs: &[],
                    unset_only: false,
                    subjects: Subjects::Default,
                };
                namespace.apply_one(&mut items[at], &[], schema)?;
                continue;
            }
            let path = split_path(&target.field_path, '/');
            budget::path(path.len())?;
            let field = field(&mut items[at].node, &path)?;
            if !field.is_null() && !field.is_scalar() {
                return Err(wrong_kind(field, "ScalarNode"));
            }
            let text = if target.position > 0 {
                insert(field.text(), target.position as usize - 1, value)
            } else {
                value.to_owned()
            };
            budget::text(text.len())?;
            field.set_scalar(Node::scalar(text));
        }
    }
    Ok(())
}

/// The scalar at a path, made where it is missing.
fn field<'n>(node: &'n mut Node, path: &[String]) -> Result<&'n mut Node> {
    let mut at = node;
    let parts: Vec<&str> = path
        .iter()
        .map(|p| p.trim())
        .filter(|p| !p.is_empty())
        .collect();
    for (place, part) in parts.iter().enumerate() {
        let last = place + 1 == parts.len();
        let bracketed = part.starts_with('[') && part.ends_with(']');
        if bracketed || part.parse::<usize>().is_ok() || *part == "-" {
            at = element(at, part)?;
            continue;
        }
        if at.is_null() {
            *at = Node::empty_map();
        }
        if !at.is_map() {
            return Err(wrong_kind(at, "MappingNode"));
        }
        let next_is_list = parts
            .get(place + 1)
            .is_some_and(|p| p.starts_with('[') || p.parse::<usize>().is_ok());
        let made = || {
            if last {
                Node::scalar("")
            } else if next_is_list {
                Node::empty_seq()
            } else {
                Node::empty_map()
            }
        };
        at = at
            .get_or_create(part, made)
            .ok_or_else(|| Error::invalid("expected a mapping"))?;
    }
    Ok(at)
}

fn element<'n>(node: &'n mut Node, part: &str) -> Result<&'n mut Node> {
    let missing = || Error::invalid(format!("list element {part} not found"));
    let is_list = matches!(node.data, crate::yaml::Data::Seq(_));
    if !is_list {
        return Err(wrong_kind(node, "SequenceNode"));
    }
    let crate::yaml::Data::Seq(items) = &mut node.data else {
        return Err(missing());
    };
    if let Ok(index) = part.parse::<usize>() {
        return items.get_mut(index).ok_or_else(missing);
    }
    if part == "-" {
        return items.last_mut().ok_or_else(missing);
    }
    let (key, value) = part
        .trim_matches(['[', ']'])
        .split_once('=')
        .ok_or_else(missing)?;
    let at = items.iter().position(|item| {
        if key.is_empty() {
            item.text() == value
        } else {
            item.get(key).is_some_and(|v| v.text() == value)
        }
    });
    let at = match at {
        Some(at) => at,
        None => {
            let mut made = Node::empty_map();
            made.set(key, Some(Node::scalar(value)));
            items.push(if key.is_empty() {
                Node::scalar(value)
            } else {
                made
            });
            items.len() - 1
        }
    };
    items.get_mut(at).ok_or_else(missing)
}

/// Puts `part` into a file path, before the part at `position`; a place beyond the end is the end.
fn insert(path: &str, position: usize, part: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}
