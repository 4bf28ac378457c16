//! Paths of replacements and variables: fields joined by dots, with list elements by index, by key or all.

use crate::error::{Error, Result};
use crate::yaml::node::Data;
use crate::yaml::{Node, Tag};

use super::fieldspec::{split_path, wrong_kind};

/// Splits a path at dots, keeping `[key=value]` and unpacking `[dotted.key]`.
pub(crate) fn split(path: &str) -> Vec<String> {
    let mut pieces = split_path(path, '.').into_iter();
    let mut out = Vec::new();
    while let Some(piece) = pieces.next() {
        if !piece.starts_with('[') || piece.ends_with(']') {
            out.push(piece);
            continue;
        }
        let mut joined = piece;
        for more in pieces.by_ref() {
            joined.push('.');
            joined.push_str(&more);
            if more.ends_with(']') {
                break;
            }
        }
        out.push(if joined.contains('=') {
            joined
        } else {
            joined.trim_matches(['[', ']']).to_owned()
        });
    }
    out
}

fn is_bracketed(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

fn as_index(part: &str) -> Option<usize> {
    let unsigned = part.strip_prefix('+').unwrap_or(part);
    (!unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()))
        .then(|| unsigned.parse().ok())
        .flatten()
}

fn key_value(part: &str) -> Result<(&str, &str)> {
    let inner = part.strip_suffix(']').unwrap_or(part);
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| {
        Error::invalid("list path element must contain fieldName=fieldValue for element to match")
    })
}

