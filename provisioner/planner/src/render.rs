//! From templates to wanted resources: render, read, validate; every fault with its place.

use std::collections::{BTreeMap, BTreeSet};

use manifest::nearest;
use serde_json::{Map, Value};

use crate::address::Address;
use crate::graph;
use crate::kinds;
use crate::reference::{Reference, references};
use crate::resource::{Origin, Resource};
use crate::template::Templates;
use crate::yaml::{self, Data, Node, Place};

/// Faults reported for one spec at most.
const MOST_PER_SPEC: usize = 20;

/// One template. A file whose name begins with `_` is only for others to include or import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path relative to the project's root; the name that includes and imports use.
    pub path: String,
    /// The template.
    pub text: String,
}

/// One fault in a template, or in what it rendered to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}:{}: {message}", origin.file, origin.line, origin.column)]
pub struct RenderError {
    /// Where: in the template while it renders, in the rendered text after.
    pub origin: Origin,
    /// What is wrong, without a hint.
    pub message: String,
    /// The known name that comes nearest to an unknown one.
    pub nearest: Option<String>,
    /// The line in question.
    pub excerpt: Option<String>,
}

impl RenderError {
    pub(crate) fn at(file: &str, line: u32, column: u32, message: String) -> Self {
        Self {
            origin: Origin {
                file: file.to_owned(),
                line,
                column,
            },
            message,
            nearest: None,
            excerpt: None,
        }
    }
}

