//! YAML with places: a tree that knows the line and column of every key and value.
//!
//! The core schema of YAML 1.2 (§10.3), no tags, no merge keys; bounded in depth and number of nodes, aliases counted as often as they
//! are used, so that a small text can't become a large tree.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::Value;

const DEEPEST: usize = 64;
const MOST_NODES: usize = 1_000_000;

/// A line and column, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub line: u32,
    pub column: u32,
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub data: Data,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Place, Node)>),
}

/// Why a text is no YAML that we read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub place: Place,
    pub why: String,
}

impl Node {
    /// The value below a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The place of a key and the value below it.
    pub fn entry(&self, key: &str) -> Option<(Place, &Node)> {
        match &self.data {
            Data::Map(entries) => entries
                .iter()
                .find(|(name, _, _)| name == key)
                .map(|(_, place, node)| (*place, node)),
            _ => None,
        }
    }

    /// The text of a string scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(value) => value.as_str(),
            _ => None,
        }
    }

    /// The same without places.
    #[cfg(test)]
    pub fn value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(items) => Value::Array(items.iter().map(Node::value).collect()),
            Data::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, _, node)| (key.clone(), node.value()))
                    .collect(),
            ),
        }
    }

    /// The place of the deepest part of a dotted path (`ingress[0].ports`) that is there.
    pub fn locate(&self, path: &str) -> Place {
        let mut here = self;
        let mut place = self.place;
        for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
            let next = match (&here.data, part.strip_suffix(']')) {
                (Data::List(items), Some(index)) => index
                    .parse()
                    .ok()
                    .and_then(|index: usize| items.get(index))
                    .map(|node| (node.place, node)),
                _ => here.entry(part),
            };
            let Some((found, node)) = next else { break };
            (place, here) = (found, node);
        }
        place
    }
}

fn place(span: Span) -> Place {
    Place {
        line: u32::try_from(span.start.line()).unwrap_or(u32::MAX),
        column: u32::try_from(span.start.col() + 1).unwrap_or(u32::MAX),
    }
}

/// The one document of a text; `None` for an empty one.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, Fault> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
    };
    let mut document = None;
    while let Some(event) = reader.events.next() {
        match event.map_err(|error| scan_fault(&error))? {
            (
                Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing,
                _,
            ) => {}
            (_, span) if document.is_some() => {
                return Err(Fault {
                    place: place(span),
                    why: "only one document is allowed".to_owned(),
                });
            }
            (event, span) => document = Some(reader.node(event, span, 0)?),
        }
    }
    Ok(document.filter(|node| !matches!(node.data, Data::Scalar(Value::Null))))
}

fn scan_fault(error: &saphyr_parser::ScanError) -> Fault {
    let marker = error.marker();
    Fault {
        place: place(Span::new(*marker, *marker)),
        why: error.info().to_owned(),
    }
}

