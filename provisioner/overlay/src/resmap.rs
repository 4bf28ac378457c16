//! The objects of a kustomization, in order.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::id::ResId;
use crate::kustomization::Selector;
use crate::resource::{Behavior, Resource};
use crate::schema::Schema;
use crate::selector::SelectorMatcher;
use crate::yaml::Node;

/// Objects in the order they were read or made. No two may have the same identity when one is added.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResMap {
    items: Vec<Resource>,
    /// Identities of `items`, while nothing but adding happens.
    ids: Option<HashSet<ResId>>,
    /// All identities were found to differ, and none has changed since.
    distinct: bool,
}

impl ResMap {
    pub(crate) fn items(&self) -> &[Resource] {
        &self.items
    }

    /// The objects, to change in any way.
    pub(crate) fn items_mut(&mut self) -> &mut Vec<Resource> {
        self.ids = None;
        self.distinct = false;
        &mut self.items
    }

    /// One object, to change in anything but its identity.
    pub(crate) fn item_mut(&mut self, at: usize) -> &mut Resource {
        &mut self.items[at]
    }

    /// Demands that no two objects have the same identity.
    pub(crate) fn check_distinct(&mut self, schema: &Schema) -> Result<()> {
        if self.distinct {
            return Ok(());
        }
        let mut seen = HashSet::with_capacity(self.items.len());
        for resource in &self.items {
            let id = resource.current_id();
            if !seen.insert(id.key(schema)) {
                return Err(registered(&id));
            }
        }
        self.distinct = true;
        Ok(())
    }

    pub(crate) fn into_items(self) -> Vec<Resource> {
        self.items
    }

    /// Adds an object of a new identity.
    pub(crate) fn append(&mut self, resource: Resource, schema: &Schema) -> Result<()> {
        let items = &self.items;
        let ids = self
            .ids
            .get_or_insert_with(|| items.iter().map(|r| r.current_id().key(schema)).collect());
        let id = resource.current_id();
        if !ids.insert(id.key(schema)) {
            return Err(registered(&id));
        }
        self.items.push(resource);
        Ok(())
    }

    pub(crate) fn append_all(
        &mut self,
        resources: impl IntoIterator<Item = Resource>,
        schema: &Schema,
    ) -> Result<()> {
        resources
            .into_iter()
            .try_for_each(|r| self.append(r, schema))
    }

    /// Adds a generated object, or lets it replace or merge with the one it is meant for.
    pub(crate) fn absorb(&mut self, mut resource: Resource, schema: &Schema) -> Result<()> {
        let id = resource.current_id();
        let matches = self.named(&id.name, |other| id.same(other, schema));
        let behavior = resource.behavior();
        let shown = || {
            format!(
                "resid.ResId{{Gvk:resid.Gvk{{Group:\"{}\", Version:\"{}\", Kind:\"{}\", isClusterScoped:{}}}, Name:\"{}\", Namespace:\"{}\"}}",
                id.gvk.group,
                id.gvk.version,
                id.gvk.kind,
                id.is_cluster_scoped(schema),
                id.name,
                id.namespace
            )
        };
        match matches.as_slice() {
            [] => match behavior {
                Behavior::Merge | Behavior::Replace => Err(Error::invalid(format!(
                    "id {} does not exist; cannot merge or replace",
                    shown()
                ))),
                _ => self.append(resource, schema),
            },
            [at] => {
                let old = &self.items[*at];
                match behavior {
                    Behavior::Replace => resource.take_metadata_from(old),
                    Behavior::Merge => {
                        let origin = old
                            .annotation(crate::resource::annotation::ORIGIN)
                            .map(str::to_owned);
                        resource.take_metadata_from(old);
                        resource.merge_data_from(old);
                        if let Some(origin) = origin {
                            let mut annotations = resource.annotations();
                            annotations
                                .insert(crate::resource::annotation::ORIGIN.to_owned(), origin);
                            resource.set_annotations(&annotations);
                        }
                    }
                    other => {
                        return Err(Error::invalid(format!(
                            "id {} exists; can not use behavior: '{}', behavior must be merge or replace",
                            shown(),
                            other.as_str()
                        )));
                    }
                }
                self.items_mut()[*at] = resource;
                Ok(())
            }
            several => Err(Error::invalid(format!(
                "found multiple objects {several:?} that could accept merge of {id}"
            ))),
        }
    }

    /// The places of objects that have or had an identity of this name that `matches`.
    pub(crate) fn named(&self, name: &str, matches: impl Fn(&ResId) -> bool) -> Vec<usize> {
        self.items
            .iter()
            .enumerate()
            .filter(|(_, r)| {
                r.may_be_named(name)
                    && !r.is_empty()
                    && (matches(&r.current_id()) || r.previous_ids().iter().any(&matches))
            })
            .map(|(at, _)| at)
            .collect()
    }

    /// The places of the objects that a selector selects.
    pub(crate) fn select(&self, selector: &Selector, schema: &Schema) -> Result<Vec<usize>> {
        let matcher = SelectorMatcher::new(selector)?;
        Ok(self
            .items
            .iter()
            .enumerate()
            .filter(|(_, r)| matcher.matches_resource(r, schema))
            .map(|(at, _)| at)
            .collect())
    }

    /// Leaves out objects that have nothing left.
    pub(crate) fn drop_empty(&mut self) {
        if self.items.iter().any(Resource::is_empty) {
            self.items_mut().retain(|r| !r.is_empty());
        }
    }

    /// Applies `change` to every object's tree.
    pub(crate) fn each(&mut self, mut change: impl FnMut(&mut Node) -> Result<()>) -> Result<()> {
        self.items_mut()
            .iter_mut()
            .try_for_each(|r| change(&mut r.node))
    }
}

fn registered(id: &ResId) -> Error {
    Error::invalid(format!(
        "may not add resource with an already registered id: {id}"
    ))
}

/// Finds objects by any identity they have or had, without looking at all of them for each question.
pub(crate) struct AnyIdIndex {
    places: HashMap<ResId, Vec<usize>>,
}

impl AnyIdIndex {
    pub(crate) fn new(map: &ResMap, schema: &Schema) -> AnyIdIndex {
        let mut places: HashMap<ResId, Vec<usize>> = HashMap::with_capacity(map.items().len());
        for (at, resource) in map.items().iter().enumerate() {
            for id in resource
                .previous_ids()
                .into_iter()
                .chain([resource.current_id()])
            {
                let list = places.entry(id.key(schema)).or_default();
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
        }
        AnyIdIndex { places }
    }

    /// The one object with this identity.
    pub(crate) fn unique(&self, map: &ResMap, id: &ResId, schema: &Schema) -> Result<usize> {
        let found = self
            .places
            .get(&id.key(schema))
            .into_iter()
            .flatten()
            .copied()
            .filter(|&at| map.items().get(at).is_some_and(|r| !r.is_empty()))
            .collect::<Vec<_>>();
        only(&found, id)
    }
}

impl ResMap {
    /// The one object that has or had this identity, when that is asked but a few times.
    pub(crate) fn unique(&self, id: &ResId, schema: &Schema) -> Result<usize> {
        only(&self.named(&id.name, |other| id.same(other, schema)), id)
    }
}

fn only(found: &[usize], id: &ResId) -> Result<usize> {
    let count = match found {
        [at] => return Ok(*at),
        [] => "no",
        _ => "multiple",
    };
    Err(Error::invalid(format!(
        "{count} matches for Id {id}; failed to find unique target for patch {id}"
    )))
}
