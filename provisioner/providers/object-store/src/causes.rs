//! What an error of a library says, in one line.

/// Enough to tell what it is about.
const EXCERPT: usize = 400;

/// The innermost cause: those around it only say that there is one.
pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

/// The whole chain, shortened: what it quotes of an answer may be long.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text.chars().take(EXCERPT).collect()
}
