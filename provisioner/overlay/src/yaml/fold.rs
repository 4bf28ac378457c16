//! What becomes of text with line breaks when the reference writes it and reads it back.

use std::borrow::Cow;

use super::emit::can_be_block;
use super::{Dialect, Limits, first_document};

/// The text of a folded scalar after it was written and read again.
pub(crate) fn refold(text: &str) -> String {
    if text.is_empty() || !can_be_block(text) {
        return text.to_owned();
    }
    match first_document(
        written(text).as_bytes(),
        Dialect::Current,
        Limits::default(),
    ) {
        Ok(Some(node)) => match node.get("k") {
            Some(read) => read.text().to_owned(),
            None => text.to_owned(),
        },
        _ => text.to_owned(),
    }
}

fn written(text: &str) -> String {
    let mut out = String::from("k: >");
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => out.push('-'),
        1 if !body.is_empty() => {}
        _ => out.push('+'),
    }
    out.push('\n');
    // The line break that keeps two lines apart is left out only when the whole text begins with a blank.
    let separated = !text.trim_start_matches('\n').starts_with([' ', '\t']);
    let (mut breaks, mut leading_blanks) = (true, true);
    for c in text.chars() {
        if c == '\n' {
            if !breaks && !leading_blanks && separated {
                out.push('\n');
            }
            out.push('\n');
            breaks = true;
        } else {
            if breaks {
                out.push_str("  ");
                leading_blanks = matches!(c, ' ' | '\t');
            }
            out.push(c);
            breaks = false;
        }
    }
    if !breaks {
        out.push('\n');
    }
    out
}

/// The break that JSON leaves as it is, and YAML takes for one.
const NEXT_LINE: char = '\u{85}';

/// A text after it was written as JSON and read as YAML, which folds it where a line ends that JSON has no escape for.
pub(crate) fn read_from_json(text: &str) -> Cow<'_, str> {
    if !text.contains(NEXT_LINE) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(NEXT_LINE) {
        // Tabs are escaped in JSON, and so are no blanks of the line's.
        out.push_str(rest[..at].trim_end_matches(' '));
        let after = rest[at..].trim_start_matches([NEXT_LINE, ' ']);
        let breaks = rest[at..rest.len() - after.len()]
            .chars()
            .filter(|c| *c == NEXT_LINE)
            .count();
        match breaks {
            1 => out.push(' '),
            more => out.extend(std::iter::repeat_n('\n', more - 1)),
        }
        rest = after;
    }
    out.push_str(rest);
    out.into()
}
