//! What is known of kinds: whether they live in a namespace, and how their lists are merged.
//!
//! The built-in knowledge is that of Kubernetes 1.21.2, as in the reference; a kustomization may bring its own
//! OpenAPI document instead.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::id::Gvk;
use crate::value::Value;

/// Leads from a field to what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// A value of the type.
    Single,
    /// A list of the type.
    List,
    /// A mapping to the type.
    Map,
}

#[derive(Clone, Debug)]
struct Field {
    shape: Shape,
    target: Option<usize>,
    merge: bool,
    keys: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Definition {
    fields: HashMap<String, Field>,
}

/// A schema: definitions, the kinds they belong to, and scopes.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    definitions: Vec<Definition>,
    kinds: HashMap<Gvk, usize>,
    scopes: HashMap<Gvk, bool>,
}

/// A place in a schema: the type of one value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    schema: &'a Schema,
    at: At<'a>,
}

#[derive(Clone, Copy, Debug)]
enum At<'a> {
    /// A value of this definition, if it is one worth following.
    Type(Option<usize>),
    /// What a field holds.
    Field(&'a Field),
}

impl<'a> Place<'a> {
    /// The type of a field of a mapping.
    pub(crate) fn field(self, name: &str) -> Option<Place<'a>> {
        let definition = match self.at {
            At::Type(definition) => definition,
            At::Field(Field {
                shape: Shape::Single,
                target,
                ..
            }) => *target,
            At::Field(Field {
                shape: Shape::Map,
                target,
                ..
            }) => {
                return target.map(|t| Place {
                    at: At::Type(Some(t)),
                    ..self
                });
            }
            At::Field(_) => None,
        }?;
        let field = self.schema.definitions.get(definition)?.fields.get(name)?;
        Some(Place {
            schema: self.schema,
            at: At::Field(field),
        })
    }

    /// The type of a list's elements.
    pub(crate) fn elements(self) -> Option<Place<'a>> {
        match self.at {
            At::Field(Field {
                shape: Shape::List,
                target: Some(target),
                ..
            }) => Some(Place {
                schema: self.schema,
                at: At::Type(Some(*target)),
            }),
            _ => None,
        }
    }

    /// The keys that identify a list's elements when the list is merged by element; none for a list of scalars.
    pub(crate) fn merge_keys(self) -> Option<&'a [String]> {
        match self.at {
            At::Field(field) if field.merge => Some(&field.keys),
            _ => None,
        }
    }
}

static BUILT_IN: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let mut schema = Schema::parse(include_str!("data/kubernetes-1.21.2.txt"));
    schema.scopes = SCOPES.clone();
    Arc::new(schema)
});

static SCOPES: LazyLock<HashMap<Gvk, bool>> = LazyLock::new(|| {
    include_str!("data/scopes.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (api_version, kind, scope) = (words.next()?, words.next()?, words.next()?);
            Some((Gvk::new(api_version, kind), scope == "namespaced"))
        })
        .collect()
});

impl Schema {
    /// The knowledge built in.
    pub(crate) fn built_in() -> Arc<Schema> {
        BUILT_IN.clone()
    }

