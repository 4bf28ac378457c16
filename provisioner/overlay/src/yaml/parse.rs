//! Tokens to trees.

use std::collections::HashMap;

use super::Dialect;
use super::node::{Data, Entry, Node, Style, Tag};
use super::resolve;
use super::scan::{Fault, Mark, ScalarStyle, Scanner, Stage, TokenKind, check_characters};

/// What one document may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Nested collections.
    pub(crate) depth: usize,
    /// Nodes, those that aliases repeat included.
    pub(crate) nodes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: 200,
            nodes: 500_000,
        }
    }
}

/// Nodes that aliases may add before their share of the document is looked at.
const ALIAS_FLOOR: usize = 400_000;

/// Text that is no YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// As the reference words it, without its `yaml: ` prefix: `line 3: did not find expected key`.
    pub(crate) message: String,
    /// 1-based position of the problem in the text given.
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl std::fmt::Display for Syntax {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "yaml: {}", self.message)
    }
}

impl Syntax {
    fn from_fault(fault: Fault, dialect: Dialect) -> Syntax {
        let bump =
            |mark: Mark, count: bool| (mark.line != 0).then(|| mark.line + usize::from(count));
        let scanner = fault.stage == Stage::Scanner;
        let context = fault.context.unwrap_or_default();
        let line = match (dialect, fault.stage) {
            (_, Stage::Reader | Stage::Composer) => None,
            (Dialect::Current, _) => bump(context, scanner).or(bump(fault.problem, scanner)),
            (Dialect::Legacy, _) => bump(fault.problem, scanner).or(bump(context, false)),
        };
        let message = match line {
            Some(line) => format!("line {line}: {}", fault.message),
            None => fault.message,
        };
        Syntax {
            message,
            line: fault.problem.line + 1,
            column: fault.problem.column + 1,
        }
    }
}

/// The first document of `text`, aliases and merge keys resolved; `None` when there is none.
pub(crate) fn first_document(
    text: &[u8],
    dialect: Dialect,
    limits: Limits,
) -> Result<Option<Node>, Syntax> {
    let mut all = read(text, dialect, limits, true)?;
    Ok(if all.is_empty() {
        None
    } else {
        Some(all.swap_remove(0))
    })
}

/// The first document of each part of `text` that a line starting with `---` separates, as resources are read:
/// whatever follows a first document in its part is not looked at. Lines count from the part's beginning.
pub(crate) fn documents(text: &[u8], limits: Limits) -> Result<Vec<Node>, DocumentError> {
    let text = normalize_line_ends(text);
    let mut out = Vec::new();
    let parts = split(&text)?;
    let last = parts.len().saturating_sub(1);
    for (at, part) in parts.iter().enumerate() {
        let owned;
        let part = if at == last {
            part
        } else {
            owned = [part, b"\n".as_slice()].concat();
            owned.as_slice()
        };
        if let Some(node) =
            first_document(part, Dialect::Current, limits).map_err(DocumentError::Syntax)?
        {
            out.push(node);
        }
    }
    Ok(out)
}

/// Why a stream of resources could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DocumentError {
    Separator(String),
    Syntax(Syntax),
}

fn normalize_line_ends(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if find(text, b"\r\n").is_none() {
        return text.into();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(b"\r\n") {
            at += 1;
        }
        out.push(text[at]);
        at += 1;
    }
    out.into()
}

fn split(text: &[u8]) -> Result<Vec<&[u8]>, DocumentError> {
    let mut parts = Vec::new();
    if text.is_empty() {
        return Ok(parts);
    }
    let mut start = 0;
    let mut at = 0;
    // A separator takes its own line break and the one before it, so two in a row share none.
    while let Some(found) = find(&text[at..], b"\n---") {
        let begin = at + found;
        let Some(length) = text[begin + 4..].iter().position(|&b| b == b'\n') else {
            break;
        };
        let end = begin + 4 + length;
        let after = String::from_utf8_lossy(&text[begin + 4..end]);
        let after = after.trim();
        if !after.is_empty() && !after.starts_with('#') {
            return Err(DocumentError::Separator(
                format!("---{}", String::from_utf8_lossy(&text[begin + 4..end]))
                    .trim()
                    .to_owned(),
            ));
        }
        parts.push(&text[start..begin]);
        start = end + 1;
        at = start;
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, pattern)
}

