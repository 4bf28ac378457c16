//! YAML in all the ways people write it.

use fastrand::Rng;

/// A document to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Y {
    /// A scalar as it stands, whatever that means.
    Raw(String),
    /// A text, in any style that can carry it.
    Text(String),
    Map(Vec<(String, Y)>),
    List(Vec<Y>),
    /// A value that can be referred to by a name.
    Anchor(String, Box<Y>),
    /// A reference.
    Alias(String),
}

impl From<&str> for Y {
    fn from(text: &str) -> Y {
        Y::Text(text.to_owned())
    }
}

impl From<String> for Y {
    fn from(text: String) -> Y {
        Y::Text(text)
    }
}

impl From<i64> for Y {
    fn from(number: i64) -> Y {
        Y::Raw(number.to_string())
    }
}

impl From<bool> for Y {
    fn from(value: bool) -> Y {
        Y::Raw(value.to_string())
    }
}

/// A mapping.
pub(crate) fn map<const N: usize>(entries: [(&str, Y); N]) -> Y {
    Y::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

/// A list.
pub(crate) fn list(items: impl IntoIterator<Item = Y>) -> Y {
    Y::List(items.into_iter().collect())
}

impl Y {
    /// Adds an entry to a mapping.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Y>) {
        if let Y::Map(entries) = self {
            entries.push((key.to_owned(), value.into()));
        }
    }

    /// The entry of a mapping, made if it is missing.
    pub(crate) fn at(&mut self, key: &str) -> &mut Y {
        if !matches!(self, Y::Map(_)) {
            *self = Y::Map(Vec::new());
        }
        let Y::Map(entries) = self else {
            unreachable!("it was made one");
        };
        let at = entries
            .iter()
            .position(|(k, _)| k == key)
            .unwrap_or_else(|| {
                entries.push((key.to_owned(), Y::Map(Vec::new())));
                entries.len() - 1
            });
        &mut entries[at].1
    }
}

/// The comment that lines end with.
pub(crate) const COMMENT: &str = "  # said";

/// Writes one document.
pub(crate) fn document(value: &Y, rng: &mut Rng, odd: bool) -> String {
    let mut value = value.clone();
    if odd && rng.u32(..100) < 12 {
        crate::anchors::share(&mut value, rng);
    }
    // An anchor of the whole would stand on a line of its own.
    let value = match &value {
        Y::Anchor(_, inner) => inner,
        other => other,
    };
    let mut writer = Writer {
        rng,
        odd,
        indent: 0,
        out: String::new(),
    };
    match value {
        Y::Map(entries) if !entries.is_empty() => writer.block(value, 0),
        Y::List(items) if !items.is_empty() => writer.block(value, 0),
        other => {
            writer.flow(other);
            writer.out.push('\n');
        }
    }
    writer.out
}

struct Writer<'a> {
    rng: &'a mut Rng,
    /// Styles vary.
    odd: bool,
    /// Of the line that is being written.
    indent: usize,
    out: String,
}