    fn parse(text: &str) -> Schema {
        let mut schema = Schema::default();
        let mut index: HashMap<&str, usize> = HashMap::new();
        let mut current = 0;
        let blank = |word: &str| {
            if word == "-" {
                String::new()
            } else {
                word.to_owned()
            }
        };
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["def", name] => current = schema.definition(&mut index, name),
                ["kind", group, version, kind] => {
                    let gvk = Gvk {
                        group: blank(group),
                        version: (*version).to_owned(),
                        kind: (*kind).to_owned(),
                    };
                    schema.kinds.insert(gvk, current);
                }
                ["field", name, shape, target, strategy, key, keys] => {
                    let target = (*target != "-").then(|| schema.definition(&mut index, target));
                    let keys = match (*keys, *key) {
                        ("-", "-") => Vec::new(),
                        ("-", key) => vec![key.to_owned()],
                        (keys, _) => keys.split('+').map(str::to_owned).collect(),
                    };
                    let shape = match *shape {
                        "list" => Shape::List,
                        "map" => Shape::Map,
                        _ => {
                            if *strategy != "-" && target.is_none() {
                                Shape::List
                            } else {
                                Shape::Single
                            }
                        }
                    };
                    let merge = strategy.split(',').any(|s| s == "merge");
                    schema.definitions[current].fields.insert(
                        (*name).to_owned(),
                        Field {
                            shape,
                            target,
                            merge,
                            keys,
                        },
                    );
                }
                _ => {}
            }
        }
        schema
    }

    fn definition<'a>(&mut self, index: &mut HashMap<&'a str, usize>, name: &'a str) -> usize {
        *index.entry(name).or_insert_with(|| {
            self.definitions.push(Definition::default());
            self.definitions.len() - 1
        })
    }

    /// The schema an OpenAPI document gives; scopes it does not know stay as built in.
    pub(crate) fn from_openapi(document: &Value) -> Schema {
        let mut schema = Schema {
            scopes: SCOPES.clone(),
            ..Schema::default()
        };
        let mut index: HashMap<&str, usize> = HashMap::new();
        if let Some(Value::Map(definitions)) = document.get("definitions") {
            for (name, definition) in definitions {
                let at = schema.definition(&mut index, name);
                for gvk in type_names(definition.get("x-kubernetes-group-version-kind")) {
                    schema.kinds.insert(gvk, at);
                }
                let fields = schema.fields_of(&mut index, definition);
                schema.definitions[at].fields = fields;
            }
        }
        if let Some(Value::Map(paths)) = document.get("paths") {
            let mut found: HashMap<Gvk, bool> = HashMap::new();
            for (path, operations) in paths {
                let Some(get) = operations.get("get") else {
                    continue;
                };
                for gvk in type_names(get.get("x-kubernetes-group-version-kind")) {
                    let namespaced = path.contains("namespaces/{namespace}");
                    found
                        .entry(gvk)
                        .and_modify(|known| *known |= namespaced)
                        .or_insert(namespaced);
                }
            }
            for (gvk, namespaced) in found {
                schema.scopes.entry(gvk).or_insert(namespaced);
            }
        }
        schema
    }

    fn fields_of<'a>(
        &mut self,
        index: &mut HashMap<&'a str, usize>,
        definition: &'a Value,
    ) -> HashMap<String, Field> {
        let mut out = HashMap::new();
        if let Some(Value::Map(properties)) = definition.get("properties") {
            for (name, property) in properties {
                let field = self.field_of(index, property);
                out.insert(name.clone(), field);
            }
        }
        out
    }

    fn field_of<'a>(&mut self, index: &mut HashMap<&'a str, usize>, property: &'a Value) -> Field {
        let strategy = property
            .get("x-kubernetes-patch-strategy")
            .and_then(Value::as_str);
        let merge = strategy.is_some_and(|s| s.split(',').any(|part| part == "merge"));
        let keys = match property.get("x-kubernetes-list-map-keys") {
            Some(Value::List(keys)) if strategy.is_some() => keys
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            _ => property
                .get("x-kubernetes-patch-merge-key")
                .and_then(Value::as_str)
                .map(str::to_owned)
                .into_iter()
                .collect(),
        };
        let (shape, target) = if let Some(items) = property.get("items") {
            (Shape::List, self.target(index, items))
        } else if let Some(values) = property.get("additionalProperties") {
            (Shape::Map, self.target(index, values))
        } else {
            (Shape::Single, self.target(index, property))
        };
        Field {
            shape,
            target,
            merge,
            keys,
        }
    }

    /// The definition of a referenced or inline type.
    fn target<'a>(
        &mut self,
        index: &mut HashMap<&'a str, usize>,
        value: &'a Value,
    ) -> Option<usize> {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            return Some(
                self.definition(
                    index,
                    reference
                        .strip_prefix("#/definitions/")
                        .unwrap_or(reference),
                ),
            );
        }
        value.get("properties")?;
        let fields = self.fields_of(index, value);
        self.definitions.push(Definition { fields });
        Some(self.definitions.len() - 1)
    }

    /// The type of a whole object of this kind.
    pub(crate) fn of_kind(&self, gvk: &Gvk) -> Option<Place<'_>> {
        self.kinds.get(gvk).map(|&at| Place {
            schema: self,
            at: At::Type(Some(at)),
        })
    }

    /// Whether the kind is known to live outside namespaces.
    pub(crate) fn is_cluster_scoped(&self, gvk: &Gvk) -> bool {
        self.scopes.get(gvk) == Some(&false)
    }
}

/// One kind or a list of them, as OpenAPI extensions name them.
fn type_names(extension: Option<&Value>) -> Vec<Gvk> {
    let one = |value: &Value| {
        let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Gvk {
            group: text("group").unwrap_or_default(),
            version: text("version")?,
            kind: text("kind")?,
        })
    };
    match extension {
        Some(Value::List(items)) => items.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}
