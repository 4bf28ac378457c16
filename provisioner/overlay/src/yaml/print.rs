//! Trees to text for messages and for text that is itself YAML.

use super::node::{Data, Node, Style, Tag};
use super::resolve::plain_tag;
use super::Dialect;

/// A node on one line, as messages show it.
pub(crate) fn flow(node: &Node) -> String {
    match &node.data {
        Data::Scalar(_) => scalar(node),
        Data::Seq(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Data::Map(entries) => {
            format!("{{{}}}", entries.iter().map(|e| format!("{}: {}", flow(&e.key), flow(&e.value))).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A scalar as the newer library writes it, in the style it has.
pub(crate) fn scalar(node: &Node) -> String {
    let text = node.text();
    let force = node.tag == Tag::Str && !node.style.is_quoted() && plain_tag(text, Dialect::Current) != Tag::Str;
    match node.style {
        Style::Double => double(text),
        Style::Single => single(text),
        _ if force => double(text),
        _ => text.to_owned(),
    }
}

fn double(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