fn read(
    text: &[u8],
    dialect: Dialect,
    limits: Limits,
    only_first: bool,
) -> Result<Vec<Node>, Syntax> {
    let fault = |f| Syntax::from_fault(f, dialect);
    let text = check_characters(text).map_err(fault)?;
    let limits = Limits {
        nodes: limits.nodes.min(crate::budget::nodes_left()),
        ..limits
    };
    let mut parser = Parser {
        scanner: Scanner::new(text, limits.depth),
        dialect,
        limits,
        nodes: 0,
        aliased: 0,
        anchors: HashMap::new(),
        open: Vec::new(),
        handles: Vec::new(),
        merges: false,
    };
    let mut out = Vec::new();
    let mut implicit = true;
    while let Some(node) = parser.document(implicit).map_err(fault)? {
        implicit = false;
        out.push(node);
        if only_first {
            break;
        }
    }
    crate::budget::read(parser.nodes);
    Ok(out)
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    dialect: Dialect,
    limits: Limits,
    nodes: usize,
    aliased: usize,
    anchors: HashMap<String, (Node, usize)>,
    open: Vec<String>,
    handles: Vec<(String, String)>,
    merges: bool,
}

/// What a node position allows.
#[derive(Clone, Copy)]
struct Place {
    block: bool,
    indentless: bool,
}

const BLOCK: Place = Place {
    block: true,
    indentless: false,
};
const BLOCK_VALUE: Place = Place {
    block: true,
    indentless: true,
};
const FLOW: Place = Place {
    block: false,
    indentless: false,
};

type Parse<T> = Result<T, Fault>;

fn parser_fault<T>(context: Option<Mark>, problem: Mark, message: &str) -> Parse<T> {
    Err(Fault {
        stage: Stage::Parser,
        context,
        problem,
        message: message.to_owned(),
    })
}