/// Renders and validates every template.
///
/// A rendered text is YAML with one key, `resources`: a list of `{address, spec, depends_on?}`. In a spec `{ref: ADDRESS}` or
/// `{ref: ADDRESS/OUTPUT}` stands for an output of another resource. Kubernetes objects come from overlays, so references to them
/// are left for [`crate::planning::plan`] to look up.
///
/// # Errors
/// All faults found, ordered by file and place.
pub fn render(sources: &[Source], context: &Value) -> Result<Vec<Resource>, Vec<RenderError>> {
    let with_excerpts = |mut errors: Vec<RenderError>, sources: &[Source]| {
        errors.sort_by(|a, b| {
            (&a.origin.file, a.origin.line, a.origin.column, &a.message).cmp(&(
                &b.origin.file,
                b.origin.line,
                b.origin.column,
                &b.message,
            ))
        });
        for error in errors.iter_mut().filter(|error| error.excerpt.is_none()) {
            error.excerpt = sources
                .iter()
                .find(|source| source.path == error.origin.file)
                .and_then(|source| line_of(&source.text, error.origin.line));
        }
        errors
    };
    let templates =
        Templates::new(sources, context).map_err(|errors| with_excerpts(errors, sources))?;
    let mut reading = Reading::default();
    let mut errors = Vec::new();
    let mut ordered: Vec<&Source> = sources
        .iter()
        .filter(|source| !file_name(&source.path).starts_with('_'))
        .collect();
    ordered.sort_by(|a, b| a.path.cmp(&b.path));
    for source in ordered {
        match templates.render(&source.path) {
            Ok(text) => reading.file(&source.path, &text),
            Err(error) => errors.push(error),
        }
    }
    // With a template missing, references into it would only be noise.
    if errors.is_empty() {
        reading.references();
    }
    errors.append(&mut reading.errors);
    if errors.is_empty() {
        let mut resources: Vec<Resource> = reading
            .found
            .into_values()
            .map(|found| found.resource)
            .collect();
        resources.sort_by(|a, b| a.address.cmp(&b.address));
        return Ok(resources);
    }
    Err(with_excerpts(errors, sources))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn line_of(text: &str, line: u32) -> Option<String> {
    let line = text
        .lines()
        .nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    Some(line.chars().take(400).collect())
}

struct Found {
    resource: Resource,
    /// The place of each reference, for faults found later.
    places: Vec<(Reference, Place)>,
    depends: Vec<(Address, Place)>,
}

#[derive(Default)]
struct Reading {
    found: BTreeMap<Address, Found>,
    /// Addresses whose spec is faulty: declared, so that references to them are no faults of their own.
    faulty: BTreeSet<Address>,
    errors: Vec<RenderError>,
    texts: BTreeMap<String, String>,
}

impl Reading {
    fn fault(&mut self, file: &str, place: Place, message: String, nearest: Option<String>) {
        let excerpt = self
            .texts
            .get(file)
            .and_then(|text| line_of(text, place.line));
        let origin = Origin {
            file: file.to_owned(),
            line: place.line,
            column: place.column,
        };
        self.errors.push(RenderError {
            origin,
            message,
            nearest,
            excerpt,
        });
    }

    fn file(&mut self, file: &str, text: &str) {
        self.texts.insert(file.to_owned(), text.to_owned());
        let root = match yaml::parse(text) {
            Ok(None) => return,
            Ok(Some(root)) => root,
            Err(fault) => return self.fault(file, fault.place, fault.why, None),
        };
        let Data::Map(entries) = &root.data else {
            return self.fault(
                file,
                root.place,
                "a map with the key `resources` is needed".to_owned(),
                None,
            );
        };
        for (key, place, _) in entries.iter().filter(|(key, _, _)| key != "resources") {
            self.fault(
                file,
                *place,
                format!("unknown field `{key}`; `resources` is the only one"),
                nearest(key, ["resources"]),
            );
        }
        let Some(resources) = root.get("resources") else {
            return;
        };
        match &resources.data {
            Data::List(items) => items.iter().for_each(|item| self.resource(file, item)),
            Data::Scalar(Value::Null) => {}
            _ => self.fault(
                file,
                resources.place,
                "`resources` must be a list".to_owned(),
                None,
            ),
        }
    }

    fn resource(&mut self, file: &str, item: &Node) {
        let Data::Map(entries) = &item.data else {
            return self.fault(
                file,
                item.place,
                "a resource is a map of `address`, `spec` and `depends_on`".to_owned(),
                None,
            );
        };
        const FIELDS: [&str; 3] = ["address", "spec", "depends_on"];
        for (key, place, _) in entries
            .iter()
            .filter(|(key, _, _)| !FIELDS.contains(&key.as_str()))
        {
            self.fault(
                file,
                *place,
                format!("unknown field `{key}`; a resource has `address`, `spec` and `depends_on`"),
                nearest(key, FIELDS),
            );
        }
        let Some(declared) = item.get("address") else {
            return self.fault(
                file,
                item.place,
                "the resource has no `address`".to_owned(),
                None,
            );
        };
        let address: Address = match declared.text().map(str::parse) {
            Some(Ok(address)) => address,
            Some(Err(error)) => return self.fault(file, declared.place, error.to_string(), None),
            None => {
                return self.fault(
                    file,
                    declared.place,
                    "an address is a text".to_owned(),
                    None,
                );
            }
        };
        let Some(kind) = kinds::of(&address) else {
            let name = address.qualified_kind();
            self.faulty.insert(address);
            let near = nearest(&name, kinds::all().map(|kind| kind.name));
            return self.fault(
                file,
                declared.place,
                format!("there is no kind `{name}`"),
                near,
            );
        };
        if let Some(first) = self
            .found
            .get(&address)
            .and_then(|found| found.resource.origin.clone())
        {
            return self.fault(
                file,
                declared.place,
                format!(
                    "`{address}` is declared twice, first at {}:{}:{}",
                    first.file, first.line, first.column
                ),
                None,
            );
        }
        let Some(spec) = item.get("spec") else {
            self.faulty.insert(address.clone());
            return self.fault(file, item.place, format!("`{address}` has no `spec`"), None);
        };
        let before = self.errors.len();
        let mut places = Vec::new();
        let value = self.spec(file, spec, &mut places);
        let depends = self.depends(file, item);
        let normal = self.normalise(file, kind, spec, value);
        match normal {
            Some(normal) if self.errors.len() == before => {
                let origin = Some(Origin {
                    file: file.to_owned(),
                    line: declared.place.line,
                    column: declared.place.column,
                });
                let depends_on = depends.iter().map(|(address, _)| address.clone()).collect();
                let resource = Resource {
                    address: address.clone(),
                    spec: normal,
                    depends_on,
                    origin,
                };
                self.found.insert(
                    address,
                    Found {
                        resource,
                        places,
                        depends,
                    },
                );
            }
            _ => {
                self.faulty.insert(address);
            }
        }
    }

    fn depends(&mut self, file: &str, item: &Node) -> Vec<(Address, Place)> {
        let Some(node) = item.get("depends_on") else {
            return Vec::new();
        };
        let Data::List(items) = &node.data else {
            self.fault(
                file,
                node.place,
                "`depends_on` must be a list of addresses".to_owned(),
                None,
            );
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items {
            match item.text().map(str::parse) {
                Some(Ok(address)) => found.push((address, item.place)),
                Some(Err(error)) => self.fault(file, item.place, format!("{error}"), None),
                None => self.fault(file, item.place, "an address is a text".to_owned(), None),
            }
        }
        found
    }

    /// The spec with `{ref: …}` as typed unknowns.
    fn spec(&mut self, file: &str, node: &Node, places: &mut Vec<(Reference, Place)>) -> Value {
        match &node.data {
            Data::Scalar(value) => value.clone(),
            Data::List(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.spec(file, item, places))
                    .collect(),
            ),
            Data::Map(entries) => {
                if let [(key, _, target)] = entries.as_slice()
                    && key == "ref"
                    && let Some(text) = target.text()
                {
                    return match parse_reference(text) {
                        Ok(reference) => {
                            let unknown = serde_json::json!({"unknown": reference.to_string()});
                            places.push((reference, target.place));
                            unknown
                        }
                        Err(error) => {
                            self.fault(file, target.place, error.to_string(), None);
                            Value::Null
                        }
                    };
                }
                Value::Object(
                    entries
                        .iter()
                        .map(|(key, _, node)| (key.clone(), self.spec(file, node, places)))
                        .collect::<Map<_, _>>(),
                )
            }
        }
    }

    /// The normal form; on unknown fields goes on without them, so that one run shows them all.
    fn normalise(
        &mut self,
        file: &str,
        kind: &crate::kind::Kind,
        node: &Node,
        mut value: Value,
    ) -> Option<Value> {
        let mut meant = Vec::new();
        for _ in 0..MOST_PER_SPEC {
            let error = match (kind.normalize)(&value) {
                Ok(normal) => return Some(normal),
                Err(error) => error,
            };
            let Some(field) = quoted_after(&error.why, "unknown field `") else {
                // A misspelt field is one fault, not also a missing one.
                let misspelt = quoted_after(&error.why, "missing field `")
                    .is_some_and(|field| meant.iter().any(|name| name == field));
                if !misspelt {
                    self.fault(
                        file,
                        node.locate(&error.path),
                        readable(&error.path, &error.why),
                        None,
                    );
                }
                return None;
            };
            let known: Vec<&str> = error.why.split('`').skip(3).step_by(2).collect();
            let parent = error
                .path
                .strip_suffix(field)
                .map_or(error.path.as_str(), |path| path.trim_end_matches('.'));
            let path = if parent.is_empty() || parent == "." {
                field.to_owned()
            } else {
                format!("{parent}.{field}")
            };
            let near = nearest(field, known);
            meant.extend(near.clone());
            self.fault(
                file,
                node.locate(&path),
                format!("unknown field `{path}`"),
                near,
            );
            if !remove(&mut value, &path) {
                return None;
            }
        }
        None
    }

    fn references(&mut self) {
        let mut faults = Vec::new();
        let known = |address: &Address| {
            self.found.contains_key(address)
                || self.faulty.contains(address)
                || address.provider() == "kubernetes"
        };
        let names = || {
            self.found
                .keys()
                .map(Address::to_string)
                .collect::<Vec<_>>()
        };
        for found in self.found.values() {
            let Some(origin) = &found.resource.origin else {
                continue;
            };
            for (reference, place) in &found.places {
                if !known(&reference.address) {
                    let text = reference.address.to_string();
                    faults.push((
                        origin.file.clone(),
                        *place,
                        format!("there is no resource `{text}`"),
                        nearest(&text, names().iter().map(String::as_str)),
                    ));
                } else if let Some(outputs) = outputs_of(
                    &reference.address,
                    self.found
                        .get(&reference.address)
                        .map(|found| &found.resource.spec),
                ) && !outputs.contains(&reference.attribute.as_str())
                {
                    let message = format!(
                        "`{}` has no output `{}`; it has {}",
                        reference.address,
                        reference.attribute,
                        list(&outputs)
                    );
                    faults.push((
                        origin.file.clone(),
                        *place,
                        message,
                        nearest(&reference.attribute, outputs),
                    ));
                }
            }
            for (address, place) in found.depends.iter().filter(|(address, _)| !known(address)) {
                let text = address.to_string();
                faults.push((
                    origin.file.clone(),
                    *place,
                    format!("there is no resource `{text}`"),
                    nearest(&text, names().iter().map(String::as_str)),
                ));
            }
        }
        let edges: BTreeMap<&Address, BTreeSet<&Address>> = self
            .found
            .iter()
            .map(|(address, found)| {
                (
                    address,
                    found
                        .places
                        .iter()
                        .map(|(reference, _)| &reference.address)
                        .chain(found.depends.iter().map(|(address, _)| address))
                        .collect(),
                )
            })
            .collect();
        for cycle in graph::cycles(&edges) {
            let Some(found) = cycle.first().and_then(|address| self.found.get(*address)) else {
                continue;
            };
            let Some(origin) = &found.resource.origin else {
                continue;
            };
            let next = cycle.get(1).or(cycle.first());
            let spot = found
                .places
                .iter()
                .find(|(reference, _)| Some(&&reference.address) == next)
                .map(|(_, place)| *place);
            let spot = spot.or_else(|| {
                found
                    .depends
                    .iter()
                    .find(|(address, _)| Some(&address) == next)
                    .map(|(_, place)| *place)
            });
            let place = spot.unwrap_or(Place {
                line: origin.line,
                column: origin.column,
            });
            let shown: Vec<String> = cycle
                .iter()
                .chain(cycle.first())
                .map(|address| format!("`{address}`"))
                .collect();
            faults.push((
                origin.file.clone(),
                place,
                format!("a circle of dependencies: {}", shown.join(" → ")),
                None,
            ));
        }
        for (file, place, message, near) in faults {
            self.fault(&file, place, message, near);
        }
    }
}

/// `ADDRESS` or `ADDRESS/OUTPUT`. A Kubernetes name holds a slash itself, so there the whole is tried as an address by its shape.
fn parse_reference(text: &str) -> Result<Reference, crate::address::AddressError> {
    if text.starts_with("kubernetes.") {
        let (address, attribute) = match text.rsplit_once('/') {
            Some((address, attribute))
                if ["id", "name", "namespace"].contains(&attribute)
                    && address.parse::<Address>().is_ok() =>
            {
                (address, attribute)
            }
            _ => (text, "id"),
        };
        return Ok(Reference {
            address: address.parse()?,
            attribute: attribute.to_owned(),
        });
    }
    text.parse()
}

/// The outputs a resource has. A Vault secret has a public key or a certificate only if its generator makes one.
pub(crate) fn outputs_of(address: &Address, spec: Option<&Value>) -> Option<Vec<&'static str>> {
    let kind = kinds::of(address)?;
    let generator = spec
        .and_then(|spec| spec.pointer("/generator/type"))
        .and_then(Value::as_str);
    let fits = |output: &&str| match (*output, generator) {
        ("public-key", Some(generator)) => generator == "ed25519",
        ("certificate", Some(generator)) => generator == "tls",
        _ => true,
    };
    Some(
        kind.outputs
            .iter()
            .copied()
            .filter(|output| fits(output))
            .collect(),
    )
}