struct Reader<'input> {
    events: Parser<'input, saphyr_parser::StrInput<'input>>,
    /// Finished anchored nodes with the number of nodes in each.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Reader<'_> {
    fn next(&mut self, from: Span) -> Result<(Event<'_>, Span), Fault> {
        match self.events.next() {
            Some(event) => event.map_err(|error| scan_fault(&error)),
            None => Err(Fault {
                place: place(from),
                why: "the text ends inside this value".to_owned(),
            }),
        }
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > MOST_NODES {
            return Err(Fault {
                place: place(span),
                why: format!("more than {MOST_NODES} values"),
            });
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'_>, span: Span, depth: usize) -> Result<Node, Fault> {
        let fail = |why: &str| {
            Err(Fault {
                place: place(span),
                why: why.to_owned(),
            })
        };
        if depth > DEEPEST {
            return fail("nested deeper than 64 levels");
        }
        let before = self.nodes;
        self.count(1, span)?;
        let (anchor, data) = match event {
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id) else {
                    return fail("an alias of a value that is not complete yet");
                };
                let (data, size) = (node.data.clone(), *size);
                self.count(size, span)?;
                (0, data)
            }
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    return fail("tags are not allowed");
                }
                (
                    anchor,
                    Data::Scalar(if style == ScalarStyle::Plain {
                        plain(&text)
                    } else {
                        Value::from(text.as_ref())
                    }),
                )
            }
            Event::SequenceStart(anchor, tag) => {
                if tag.is_some() {
                    return fail("tags are not allowed");
                }
                (anchor, Data::List(self.list(span, depth)?))
            }
            Event::MappingStart(anchor, tag) => {
                if tag.is_some() {
                    return fail("tags are not allowed");
                }
                (anchor, Data::Map(self.map(span, depth)?))
            }
            _ => return fail("a value was expected here"),
        };
        let node = Node {
            place: place(span),
            data,
        };
        if anchor > 0 {
            self.anchors
                .insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn list(&mut self, span: Span, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.owned_next(span)?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node(event, at, depth + 1)?);
        }
    }

    fn map(&mut self, span: Span, depth: usize) -> Result<Vec<(String, Place, Node)>, Fault> {
        let mut entries: Vec<(String, Place, Node)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        loop {
            let (event, at) = self.owned_next(span)?;
            let key = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, _, _, None) => text.into_owned(),
                _ => {
                    return Err(Fault {
                        place: place(at),
                        why: "a key must be a plain text".to_owned(),
                    });
                }
            };
            if !seen.insert(key.clone()) {
                return Err(Fault {
                    place: place(at),
                    why: format!("the key `{key}` is there twice"),
                });
            }
            let (event, value_at) = self.owned_next(span)?;
            let node = self.node(event, value_at, depth + 1)?;
            entries.push((key, place(at), node));
        }
    }

    /// [`Self::next`] with the event's text copied, so that the reader is free for the next one.
    fn owned_next(&mut self, from: Span) -> Result<(Event<'static>, Span), Fault> {
        let (event, span) = self.next(from)?;
        let refuse = |why: &str| {
            Err(Fault {
                place: place(span),
                why: why.to_owned(),
            })
        };
        let event = match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => return refuse("tags are not allowed"),
            Event::Scalar(text, style, anchor, None) => {
                Event::Scalar(text.into_owned().into(), style, anchor, None)
            }
            Event::SequenceStart(anchor, None) => Event::SequenceStart(anchor, None),
            Event::MappingStart(anchor, None) => Event::MappingStart(anchor, None),
            Event::SequenceEnd => Event::SequenceEnd,
            Event::MappingEnd => Event::MappingEnd,
            Event::Alias(id) => Event::Alias(id),
            _ => return refuse("a value was expected here"),
        };
        Ok((event, span))
    }
}

/// A plain scalar by the core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return u64::from_str_radix(hexadecimal, 16)
            .map_or_else(|_| Value::from(text), Value::from);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).map_or_else(|_| Value::from(text), Value::from);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        if let Ok(number) = text.parse::<i64>() {
            return Value::from(number);
        }
        if let Ok(number) = text.parse::<u64>() {
            return Value::from(number);
        }
    }
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit());
    if numeric
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && let Ok(number) = text.parse::<f64>()
        && let Some(number) = serde_json::Number::from_f64(number)
    {
        return Value::Number(number);
    }
    Value::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_and_places() {
        let node = parse("a: 1\nb:\n  - x: yes\n    y: [0x10, 1.5, ~, '1']\n")
            .unwrap()
            .unwrap();
        assert_eq!(
            node.value(),
            json!({"a": 1, "b": [{"x": "yes", "y": [16, 1.5, null, "1"]}]})
        );
        assert_eq!(node.locate("b[0].y"), Place { line: 4, column: 5 });
        assert_eq!(node.locate("b[0].nowhere"), Place { line: 3, column: 5 });
    }

    #[test]
    fn bounds() {
        assert!(parse("").unwrap().is_none());
        assert!(parse("a: 1\na: 2").unwrap_err().why.contains("twice"));
        assert!(parse(&"[".repeat(2000)).is_err());
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let refs = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
        }
        assert!(parse(&bomb).unwrap_err().why.contains("more than"));
        assert!(parse("a: !!str 1").unwrap_err().why.contains("tags"));
        assert!(
            parse("a: 1\n---\nb: 2")
                .unwrap_err()
                .why
                .contains("one document")
        );
    }
}
