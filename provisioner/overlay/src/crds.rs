//! What `crds` say of custom kinds: which of their fields hold names, labels or references.

use crate::config::{FieldSpec, NameReference, TransformerConfig, merge_specs};
use crate::error::{Error, Result};
use crate::id::Gvk;
use crate::loader::Loader;
use crate::value::Value;

/// Types that refer to each other are followed this far.
const DEPTH: usize = 64;

/// The configuration that OpenAPI definitions in these files give.
pub(crate) fn config(loader: &Loader<'_>, paths: &[String]) -> Result<TransformerConfig> {
    let mut config = TransformerConfig::default();
    for path in paths {
        let content = loader.load(path)?;
        let failed = |e: Error| {
            e.in_file(path)
                .context(format!("unable to parse open API definition from '{path}'"))
        };
        let value = crate::decode::document(&content)
            .map_err(|e| failed(e.into_error()))?
            .unwrap_or(Value::Null);
        let Value::Map(types) = &value else { continue };
        let mut types: Vec<&(String, Value)> = types.iter().collect();
        types.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, definition) in types {
            let properties = properties(definition);
            if !["kind", "apiVersion", "metadata"]
                .iter()
                .all(|field| properties.iter().any(|(key, _)| key == field))
            {
                continue;
            }
            let kind = name.rsplit('.').next().unwrap_or(name);
            let mut found = TransformerConfig::default();
            let walk = Walk {
                types: &value,
                gvk: Gvk {
                    kind: kind.to_owned(),
                    ..Gvk::default()
                },
            };
            walk.visit(name, &mut Vec::new(), &mut found)?;
            config.merge(&found)?;
        }
    }
    Ok(config)
}

fn properties(definition: &Value) -> &[(String, Value)] {
    let schema = definition
        .get("Schema")
        .or_else(|| definition.get("schema"));
    match schema.and_then(|s| s.get("properties")) {
        Some(Value::Map(entries)) => entries,
        _ => &[],
    }
}

struct Walk<'a> {
    types: &'a Value,
    gvk: Gvk,
}

impl Walk<'_> {
    fn visit(
        &self,
        name: &str,
        path: &mut Vec<String>,
        found: &mut TransformerConfig,
    ) -> Result<()> {
        if path.len() > DEPTH {
            return Err(Error::invalid(format!(
                "definitions refer to each other more than {DEPTH} deep at '{}'",
                path.join("/")
            )));
        }
        let Some(definition) = self.types.get(name) else {
            return Ok(());
        };
        let mut all: Vec<&(String, Value)> = properties(definition).iter().collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        for (field, property) in all {
            path.push(field.clone());
            let extension = |name: &str| property.get(name).and_then(Value::as_str);
            if extension("x-kubernetes-annotation").is_some() {
                merge_specs(&mut found.common_annotations, &[self.spec(path)])?;
            }
            if extension("x-kubernetes-label-selector").is_some() {
                merge_specs(&mut found.common_labels, &[self.spec(path)])?;
            }
            if extension("x-kubernetes-identity").is_some() {
                merge_specs(&mut found.name_prefix, &[self.spec(path)])?;
            }
            if let (Some(version), Some(kind)) = (
                extension("x-kubernetes-object-ref-api-version"),
                extension("x-kubernetes-object-ref-kind"),
            ) {
                path.push(
                    extension("x-kubernetes-object-ref-name-key")
                        .unwrap_or("name")
                        .to_owned(),
                );
                let reference = NameReference {
                    target: Gvk {
                        group: String::new(),
                        version: version.to_owned(),
                        kind: kind.to_owned(),
                    },
                    referrers: vec![self.spec(path)],
                };
                path.pop();
                found.add_name_reference(&reference)?;
            }
            if let Some(reference) = property.get("$ref").and_then(Value::as_str) {
                self.visit(reference, path, found)?;
            }
            path.pop();
        }
        Ok(())
    }

    fn spec(&self, path: &[String]) -> FieldSpec {
        FieldSpec {
            gvk: self.gvk.clone(),
            path: path.join("/"),
            create: false,
        }
    }
}