impl Parser<'_> {
    fn kind(&mut self) -> Parse<&TokenKind> {
        Ok(&self.scanner.peek()?.kind)
    }

    fn start(&mut self) -> Parse<Mark> {
        Ok(self.scanner.peek()?.start)
    }

    fn document(&mut self, implicit: bool) -> Parse<Option<Node>> {
        if !implicit {
            while *self.kind()? == TokenKind::DocumentEnd {
                self.scanner.skip();
            }
        }
        self.anchors.clear();
        self.handles.clear();
        let plain_start = !matches!(
            self.kind()?,
            TokenKind::Version(..)
                | TokenKind::TagDirective(..)
                | TokenKind::DocumentStart
                | TokenKind::StreamEnd
        );
        if *self.kind()? == TokenKind::StreamEnd {
            return Ok(None);
        }
        let node = if implicit && plain_start {
            self.node(BLOCK)?
        } else {
            self.directives()?;
            let start = self.start()?;
            if *self.kind()? != TokenKind::DocumentStart {
                return parser_fault(None, start, "did not find expected <document start>");
            }
            self.scanner.skip();
            match self.kind()? {
                TokenKind::Version(..)
                | TokenKind::TagDirective(..)
                | TokenKind::DocumentStart
                | TokenKind::DocumentEnd
                | TokenKind::StreamEnd => {
                    let mark = self.start()?;
                    self.empty(mark)?
                }
                _ => self.node(BLOCK)?,
            }
        };
        // The end of the document is looked at, as the reference does before it hands the document over.
        if *self.kind()? == TokenKind::DocumentEnd {
            self.scanner.skip();
        }
        let mut node = node;
        if self.merges {
            let merged = match self.dialect {
                Dialect::Current => merge_keys(&mut node),
                Dialect::Legacy => merge_in_order(&mut node),
            };
            merged.map_err(|message| Fault {
                stage: Stage::Composer,
                context: None,
                problem: Mark::default(),
                message,
            })?;
        }
        Ok(Some(node))
    }

    fn directives(&mut self) -> Parse<()> {
        let mut version = false;
        loop {
            let start = self.start()?;
            match self.kind()?.clone() {
                TokenKind::Version(major, minor) => {
                    if version {
                        return parser_fault(None, start, "found duplicate %YAML directive");
                    }
                    let known = major == 1 && minor == 1;
                    if !known {
                        return parser_fault(None, start, "found incompatible YAML document");
                    }
                    version = true;
                }
                TokenKind::TagDirective(handle, prefix) => {
                    if self.handles.iter().any(|(h, _)| *h == handle) {
                        return parser_fault(None, start, "found duplicate %TAG directive");
                    }
                    self.handles.push((handle, prefix));
                }
                _ => return Ok(()),
            }
            self.scanner.skip();
        }
    }

    fn count(&mut self, mark: Mark) -> Parse<()> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return parser_fault(None, mark, "document has too many nodes");
        }
        Ok(())
    }

    fn empty(&mut self, mark: Mark) -> Parse<Node> {
        self.count(mark)?;
        let mut node = Node::tagged_scalar("", Tag::Null);
        node.line = mark.line as u32 + 1;
        Ok(node)
    }

    fn node(&mut self, place: Place) -> Parse<Node> {
        let start = self.start()?;
        self.count(start)?;
        if let TokenKind::Alias(name) = self.kind()? {
            let name = name.clone();
            self.scanner.skip();
            return self.alias(&name, start);
        }
        let mut anchor = None;
        let mut tag = None;
        loop {
            match self.kind()? {
                TokenKind::Anchor(name) if anchor.is_none() => anchor = Some(name.clone()),
                TokenKind::Tag(handle, suffix) if tag.is_none() => {
                    let (handle, suffix) = (handle.clone(), suffix.clone());
                    tag = Some((handle, suffix, self.start()?));
                }
                _ => break,
            }
            self.scanner.skip();
        }
        let tag = match tag {
            None => None,
            Some((handle, suffix, mark)) => Some(self.full_tag(&handle, suffix, start, mark)?),
        };
        if let Some(name) = &anchor {
            self.open.push(name.clone());
        }
        let before = self.nodes;
        let mut node = self.content(
            place,
            start,
            anchor.is_some() || tag.is_some(),
            tag.as_deref(),
        )?;
        node.line = start.line as u32 + 1;
        if let Some(name) = anchor {
            self.open.pop();
            let size = self.nodes - before + 1;
            self.anchors.insert(name, (node.clone(), size));
        }
        Ok(node)
    }

    fn alias(&mut self, name: &str, start: Mark) -> Parse<Node> {
        let composer = |message: String| Fault {
            stage: Stage::Composer,
            context: None,
            problem: start,
            message,
        };
        let Some((node, size)) = self.anchors.get(name) else {
            return Err(composer(if self.open.iter().any(|open| open == name) {
                format!("anchor '{name}' value contains itself")
            } else {
                format!("unknown anchor '{name}' referenced")
            }));
        };
        self.aliased += size;
        self.nodes += size;
        if self.aliased > ALIAS_FLOOR || self.nodes > self.limits.nodes {
            return Err(composer("document contains excessive aliasing".to_owned()));
        }
        Ok(node.clone())
    }

    fn full_tag(&self, handle: &str, suffix: String, start: Mark, mark: Mark) -> Parse<String> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        if let Some((_, prefix)) = self.handles.iter().find(|(h, _)| h == handle) {
            return Ok(format!("{prefix}{suffix}"));
        }
        match handle {
            "!" => Ok(format!("!{suffix}")),
            "!!" => Ok(format!("tag:yaml.org,2002:{suffix}")),
            _ => parser_fault(Some(start), mark, "found undefined tag handle"),
        }
    }

    fn content(
        &mut self,
        place: Place,
        start: Mark,
        decorated: bool,
        tag: Option<&str>,
    ) -> Parse<Node> {
        match self.kind()? {
            TokenKind::BlockEntry if place.indentless => self.indentless_sequence(tag),
            TokenKind::Scalar(..) => self.scalar(tag),
            TokenKind::FlowSequenceStart => self.flow_sequence(tag),
            TokenKind::FlowMappingStart => self.flow_mapping(tag),
            TokenKind::BlockSequenceStart if place.block => self.block_sequence(tag),
            TokenKind::BlockMappingStart if place.block => self.block_mapping(tag),
            _ if decorated => Ok(self.make_scalar(String::new(), Style::Plain, tag)),
            _ => {
                let problem = self.start()?;
                parser_fault(Some(start), problem, "did not find expected node content")
            }
        }
    }

    fn scalar(&mut self, tag: Option<&str>) -> Parse<Node> {
        let Some(token) = self.scanner.skip() else {
            return parser_fault(None, Mark::default(), "did not find expected node content");
        };
        let TokenKind::Scalar(text, style) = token.kind else {
            return parser_fault(None, token.start, "did not find expected node content");
        };
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::Single => Style::Single,
            ScalarStyle::Double => Style::Double,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        Ok(self.make_scalar(text, style, tag))
    }

    fn make_scalar(&mut self, text: String, style: Style, tag: Option<&str>) -> Node {
        let (tag, tagged) = match tag {
            Some(tag) if tag != "!" => (Tag::from_text(tag), true),
            _ if style != Style::Plain => {
                // The newer dialect drops such a key, though it is none to merge.
                self.merges |= text == "<<";
                (Tag::Str, false)
            }
            _ if text == "<<" => {
                self.merges = true;
                (Tag::Merge, false)
            }
            _ => (resolve::plain_tag(&text, self.dialect), false),
        };
        let mut node = Node::tagged_scalar(text, tag);
        node.style = style;
        node.tagged = tagged;
        node
    }

    fn collection(data: Data, default: Tag, style: Style, tag: Option<&str>) -> Node {
        let (tag, tagged) = match tag {
            Some(tag) if tag != "!" => (Tag::from_text(tag), true),
            _ => (default, false),
        };
        Node {
            data,
            tag,
            style,
            tagged,
            keep: false,
            line: 0,
            group: 0,
        }
    }

    fn block_sequence(&mut self, tag: Option<&str>) -> Parse<Node> {
        let context = self.start()?;
        self.scanner.skip();
        let mut items = Vec::new();
        loop {
            match self.kind()? {
                TokenKind::BlockEntry => {
                    let mark = self.scanner.peek()?.end;
                    self.scanner.skip();
                    items.push(match self.kind()? {
                        TokenKind::BlockEntry | TokenKind::BlockEnd => self.empty(mark)?,
                        _ => self.node(BLOCK)?,
                    });
                }
                TokenKind::BlockEnd => {
                    self.scanner.skip();
                    return Ok(Self::collection(
                        Data::Seq(items),
                        Tag::Seq,
                        Style::Plain,
                        tag,
                    ));
                }
                _ => {
                    let problem = self.start()?;
                    return parser_fault(
                        Some(context),
                        problem,
                        "did not find expected '-' indicator",
                    );
                }
            }
        }
    }

    fn indentless_sequence(&mut self, tag: Option<&str>) -> Parse<Node> {
        let mut items = Vec::new();
        while *self.kind()? == TokenKind::BlockEntry {
            let mark = self.scanner.peek()?.end;
            self.scanner.skip();
            items.push(match self.kind()? {
                TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                    self.empty(mark)?
                }
                _ => self.node(BLOCK)?,
            });
        }
        Ok(Self::collection(
            Data::Seq(items),
            Tag::Seq,
            Style::Plain,
            tag,
        ))
    }

    fn block_mapping(&mut self, tag: Option<&str>) -> Parse<Node> {
        let context = self.start()?;
        self.scanner.skip();
        let mut entries = Vec::new();
        loop {
            match self.kind()? {
                TokenKind::Key => {
                    let mark = self.scanner.peek()?.end;
                    self.scanner.skip();
                    let key = match self.kind()? {
                        TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                            self.empty(mark)?
                        }
                        _ => self.node(BLOCK_VALUE)?,
                    };
                    let value = self.block_mapping_value()?;
                    entries.push(Entry { key, value });
                }
                TokenKind::BlockEnd => {
                    self.scanner.skip();
                    return Ok(Self::collection(
                        Data::Map(entries),
                        Tag::Map,
                        Style::Plain,
                        tag,
                    ));
                }
                _ => {
                    let problem = self.start()?;
                    return parser_fault(Some(context), problem, "did not find expected key");
                }
            }
        }
    }

    fn block_mapping_value(&mut self) -> Parse<Node> {
        if *self.kind()? != TokenKind::Value {
            let mark = self.start()?;
            return self.empty(mark);
        }
        let mark = self.scanner.peek()?.end;
        self.scanner.skip();
        match self.kind()? {
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => self.empty(mark),
            _ => self.node(BLOCK_VALUE),
        }
    }

    fn flow_sequence(&mut self, tag: Option<&str>) -> Parse<Node> {
        let context = self.start()?;
        self.scanner.skip();
        let mut items = Vec::new();
        while *self.kind()? != TokenKind::FlowSequenceEnd {
            if !items.is_empty() {
                if *self.kind()? != TokenKind::FlowEntry {
                    let problem = self.start()?;
                    return parser_fault(
                        Some(context),
                        problem,
                        "did not find expected ',' or ']'",
                    );
                }
                self.scanner.skip();
            }
            match self.kind()? {
                TokenKind::Key => items.push(self.flow_pair()?),
                TokenKind::FlowSequenceEnd => break,
                _ => items.push(self.node(FLOW)?),
            }
        }
        self.scanner.skip();
        Ok(Self::collection(
            Data::Seq(items),
            Tag::Seq,
            Style::Flow,
            tag,
        ))
    }

    /// `[a: b]` is a sequence of one mapping.
    fn flow_pair(&mut self) -> Parse<Node> {
        let start = self.start()?;
        self.count(start)?;
        self.scanner.skip();
        let key = match self.kind()? {
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd => {
                let mark = self.start()?;
                self.empty(mark)?
            }
            _ => self.node(FLOW)?,
        };
        let value = self.flow_value(&TokenKind::FlowSequenceEnd)?;
        Ok(Self::collection(
            Data::Map(vec![Entry { key, value }]),
            Tag::Map,
            Style::Flow,
            None,
        ))
    }

    fn flow_value(&mut self, end: &TokenKind) -> Parse<Node> {
        if *self.kind()? == TokenKind::Value {
            self.scanner.skip();
            let kind = self.kind()?;
            if *kind != TokenKind::FlowEntry && kind != end {
                return self.node(FLOW);
            }
        }
        let mark = self.start()?;
        self.empty(mark)
    }

    fn flow_mapping(&mut self, tag: Option<&str>) -> Parse<Node> {
        let context = self.start()?;
        self.scanner.skip();
        let mut entries: Vec<Entry> = Vec::new();
        while *self.kind()? != TokenKind::FlowMappingEnd {
            if !entries.is_empty() {
                if *self.kind()? != TokenKind::FlowEntry {
                    let problem = self.start()?;
                    return parser_fault(
                        Some(context),
                        problem,
                        "did not find expected ',' or '}'",
                    );
                }
                self.scanner.skip();
            }
            match self.kind()? {
                TokenKind::Key => {
                    self.scanner.skip();
                    let key = match self.kind()? {
                        TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMappingEnd => {
                            let mark = self.start()?;
                            self.empty(mark)?
                        }
                        _ => self.node(FLOW)?,
                    };
                    let value = self.flow_value(&TokenKind::FlowMappingEnd)?;
                    entries.push(Entry { key, value });
                }
                TokenKind::FlowMappingEnd => break,
                _ => {
                    let key = self.node(FLOW)?;
                    let mark = self.start()?;
                    let value = self.empty(mark)?;
                    entries.push(Entry { key, value });
                }
            }
        }
        self.scanner.skip();
        Ok(Self::collection(
            Data::Map(entries),
            Tag::Map,
            Style::Flow,
            tag,
        ))
    }
}

