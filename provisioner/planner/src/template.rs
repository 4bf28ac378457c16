//! Templates, strictly: an undefined variable is an error, and nothing but the given sources and values can be reached.

use std::collections::HashMap;
use std::error::Error as _;
use std::io;

use serde_json::Value;
use tera::{Context, Tera};

use crate::render::{RenderError, Source};

/// Bytes one template may become.
const LARGEST: usize = 8 << 20;
const LONGEST_RANGE: i64 = 10_000;

/// All sources, parsed.
pub(crate) struct Templates<'a> {
    tera: Tera,
    context: Context,
    sources: &'a [Source],
}

impl<'a> Templates<'a> {
    pub fn new(sources: &'a [Source], context: &Value) -> Result<Self, Vec<RenderError>> {
        let context = Context::from_value(context.clone())
            .map_err(|error| vec![RenderError::at("", 1, 1, error.to_string())])?;
        let mut tera = Tera::default();
        tera.autoescape_on(Vec::new());
        // Tera's own would read the process's environment.
        tera.register_function("get_env", |_: &HashMap<String, Value>| {
            Err(tera::Error::msg(
                "templates can't read the process's environment",
            ))
        });
        tera.register_function("range", range);
        // One by one first: a batch stops at the first template that does not parse.
        let mut errors: Vec<RenderError> = sources
            .iter()
            .filter_map(|source| {
                tera::Template::new(&source.path, None, &source.text)
                    .err()
                    .map(|error| parse_error(source, &error))
            })
            .collect();
        errors.extend(recursion(sources));
        if !errors.is_empty() {
            return Err(errors);
        }
        tera.add_raw_templates(
            sources
                .iter()
                .map(|source| (source.path.as_str(), source.text.as_str())),
        )
        .map_err(|error| vec![runtime_error(sources, "", &error)])?;
        Ok(Self {
            tera,
            context,
            sources,
        })
    }

    pub fn render(&self, path: &str) -> Result<String, RenderError> {
        let mut out = Bounded(Vec::new());
        self.tera
            .render_to(path, &self.context, &mut out)
            .map_err(|error| runtime_error(self.sources, path, &error))?;
        String::from_utf8(out.0).map_err(|error| RenderError::at(path, 1, 1, error.to_string()))
    }
}

struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `range(start=, end=, step_by=)` as Tera has it, with an end to its length.
fn range(arguments: &HashMap<String, Value>) -> tera::Result<Value> {
    let number = |name: &str, default: Option<i64>| match arguments.get(name) {
        Some(value) => value
            .as_i64()
            .ok_or_else(|| tera::Error::msg(format!("`range` needs a whole number as `{name}`"))),
        None => default.ok_or_else(|| tera::Error::msg(format!("`range` needs `{name}`"))),
    };
    let (start, end, step) = (
        number("start", Some(0))?,
        number("end", None)?,
        number("step_by", Some(1))?,
    );
    if step < 1 || start > end || end.saturating_sub(start) / step > LONGEST_RANGE {
        return Err(tera::Error::msg(format!(
            "`range` needs start <= end, step_by >= 1 and at most {LONGEST_RANGE} numbers"
        )));
    }
    let step = usize::try_from(step).unwrap_or(1);
    Ok(Value::Array(
        (start..end).step_by(step).map(Value::from).collect(),
    ))
}

/// Includes and macros that come back to themselves would never end.
fn recursion(sources: &[Source]) -> Vec<RenderError> {
    let edges: HashMap<&str, Vec<&str>> = sources
        .iter()
        .map(|source| {
            let mut targets: Vec<&str> = Vec::new();
            for (_, tag) in tags(&source.text) {
                let words = tag.trim_start_matches(['{', '%', '-']).trim_start();
                if ["include", "import", "extends"]
                    .iter()
                    .any(|word| words.starts_with(word))
                {
                    targets.extend(tag.split(['"', '\'', '`']).skip(1).step_by(2));
                }
            }
            (source.path.as_str(), targets)
        })
        .collect();
    let mut errors = Vec::new();
    for source in sources {
        let (mut open, mut seen) = (
            edges[source.path.as_str()].clone(),
            std::collections::HashSet::new(),
        );
        while let Some(path) = open.pop() {
            if path == source.path {
                errors.push(RenderError::at(
                    &source.path,
                    1,
                    1,
                    "the template includes itself".to_owned(),
                ));
                break;
            }
            if seen.insert(path) {
                open.extend(edges.get(path).into_iter().flatten());
            }
        }
        if let Some(offset) = recursive_macro(&source.text) {
            let (line, column) = position(&source.text, offset);
            errors.push(RenderError::at(
                &source.path,
                line,
                column,
                "the macro calls macros of its own file in a circle".to_owned(),
            ));
        }
    }
    errors
}

