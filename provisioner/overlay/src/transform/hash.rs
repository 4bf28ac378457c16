//! The hash that generated objects carry in their names.

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::json;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::value::Value;
use crate::yaml::Node;

/// Appends a hash of its content to the name of every object that asks for it.
pub(crate) fn apply(map: &mut ResMap, schema: &Schema) -> Result<()> {
    if !map.items().iter().any(Resource::needs_hash) {
        return Ok(());
    }
    for resource in map.items_mut() {
        if resource.needs_hash() {
            let hash = of(resource)?;
            resource.store_previous_id(schema);
            let name = format!("{}-{hash}", resource.name());
            resource.set_name(&name);
        }
    }
    Ok(())
}

/// Ten characters that say what a ConfigMap or Secret contains. The name is not part of it.
fn of(resource: &Resource) -> Result<String> {
    let field = |name: &str| match resource.node.get(name) {
        None => Ok(Value::String(String::new())),
        Some(node) if node.is_scalar() => Ok(Value::String(node.text().to_owned())),
        Some(node) => crate::value::of_resource(node),
    };
    let optional = |name: &str| {
        resource
            .node
            .get(name)
            .filter(|n| n.is_map())
            .map(|_| field(name))
    };
    let text = |text: &str| Value::String(text.to_owned());
    let content = match resource.kind() {
        "ConfigMap" => {
            let mut content = vec![];
            if let Some(binary) = optional("binaryData") {
                content.push(("binaryData".to_owned(), binary?));
            }
            content.push(("data".to_owned(), field("data")?));
            content.push(("kind".to_owned(), text("ConfigMap")));
            content.push(("name".to_owned(), text("")));
            content
        }
        "Secret" => {
            let mut content = vec![
                ("data".to_owned(), field("data")?),
                ("kind".to_owned(), text("Secret")),
                ("name".to_owned(), text("")),
            ];
            if let Some(plain) = optional("stringData") {
                content.push(("stringData".to_owned(), plain?));
            }
            content.push((
                "type".to_owned(),
                text(resource.node.get("type").map_or("", Node::text)),
            ));
            content
        }
        // Of any other object kustomize hashes its parser's own nodes: lines, columns, comments and quotes, so the
        // name would change with what means nothing, and none of it is kept here.
        kind => {
            return Err(Error::refused(format!(
                "{kind} \"{}\" asks for a hash in its name: only a ConfigMap and a Secret have one of their content, \
                 that of any other object depends on the lines, columns and comments it was written with",
                resource.name()
            )));
        }
    };
    Ok(encode(&json::compact(&Value::Map(content))))
}

/// The first ten hexadecimal digits of SHA-256, those that could spell words replaced.
fn encode(text: &str) -> String {
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest
        .chars()
        .take(10)
        .map(|c| match c {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            c => c,
        })
        .collect()
}
