//! The tree that resources are kept and changed in: values with the tag and the style they were written in.
//!
//! Transformers copy text between scalars and leave tags alone, so what `"80"` means is only decided when the
//! tree is turned into a [`crate::Value`].

/// How a node was, or will be, written. Only what decides a scalar's meaning is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Style {
    /// Plain scalar or block collection.
    #[default]
    Plain,
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
    /// `|`.
    Literal,
    /// `>`.
    Folded,
    /// `{…}` or `[…]`.
    Flow,
}

impl Style {
    /// A scalar written so is a string whatever it contains.
    pub(crate) fn is_quoted(self) -> bool {
        matches!(
            self,
            Style::Single | Style::Double | Style::Literal | Style::Folded
        )
    }
}

/// The type of a node, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) enum Tag {
    /// Not said: the text decides.
    #[default]
    None,
    /// `!!null`
    Null,
    /// `!!bool`
    Bool,
    /// `!!str`
    Str,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!timestamp`
    Timestamp,
    /// `!!seq`
    Seq,
    /// `!!map`
    Map,
    /// `!!binary`
    Binary,
    /// `!!merge`, the key `<<`.
    Merge,
    /// Anything else, in its short form.
    Other(Box<str>),
}

impl Tag {
    /// The tag a document writes as `text`, long or short.
    pub(crate) fn from_text(text: &str) -> Tag {
        let short = text
            .strip_prefix("tag:yaml.org,2002:")
            .or_else(|| text.strip_prefix("!!"));
        match short {
            Some("null") => Tag::Null,
            Some("bool") => Tag::Bool,
            Some("str") => Tag::Str,
            Some("int") => Tag::Int,
            Some("float") => Tag::Float,
            Some("timestamp") => Tag::Timestamp,
            Some("seq") => Tag::Seq,
            Some("map") => Tag::Map,
            Some("binary") => Tag::Binary,
            Some("merge") => Tag::Merge,
            Some(other) => Tag::Other(format!("!!{other}").into()),
            None => Tag::Other(text.into()),
        }
    }

    /// The short form, as errors show it.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Tag::None => "",
            Tag::Null => "!!null",
            Tag::Bool => "!!bool",
            Tag::Str => "!!str",
            Tag::Int => "!!int",
            Tag::Float => "!!float",
            Tag::Timestamp => "!!timestamp",
            Tag::Seq => "!!seq",
            Tag::Map => "!!map",
            Tag::Binary => "!!binary",
            Tag::Merge => "!!merge",
            Tag::Other(text) => text,
        }
    }
}

/// One entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Scalar(String),
    Map(Vec<Entry>),
    Seq(Vec<Node>),
}

/// A node of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) data: Data,
    pub(crate) tag: Tag,
    pub(crate) style: Style,
    /// The tag was written out in the document.
    pub(crate) tagged: bool,
    /// A null to be kept by a merge that would otherwise drop it.
    pub(crate) keep: bool,
    /// 1-based; 0 for nodes made by a transformer.
    pub(crate) line: u32,
    /// Scalars of the same group are one; 0 is none.
    pub(crate) group: u32,
}

impl Node {
    fn new(data: Data, tag: Tag, style: Style) -> Node {
        Node {
            data,
            tag,
            style,
            tagged: false,
            keep: false,
            line: 0,
            group: 0,
        }
    }

    /// A scalar whose type is decided by its text.
    pub(crate) fn scalar(text: impl Into<String>) -> Node {
        Node::new(Data::Scalar(text.into()), Tag::None, Style::Plain)
    }

    /// A scalar of a given type.
    pub(crate) fn tagged_scalar(text: impl Into<String>, tag: Tag) -> Node {
        Node::new(Data::Scalar(text.into()), tag, Style::Plain)
    }

    /// A string.
    pub(crate) fn string(text: impl Into<String>) -> Node {
        let text = text.into();
        let style = if text.contains('\n') {
            Style::Literal
        } else {
            Style::Plain
        };
        Node::new(Data::Scalar(text), Tag::Str, style)
    }

    /// A null that a merge keeps.
    pub(crate) fn persistent_null(text: impl Into<String>) -> Node {
        Node {
            keep: true,
            ..Node::tagged_scalar(text, Tag::Null)
        }
    }

    pub(crate) fn empty_map() -> Node {
        Node::new(Data::Map(Vec::new()), Tag::None, Style::Plain)
    }

    /// An empty mapping that says it is one.
    pub(crate) fn tagged_map() -> Node {
        Node::new(Data::Map(Vec::new()), Tag::Map, Style::Plain)
    }

    pub(crate) fn empty_seq() -> Node {
        Node::new(Data::Seq(Vec::new()), Tag::None, Style::Plain)
    }

    pub(crate) fn is_null(&self) -> bool {
        self.tag == Tag::Null
    }

    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self.data, Data::Scalar(_))
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.data, Data::Map(_))
    }

    pub(crate) fn is_empty_map(&self) -> bool {
        matches!(&self.data, Data::Map(entries) if entries.is_empty())
    }

    /// Null, or a collection with nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_null()
            || match &self.data {
                Data::Scalar(_) => false,
                Data::Map(entries) => entries.is_empty(),
                Data::Seq(items) => items.is_empty(),
            }
    }

    /// A string, or a scalar whose type nobody has said.
    pub(crate) fn is_string(&self) -> bool {
        self.is_scalar() && matches!(self.tag, Tag::Str | Tag::None)
    }

    /// The text of a scalar; a collection has none.
    pub(crate) fn text(&self) -> &str {
        match &self.data {
            Data::Scalar(text) => text,
            _ => "",
        }
    }

    /// The text of a scalar that is not null.
    pub(crate) fn value_text(&self) -> &str {
        if self.is_null() { "" } else { self.text() }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.data {
            Data::Seq(items) => items,
            _ => &[],
        }
    }

    /// The value of the first entry with this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|e| e.key.text() == key)
            .map(|e| &e.value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.data {
            Data::Map(entries) => entries
                .iter_mut()
                .find(|e| e.key.text() == key)
                .map(|e| &mut e.value),
            _ => None,
        }
    }

    /// Removes the first entry with this key.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Node> {
        match &mut self.data {
            Data::Map(entries) => {
                let at = entries.iter().position(|e| e.key.text() == key)?;
                Some(entries.remove(at).value)
            }
            _ => None,
        }
    }

    /// Sets a key, keeping the style the value was written in before. `None` and unkept nulls remove it.
    pub(crate) fn set(&mut self, key: &str, value: Option<Node>) {
        self.set_styled(key, value, Style::Plain);
    }

    /// As [`Node::set`]; a key that is new is written in `key_style`.
    pub(crate) fn set_styled(&mut self, key: &str, value: Option<Node>, key_style: Style) {
        let Some(mut value) = value.filter(|v| !v.is_null() || v.keep) else {
            self.remove(key);
            return;
        };
        quote_if_ambiguous(&mut value);
        let Data::Map(entries) = &mut self.data else {
            return;
        };
        match entries.iter_mut().find(|e| e.key.text() == key) {
            Some(entry) => {
                value.take_style(&entry.value);
                value.group = entry.value.group;
                entry.value = value;
                crate::shared::changed(&entry.value);
            }
            None => {
                let key = Node::new(Data::Scalar(key.to_owned()), Tag::None, key_style);
                entries.push(Entry { key, value });
            }
        }
    }

    /// Overwrites a scalar's text and tag, keeping its style. A null `value` changes nothing.
    pub(crate) fn set_scalar(&mut self, mut value: Node) {
        if value.is_null() {
            return;
        }
        quote_if_ambiguous(&mut value);
        value.take_style(self);
        value.group = self.group;
        *self = value;
        crate::shared::changed(self);
    }

    /// Will be written as `other` was. That a tag is written out is part of it.
    fn take_style(&mut self, other: &Node) {
        self.style = other.style;
        self.tagged = other.tagged;
    }

    /// The entry's value, made with `create` when the key is missing.
    pub(crate) fn get_or_create(
        &mut self,
        key: &str,
        create: impl FnOnce() -> Node,
    ) -> Option<&mut Node> {
        let Data::Map(entries) = &mut self.data else {
            return None;
        };
        let at = match entries.iter().position(|e| e.key.text() == key) {
            Some(at) => at,
            None => {
                entries.push(Entry {
                    key: Node::scalar(key),
                    value: create(),
                });
                entries.len() - 1
            }
        };
        Some(&mut entries[at].value)
    }

    /// The kind's name, as errors show it.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.data {
            Data::Scalar(_) => "ScalarNode",
            Data::Map(_) => "MappingNode",
            Data::Seq(_) => "SequenceNode",
        }
    }
}

/// Text that YAML 1.1 would read as something else than a string is written quoted from now on.
fn quote_if_ambiguous(value: &mut Node) {
    if value.is_string()
        && value.style == Style::Plain
        && super::resolve::is_not_a_string(value.text())
    {
        value.style = Style::Double;
    }
}
