//! Selecting objects: by regular expressions over their identity, and by labels and annotations.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Gvk, ResId};
use crate::kustomization::Selector;
use crate::resource::Resource;
use crate::schema::Schema;

/// Largest compiled size of one expression, in bytes.
const REGEX_SIZE: usize = 1 << 20;

/// Longest text of one expression, in bytes.
const REGEX_TEXT: usize = 16 << 10;

/// Compiles an expression with bounded memory.
pub(crate) fn regex(pattern: &str) -> Result<Regex> {
    if pattern.len() > REGEX_TEXT {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("a regular expression is larger than {REGEX_TEXT} bytes"),
        ));
    }
    RegexBuilder::new(pattern)
        .size_limit(REGEX_SIZE)
        .nest_limit(100)
        .build()
        .map_err(|e| {
            Error::invalid(format!(
                "error parsing regexp: {}: `{pattern}`",
                e.to_string().replace('\n', " ")
            ))
        })
}

/// One part of a selector; an empty one matches anything.
enum Pattern {
    Any,
    Literal(String),
    Regex(Regex),
}

impl Pattern {
    fn new(pattern: &str) -> Result<Pattern> {
        if pattern.is_empty() {
            return Ok(Pattern::Any);
        }
        if !pattern.contains([
            '\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$',
        ]) {
            return Ok(Pattern::Literal(pattern.to_owned()));
        }
        regex(&format!("^(?:{pattern})$")).map(Pattern::Regex)
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Literal(literal) => literal == text,
            Pattern::Regex(regex) => regex.is_match(text),
        }
    }
}

/// A selector made ready.
pub(crate) struct SelectorMatcher {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    labels: Requirements,
    annotations: Requirements,
    blank_id: bool,
}

impl SelectorMatcher {
    pub(crate) fn new(selector: &Selector) -> Result<SelectorMatcher> {
        let id = &selector.id;
        Ok(SelectorMatcher {
            group: Pattern::new(&id.gvk.group)?,
            version: Pattern::new(&id.gvk.version)?,
            kind: Pattern::new(&id.gvk.kind)?,
            name: Pattern::new(&id.name)?,
            namespace: Pattern::new(&id.namespace)?,
            labels: Requirements::parse(&selector.labels)?,
            annotations: Requirements::parse(&selector.annotations)?,
            blank_id: id.is_blank(),
        })
    }

    fn matches_gvk(&self, gvk: &Gvk) -> bool {
        self.group.matches(&gvk.group)
            && self.version.matches(&gvk.version)
            && self.kind.matches(&gvk.kind)
    }

    /// By the identity as it was read or as it is now; the kind must be that of now.
    pub(crate) fn matches_resource(&self, resource: &Resource, schema: &Schema) -> bool {
        // What needs no identities to be put together is looked at first.
        if !self.kind.matches(resource.kind()) {
            return false;
        }
        if let Pattern::Literal(name) = &self.name
            && !resource.may_be_named(name)
        {
            return false;
        }
        let current = resource.current_id();
        if !self.matches_gvk(&current.gvk) {
            return false;
        }
        let original = resource.original_id();
        (self.namespace.matches(original.effective_namespace(schema))
            || self.namespace.matches(current.effective_namespace(schema)))
            && (self.name.matches(&original.name) || self.name.matches(&current.name))
            && self.matches_metadata(resource)
    }

    /// By labels and annotations alone.
    pub(crate) fn matches_metadata(&self, resource: &Resource) -> bool {
        (self.labels.is_empty() || self.labels.matches(&resource.labels()))
            && (self.annotations.is_empty() || self.annotations.matches(&resource.annotations()))
    }

    /// Whether only labels or annotations are asked for.
    pub(crate) fn has_metadata(&self) -> bool {
        !self.labels.is_empty() || !self.annotations.is_empty()
    }

