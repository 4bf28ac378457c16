//! Patches, strategic or in JSON form, and the objects they are for.

use super::json_patch::JsonPatch;
use super::merge::merge;
use crate::document::resources;
use crate::error::{Error, Result, excerpt};
use crate::id::ResId;
use crate::kustomization::{PatchArgs, Selector};
use crate::loader::Loader;
use crate::resmap::{AnyIdIndex, ResMap};
use crate::resource::Resource;
use crate::schema::Schema;
use crate::yaml::{Node, Tag};

/// An entry of `patches`, read.
pub(crate) struct Patch {
    body: Body,
    target: Option<Selector>,
    source: String,
}

enum Body {
    Strategic(Vec<Resource>),
    Json(JsonPatch),
}

/// What an entry of `patches` says.
pub(crate) struct Args<'a> {
    pub(crate) path: &'a str,
    pub(crate) patch: &'a str,
    pub(crate) target: Option<&'a Selector>,
    pub(crate) options: Option<&'a PatchArgs>,
}

impl Patch {
    /// Reads the patch an entry gives or points to. `shown` is the entry as messages show it.
    pub(crate) fn read(args: &Args<'_>, loader: &Loader<'_>, shown: &str) -> Result<Patch> {
        let inline = args.patch.trim();
        let (text, source) = match (inline.is_empty(), args.path.is_empty()) {
            (true, true) => {
                return Err(Error::invalid(format!(
                    "must specify one of patch and path in\n{shown}"
                )));
            }
            (false, false) => {
                return Err(Error::invalid(format!(
                    "patch and path can't be set at the same time\n{shown}"
                )));
            }
            (false, true) => (
                inline.as_bytes().to_vec(),
                format!("[patch: {}]", quoted(inline)),
            ),
            (true, false) => {
                let loaded = loader.load(args.path).map_err(|e| {
                    e.context(format!(
                        "failed to get the patch file from path({})",
                        args.path
                    ))
                })?;
                (loaded, format!("[path: {}]", quoted(args.path)))
            }
        };
        let strategic = resources(&text);
        let json = std::str::from_utf8(&text)
            .map_err(|_| Error::invalid("invalid UTF-8"))
            .and_then(JsonPatch::parse);
        let body = match (strategic, json) {
            (Ok(list), Ok(patch)) if !list.is_empty() && !patch.is_empty() => {
                return Err(Error::invalid(format!(
                    "illegally qualifies as both an SM and JSON patch: {source}"
                )));
            }
            (Ok(mut list), _) => {
                if let Some(options) = args.options {
                    for patch in &mut list {
                        if options.allow_name_change {
                            patch.allow_name_change();
                        }
                        if options.allow_kind_change {
                            patch.allow_kind_change();
                        }
                    }
                }
                Body::Strategic(list)
            }
            (Err(_), Ok(patch)) => Body::Json(patch),
            (Err(error), Err(_)) => {
                return Err(error
                    .in_file(args.path)
                    .reworded(|_| format!("unable to parse SM or JSON patch from {source}")));
            }
        };
        Ok(Patch {
            body,
            target: args.target.cloned(),
            source,
        })
    }

    /// Applies the patch.
    pub(crate) fn apply(&self, map: &mut ResMap, schema: &Schema) -> Result<()> {
        match (&self.body, &self.target) {
            (Body::Strategic(list), Some(target)) => match list.as_slice() {
                [] => Ok(()),
                [patch] => {
                    let selected = map
                        .select(target, schema)
                        .map_err(|e| e.context("unable to find patch target in `resources`"))?;
                    apply_to(map, &selected, patch, schema)
                }
                _ => Err(Error::invalid(format!(
                    "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {}",
                    self.source
                ))),
            },
            (Body::Strategic(list), None) => apply_by_id(map, list, schema),
            (Body::Json(_), None) => Err(Error::invalid(format!(
                "must specify a target for JSON patch {}",
                self.source
            ))),
            (Body::Json(patch), Some(target)) => {
                let selected = map.select(target, schema)?;
                for at in selected {
                    map.items_mut()[at].store_previous_id(schema);
                    apply_json(&mut map.items_mut()[at], patch)?;
                }
                Ok(())
            }
        }
    }
}

/// As Go's `%q` shows a text; one that is very long is cut.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in excerpt(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// From how many patches on an index of all identities is worth making.
const MANY: usize = 8;

