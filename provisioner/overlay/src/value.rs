//! Typed values: what a rendered object is made of.

use base64::Engine as _;

use crate::yaml::node::{Data, Node, Style, Tag};
use crate::yaml::resolve::{Scalar, plain};
use crate::yaml::{Dialect, float, fold};

/// A typed value of a rendered object, keys in the order they were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// A number with a fraction, or too large for the others. Always finite.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping; keys are distinct.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::Uint(_) | Value::Float(_) => "number",
            Value::String(_) => "string",
            Value::List(_) => "array",
            Value::Map(_) => "object",
        }
    }

    /// Numbers as JSON has them: one that is whole is whole.
    pub(crate) fn normalized_number(&self) -> Value {
        match self {
            Value::Float(v) if v.fract() == 0.0 && v.abs() < 1e21 => {
                // The shortest digits that give the number are read back, which need not be all of its digits.
                let text = float::json(*v);
                if let Ok(whole) = text.parse() {
                    Value::Int(whole)
                } else if let Ok(whole) = text.parse() {
                    Value::Uint(whole)
                } else {
                    self.clone()
                }
            }
            other => other.clone(),
        }
    }

    /// As JSON numbers are read where no type is asked for: every number is a float.
    pub(crate) fn floats(self) -> Value {
        match self {
            Value::Int(v) => Value::Float(v as f64),
            Value::Uint(v) => Value::Float(v as f64),
            Value::List(items) => Value::List(items.into_iter().map(Value::floats).collect()),
            Value::Map(entries) => {
                Value::Map(entries.into_iter().map(|(k, v)| (k, v.floats())).collect())
            }
            other => other,
        }
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> serde_json::Value {
        match value.normalized_number() {
            Value::Null => serde_json::Value::Null,
            Value::Bool(v) => v.into(),
            Value::Int(v) => v.into(),
            Value::Uint(v) => v.into(),
            Value::Float(v) => v.into(),
            Value::String(v) => v.into(),
            Value::List(items) => items.iter().map(serde_json::Value::from).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|(k, v)| (k.clone(), v.into()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// Why a tree has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoValue(pub(crate) String);

/// What a tree's value is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// One of the tool's own documents, as it was read.
    Document,
    /// As `Document`, of which no key may be said twice.
    Strict,
    /// A resource, as it was read.
    Read,
    /// A resource, as it would be read back after being written.
    Written,
}

impl Source {
    fn dialect(self) -> Dialect {
        match self {
            Source::Document | Source::Strict => Dialect::Legacy,
            Source::Read | Source::Written => Dialect::Current,
        }
    }
}

/// The value of a resource's tree, as it would be read back after being written.
pub(crate) fn of_resource(node: &Node) -> Result<Value, NoValue> {
    convert(node, Source::Written, true, false)
}

/// The value of a resource's tree, as it was read.
pub(crate) fn of_read_resource(node: &Node) -> Result<Value, NoValue> {
    convert(node, Source::Read, true, false)
}

/// As [`of_resource`], of a tree that is not needed any more. The reference writes an object as JSON and reads that as YAML before it
/// writes it; JSON leaves characters from U+007F on as they are, and some of them may not stand in YAML.
pub(crate) fn from_resource(node: &mut Node) -> Result<Value, NoValue> {
    let value = extract(node, true, false)?;
    if may_stand(&value) {
        Ok(value)
    } else {
        Err(NoValue(
            "yaml: control characters are not allowed".to_owned(),
        ))
    }
}

fn may_stand(value: &Value) -> bool {
    let text = |text: &str| {
        text.bytes().all(|byte| byte < 0x7F)
            || text
                .chars()
                .all(|c| c < '\u{7F}' || crate::yaml::scan::is_allowed(c))
    };
    match value {
        Value::String(value) => text(value),
        Value::List(items) => items.iter().all(may_stand),
        Value::Map(entries) => entries
            .iter()
            .all(|(key, value)| text(key) && may_stand(value)),
        _ => true,
    }
}

fn extract(node: &mut Node, top: bool, flow: bool) -> Result<Value, NoValue> {
    let flow = flow || node.style == Style::Flow;
    match &mut node.data {
        Data::Scalar(_) => match text_of(node) {
            Some(text) => Ok(Value::String(text)),
            None => convert(node, Source::Written, top, flow),
        },
        Data::Seq(items) => Ok(Value::List(
            items
                .iter_mut()
                .map(|n| extract(n, false, flow))
                .collect::<Result<_, _>>()?,
        )),
        Data::Map(entries) => {
            let mut out: Vec<(String, Value)> = Vec::with_capacity(entries.len());
            let mut seen = Seen::new(entries.len());
            for at in 0..entries.len() {
                let entry = &mut entries[at];
                let key = match text_of(&mut entry.key) {
                    Some(text) => text,
                    None => key_text(&entry.key, Dialect::Current, top)?,
                };
                let value = extract(&mut entry.value, false, flow)?;
                if let Some(earlier) = seen.insert(&key, &out) {
                    return Err(repeated(&key, entries, at, earlier));
                }
                out.push((key, value));
            }
            Ok(Value::Map(out))
        }
    }
}

/// Takes the text of a scalar that is nothing but a string.
fn text_of(node: &mut Node) -> Option<String> {
    let plain = node.tag == Tag::Str && !node.tagged && node.style != Style::Folded;
    match &mut node.data {
        Data::Scalar(text) if plain => Some(std::mem::take(text)),
        _ => None,
    }
}

fn repeated(key: &str, entries: &[crate::yaml::Entry], at: usize, earlier: usize) -> NoValue {
    let line = |at: usize| entries.get(at).map_or(0, |e| e.key.line);
    NoValue(format!(
        "yaml: unmarshal errors:\n  line {}: mapping key \"{key}\" already defined at line {}",
        line(at),
        line(earlier),
    ))
}

/// The value of one of the tool's own documents.
pub(crate) fn of_document(node: &Node) -> Result<Value, NoValue> {
    convert(node, Source::Document, true, false)
}

/// As [`of_document`], of a document that may say no key twice.
pub(crate) fn of_strict_document(node: &Node) -> Result<Value, NoValue> {
    convert(node, Source::Strict, true, false)
}

fn convert(node: &Node, source: Source, top: bool, flow: bool) -> Result<Value, NoValue> {
    let flow = flow || node.style == Style::Flow;
    let dialect = source.dialect();
    match &node.data {
        Data::Scalar(text) if source == Source::Written => match node.style {
            Style::Folded if !flow => Ok(Value::String(fold::refold(text))),
            // Between brackets what is empty or has a colon is written in quotes.
            Style::Plain if flow && (text.is_empty() || text.contains(':')) => {
                scalar(node, dialect, true)
            }
            _ => scalar(node, dialect, false),
        },
        Data::Scalar(_) => scalar(node, dialect, false),
        Data::Seq(items) => Ok(Value::List(
            items
                .iter()
                .map(|n| convert(n, source, false, flow))
                .collect::<Result<_, _>>()?,
        )),
        Data::Map(entries) => {
            let mut out: Vec<(String, Value)> = Vec::with_capacity(entries.len());
            let mut seen = Seen::new(entries.len());
            for (place, entry) in entries.iter().enumerate() {
                let key = key_text(&entry.key, dialect, top)?;
                let value = convert(&entry.value, source, false, flow)?;
                if let Some(at) = seen.insert(&key, &out) {
                    if dialect == Dialect::Current {
                        return Err(repeated(&key, entries, place, at));
                    }
                    if source == Source::Strict {
                        return Err(NoValue(format!(
                            "yaml: unmarshal errors:\n  line {}: key \"{key}\" already set in map",
                            entry.value.line
                        )));
                    }
                    out[at].1 = value;
                } else {
                    out.push((key, value));
                }
            }
            Ok(Value::Map(out))
        }
    }
}

/// Finds repeated keys without comparing all pairs of a large mapping.
struct Seen(Option<std::collections::HashMap<String, usize>>);

impl Seen {
    fn new(size: usize) -> Seen {
        Seen((size > 16).then(|| std::collections::HashMap::with_capacity(size)))
    }

    /// The place of the same key among `earlier`, if it was there.
    fn insert(&mut self, key: &str, earlier: &[(String, Value)]) -> Option<usize> {
        match &mut self.0 {
            None => earlier.iter().position(|(k, _)| k == key),
            Some(index) => {
                if let Some(&at) = index.get(key) {
                    return Some(at);
                }
                index.insert(key.to_owned(), earlier.len());
                None
            }
        }
    }
}

fn key_text(key: &Node, dialect: Dialect, top: bool) -> Result<String, NoValue> {
    if !key.is_scalar() {
        return Err(NoValue(format!(
            "invalid map key: {}",
            crate::yaml::print::flow(key)
        )));
    }
    let value = scalar(key, dialect, false)?;
    match (value, dialect) {
        (Value::String(text), Dialect::Legacy) => Ok(text),
        // A date is no string as a key, though it becomes one as a value.
        (Value::String(text), Dialect::Current) if is_text(key) || (top && is_binary(key)) => {
            Ok(text)
        }
        (_, Dialect::Current) if top => Ok(key.text().to_owned()),
        (_, Dialect::Current) => Err(NoValue(
            "json: unsupported type: map[interface {}]interface {}".to_owned(),
        )),
        (Value::Int(v), _) => Ok(v.to_string()),
        (Value::Uint(v), _) => Ok(v.to_string()),
        (Value::Float(v), _) => Ok(float::general(f64::from(v as f32))),
        (Value::Bool(v), _) => Ok(v.to_string()),
        (other, _) => Err(NoValue(format!(
            "unsupported map key of type: {}, key: {}",
            other.kind_name(),
            key.text()
        ))),
    }
}

/// The tag that a scalar needs to be written with: its own, where the text alone would not give it.
fn explicit_tag(node: &Node, dialect: Dialect) -> Option<&Tag> {
    match (&node.tag, node.tagged) {
        (Tag::None, _) => None,
        (tag, true) | (tag @ Tag::Str, false) => Some(tag),
        (tag, false) => (plain(node.text(), dialect, true).tag() != *tag).then_some(tag),
    }
}

/// Whether a key is a string and nothing that becomes one.
fn is_text(key: &Node) -> bool {
    let dialect = Dialect::Current;
    match explicit_tag(key, dialect) {
        Some(tag) => matches!(tag, Tag::Str | Tag::Merge),
        None => is_quoted(key) || plain(key.text(), dialect, true) == Scalar::Str,
    }
}

fn is_binary(key: &Node) -> bool {
    key.tag == Tag::Binary
}

/// Whether a scalar is written in a way that says it is a string.
fn is_quoted(node: &Node) -> bool {
    node.style.is_quoted() || (node.style == Style::Plain && node.text().contains('\n'))
}

/// The value of a scalar, which stands in quotes if its style says so or `quoted` does.
fn scalar(node: &Node, dialect: Dialect, quoted: bool) -> Result<Value, NoValue> {
    let text = node.text();
    let string = || Ok(Value::String(text.to_owned()));
    let Some(tag) = explicit_tag(node, dialect) else {
        if quoted || is_quoted(node) {
            return string();
        }
        return typed(plain(text, dialect, true), text, dialect, true);
    };
    match tag {
        Tag::Str => string(),
        Tag::Binary => {
            let data = base64::engine::general_purpose::STANDARD
                .decode(text.replace(['\n', '\r'], ""))
                .map_err(|_| NoValue("!!binary value contains invalid base64 data".to_owned()))?;
            Ok(Value::String(String::from_utf8_lossy(&data).into_owned()))
        }
        Tag::Null | Tag::Bool | Tag::Int | Tag::Float | Tag::Timestamp => {
            let read = plain(text, dialect, *tag == Tag::Timestamp);
            match (tag, &read) {
                (Tag::Float, Scalar::Int(v)) => Ok(Value::Float(*v as f64)),
                _ if read.tag() == *tag => typed(read, text, dialect, false),
                _ => Err(NoValue(format!(
                    "yaml: cannot decode {} `{text}` as a {}",
                    read.tag().as_str(),
                    tag.as_str()
                ))),
            }
        }
        _ => string(),
    }
}

fn typed(read: Scalar, text: &str, dialect: Dialect, implicit: bool) -> Result<Value, NoValue> {
    Ok(match read {
        Scalar::Null => Value::Null,
        Scalar::Bool(v) => Value::Bool(v),
        Scalar::Int(v) => Value::Int(v),
        Scalar::Uint(v) => Value::Uint(v),
        Scalar::Float(v) if v.is_finite() => Value::Float(v),
        Scalar::Float(v) => {
            let name = if v.is_nan() {
                "NaN"
            } else if v > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return Err(NoValue(format!("json: unsupported value: {name}")));
        }
        Scalar::Timestamp(time) if dialect == Dialect::Current || !implicit => Value::String(time),
        Scalar::Timestamp(_) | Scalar::Str => Value::String(text.to_owned()),
    })
}

/// The tree of a value, as a patch in JSON form leaves a resource: keys sorted, numbers as floats are written.
pub(crate) fn to_node(value: &Value) -> Node {
    match value {
        Value::Null => Node::tagged_scalar("null", Tag::Null),
        Value::Bool(v) => Node::tagged_scalar(v.to_string(), Tag::Bool),
        Value::Int(v) => number_node(float::general(*v as f64)),
        Value::Uint(v) => number_node(float::general(*v as f64)),
        Value::Float(v) => number_node(float::general(*v)),
        Value::String(text) => string_node(text),
        Value::List(items) => {
            let mut node = Node::empty_seq();
            node.tag = Tag::Seq;
            node.data = Data::Seq(items.iter().map(to_node).collect());
            node
        }
        Value::Map(entries) => {
            let mut sorted: Vec<&(String, Value)> = entries.iter().collect();
            sorted.sort_by(|a, b| crate::yaml::emit::natural_order(&a.0, &b.0));
            let mut node = Node::empty_map();
            node.tag = Tag::Map;
            node.data = Data::Map(
                sorted
                    .into_iter()
                    .map(|(k, v)| crate::yaml::Entry {
                        key: string_node(k),
                        value: to_node(v),
                    })
                    .collect(),
            );
            node
        }
    }
}

/// The tree of a value that was written as JSON and read back as YAML.
pub(crate) fn from_json(value: &Value) -> Node {
    match value.normalized_number() {
        Value::Null => Node::tagged_scalar("null", Tag::Null),
        Value::Bool(v) => Node::tagged_scalar(v.to_string(), Tag::Bool),
        Value::Int(v) => Node::tagged_scalar(v.to_string(), Tag::Int),
        Value::Uint(v) => Node::tagged_scalar(v.to_string(), Tag::Int),
        Value::Float(v) => number_node(float::json(v)),
        Value::String(text) => json_string(&text),
        Value::List(items) => Node {
            data: Data::Seq(items.iter().map(from_json).collect()),
            tag: Tag::Seq,
            ..Node::empty_seq()
        },
        Value::Map(mut entries) => {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            let entries = entries
                .iter()
                .map(|(k, v)| crate::yaml::Entry {
                    key: json_string(k),
                    value: from_json(v),
                })
                .collect();
            Node {
                data: Data::Map(entries),
                ..Node::tagged_map()
            }
        }
    }
}

fn json_string(text: &str) -> Node {
    Node {
        style: Style::Double,
        ..Node::tagged_scalar(text, Tag::Str)
    }
}

fn number_node(text: String) -> Node {
    let tag = crate::yaml::resolve::plain_tag(&text, Dialect::Current);
    Node::tagged_scalar(text, tag)
}

fn string_node(text: &str) -> Node {
    let mut node = Node::tagged_scalar(text, Tag::Str);
    node.style = if text.contains('\n') {
        Style::Literal
    } else if plain(text, Dialect::Current, true) != Scalar::Str
        || crate::yaml::resolve::is_not_a_string(text)
    {
        Style::Double
    } else {
        Style::Plain
    };
    node
}