/// The node at a path of single steps.
pub(crate) fn lookup<'n>(node: &'n Node, path: &[String]) -> Result<Option<&'n Node>> {
    let mut at = node;
    for part in path.iter().map(|p| p.trim()).filter(|p| !p.is_empty()) {
        let next = if let Ok(index) = part.parse::<i64>() {
            let Ok(index) = usize::try_from(index) else {
                return Err(Error::invalid(format!(
                    "array index {index} cannot be negative"
                )));
            };
            elements(at)?.get(index)
        } else if part == "-" {
            elements(at)?.last()
        } else if part == "*" {
            return Err(Error::invalid("wildcard is not supported in PathGetter"));
        } else if is_bracketed(part) {
            let (key, value) = key_value(part)?;
            elements(at)?.iter().find(|item| {
                if key.is_empty() {
                    item.text() == value
                } else {
                    item.get(key).is_some_and(|v| v.text() == value)
                }
            })
        } else {
            if at.is_null() {
                return Ok(None);
            }
            if !at.is_map() {
                return Err(wrong_kind(at, "MappingNode"));
            }
            at.get(part)
        };
        match next {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn elements(node: &Node) -> Result<&[Node]> {
    if node.is_null() {
        return Ok(&[]);
    }
    match &node.data {
        Data::Seq(items) => Ok(items),
        _ => Err(wrong_kind(node, "SequenceNode")),
    }
}

/// What is made at the end of a path that leads to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    Nothing,
    Scalar,
    Map,
    Seq,
}

impl Create {
    /// A node of the same kind as `node`.
    pub(crate) fn like(node: &Node) -> Create {
        match node.data {
            Data::Scalar(_) => Create::Scalar,
            Data::Map(_) => Create::Map,
            Data::Seq(_) => Create::Seq,
        }
    }

    /// What a part of a path must be so that `next` can follow.
    fn before(self, next: Option<&String>) -> Node {
        match next.map(String::as_str) {
            Some(part) if is_bracketed(part) || as_index(part).is_some() => Node::empty_seq(),
            Some(part) if !part.is_empty() => Node::empty_map(),
            _ => match self {
                Create::Map => Node::empty_map(),
                Create::Seq => Node::empty_seq(),
                _ => Node::scalar(""),
            },
        }
    }
}

/// Calls `visit` on every node a path leads to, making missing ones if asked to. Returns how many there were.
pub(crate) fn visit(
    node: &mut Node,
    path: &[String],
    create: Create,
    visit: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<usize> {
    let Some((part, rest)) = path.split_first() else {
        visit(node)?;
        return Ok(1);
    };
    if let Some(index) = as_index(part) {
        return at_index(node, index, rest, create, visit);
    }
    if is_bracketed(part) {
        return by_key(node, part, rest, create, visit);
    }
    if part == "*" {
        let mut count = 0;
        for item in elements_mut(node)? {
            count += self::visit(item, rest, create, visit)?;
        }
        return Ok(count);
    }
    if node.is_null() && create == Create::Nothing {
        return Ok(0);
    }
    if node.is_null() {
        *node = Node::empty_map();
    }
    if !node.is_map() {
        return Err(wrong_kind(node, "MappingNode"));
    }
    let field = if create == Create::Nothing {
        node.get_mut(part)
    } else {
        node.get_or_create(part, || create.before(rest.first()))
    };
    let Some(field) = field else { return Ok(0) };
    if field.is_scalar() && !rest.is_empty() {
        return in_text(field, rest, create, visit);
    }
    self::visit(field, rest, create, visit)
}

/// Goes on inside a scalar that is itself YAML; what is changed there is not kept.
fn in_text(
    field: &Node,
    rest: &[String],
    create: Create,
    visit: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<usize> {
    let parsed = crate::yaml::first_document(
        field.text().as_bytes(),
        crate::yaml::Dialect::Current,
        crate::yaml::Limits::default(),
    )
    .map_err(|e| Error::syntax(&e))?;
    match parsed {
        Some(mut inner) => self::visit(&mut inner, rest, create, visit),
        None => self::visit(&mut Node::tagged_scalar("", Tag::Null), rest, create, visit),
    }
}

fn elements_mut(node: &mut Node) -> Result<&mut Vec<Node>> {
    if node.is_null() {
        *node = Node::empty_seq();
    }
    if !matches!(node.data, Data::Seq(_)) {
        return Err(wrong_kind(node, "SequenceNode"));
    }
    match &mut node.data {
        Data::Seq(items) => Ok(items),
        _ => Err(Error::invalid("expected a list")),
    }
}

fn at_index(
    node: &mut Node,
    index: usize,
    rest: &[String],
    create: Create,
    visit: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<usize> {
    let items = elements_mut(node)?;
    if items.len() == index && create != Create::Nothing {
        items.push(create.before(rest.first()));
    }
    let count = items.len();
    match items.get_mut(index) {
        Some(item) => self::visit(item, rest, create, visit),
        None => Err(Error::invalid(format!(
            "index {index} specified but only {count} elements found"
        ))),
    }
}

fn by_key(
    node: &mut Node,
    part: &str,
    rest: &[String],
    create: Create,
    visit: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<usize> {
    let (key, pattern) = key_value(part)?;
    let regex = crate::selector::regex(pattern)?;
    let items = elements_mut(node)?;
    let matches = |item: &Node| {
        if key.is_empty() {
            regex.is_match(crate::yaml::print::scalar(item).trim())
        } else {
            item.get(key)
                .is_some_and(|value| regex.is_match(crate::yaml::print::scalar(value).trim()))
        }
    };
    let mut count = 0;
    for item in items.iter_mut().filter(|item| matches(item)) {
        count += if key.is_empty() {
            visit(item)?;
            1
        } else {
            self::visit(item, rest, create, visit)?
        };
    }
    if count > 0 || create == Create::Nothing {
        return Ok(count);
    }
    let made = if key.is_empty() {
        Node::scalar(pattern)
    } else {
        let mut made = Node::empty_map();
        made.set(key, Some(Node::scalar(pattern)));
        made
    };
    if !matches(&made) {
        return Err(Error::invalid(format!(
            "failed to create element for \"{part}\""
        )));
    }
    items.push(made);
    match items.last_mut() {
        Some(item) if key.is_empty() => visit(item).map(|()| 1),
        Some(item) => self::visit(item, rest, create, visit),
        None => Ok(0),
    }
}
