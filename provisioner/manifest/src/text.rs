//! Texts of others in our messages: short, and without control characters.

const LONGEST: usize = 80;

/// The text as it may stand in a message.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == LONGEST {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