    /// By identity alone, as replacements do it.
    pub(crate) fn matches_id(&self, id: &ResId) -> bool {
        self.matches_gvk(&id.gvk)
            && self.name.matches(&id.name)
            && self.namespace.matches(&id.namespace)
    }

    pub(crate) fn is_blank_id(&self) -> bool {
        self.blank_id
    }
}

/// A label selector: all of its requirements must hold.
#[derive(Debug, Default)]
struct Requirements(Vec<Requirement>);

#[derive(Debug)]
enum Requirement {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Greater(String, i64),
    Less(String, i64),
}

impl Requirements {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn matches(&self, map: &BTreeMap<String, String>) -> bool {
        let number = |key: &str| map.get(key).and_then(|v| v.parse::<i64>().ok());
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => map.contains_key(key),
            Requirement::Missing(key) => !map.contains_key(key),
            Requirement::In(key, values) => map.get(key).is_some_and(|v| values.contains(v)),
            Requirement::NotIn(key, values) => map.get(key).is_none_or(|v| !values.contains(v)),
            Requirement::Greater(key, bound) => number(key).is_some_and(|v| v > *bound),
            Requirement::Less(key, bound) => number(key).is_some_and(|v| v < *bound),
        })
    }

    fn parse(text: &str) -> Result<Requirements> {
        let mut parser = LabelParser { rest: text.trim() };
        let mut out = Vec::new();
        if parser.rest.is_empty() {
            return Ok(Requirements(out));
        }
        loop {
            out.push(
                parser
                    .requirement()
                    .map_err(|e| Error::invalid(format!("unable to parse requirement: {e}")))?,
            );
            parser.skip_space();
            if parser.rest.is_empty() {
                return Ok(Requirements(out));
            }
            if !parser.take(",") {
                return Err(Error::invalid(format!(
                    "found '{}', expected: ',' or 'end of string'",
                    parser.rest
                )));
            }
        }
    }
}

struct LabelParser<'a> {
    rest: &'a str,
}

impl<'a> LabelParser<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        self.skip_space();
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || "=!(),<>".contains(c))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn requirement(&mut self) -> std::result::Result<Requirement, String> {
        if self.take("!") {
            return Ok(Requirement::Missing(self.key()?));
        }
        let key = self.key()?;
        self.skip_space();
        if self.rest.is_empty() || self.rest.starts_with(',') {
            return Ok(Requirement::Exists(key));
        }
        if self.take("==") || self.take("=") {
            return Ok(Requirement::In(key, vec![self.word().to_owned()]));
        }
        if self.take("!=") {
            return Ok(Requirement::NotIn(key, vec![self.word().to_owned()]));
        }
        if self.take(">") {
            return Ok(Requirement::Greater(key, self.number()?));
        }
        if self.take("<") {
            return Ok(Requirement::Less(key, self.number()?));
        }
        match self.word() {
            "in" => Ok(Requirement::In(key, self.values()?)),
            "notin" => Ok(Requirement::NotIn(key, self.values()?)),
            other => Err(format!(
                "found '{other}', expected: in, notin, =, ==, !=, gt, lt"
            )),
        }
    }

    fn key(&mut self) -> std::result::Result<String, String> {
        match self.word() {
            "" => Err(format!("found '{}', expected: identifier", self.rest)),
            word => Ok(word.to_owned()),
        }
    }

    fn number(&mut self) -> std::result::Result<i64, String> {
        let word = self.word();
        word.parse().map_err(|_| format!("values[0]: Invalid value: \"{word}\": for 'Gt', 'Lt' operators, the value must be an integer"))
    }

    fn values(&mut self) -> std::result::Result<Vec<String>, String> {
        if !self.take("(") {
            return Err(format!("found '{}' expected: '('", self.rest));
        }
        let mut out = Vec::new();
        loop {
            out.push(self.word().to_owned());
            if self.take(")") {
                return Ok(out);
            }
            if !self.take(",") {
                return Err(format!("found '{}', expected: ',' or ')'", self.rest));
            }
        }
    }
}
