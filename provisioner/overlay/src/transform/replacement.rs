//! Replacements: values copied from fields of one object to fields of others.

use super::path::{self, Create};
use crate::budget;
use crate::error::{Error, Result};
use crate::id::ResId;
use crate::json;
use crate::kustomization::{FieldOptions, Replacement, ReplacementSource, ReplacementTarget};
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::selector::SelectorMatcher;
use crate::shared;
use crate::yaml::{Dialect, Limits, Node, first_document, print};

/// Applies replacements in order.
pub(crate) fn apply(map: &mut ResMap, replacements: &[Replacement], schema: &Schema) -> Result<()> {
    for replacement in replacements {
        let (Some(targets), true) = (
            &replacement.targets,
            replacement.source.is_some() || replacement.source_value.is_some(),
        ) else {
            return Err(Error::invalid(
                "replacements must specify a source and at least one target",
            ));
        };
        let mut value = match (&replacement.source, &replacement.source_value) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid(
                    "value and resource selectors are mutually exclusive",
                ));
            }
            (None, Some(text)) => Source::fixed(Node::scalar(text)),
            (Some(source), None) => source_value(map, source, schema)?,
            (None, None) => {
                return Err(Error::invalid(
                    "replacements must specify a source and at least one target",
                ));
            }
        };
        for target in targets {
            copy_to(map, &mut value, target)?;
        }
    }
    map.drop_empty();
    Ok(())
}

/// What is copied. A whole field is what it is at the time of copying, for a replacement may change its own source.
struct Source {
    value: Node,
    /// The place of the object and the path of the field.
    field: Option<(usize, Vec<String>)>,
    changed: bool,
}

impl Source {
    fn fixed(value: Node) -> Source {
        Source {
            value,
            field: None,
            changed: false,
        }
    }

    fn is_in(&self, at: usize) -> bool {
        self.field.as_ref().is_some_and(|(place, _)| *place == at)
    }

    /// Looks at the field again, if it may have changed.
    fn refresh(&mut self, items: &[Resource]) {
        if let Some((at, parts)) = self.field.as_ref().filter(|_| self.changed)
            && let Some(resource) = items.get(*at)
            && let Ok(Some(node)) = path::lookup(&resource.node, parts)
        {
            self.value = node.clone();
            self.changed = false;
        }
    }
}

fn ids(resource: &Resource) -> Vec<ResId> {
    std::iter::once(resource.current_id())
        .chain(resource.previous_ids())
        .collect()
}

fn shown(source: &ReplacementSource) -> String {
    let mut out = source.id.to_string();
    if !source.field_path.is_empty() {
        out.push(':');
        out.push_str(&source.field_path);
    }
    if let Some(options) = source
        .options
        .as_ref()
        .filter(|o| !o.delimiter.is_empty() || o.create)
    {
        out.push_str(&format!(
            ":{}({}), create={}",
            options.delimiter, options.index, options.create
        ));
    }
    out
}

fn source_value(map: &ResMap, source: &ReplacementSource, schema: &Schema) -> Result<Source> {
    let mut matching = map.items().iter().enumerate().filter(|(_, r)| {
        ids(r)
            .iter()
            .any(|id| id.is_selected_by(&source.id, schema))
    });
    let (at, resource) = match (matching.next(), matching.next()) {
        (Some(one), None) => one,
        (Some(_), Some(_)) => {
            return Err(Error::invalid(format!(
                "multiple matches for selector {}",
                shown(source)
            )));
        }
        (None, _) => {
            return Err(Error::invalid(format!(
                "nothing selected by {}",
                shown(source)
            )));
        }
    };
    let field_path = if source.field_path.is_empty() {
        "metadata.name"
    } else {
        &source.field_path
    };
    let parts = path::split(field_path);
    budget::path(parts.len())?;
    let found = path::lookup(&resource.node, &parts)
        .map_err(|e| e.context("error looking up replacement source"))?;
    let Some(node) = found.filter(|node| !node.is_empty()) else {
        return Err(Error::invalid(format!(
            "fieldPath `{field_path}` is missing for replacement source {}",
            source.id
        )));
    };
    let mut value = node.clone();
    if let Some(options) = source.options.as_ref().filter(|o| !o.delimiter.is_empty()) {
        if !value.is_scalar() {
            return Err(Error::invalid(
                "delimiter option can only be used with scalar nodes",
            ));
        }
        let text = value.value_text().to_owned();
        let part = usize::try_from(options.index)
            .ok()
            .and_then(|index| text.split(&options.delimiter).nth(index));
        let Some(part) = part else {
            return Err(Error::invalid(format!(
                "options.index {} is out of bounds for value {text}",
                options.index
            )));
        };
        value.data = crate::yaml::Data::Scalar(part.to_owned());
        return Ok(Source::fixed(value));
    }
    Ok(Source {
        value,
        field: Some((at, parts)),
        changed: false,
    })
}