/// Everything a resource stands on: what its spec refers to, and what it was told to wait for.
pub(crate) fn needs(resource: &Resource) -> BTreeSet<Address> {
    references(&resource.spec)
        .into_iter()
        .map(|reference| reference.address)
        .chain(resource.depends_on.iter().cloned())
        .collect()
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn quoted_after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.split('`').next()
}

fn readable(path: &str, why: &str) -> String {
    let why = if why.contains("untagged enum Late") {
        "a text or `{ref: ADDRESS/OUTPUT}` is needed"
    } else {
        why
    };
    if path.is_empty() || path == "." {
        why.to_owned()
    } else {
        format!("`{path}`: {why}")
    }
}

fn remove(value: &mut Value, path: &str) -> bool {
    let mut parts: Vec<&str> = path
        .split(['.', '['])
        .filter(|part| !part.is_empty())
        .collect();
    let Some(last) = parts.pop() else {
        return false;
    };
    let mut here = value;
    for part in parts {
        let next = match part
            .strip_suffix(']')
            .and_then(|index| index.parse::<usize>().ok())
        {
            Some(index) => here.get_mut(index),
            None => here.get_mut(part),
        };
        let Some(next) = next else { return false };
        here = next;
    }
    here.as_object_mut()
        .is_some_and(|map| map.remove(last).is_some())
}
