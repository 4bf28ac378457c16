//! Prefixes and suffixes of names.

use super::fieldspec::{Create, PreparedSpec, set_scalar};
use crate::config::FieldSpec;
use crate::error::Result;
use crate::id::Gvk;
use crate::resmap::ResMap;
use crate::schema::Schema;
use crate::yaml::Tag;

/// Which end of the name is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Prefix,
    Suffix,
}

/// Names that others rely on stay as they are.
fn is_exempt(gvk: &Gvk) -> bool {
    match gvk.kind.as_str() {
        "CustomResourceDefinition" | "Namespace" => true,
        "APIService" => gvk.group == "apiregistration.k8s.io",
        _ => false,
    }
}

/// Adds `text` to the names of all objects and to whatever else `specs` name.
pub(crate) fn apply(
    map: &mut ResMap,
    end: End,
    text: &str,
    specs: &[FieldSpec],
    schema: &Schema,
) -> Result<()> {
    let specs = PreparedSpec::all(specs);
    for resource in map.items_mut() {
        let id = resource.original_id();
        if is_exempt(&id.gvk) {
            continue;
        }
        for spec in &specs {
            if !id.gvk.is_selected(&spec.spec().gvk) {
                continue;
            }
            if spec.spec().path == "metadata/name" && !text.is_empty() {
                match end {
                    End::Prefix => resource.add_prefix(text),
                    End::Suffix => resource.add_suffix(text),
                }
                resource.store_previous_id(schema);
            }
            spec.apply(
                &mut resource.node,
                &Create::Scalar(Tag::Str),
                &mut |field| {
                    let joined = match end {
                        End::Prefix => format!("{text}{}", field.text()),
                        End::Suffix => format!("{}{text}", field.text()),
                    };
                    set_scalar(field, &joined, Tag::None)
                },
            )?;
        }
    }
    Ok(())
}
