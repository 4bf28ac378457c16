//! Labels and annotations.

use std::collections::BTreeMap;

use super::fieldspec::{Create, PreparedSpec, set_entry};
use crate::config::{FieldSpec, TransformerConfig, merge_specs};
use crate::error::Result;
use crate::kustomization::Label;
use crate::resmap::ResMap;
use crate::shared;
use crate::yaml::Tag;

/// Sets entries in every mapping that `specs` name.
pub(crate) fn apply(
    map: &mut ResMap,
    entries: &BTreeMap<String, String>,
    specs: &[FieldSpec],
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let specs = PreparedSpec::all(specs);
    map.each(|node| {
        for (key, value) in entries {
            let group = shared::group();
            for spec in &specs {
                spec.apply(node, &Create::Map, &mut |field| {
                    set_entry(field, key, value, Tag::Str, group)
                })?;
            }
        }
        Ok(())
    })
}

/// Where a `labels` entry of a kustomization puts its labels.
pub(crate) fn label_specs(label: &Label, config: &TransformerConfig) -> Result<Vec<FieldSpec>> {
    let mut specs = label.fields.clone();
    let merged = merge_specs(&mut specs, &config.labels).and_then(|()| {
        if label.include_selectors {
            return merge_specs(&mut specs, &config.common_labels);
        }
        if label.include_templates {
            merge_specs(&mut specs, &config.template_labels)
                .map_err(|e| e.context("failed to merge template fieldSpec"))?;
        }
        merge_specs(&mut specs, &[FieldSpec::new("metadata/labels", true)])
    });
    merged.map_err(|e| e.context("failed to merge labels"))?;
    Ok(specs)
}
