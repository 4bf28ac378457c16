//! Replica counts.

use super::fieldspec::{Create, PreparedSpec, set_scalar};
use crate::config::FieldSpec;
use crate::error::{Error, Result};
use crate::kustomization::Replica;
use crate::resmap::ResMap;
use crate::yaml::Tag;

/// Sets the count of every object of that name of a kind that has one. There must be one.
pub(crate) fn apply(map: &mut ResMap, replica: &Replica, specs: &[FieldSpec]) -> Result<()> {
    let mut found = false;
    for spec in PreparedSpec::all(specs) {
        let places = map.named(&replica.name, |id| {
            id.name == replica.name && id.gvk.is_selected(&spec.spec().gvk)
        });
        if places.is_empty() {
            continue;
        }
        found = true;
        let count = replica.count.to_string();
        let items = map.items_mut();
        for at in places {
            spec.apply(
                &mut items[at].node,
                &Create::Scalar(Tag::Int),
                &mut |field| set_scalar(field, &count, Tag::Int),
            )?;
        }
    }
    if found {
        return Ok(());
    }
    let kinds: Vec<String> = specs.iter().map(|spec| spec.gvk.to_string()).collect();
    Err(Error::invalid(format!(
        "resource with name {} does not match a config with the following GVK [{}]",
        replica.name,
        kinds.join(" ")
    )))
}