impl Writer<'_> {
    fn chance(&mut self, percent: u32) -> bool {
        self.odd && self.rng.u32(..100) < percent
    }

    fn pad(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn comment(&mut self, indent: usize) {
        if self.chance(2) {
            self.pad(indent);
            self.out.push_str("# a comment: with, [odd] 'things'\n");
        }
        if self.chance(1) {
            self.out.push('\n');
        }
    }

    fn end_line(&mut self) {
        if self.chance(2) {
            self.out.push_str(COMMENT);
        }
        if self.chance(1) {
            self.out.push_str(if self.rng.bool() { " " } else { "\t" });
        }
        self.out.push('\n');
    }

    /// What stands between a key and its value.
    fn space(&mut self) {
        let text = match self.rng.u32(..if self.odd { 60 } else { 1 }) {
            1 => "  ",
            2 => "\t",
            _ => " ",
        };
        self.out.push_str(text);
    }

    fn key(&mut self, key: &str) {
        let number = key.starts_with(|c: char| c.is_ascii_digit());
        let plain = is_plain(key) && (!number || self.chance(3));
        if plain && self.chance(1) {
            self.out.push_str("? ");
            self.out.push_str(key);
            self.out.push('\n');
            let indent = self.indent;
            self.pad(indent);
        } else if !plain || self.chance(2) {
            if self.rng.bool() {
                self.double(key);
            } else {
                self.single(key);
            }
        } else {
            self.out.push_str(key);
        }
        self.out.push(':');
    }

    fn block(&mut self, value: &Y, indent: usize) {
        match value {
            Y::Map(entries) => {
                for (key, value) in entries {
                    self.comment(indent);
                    self.pad(indent);
                    self.indent = indent;
                    self.key(key);
                    self.value(value, indent, false);
                }
            }
            Y::List(items) => {
                for item in items {
                    self.comment(indent);
                    self.pad(indent);
                    self.item(item, indent);
                }
            }
            other => self.value(other, indent, false),
        }
    }

    fn item(&mut self, item: &Y, indent: usize) {
        self.out.push('-');
        match item {
            Y::Map(entries) if !entries.is_empty() && !self.chance(10) => {
                self.out.push(' ');
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        self.pad(indent + 2);
                    }
                    self.indent = indent + 2;
                    self.key(key);
                    self.value(value, indent + 2, false);
                }
            }
            other => self.value(other, indent, true),
        }
    }

    fn value(&mut self, value: &Y, indent: usize, in_list: bool) {
        self.indent = indent;
        let value = match value {
            Y::Anchor(name, inner) => {
                self.out.push_str(" &");
                self.out.push_str(name);
                inner
            }
            other => other,
        };
        match value {
            Y::Map(entries) if !entries.is_empty() && (in_list || !self.chance(8)) => {
                if in_list {
                    self.out.push(' ');
                    self.flow(value);
                    self.end_line();
                    return;
                }
                self.end_line();
                let step = if self.chance(5) { 4 } else { 2 };
                self.block(value, indent + step);
            }
            Y::List(items) if !items.is_empty() && !in_list && !self.chance(8) => {
                self.end_line();
                let step = if self.chance(20) { 2 } else { 0 };
                self.block(value, indent + step);
            }
            Y::Text(text) => {
                self.space();
                self.text(text, indent);
            }
            other => {
                self.space();
                self.flow(other);
                self.end_line();
            }
        }
    }

    /// Writes a text of words on several lines, in a style that makes it one line again.
    fn words(&mut self, text: &str, indent: usize) {
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) if self.rng.u32(..4) > 0 => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        let (open, close, first) = match self.rng.u32(..5) {
            0 => ("'", "'", lines.remove(0)),
            1 => ("\"", "\"", lines.remove(0)),
            2 => ("", "", lines.remove(0)),
            3 => (">", "", String::new()),
            _ => (">-", "", String::new()),
        };
        self.out.push_str(open);
        self.out.push_str(&first);
        for line in lines {
            self.out.push('\n');
            self.pad(indent + 2);
            self.out.push_str(&line);
        }
        self.out.push_str(close);
        self.out.push('\n');
    }

    fn text(&mut self, text: &str, indent: usize) {
        let words = text.contains(' ')
            && is_plain(text)
            && text.split(' ').all(|word| {
                !word.is_empty()
                    && word
                        .chars()
                        .all(|c| c.is_alphanumeric() || "./-_".contains(c))
                    && !word.starts_with('-')
            });
        if words && self.chance(15) {
            return self.words(text, indent);
        }
        let indented = text.starts_with([' ', '\n', '\t']);
        let block = !text.trim().is_empty()
            && (!indented || self.chance(30))
            && text
                .chars()
                .all(|c| c == '\n' || c == '\t' || (c >= ' ' && c != '\u{FEFF}'));
        if block && (text.contains('\n') && !self.chance(15) || self.chance(3)) {
            let folded = self.chance(15);
            self.out.push(if folded { '>' } else { '|' });
            if indented || self.chance(5) {
                self.out.push('2');
            }
            let body = text.trim_end_matches('\n');
            let breaks = text.len() - body.len();
            match breaks {
                0 => self.out.push('-'),
                1 => {}
                _ => self.out.push('+'),
            }
            self.out.push('\n');
            for line in body.split('\n') {
                if !line.is_empty() {
                    self.pad(indent + 2);
                }
                self.out.push_str(line);
                self.out.push('\n');
            }
            for _ in 1..breaks {
                self.out.push('\n');
            }
            return;
        }
        self.inline(text);
        self.end_line();
    }

    fn inline(&mut self, text: &str) {
        let simple = text
            .chars()
            .all(|c| c >= ' ' && c != '\u{7F}' && c != '\u{FEFF}');
        match self.rng.u32(..if self.odd { 6 } else { 2 }) {
            0..4 if is_plain(text) => self.out.push_str(text),
            0..3 if simple => self.single(text),
            _ => self.double(text),
        }
    }

    fn single(&mut self, text: &str) {
        if text.chars().any(|c| c < ' ' || c == '\u{FEFF}') {
            return self.double(text);
        }
        self.out.push('\'');
        self.out.push_str(&text.replace('\'', "''"));
        self.out.push('\'');
    }

    fn double(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str("\\t"),
                '\u{FEFF}' => self.out.push_str("\\uFEFF"),
                c if c < ' ' => self.out.push_str(&format!("\\x{:02x}", c as u32)),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    /// What stands between the entries of a collection in brackets.
    fn comma(&mut self) {
        self.out.push(',');
        if self.chance(4) {
            self.out.push('\n');
            let indent = self.indent + 4;
            self.pad(indent);
        } else {
            self.out.push(' ');
        }
    }

    fn flow(&mut self, value: &Y) {
        match value {
            Y::Anchor(name, inner) => {
                self.out.push('&');
                self.out.push_str(name);
                self.out.push(' ');
                self.flow(inner);
            }
            Y::Alias(name) => {
                self.out.push('*');
                self.out.push_str(name);
                self.out.push(' ');
            }
            Y::Raw(text) => self.out.push_str(text),
            Y::Text(text) => {
                if is_plain(text) && !text.contains([',', '[', ']', '{', '}', ':']) {
                    self.inline(text);
                } else {
                    self.double(text);
                }
            }
            Y::Map(entries) => {
                self.out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        self.comma();
                    }
                    if is_plain(key)
                        && !key.starts_with(|c: char| c.is_ascii_digit())
                        && !key.contains([',', '[', ']', '{', '}', ':'])
                    {
                        self.out.push_str(key);
                    } else {
                        self.double(key);
                    }
                    self.out.push_str(": ");
                    self.flow(value);
                }
                if !entries.is_empty() && self.chance(2) {
                    self.out.push(',');
                }
                self.out.push('}');
            }
            Y::List(items) => {
                self.out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.comma();
                    }
                    self.flow(item);
                }
                self.out.push(']');
            }
        }
    }
}

/// Whether a text can stand unquoted in a block, as whatever it then is.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_whitespace() || "-?:,[]{}#&*!|>'\"%@`".contains(c))
        && !text.ends_with(|c: char| c.is_whitespace() || c == ':')
        && !text.contains(": ")
        && !text.contains(" #")
        && text
            .chars()
            .all(|c| c >= ' ' && c != '\u{7F}' && c != '\u{FEFF}')
}
