//! Values to text, byte for byte as the reference prints them.
//!
//! Keys in natural order, folding past column 80, list items level with their key, characters outside the basic
//! plane escaped. The rules are those of libyaml's emitter in the version the reference carries.

use std::cmp::Ordering;

use super::resolve::{Scalar, plain};
use super::{Dialect, float};
use crate::value::Value;

const WIDTH: usize = 80;

/// Appends one document, without a separator.
pub(crate) fn document(value: &Value, out: &mut String) {
    let mut emitter = Emitter {
        out,
        column: 0,
        whitespace: true,
        indention: true,
    };
    emitter.value(value, -1, Context::Root);
    if emitter.column != 0 {
        emitter.line_break();
    }
}

/// The order of keys: letters after everything else, numbers by value, the rest by code point.
pub(crate) fn natural_order(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let same = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let mut same = same;
    while !a.is_char_boundary(same) || !b.is_char_boundary(same) {
        same -= 1;
    }
    let (rest_a, rest_b) = (&a[same..], &b[same..]);
    let (Some(x), Some(y)) = (rest_a.chars().next(), rest_b.chars().next()) else {
        return rest_a.len().cmp(&rest_b.len());
    };
    match (x.is_alphabetic_letter(), y.is_alphabetic_letter()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let mut start = 0;
    if x == '0' || y == '0' {
        for c in a[..same].chars().rev() {
            if !c.is_decimal_digit() {
                break;
            }
            if c != '0' {
                start = 1;
                break;
            }
        }
    }
    let (na, la) = digits(rest_a, start);
    let (nb, lb) = digits(rest_b, start);
    na.cmp(&nb).then(la.cmp(&lb)).then(x.cmp(&y))
}

fn digits(text: &str, start: i64) -> (i64, usize) {
    let mut value = start;
    let mut length = 0;
    for c in text.chars().take_while(|c| c.is_decimal_digit()) {
        value = value
            .wrapping_mul(10)
            .wrapping_add(i64::from(c as u32) - i64::from(b'0'));
        length += 1;
    }
    (value, length)
}

trait Category {
    fn is_alphabetic_letter(&self) -> bool;
    fn is_decimal_digit(&self) -> bool;
}

impl Category for char {
    fn is_alphabetic_letter(&self) -> bool {
        if self.is_ascii() {
            self.is_ascii_alphabetic()
        } else {
            self.is_alphabetic()
        }
    }

    fn is_decimal_digit(&self) -> bool {
        self.is_ascii_digit()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Root,
    Sequence,
    Mapping,
    SimpleKey,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

struct Emitter<'a> {
    out: &'a mut String,
    column: usize,
    whitespace: bool,
    indention: bool,
}

impl Emitter<'_> {
    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn indent(&mut self, indent: isize) {
        let indent = indent.max(0) as usize;
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(
        &mut self,
        text: &str,
        need_whitespace: bool,
        is_whitespace: bool,
        is_indention: bool,
    ) {
        if need_whitespace && !self.whitespace {
            self.put(' ');
        }
        for c in text.chars() {
            self.put(c);
        }
        self.whitespace = is_whitespace;
        self.indention = self.indention && is_indention;
    }

    fn value(&mut self, value: &Value, indent: isize, context: Context) {
        match value {
            Value::List(items) if items.is_empty() => {
                self.indicator("[", true, true, false);
                self.indicator("]", false, false, false);
            }
            Value::Map(entries) if entries.is_empty() => {
                self.indicator("{", true, true, false);
                self.indicator("}", false, false, false);
            }
            Value::List(items) => {
                let indentless = context == Context::Mapping && !self.indention;
                let inner = if indent < 0 {
                    0
                } else if indentless {
                    indent
                } else {
                    indent + 2
                };
                for item in items {
                    self.indent(inner);
                    self.indicator("-", true, false, true);
                    self.value(item, inner, Context::Sequence);
                }
            }
            Value::Map(entries) => {
                let inner = if indent < 0 { 0 } else { indent + 2 };
                let mut sorted: Vec<&(String, Value)> = entries.iter().collect();
                sorted.sort_by(|a, b| natural_order(&a.0, &b.0));
                for (key, value) in sorted {
                    self.indent(inner);
                    if key.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
                        || key.len() > 128
                    {
                        self.indicator("?", true, false, true);
                        self.string(key, inner, Context::Mapping);
                        self.indent(inner);
                        self.indicator(":", true, false, true);
                    } else {
                        self.string(key, inner, Context::SimpleKey);
                        self.indicator(":", false, false, false);
                    }
                    self.value(value, inner, Context::Mapping);
                }
            }
            Value::String(text) => self.string(text, indent, context),
            Value::Null => self.plain("null", indent, true),
            Value::Bool(v) => self.plain(if *v { "true" } else { "false" }, indent, true),
            number => {
                let text = match number.normalized_number() {
                    Value::Int(v) => v.to_string(),
                    Value::Uint(v) => v.to_string(),
                    Value::Float(v) => float::general(v),
                    _ => String::new(),
                };
                self.plain(&text, indent, true);
            }
        }
    }

    fn string(&mut self, text: &str, indent: isize, context: Context) {
        let text = &*super::fold::read_from_json(text);
        let key = context == Context::SimpleKey;
        let inner = if indent < 0 { 2 } else { indent + 2 };
        match choose(text, key) {
            Style::Plain => self.plain(text, inner - 2, !key),
            Style::Single => self.single(text, inner, !key),
            Style::Double => self.double(text, inner, !key),
            Style::Literal => self.literal(text, inner),
        }
    }

    fn plain(&mut self, text: &str, indent: isize, breaks: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        if text.is_ascii() && !text.contains(' ') {
            self.out.push_str(text);
            self.column += text.len();
            self.whitespace = false;
            self.indention = false;
            return;
        }
        let mut spaces = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == ' ' {
                if breaks && !spaces && self.column > WIDTH && chars.peek() != Some(&' ') {
                    self.indent(indent.max(0) + 2);
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(c);
                self.indention = false;
                spaces = false;
            }
        }
        self.whitespace = false;
        self.indention = false;
    }

    fn single(&mut self, text: &str, indent: isize, allow_breaks: bool) {
        self.indicator("'", true, false, false);
        let mut spaces = false;
        let mut breaks = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c == ' ' {
                let next_space = chars.peek().is_some_and(|(_, n)| *n == ' ');
                if allow_breaks
                    && !spaces
                    && self.column > WIDTH
                    && at > 0
                    && at < text.len() - 1
                    && !next_space
                {
                    self.indent(indent);
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.line_break();
                }
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.indent(indent);
                }
                if c == '\'' {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
        self.indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn double(&mut self, text: &str, indent: isize, allow_breaks: bool) {
        self.indicator("\"", true, false, false);
        let mut spaces = false;
        // A text that starts with a byte order mark is escaped as a whole.
        let all = text.starts_with('\u{FEFF}');
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if all || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                self.escape(c);
                spaces = false;
            } else if c == ' ' {
                if allow_breaks && !spaces && self.column > WIDTH && at > 0 && at < text.len() - 1 {
                    self.indent(indent);
                    if chars.peek().is_some_and(|(_, n)| *n == ' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = false;
            }
        }
        self.indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn escape(&mut self, c: char) {
        self.put('\\');
        let short = match c {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0B' => 'v',
            '\x0C' => 'f',
            '\r' => 'r',
            '\x1B' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{A0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let code = c as u32;
                let text = match code {
                    0..=0xFF => format!("x{code:02X}"),
                    0x100..=0xFFFF => format!("u{code:04X}"),
                    _ => format!("U{code:08X}"),
                };
                for c in text.chars() {
                    self.put(c);
                }
                return;
            }
        };
        self.put(short);
    }

    fn write_break(&mut self, c: char) {
        if c == '\n' {
            self.line_break();
        } else {
            self.out.push(c);
            self.column = 0;
        }
    }

    fn literal(&mut self, text: &str, indent: isize) {
        self.indicator("|", true, false, false);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.indicator("2", false, false, false);
        }
        let mut tail = text.chars().rev();
        match tail.next() {
            Some(last) if is_break(last) => {
                if tail.next().is_none_or(is_break) {
                    self.indicator("+", false, false, false);
                }
            }
            _ => self.indicator("-", false, false, false),
        }
        self.line_break();
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.indent(indent);
                }
                self.put(c);
                self.indention = false;
                breaks = false;
            }
        }
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// A tab is not: it only appears escaped.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}')
        && c != '\u{FEFF}'
}

fn choose(text: &str, key: bool) -> Style {
    let shape = Shape::of(text);
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if plain(text, Dialect::Legacy, true) == Scalar::Str && !is_base60(text) {
        Style::Plain
    } else {
        Style::Double
    };
    let mut style = if key && shape.breaks {
        Style::Double
    } else {
        wanted
    };
    if style == Style::Plain && (!shape.plain || (text.is_empty() && key)) {
        style = Style::Single;
    }
    if style == Style::Single && !shape.single {
        style = Style::Double;
    }
    if style == Style::Literal && (!shape.block || key) {
        style = Style::Double;
    }
    style
}

/// `1:30`, which YAML 1.1 reads as a number to the base 60.
fn is_base60(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = match body.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (body, ""),
    };
    let mut groups = whole.split(':');
    let first = groups.next().unwrap_or_default();
    let mut count = 0;
    for group in groups {
        count += 1;
        let ok = match group.as_bytes() {
            [d] => d.is_ascii_digit(),
            [t, d] => (b'0'..=b'5').contains(t) && d.is_ascii_digit(),
            _ => false,
        };
        if !ok {
            return false;
        }
    }
    count > 0
        && first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// Whether the newer library can write a text as a block: it may have tabs, which the older escapes.
pub(crate) fn can_be_block(text: &str) -> bool {
    Shape::of(text).tabbed_block
}

/// Which styles can carry a text.
struct Shape {
    plain: bool,
    single: bool,
    block: bool,
    /// As `block`, tabs aside.
    tabbed_block: bool,
    breaks: bool,
}

impl Shape {
    fn of(text: &str) -> Shape {
        let mut shape = Shape {
            plain: true,
            single: true,
            block: true,
            tabbed_block: true,
            breaks: false,
        };
        let Some(first) = text.chars().next() else {
            shape.block = false;
            shape.tabbed_block = false;
            return shape;
        };
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut tabs) = (false, false);
        let (mut break_space, mut space_break) = (false, false);
        let (mut previous_space, mut previous_break) = (false, false);
        let mut preceded = true;
        let mut chars = text.chars().peekable();
        let mut start = true;
        while let Some(c) = chars.next() {
            let followed = chars.peek().is_none_or(|n| matches!(n, ' ' | '\t'));
            if start {
                indicators |= matches!(
                    c,
                    '#' | ','
                        | '['
                        | ']'
                        | '{'
                        | '}'
                        | '&'
                        | '*'
                        | '!'
                        | '|'
                        | '>'
                        | '\''
                        | '"'
                        | '%'
                        | '@'
                        | '`'
                ) || (matches!(c, '?' | ':' | '-') && followed);
            } else {
                indicators |= (c == ':' && followed) || (c == '#' && preceded);
            }
            start = false;
            tabs |= c == '\t';
            special |= c != '\t' && !is_printable(c);
            if c == ' ' {
                break_space |= previous_break;
                previous_space = true;
                previous_break = false;
            } else if is_break(c) {
                shape.breaks = true;
                space_break |= previous_space;
                previous_space = false;
                previous_break = true;
            } else {
                previous_space = false;
                previous_break = false;
            }
            preceded = matches!(c, ' ' | '\t') || is_break(c);
        }
        let last = text.chars().next_back().unwrap_or(first);
        if first == ' '
            || is_break(first)
            || last == ' '
            || is_break(last)
            || shape.breaks
            || indicators
        {
            shape.plain = false;
        }
        if break_space || space_break || special || tabs {
            shape.plain = false;
            shape.single = false;
        }
        shape.tabbed_block = last != ' ' && !space_break && !special;
        shape.block = shape.tabbed_block && !tabs;
        shape
    }
}
