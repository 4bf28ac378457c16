//! What becomes of folded text when the reference writes it and reads it back.

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
