//! Finding, and where asked making, the fields that a field specification names.

use crate::budget;
use crate::config::FieldSpec;
use crate::error::{Error, Result};
use crate::id::split_api_version;
use crate::resource::Resource;
use crate::yaml::node::Data;
use crate::yaml::{Node, Tag};

/// What to make of a field that is missing or null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    /// Nothing: fields are only changed where they are.
    Never,
    /// A scalar of this type.
    Scalar(Tag),
    /// A mapping.
    Map,
}

#[derive(Clone, Debug)]
struct Part {
    name: String,
    sequence: bool,
}

/// A field specification with its path taken apart.
#[derive(Clone, Debug)]
pub(crate) struct PreparedSpec {
    spec: FieldSpec,
    parts: Vec<Part>,
}

/// Splits at `delimiter`; a backslash before it keeps it.
pub(crate) fn split_path(path: &str, delimiter: char) -> Vec<String> {
    let pieces: Vec<&str> = path.split(delimiter).collect();
    let pieces = if pieces.len() > 1 && pieces[0].is_empty() {
        &pieces[1..]
    } else {
        &pieces[..]
    };
    let mut out: Vec<String> = Vec::new();
    for piece in pieces {
        match out.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(piece);
            }
            _ => out.push((*piece).to_owned()),
        }
    }
    out
}

impl PreparedSpec {
    pub(crate) fn new(spec: &FieldSpec) -> PreparedSpec {
        let parts = split_path(&spec.path, '/')
            .into_iter()
            .map(|name| match name.strip_suffix("[]") {
                Some(short) => Part {
                    name: short.to_owned(),
                    sequence: true,
                },
                None => Part {
                    name,
                    sequence: false,
                },
            })
            .collect();
        PreparedSpec {
            spec: spec.clone(),
            parts,
        }
    }

    pub(crate) fn all(specs: &[FieldSpec]) -> Vec<PreparedSpec> {
        specs.iter().map(PreparedSpec::new).collect()
    }

    pub(crate) fn spec(&self) -> &FieldSpec {
        &self.spec
    }

    /// Whether the specification is for objects like this one.
    pub(crate) fn applies(&self, node: &Node) -> bool {
        let gvk = &self.spec.gvk;
        if !gvk.kind.is_empty() && node.get("kind").map_or("", Node::text) != gvk.kind {
            return false;
        }
        if gvk.group.is_empty() && gvk.version.is_empty() {
            return true;
        }
        let (group, version) = split_api_version(node.get("apiVersion").map_or("", Node::text));
        (gvk.group.is_empty() || gvk.group == group)
            && (gvk.version.is_empty() || gvk.version == version)
    }

    /// Calls `set` on every field the specification names in `node`, if it is for such objects.
    pub(crate) fn apply(
        &self,
        node: &mut Node,
        create: &Create,
        set: &mut dyn FnMut(&mut Node) -> Result<()>,
    ) -> Result<()> {
        if !self.applies(node) {
            return Ok(());
        }
        self.apply_always(node, create, set)
    }

    /// As [`PreparedSpec::apply`], for any object.
    pub(crate) fn apply_always(
        &self,
        node: &mut Node,
        create: &Create,
        set: &mut dyn FnMut(&mut Node) -> Result<()>,
    ) -> Result<()> {
        budget::path(self.parts.len())?;
        let walk = Walk {
            create: if self.spec.create {
                create
            } else {
                &Create::Never
            },
        };
        walk.visit(node, &self.parts, set).map_err(|e| {
            let id = Resource::new(node.clone()).current_id();
            e.context(format!(
                "considering field '{}' of object {id}",
                self.spec.path
            ))
        })
    }
}

struct Walk<'a> {
    create: &'a Create,
}

impl Walk<'_> {
    fn visit(
        &self,
        node: &mut Node,
        parts: &[Part],
        set: &mut dyn FnMut(&mut Node) -> Result<()>,
    ) -> Result<()> {
        let Some((part, rest)) = parts.split_first() else {
            return set(node);
        };
        if node.is_null() {
            return Ok(());
        }
        match &mut node.data {
            Data::Seq(items) => {
                for item in items {
                    self.visit(item, parts, set).map_err(|e| {
                        let path: Vec<String> = parts
                            .iter()
                            .map(|p| {
                                if p.sequence {
                                    format!("{}[]", p.name)
                                } else {
                                    p.name.clone()
                                }
                            })
                            .collect();
                        e.context(format!("visit traversal on path: [{}]", path.join(" ")))
                    })?;
                }
                Ok(())
            }
            Data::Map(_) => self.visit_map(node, part, rest, set),
            Data::Scalar(_) => Err(Error::invalid("expected sequence or mapping node")),
        }
    }

    fn visit_map(
        &self,
        node: &mut Node,
        part: &Part,
        rest: &[Part],
        set: &mut dyn FnMut(&mut Node) -> Result<()>,
    ) -> Result<()> {
        if part.name.is_empty() {
            return Err(Error::invalid("cannot set or create an empty field name"));
        }
        let creating = *self.create != Create::Never && !part.sequence;
        let made = if !creating {
            None
        } else if rest.is_empty() {
            Some(match self.create {
                Create::Scalar(tag) => Node::tagged_scalar("", tag.clone()),
                _ => Node::tagged_map(),
            })
        } else {
            Some(Node::tagged_map())
        };
        let field = match &made {
            // A field made now has no tag yet; one that was null gets it.
            Some(made) => node.get_or_create(&part.name, || Node {
                tag: Tag::None,
                ..made.clone()
            }),
            None => node.get_mut(&part.name),
        };
        let Some(field) = field else { return Ok(()) };
        if field.is_null() {
            if let Some(made) = made {
                *field = match made.data {
                    Data::Scalar(_) => Node::tagged_scalar(field.text(), made.tag),
                    _ => made,
                };
            } else if part.sequence {
                *field = Node::empty_seq();
            }
        }
        self.visit(field, rest, set)
    }
}

/// Sets the text and type of a scalar, as most transformers do.
pub(crate) fn set_scalar(node: &mut Node, text: &str, tag: Tag) -> Result<()> {
    if !node.is_null() && !node.is_scalar() {
        return Err(wrong_kind(node, "ScalarNode"));
    }
    budget::text(text.len())?;
    node.set_scalar(Node::tagged_scalar(text, tag));
    Ok(())
}

/// Sets a string in a mapping.
pub(crate) fn set_entry(
    node: &mut Node,
    key: &str,
    text: &str,
    tag: Tag,
    group: u32,
) -> Result<()> {
    if !node.is_null() && !node.is_map() {
        return Err(wrong_kind(node, "MappingNode"));
    }
    budget::text(key.len() + text.len())?;
    let value = Node {
        group,
        ..Node::tagged_scalar(text, tag)
    };
    node.set(key, Some(value));
    Ok(())
}

pub(crate) fn wrong_kind(node: &Node, expected: &str) -> Error {
    Error::invalid(format!(
        "wrong node kind: expected {expected} but got {}: node contents:\n{}\n",
        node.kind_name(),
        crate::yaml::print::block(node).trim_end_matches('\n')
    ))
}
