//! The types of Kubernetes, as `examples/schema.rs` writes them down.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

/// What a value has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Any,
    Object,
    Text,
    Int32,
    Int64,
    Number,
    Boolean,
    Quantity,
    IntOrText,
    /// A type of the table.
    Of(usize),
    List(Box<Shape>),
    Map(Box<Shape>),
}

/// A field of a type.
#[derive(Debug)]
pub(super) struct Field {
    pub name: &'static str,
    pub shape: Shape,
    pub required: bool,
    /// The fields that tell the elements of a list apart.
    pub keys: Vec<&'static str>,
    /// The values it may have; any, if there are none.
    pub values: Vec<&'static str>,
}

/// A type: its fields by name.
#[derive(Debug, Default)]
pub(super) struct Definition {
    pub fields: Vec<Field>,
}

impl Definition {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields
            .binary_search_by(|field| field.name.cmp(name))
            .ok()
            .and_then(|at| self.fields.get(at))
    }
}

/// All types, and those that are kinds.
#[derive(Debug, Default)]
pub(super) struct Table {
    definitions: Vec<Definition>,
    kinds: HashMap<(&'static str, &'static str), usize>,
    groups: BTreeSet<&'static str>,
    metadata: Option<usize>,
}

static BUILT_IN: LazyLock<Table> =
    LazyLock::new(|| Table::parse(include_str!("../data/kubernetes-1.37.2.txt")));

impl Table {
    /// That of [`super::VERSION`].
    pub(super) fn built_in() -> &'static Table {
        &BUILT_IN
    }

    /// The type of a kind.
    pub(super) fn kind(&self, api_version: &str, kind: &str) -> Option<&Definition> {
        self.definition(*self.kinds.get(&(api_version, kind))?)
    }

    /// A type that another leads to.
    pub(super) fn definition(&self, at: usize) -> Option<&Definition> {
        self.definitions.get(at)
    }

    /// The type of every object's `metadata`.
    pub(super) fn metadata(&self) -> Option<&Definition> {
        self.definition(self.metadata?)
    }

    /// Whether the group's kinds are all built in.
    pub(super) fn has_group(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    /// The API versions that a kind has, in order.
    pub(super) fn versions(&self, kind: &str) -> BTreeSet<&'static str> {
        self.kinds
            .keys()
            .filter(|(_, name)| *name == kind)
            .map(|(api_version, _)| *api_version)
            .collect()
    }

    /// `APIVERSION KIND` of every kind of a group.
    pub(super) fn names(&self, group: &str) -> Vec<String> {
        self.kinds
            .keys()
            .filter(|(api_version, _)| group_of(api_version) == group)
            .map(|(api_version, kind)| format!("{api_version} {kind}"))
            .collect()
    }

    fn parse(text: &'static str) -> Table {
        let mut table = Table::default();
        let lines = || text.lines().filter(|line| !line.starts_with('#'));
        let index: HashMap<&str, usize> = lines()
            .filter_map(|line| line.strip_prefix("def "))
            .zip(0..)
            .collect();
        table.metadata = index.get("meta.v1.ObjectMeta").copied();
        for line in lines() {
            let words: Vec<&'static str> = line.split(' ').collect();
            let current = table.definitions.len().wrapping_sub(1);
            match words.as_slice() {
                ["def", _] => table.definitions.push(Definition::default()),
                ["=", api_version, kind] => {
                    table.kinds.insert((api_version, kind), current);
                    table.groups.insert(group_of(api_version));
                }
                [name, shape, flags @ ..] => {
                    let split = |prefix: &str| -> Vec<&'static str> {
                        flags
                            .iter()
                            .find_map(|flag| flag.strip_prefix(prefix))
                            .map(|all| all.split(',').collect())
                            .unwrap_or_default()
                    };
                    let field = Field {
                        name,
                        shape: Shape::parse(shape, &index),
                        required: flags.contains(&"!"),
                        keys: split("key="),
                        values: split("enum="),
                    };
                    if let Some(definition) = table.definitions.last_mut() {
                        definition.fields.push(field);
                    }
                }
                _ => {}
            }
        }
        for definition in &mut table.definitions {
            definition.fields.sort_unstable_by_key(|field| field.name);
        }
        table
    }
}

impl Shape {
    fn parse(text: &str, index: &HashMap<&str, usize>) -> Shape {
        if let Some(element) = text.strip_prefix("[]") {
            return Shape::List(Box::new(Shape::parse(element, index)));
        }
        if let Some(value) = text.strip_prefix("{}") {
            return Shape::Map(Box::new(Shape::parse(value, index)));
        }
        match text {
            "object" => Shape::Object,
            "string" => Shape::Text,
            "int32" => Shape::Int32,
            "int64" => Shape::Int64,
            "number" => Shape::Number,
            "boolean" => Shape::Boolean,
            "quantity" => Shape::Quantity,
            "int-or-string" => Shape::IntOrText,
            name => index.get(name).map_or(Shape::Any, |at| Shape::Of(*at)),
        }
    }

    /// The type's name in a message.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Shape::Any => "anything",
            Shape::Object | Shape::Of(_) | Shape::Map(_) => "an object",
            Shape::Text => "a string",
            Shape::Int32 => "an integer of 32 bits",
            Shape::Int64 => "an integer of 64 bits",
            Shape::Number => "a number",
            Shape::Boolean => "a boolean",
            Shape::Quantity => "a quantity like `500m` or `2Gi`",
            Shape::IntOrText => "an integer or a string",
            Shape::List(_) => "a list",
        }
    }
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::{Shape, Table};

    #[test]
    fn every_type_that_is_named_is_there() {
        let text = include_str!("../data/kubernetes-1.37.2.txt");
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [name, shape, ..] = words.as_slice() else {
                continue;
            };
            if matches!(*name, "#" | "def" | "=") {
                continue;
            }
            let shape = shape.trim_start_matches(['[', ']', '{', '}']);
            assert!(
                shape == "any"
                    || Shape::parse(shape, &Default::default()) != Shape::Any
                    || text.contains(&format!("\ndef {shape}\n")),
                "{line}"
            );
        }
    }

    #[test]
    fn the_table_holds_what_is_known_of_it() {
        let table = Table::built_in();
        let deployment = table.kind("apps/v1", "Deployment").unwrap();
        assert!(deployment.field("metadata").is_some() && deployment.field("status").is_none());
        let Shape::Of(spec) = deployment.field("spec").unwrap().shape else {
            panic!("a spec of a type of its own");
        };
        let spec = table.definition(spec).unwrap();
        assert!(
            spec.field("template").unwrap().required && !spec.field("replicas").unwrap().required
        );
        assert!(table.metadata().unwrap().field("labels").is_some());
        assert!(
            table.has_group("") && table.has_group("apps") && !table.has_group("cert-manager.io")
        );
        assert!(table.names("").contains(&"v1 ConfigMap".to_owned()));
    }
}
