//! YAML with places: a tree that knows the line and column of every key and value.
//!
//! Neither tags nor anchors: an environment needs none, and without them a small file can't become a large tree.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Value};

const DEEPEST: usize = 32;

/// Line and column, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub line: usize,
    pub column: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub data: Data,
}

#[derive(Clone, Debug)]
pub(crate) enum Data {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Place, Node)>),
}

/// Why a text can't be read, and where.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub place: Place,
    pub why: String,
}

impl Node {
    /// The tree without places.
    pub fn value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Data::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, _, node)| (key.clone(), node.value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The deepest node along a path that is there, and the place of its key. Parts are keys or indexes.
    pub fn locate<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> (Place, &Self) {
        let (mut place, mut here) = (self.place, self);
        for part in path {
            let next = match &here.data {
                Data::List(items) => part
                    .parse()
                    .ok()
                    .and_then(|index: usize| items.get(index))
                    .map(|node| (node.place, node)),
                Data::Map(entries) => entries
                    .iter()
                    .find(|(key, _, _)| key == part)
                    .map(|(_, place, node)| (*place, node)),
                Data::Scalar(_) => None,
            };
            let Some(found) = next else { break };
            (place, here) = found;
        }
        (place, here)
    }
}

fn place(span: &Span) -> Place {
    Place {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

/// Reads the one document of a text.
pub(crate) fn parse(text: &str) -> Result<Node, Unreadable> {
    let mut reader = Reader(Parser::new_from_str(text));
    let mut root = None;
    loop {
        let (event, at) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if root.is_some() => {
                return Err(Unreadable {
                    place: at,
                    why: "only one document is allowed".to_owned(),
                });
            }
            event => root = Some(reader.node(event, at, 0)?),
        }
    }
    root.ok_or(Unreadable {
        place: Place { line: 1, column: 1 },
        why: "the file is empty".to_owned(),
    })
}

struct Reader<'i>(Parser<'i, StrInput<'i>>);

impl<'i> Reader<'i> {
    fn next(&mut self) -> Result<(Event<'i>, Place), Unreadable> {
        match self.0.next() {
            Some(Ok((event, span))) => Ok((event, place(&span))),
            Some(Err(error)) => Err(Unreadable {
                place: Place {
                    line: error.marker().line(),
                    column: error.marker().col() + 1,
                },
                why: error.info().to_owned(),
            }),
            None => Ok((Event::StreamEnd, Place { line: 1, column: 1 })),
        }
    }

    fn node(&mut self, event: Event<'i>, at: Place, depth: usize) -> Result<Node, Unreadable> {
        let refuse = |why: &str| {
            Err(Unreadable {
                place: at,
                why: why.to_owned(),
            })
        };
        if depth > DEEPEST {
            return refuse("nested deeper than 32 levels");
        }
        let data = match event {
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor > 0 =>
            {
                return refuse("anchors are not allowed");
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => return refuse("tags are not allowed"),
            Event::Scalar(text, ScalarStyle::Plain, _, None) => Data::Scalar(plain(&text)),
            Event::Scalar(text, _, _, None) => Data::Scalar(Value::from(text.as_ref())),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Data::List(items),
                        (event, at) => items.push(self.node(event, at, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut entries: Vec<(String, Place, Node)> = Vec::new();
                loop {
                    let (key, at) = match self.next()? {
                        (Event::MappingEnd, _) => break Data::Map(entries),
                        (Event::Scalar(text, _, 0, None), at) => (text.into_owned(), at),
                        (_, at) => {
                            return Err(Unreadable {
                                place: at,
                                why: "a key must be a text".to_owned(),
                            });
                        }
                    };
                    if entries.iter().any(|(other, _, _)| *other == key) {
                        return Err(Unreadable {
                            place: at,
                            why: format!("the key `{key}` is there twice"),
                        });
                    }
                    let (event, value_at) = self.next()?;
                    entries.push((key, at, self.node(event, value_at, depth + 1)?));
                }
            }
            Event::Alias(_) => return refuse("aliases are not allowed"),
            _ => return refuse("a value was expected here"),
        };
        Ok(Node { place: at, data })
    }
}

/// A plain scalar by the core schema of YAML 1.2 (§10.3), without octal and hexadecimal numbers.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => return Value::Null,
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return Value::from(text);
    }
    if let Ok(number) = text.parse::<i64>() {
        return Value::from(number);
    }
    match text
        .parse::<f64>()
        .ok()
        .and_then(serde_json::Number::from_f64)
    {
        Some(number) => Value::Number(number),
        None => Value::from(text),
    }
}
