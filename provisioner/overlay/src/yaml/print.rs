//! Trees to text for messages and for text that is itself YAML.

use super::Dialect;
use super::node::{Data, Node, Style, Tag};
use super::resolve::plain_tag;

/// A node on one line, as messages show it.
pub(crate) fn flow(node: &Node) -> String {
    match &node.data {
        Data::Scalar(_) => scalar(node),
        Data::Seq(items) => format!(
            "[{}]",
            items.iter().map(flow).collect::<Vec<_>>().join(", ")
        ),
        Data::Map(entries) => {
            format!(
                "{{{}}}",
                entries
                    .iter()
                    .map(|e| format!("{}: {}", flow(&e.key), flow(&e.value)))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
    }
}

/// A scalar as the newer library writes it, in the style it has.
pub(crate) fn scalar(node: &Node) -> String {
    let text = node.text();
    let force = node.tag == Tag::Str
        && !node.style.is_quoted()
        && plain_tag(text, Dialect::Current) != Tag::Str;
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

/// A tree as the newer library writes it, in block form.
pub(crate) fn block(node: &Node) -> String {
    let mut out = String::new();
    write_block(node, 0, &mut out);
    out
}

fn write_block(node: &Node, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match &node.data {
        Data::Scalar(_) => out.push_str(&format!("{}\n", scalar(node))),
        Data::Seq(items) if items.is_empty() || node.style == Style::Flow => {
            out.push_str(&format!("{}\n", flow(node)))
        }
        Data::Map(entries) if entries.is_empty() || node.style == Style::Flow => {
            out.push_str(&format!("{}\n", flow(node)))
        }
        Data::Seq(items) => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(&pad);
                }
                out.push_str("- ");
                write_block(item, indent + 2, out);
            }
        }
        Data::Map(entries) => {
            for (at, entry) in entries.iter().enumerate() {
                if at > 0 {
                    out.push_str(&pad);
                }
                out.push_str(&scalar(&entry.key));
                out.push(':');
                write_value(&entry.value, indent, out);
            }
        }
    }
}

fn write_value(node: &Node, indent: usize, out: &mut String) {
    let nested = match &node.data {
        Data::Scalar(text) => {
            if node.style == Style::Literal || (node.style == Style::Plain && text.contains('\n')) {
                out.push_str(if text.ends_with('\n') {
                    " |\n"
                } else {
                    " |-\n"
                });
                for line in text.lines() {
                    if !line.is_empty() {
                        out.push_str(&" ".repeat(indent + 2));
                    }
                    out.push_str(line);
                    out.push('\n');
                }
                return;
            }
            false
        }
        Data::Seq(items) => !items.is_empty() && node.style != Style::Flow,
        Data::Map(entries) => !entries.is_empty() && node.style != Style::Flow,
    };
    if !nested {
        if !(node.is_scalar() && node.text().is_empty() && node.is_null()) {
            out.push(' ');
        }
        write_block(node, indent, out);
        return;
    }
    out.push('\n');
    let inner = if matches!(node.data, Data::Seq(_)) {
        indent
    } else {
        indent + 2
    };
    out.push_str(&" ".repeat(inner));
    write_block(node, inner, out);
}