/// The offset of a macro from which `self::` calls lead back to it.
fn recursive_macro(text: &str) -> Option<usize> {
    let mut calls: HashMap<&str, (usize, Vec<&str>)> = HashMap::new();
    let mut inside: Option<&str> = None;
    for (offset, tag) in tags(text) {
        let words = tag.trim_start_matches(['{', '%', '-']).trim_start();
        if let Some(rest) = words.strip_prefix("macro ") {
            let name = rest.trim_start().split('(').next().unwrap_or("").trim();
            calls.insert(name, (offset, Vec::new()));
            inside = Some(name);
        } else if words.starts_with("endmacro") {
            inside = None;
        }
        if let Some((_, called)) = inside.and_then(|name| calls.get_mut(name)) {
            called.extend(
                tag.split("self::")
                    .skip(1)
                    .map(|rest| rest.split('(').next().unwrap_or("").trim()),
            );
        }
    }
    let circular = |name: &str| {
        let (mut open, mut seen) = (
            calls
                .get(name)
                .map(|(_, called)| called.clone())
                .unwrap_or_default(),
            std::collections::HashSet::new(),
        );
        while let Some(next) = open.pop() {
            if next == name {
                return true;
            }
            if seen.insert(next) {
                open.extend(calls.get(next).into_iter().flat_map(|(_, called)| called));
            }
        }
        false
    };
    calls
        .iter()
        .filter(|(name, _)| circular(name))
        .map(|(_, (offset, _))| *offset)
        .min()
}

/// Every `{{ … }}` and `{% … %}` with its offset.
fn tags(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        let close = match text.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                from = open + 1;
                continue;
            }
        };
        let end = text[open..]
            .find(close)
            .map_or(text.len(), |at| open + at + 2);
        if close != "#}" {
            found.push((open, &text[open..end]));
        }
        from = end;
    }
    found
}

fn chain(error: &tera::Error) -> Vec<String> {
    let mut messages = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        messages.push(inner.to_string());
        cause = inner.source();
    }
    messages
}

/// Tera's parser draws its place as ` --> LINE:COLUMN`.
fn parse_error(source: &Source, error: &tera::Error) -> RenderError {
    let messages = chain(error);
    let whole = messages.join("\n");
    let (line, column) = whole
        .split("--> ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|place| place.split_once(':'))
        .and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)))
        .unwrap_or((1, 1));
    let why = whole
        .lines()
        .rev()
        .find_map(|text| text.trim().strip_prefix("= "))
        .unwrap_or_else(|| messages.last().map_or("", String::as_str));
    RenderError::at(&source.path, line, column, why.to_owned())
}

/// Tera's runtime errors name the template and quote what failed, without a place; the first tag that holds the quoted words is it.
fn runtime_error(sources: &[Source], path: &str, error: &tera::Error) -> RenderError {
    let messages = chain(error);
    let message = messages
        .iter()
        .rev()
        .find(|text| !text.starts_with("Failed to render"))
        .or(messages.last())
        .cloned()
        .unwrap_or_default();
    let template = messages
        .iter()
        .rev()
        .flat_map(|text| text.split('\''))
        .find_map(|part| sources.iter().find(|source| source.path == part))
        .or_else(|| sources.iter().find(|source| source.path == path));
    let Some(template) = template else {
        return RenderError::at(path, 1, 1, message);
    };
    let quoted: Vec<&str> = messages
        .iter()
        .rev()
        .flat_map(|text| text.split(['`', '\'']).skip(1).step_by(2))
        .filter(|word| *word != template.path)
        .collect();
    let offset = quoted.iter().find_map(|word| {
        tags(&template.text)
            .into_iter()
            .find_map(|(start, tag)| word_in(tag, word).map(|at| start + at))
    });
    let (line, column) = offset.map_or((1, 1), |offset| position(&template.text, offset));
    let mut found = RenderError::at(&template.path, line, column, message.clone());
    if let Some(rest) = message.strip_prefix("Variable `") {
        let name = rest.split('`').next().unwrap_or("");
        found.message = format!("the variable `{name}` is not defined");
    }
    found
}

/// Where `word` stands in `tag` with no identifier character beside it.
fn word_in(tag: &str, word: &str) -> Option<usize> {
    let inner = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    if word.is_empty() {
        return None;
    }
    tag.match_indices(word)
        .map(|(at, _)| at)
        .find(|&at| !tag[..at].ends_with(inner) && !tag[at + word.len()..].starts_with(inner))
}

fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        + 1;
    (
        u32::try_from(line).unwrap_or(u32::MAX),
        u32::try_from(column).unwrap_or(u32::MAX),
    )
}
