//! The order of the result.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::id::ResId;
use crate::kustomization::{LegacySortOptions, SortOptions};
use crate::resmap::ResMap;

/// Kinds that come first, in this order.
const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that come last.
const LAST: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// The place of a kind among all.
pub(crate) fn default_rank(kind: &str) -> i32 {
    if let Some(at) = FIRST.iter().position(|k| *k == kind) {
        return at as i32 - FIRST.len() as i32;
    }
    LAST.iter()
        .position(|k| *k == kind)
        .map_or(0, |at| at as i32 + 1)
}

/// Sorts as a kustomization asks for.
pub(crate) fn apply(map: &mut ResMap, options: &SortOptions) -> Result<()> {
    match (options.order.as_str(), &options.legacy) {
        ("legacy", None) => {
            legacy(map, default_rank);
            Ok(())
        }
        (
            "legacy",
            Some(LegacySortOptions {
                order_first,
                order_last,
            }),
        ) => {
            let mut ranks: HashMap<&str, i32> = HashMap::new();
            for (at, kind) in order_first.iter().enumerate() {
                ranks.insert(kind, at as i32 - order_first.len() as i32);
            }
            for (at, kind) in order_last.iter().enumerate() {
                ranks.insert(kind, at as i32 + 1);
            }
            legacy(map, |kind| ranks.get(kind).copied().unwrap_or(0));
            Ok(())
        }
        ("fifo", None) => Ok(()),
        ("fifo", Some(_)) => Err(Error::invalid(
            "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'",
        )),
        _ => Err(Error::invalid(
            "the field 'sortOptions.order' must be one of [fifo, legacy]",
        )),
    }
}

/// The order by kind, then by name.
pub(crate) fn default_order(map: &mut ResMap) {
    legacy(map, default_rank);
}

fn legacy(map: &mut ResMap, rank: impl Fn(&str) -> i32) {
    map.items_mut().sort_by_cached_key(|resource| {
        let id = resource.current_id();
        let gvk = id.gvk.legacy_text();
        // The core group's namespaces come before those of other groups, against the order of the texts.
        let foreign_namespace = id.gvk.kind == "Namespace" && !id.gvk.group.is_empty();
        (rank(&id.gvk.kind), foreign_namespace, gvk, text(&id))
    });
}

fn text(id: &ResId) -> String {
    let or = |text: &str, none: &str| {
        if text.is_empty() {
            none.to_owned()
        } else {
            text.to_owned()
        }
    };
    format!(
        "{}|{}|{}",
        id.gvk,
        or(&id.namespace, "~X"),
        or(&id.name, "~N")
    )
}