fn copy_to(map: &mut ResMap, source: &mut Source, target: &ReplacementTarget) -> Result<()> {
    let Some(select) = &target.select else {
        return Err(Error::invalid("target must specify resources to select"));
    };
    let wrap = |e: Error| e.context("error creating target selector");
    let select = SelectorMatcher::new(select).map_err(wrap)?;
    let reject = target
        .reject
        .iter()
        .map(SelectorMatcher::new)
        .collect::<Result<Vec<_>>>()
        .map_err(wrap)?;
    let default = ["metadata.name".to_owned()];
    let paths: &[String] = if target.field_paths.is_empty() {
        &default
    } else {
        &target.field_paths
    };
    let items = map.items_mut();
    for at in 0..items.len() {
        let resource = &items[at];
        let ids = ids(resource);
        if !select.matches_metadata(resource)
            || reject
                .iter()
                .any(|r| r.has_metadata() && r.matches_metadata(resource))
            || reject
                .iter()
                .any(|r| !r.is_blank_id() && ids.iter().any(|id| r.matches_id(id)))
            || !ids.iter().any(|id| select.matches_id(id))
        {
            continue;
        }
        for field in paths {
            if source.is_in(at) {
                make_path(&mut items[at].node, source, field, target.options.as_ref());
                source.changed = true;
            }
            source.refresh(items);
            let node = &mut items[at].node;
            set(node, &source.value, field, target.options.as_ref())?;
            source.changed |= source.is_in(at);
        }
    }
    Ok(())
}

/// Makes the fields that the source's own object is to get, which can be fields of the source.
fn make_path(node: &mut Node, source: &Source, field: &str, options: Option<&FieldOptions>) {
    let parts = path::split(field);
    if options.is_some_and(|o| o.create)
        && budget::path(parts.len()).is_ok()
        && !leads_into_text(node, &parts)
    {
        // What goes wrong here goes wrong again when the value is set.
        let _ = path::visit(node, &parts, Create::like(&source.value), &mut |_| Ok(()));
    }
}

fn leads_into_text(node: &Node, parts: &[String]) -> bool {
    (1..parts.len()).any(|length| {
        matches!(path::lookup(node, &parts[..length]), Ok(Some(scalar)) if scalar.is_scalar())
    })
}

fn set(node: &mut Node, value: &Node, field: &str, options: Option<&FieldOptions>) -> Result<()> {
    let create = if options.is_some_and(|o| o.create) {
        Create::like(value)
    } else {
        Create::Nothing
    };
    let parts = path::split(field);
    budget::path(parts.len())?;
    if set_in_text(node, value, &parts, create) {
        return Ok(());
    }
    let failed = || {
        let or_create = if create == Create::Nothing {
            ""
        } else {
            " or create"
        };
        format!("unable to find{or_create} field \"{field}\" in replacement target")
    };
    let mut bad = None;
    let count = path::visit(node, &parts, create, &mut |found| {
        if let Err(e) = set_field(found, value, options, parts.len()) {
            bad.get_or_insert(e);
        }
        Ok(())
    })
    .map_err(|e| e.context(failed()))?;
    match bad {
        Some(e) => Err(e),
        None if count == 0 => Err(Error::invalid(failed())),
        None => Ok(()),
    }
}

fn set_field(
    field: &mut Node,
    value: &Node,
    options: Option<&FieldOptions>,
    depth: usize,
) -> Result<()> {
    budget::tree(value, depth)?;
    let mut value = value.clone();
    if let Some(options) = options.filter(|o| !o.delimiter.is_empty()) {
        if !field.is_scalar() {
            return Err(Error::invalid(
                "delimiter option can only be used with scalar nodes",
            ));
        }
        budget::text(field.text().len())?;
        let text = value.value_text().to_owned();
        let mut parts: Vec<&str> = field.text().split(&options.delimiter).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, &text),
            Ok(index) if index >= parts.len() => parts.push(&text),
            Ok(index) => parts[index] = &text,
        }
        value.data = crate::yaml::Data::Scalar(parts.join(&options.delimiter));
    }
    if field.is_scalar() {
        // The type stays that of the target: a number's text in a string field is a string.
        field.data = crate::yaml::Data::Scalar(value.text().to_owned());
        shared::changed(field);
    } else {
        shared::detach(&mut value);
        *field = value;
    }
    Ok(())
}

/// Sets a field inside a scalar that holds JSON or YAML, if the path leads into one; whether it did.
fn set_in_text(node: &mut Node, value: &Node, parts: &[String], create: Create) -> bool {
    if parts.len() < 2 {
        return false;
    }
    for length in 1..parts.len() {
        let (outer, inner) = parts.split_at(length);
        let Ok(Some(scalar)) = path::lookup(node, outer) else {
            continue;
        };
        if !scalar.is_scalar() {
            continue;
        }
        let text = scalar.text().to_owned();
        let Ok(parsed) = first_document(text.as_bytes(), Dialect::Current, Limits::default())
        else {
            continue;
        };
        let Some(mut document) = parsed else {
            return false;
        };
        let changed = path::visit(&mut document, inner, create, &mut |found| {
            budget::tree(value, parts.len())?;
            if found.is_scalar() {
                found.data = crate::yaml::Data::Scalar(value.text().to_owned());
            } else {
                *found = value.clone();
            }
            Ok(())
        });
        if !matches!(changed, Ok(count) if count > 0) {
            return false;
        }
        let written = write(&document, &text).filter(|w| budget::text(w.len()).is_ok());
        let Some(written) = written else {
            return false;
        };
        let outcome = path::visit(node, outer, Create::Nothing, &mut |found| {
            found.data = crate::yaml::Data::Scalar(written.clone());
            Ok(())
        });
        return outcome.is_ok();
    }
    false
}

/// The document in the form its text had: JSON, on one line or several, or YAML.
fn write(document: &Node, original: &str) -> Option<String> {
    if original.trim_start().starts_with(['{', '[']) {
        let value = crate::value::of_resource(document).ok()?;
        let pretty = original.contains('\n') && original.contains("  ");
        return Some(if pretty {
            json::indented(&value)
        } else {
            json::compact(&value)
        });
    }
    Some(print::block(document).trim().to_owned())
}