/// Replaces `<<` by what it names: entries of the mapping itself win, then those named first.
fn merge_keys(node: &mut Node) -> Result<(), String> {
    match &mut node.data {
        Data::Scalar(_) => Ok(()),
        Data::Seq(items) => items.iter_mut().try_for_each(merge_keys),
        Data::Map(entries) => {
            let mut sources = Vec::new();
            let mut found = false;
            for entry in entries.iter().filter(|e| e.key.tag == Tag::Merge) {
                if std::mem::replace(&mut found, true) {
                    return Err("duplicate merge key".to_owned());
                }
                collect_merge(entry.value.clone(), &mut sources, true)?;
            }
            if let Some(at) = entries.iter().position(|e| e.key.text() == "<<") {
                entries.remove(at);
            }
            for source in &mut sources {
                merge_keys(source)?;
            }
            for source in sources {
                if let Data::Map(more) = source.data {
                    for entry in more {
                        if !entries.iter().any(|e| e.key.text() == entry.key.text()) {
                            entries.push(entry);
                        }
                    }
                }
            }
            entries
                .iter_mut()
                .try_for_each(|e| merge_keys(&mut e.value))
        }
    }
}

/// As the older dialect replaces `<<`: what it names stands where it stood, so that later entries win, whichever they are.
fn merge_in_order(node: &mut Node) -> Result<(), String> {
    match &mut node.data {
        Data::Scalar(_) => Ok(()),
        Data::Seq(items) => items.iter_mut().try_for_each(merge_in_order),
        Data::Map(entries) => {
            let mut out = Vec::with_capacity(entries.len());
            for mut entry in std::mem::take(entries) {
                merge_in_order(&mut entry.value)?;
                if entry.key.tag != Tag::Merge {
                    out.push(entry);
                    continue;
                }
                let mut sources = Vec::new();
                collect_merge(entry.value, &mut sources, true)?;
                for source in sources.into_iter().rev() {
                    if let Data::Map(more) = source.data {
                        out.extend(more);
                    }
                }
            }
            *entries = out;
            Ok(())
        }
    }
}

fn collect_merge(value: Node, into: &mut Vec<Node>, top: bool) -> Result<(), String> {
    match value.data {
        Data::Map(_) => into.push(value),
        Data::Seq(items) if top => {
            for item in items {
                collect_merge(item, into, false)?;
            }
        }
        Data::Seq(_) => return Err("invalid map merge: received a nested sequence".to_owned()),
        Data::Scalar(_) => {
            return Err("map merge requires map or sequence of maps as the value".to_owned());
        }
    }
    Ok(())
}
