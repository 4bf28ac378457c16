//! Files of objects: several documents, lists opened, what is no object refused.

use crate::error::{Error, Result};
use crate::resource::Resource;
use crate::yaml::node::Data;
use crate::yaml::parse::DocumentError;
use crate::yaml::{Limits, Node, documents};

/// The objects in a text.
pub(crate) fn resources(text: &[u8]) -> Result<Vec<Resource>> {
    let nodes = documents(text, Limits::default()).map_err(|e| match e {
        DocumentError::Separator(line) => {
            Error::invalid(format!("invalid document separator: {line}"))
        }
        DocumentError::Syntax(syntax) => Error::malformed(&syntax),
    })?;
    let nodes = unwrap_single_list(nodes);
    let mut queue: std::collections::VecDeque<Node> = keep_valid(nodes)?.into();
    let mut out = Vec::new();
    while let Some(node) = queue.pop_front() {
        let kind = node.get("kind").map_or("", Node::text);
        if !kind.ends_with("List") || node.get("items").is_none() {
            out.push(Resource::new(node));
            continue;
        }
        let kind = kind.to_owned();
        // The list's objects go through JSON on their way out, which types their scalars and sorts their keys.
        let value = crate::value::of_read_resource(&node)?;
        match value.get("items") {
            Some(crate::Value::List(items)) => {
                let nodes = items.iter().map(crate::value::from_json).collect();
                queue.extend(keep_valid(nodes)?);
            }
            Some(crate::Value::Null) | None => {}
            Some(other) => {
                return Err(Error::invalid(format!(
                    "expected array in {kind}/items, but found {}",
                    other.kind_name()
                )));
            }
        }
    }
    Ok(out)
}

/// A text that is one `List` or `ResourceList` is its items.
fn unwrap_single_list(mut nodes: Vec<Node>) -> Vec<Node> {
    let [node] = nodes.as_mut_slice() else {
        return nodes;
    };
    let is_list = matches!(
        node.get("kind").map(Node::value_text),
        Some("List" | "ResourceList")
    );
    if !is_list || (node.get("items").is_none() && node.get("functionConfig").is_none()) {
        return nodes;
    }
    match node.remove("items").map(|items| items.data) {
        Some(Data::Seq(items)) => items,
        _ => Vec::new(),
    }
}

fn keep_valid(nodes: Vec<Node>) -> Result<Vec<Node>> {
    let mut out = Vec::with_capacity(nodes.len());
    for node in nodes {
        if node.is_empty() {
            continue;
        }
        check(&node)?;
        out.push(node);
    }
    Ok(out)
}

/// Demands a kind, and a name of everything but lists.
pub(crate) fn check(node: &Node) -> Result<()> {
    fn text(node: Option<&Node>) -> &str {
        node.filter(|n| !n.is_empty()).map_or("", Node::text)
    }
    let metadata = node.get("metadata").filter(|m| !m.is_empty());
    let part = |name: &str| text(metadata.and_then(|m| m.get(name)));
    let (api_version, kind, name, namespace) = (
        text(node.get("apiVersion")),
        text(node.get("kind")),
        part("name"),
        part("namespace"),
    );
    let map = |field: &str| {
        let entries = metadata
            .and_then(|m| m.get(field))
            .map(Node::entries)
            .unwrap_or_default();
        let mut shown: Vec<String> = entries
            .iter()
            .map(|e| format!("{}:{}", e.key.value_text(), e.value.value_text()))
            .collect();
        shown.sort_unstable();
        format!("map[{}]", shown.join(" "))
    };
    let shown = || {
        format!(
            "{{{{{api_version} {kind}}} {{{{{name} {namespace}}} {} {}}}}}",
            map("labels"),
            map("annotations")
        )
    };
    if metadata.is_none() && api_version.is_empty() && kind.is_empty() {
        return Err(Error::invalid("missing Resource metadata"));
    }
    if kind.is_empty() {
        return Err(Error::invalid(format!(
            "missing kind in object {}",
            shown()
        )));
    }
    if name.is_empty() && !kind.ends_with("List") {
        return Err(Error::invalid(format!(
            "missing metadata.name in object {}",
            shown()
        )));
    }
    Ok(())
}