/// Finds the targets of patches that name them.
struct Finder {
    index: Option<AnyIdIndex>,
    many: bool,
}

impl Finder {
    fn new(patches: &[Resource]) -> Finder {
        Finder {
            index: None,
            many: patches.len() >= MANY,
        }
    }

    fn find(&mut self, map: &ResMap, id: &ResId, schema: &Schema) -> Result<usize> {
        if !self.many {
            return map.unique(id, schema);
        }
        self.index
            .get_or_insert_with(|| AnyIdIndex::new(map, schema))
            .unique(map, id, schema)
    }
}

/// Applies patches that name their own targets, each of which must exist.
fn apply_by_id(map: &mut ResMap, patches: &[Resource], schema: &Schema) -> Result<()> {
    let mut finder = Finder::new(patches);
    for patch in patches {
        let id = patch.original_id();
        let at = finder.find(map, &id, schema).map_err(|e| {
            e.context(format!(
                "no resource matches strategic merge patch \"{id}\""
            ))
        })?;
        if keeps_identity(patch) {
            merge_into(map.item_mut(at), patch, schema)?;
        } else {
            merge_into(&mut map.items_mut()[at], patch, schema)?;
            finder.index = None;
        }
    }
    Ok(())
}

fn keeps_identity(patch: &Resource) -> bool {
    !patch.name_change_allowed() && !patch.kind_change_allowed()
}

/// Applies the patches of `patchesStrategicMerge`.
pub(crate) fn apply_legacy(map: &mut ResMap, patches: &[Resource], schema: &Schema) -> Result<()> {
    let mut finder = Finder::new(patches);
    for patch in patches {
        let at = finder.find(map, &patch.original_id(), schema)?;
        let before = map.items().len();
        apply_to(map, &[at], patch, schema)?;
        if map.items().len() != before {
            finder.index = None;
        }
    }
    Ok(())
}

/// Lays one patch over every selected object, whatever the patch calls itself.
fn apply_to(map: &mut ResMap, selected: &[usize], patch: &Resource, schema: &Schema) -> Result<()> {
    if selected.is_empty() {
        return Ok(());
    }
    for &at in selected {
        let mut copy = patch.clone();
        copy.take_metadata_from(patch);
        copy.set_gvk(&map.items()[at].gvk());
        copy.set_kind(patch.kind());
        // The kind may be the patch's own, and with it an `apiVersion` may come that was not there.
        let same = keeps_identity(patch) && map.items()[at].kind() == patch.kind();
        let resource = if same {
            map.item_mut(at)
        } else {
            &mut map.items_mut()[at]
        };
        merge_into(resource, &copy, schema)?;
    }
    map.drop_empty();
    map.check_distinct(schema)
}

/// Merges, then puts back the identity that the patch may not change.
fn merge_into(resource: &mut Resource, patch: &Resource, schema: &Schema) -> Result<()> {
    let (name, namespace, kind) = (
        resource.name().to_owned(),
        resource.namespace().to_owned(),
        resource.kind().to_owned(),
    );
    if patch.name_change_allowed() || patch.kind_change_allowed() {
        resource.store_previous_id(schema);
    }
    if !merge(&mut resource.node, &patch.node, schema)? {
        resource.node = Node::tagged_scalar("", Tag::Null);
    }
    if resource.is_empty() {
        return Ok(());
    }
    if !patch.kind_change_allowed() {
        resource.set_kind(&kind);
    }
    if !patch.name_change_allowed() {
        resource.set_name(&name);
    }
    resource.set_namespace(&namespace);
    Ok(())
}

/// Applies a JSON patch; what is remembered of the object survives it.
pub(crate) fn apply_json(resource: &mut Resource, patch: &JsonPatch) -> Result<()> {
    let internal: Vec<(String, String)> = resource
        .annotations()
        .into_iter()
        .filter(|(name, _)| is_internal(name))
        .collect();
    patch.apply(&mut resource.node)?;
    let mut annotations = resource.annotations();
    annotations.extend(internal);
    resource.set_annotations(&annotations);
    Ok(())
}

fn is_internal(name: &str) -> bool {
    name.starts_with("internal.config.kubernetes.io/")
        || matches!(
            name,
            "config.kubernetes.io/index" | "config.kubernetes.io/path" | "config.k8s.io/id"
        )
}
