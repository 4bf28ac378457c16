//! Repairing references to objects whose names have changed.
//!
//! Every object keeps its former names, so a reference by any of them finds it. Candidates are looked up by name in
//! an index; for each reference only the objects that ever had that name are considered.

use std::collections::HashMap;

use super::fieldspec::{Create, PreparedSpec};
use crate::config::NameReference;
use crate::error::{Error, Result};
use crate::id::{Gvk, ResId};
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::yaml::Node;
use crate::yaml::node::Data;

/// Rewrites all name references.
pub(crate) fn apply(map: &mut ResMap, references: &[NameReference], schema: &Schema) -> Result<()> {
    let rules: Vec<Rule> = references
        .iter()
        .flat_map(|reference| {
            reference.referrers.iter().map(|spec| Rule {
                spec: PreparedSpec::new(spec),
                target: reference.target.clone(),
            })
        })
        .collect();
    let mut candidates = Candidates::new(map, schema);
    let mut rules_of: HashMap<Gvk, Vec<usize>> = HashMap::new();
    for at in 0..map.items().len() {
        let origin = candidates.all[at].original.clone();
        let chosen = rules_of.entry(origin.clone()).or_insert_with(|| {
            (0..rules.len())
                .filter(|&r| origin.is_selected(&rules[r].spec.spec().gvk))
                .collect()
        });
        if chosen.is_empty() {
            continue;
        }
        let bindings = role_binding_namespaces(&map.items()[at])?;
        let resource = &mut map.items_mut()[at];
        for &rule in chosen.iter() {
            let rule = &rules[rule];
            let referrer = Referrer {
                at,
                rule,
                bindings: &bindings,
                candidates: &candidates,
            };
            let before = resource.node.clone_if_role(rule);
            let mut set = |field: &mut Node| referrer.set(field, before.as_ref());
            // The referrer's kind was already looked at, in the form it was read with.
            rule.spec
                .apply_always(&mut resource.node, &Create::Never, &mut set)
                .map_err(|e| {
                    e.context(format!(
                        "updating name reference in '{}' field of '{}'",
                        rule.spec.spec().path,
                        candidates.all[at].current
                    ))
                })?;
        }
        candidates.refresh(at, &map.items()[at]);
    }
    Ok(())
}

struct Rule {
    spec: PreparedSpec,
    target: Gvk,
}

trait RoleReference {
    /// The `roleRef` of a binding, for the rules that need to know its kind.
    fn clone_if_role(&self, rule: &Rule) -> Option<Gvk>;
}

impl RoleReference for Node {
    fn clone_if_role(&self, rule: &Rule) -> Option<Gvk> {
        if !rule.spec.spec().path.ends_with("roleRef/name") {
            return None;
        }
        let role = self.get("roleRef")?;
        Some(Gvk {
            group: role.get("apiGroup")?.text().to_owned(),
            version: String::new(),
            kind: role.get("kind")?.text().to_owned(),
        })
    }
}

/// What has to be known of an object to refer to it.
struct Candidate {
    original: Gvk,
    current: ResId,
    previous: Vec<ResId>,
    cluster_scoped: bool,
    namespace: String,
    original_namespace: String,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

struct Candidates {
    all: Vec<Candidate>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Candidates {
    fn new(map: &ResMap, schema: &Schema) -> Candidates {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let all: Vec<Candidate> = map
            .items()
            .iter()
            .enumerate()
            .map(|(at, resource)| {
                let current = resource.current_id();
                let previous = resource.previous_ids();
                for id in &previous {
                    let list = by_name.entry(id.name.clone()).or_default();
                    if list.last() != Some(&at) {
                        list.push(at);
                    }
                }
                let original = previous.first().unwrap_or(&current);
                Candidate {
                    original: original.gvk.clone(),
                    original_namespace: original.effective_namespace(schema).to_owned(),
                    cluster_scoped: current.is_cluster_scoped(schema),
                    namespace: current.effective_namespace(schema).to_owned(),
                    prefixes: resource.prefixes().into_iter().map(str::to_owned).collect(),
                    suffixes: resource.suffixes().into_iter().map(str::to_owned).collect(),
                    current,
                    previous,
                }
            })
            .collect();
        Candidates { all, by_name }
    }

    /// A reference may be the name of the referrer itself.
    fn refresh(&mut self, at: usize, resource: &Resource) {
        if self.all[at].current.name != resource.name() {
            self.all[at].current.name = resource.name().to_owned();
        }
    }
}

/// Objects in these namespaces may be named by the binding's subjects.
fn role_binding_namespaces(resource: &Resource) -> Result<Vec<String>> {
    let mut out = Vec::new();
    if resource.kind() != "RoleBinding" {
        return Ok(out);
    }
    for subject in resource
        .node
        .get("subjects")
        .map(Node::items)
        .unwrap_or_default()
    {
        let (Some(namespace), Some(kind)) = (subject.get("namespace"), subject.get("kind")) else {
            continue;
        };
        if kind.text() != "ServiceAccount" {
            continue;
        }
        match crate::value::of_resource(namespace) {
            Ok(crate::Value::String(text)) => out.push(text),
            _ => {
                return Err(Error::invalid(format!(
                    "Invalid Input: namespace is blank for resource \"{}\"\n",
                    resource.current_id()
                )));
            }
        }
    }
    Ok(out)
}

/// One object that refers to others, by one rule.
struct Referrer<'a> {
    at: usize,
    rule: &'a Rule,
    bindings: &'a [String],
    candidates: &'a Candidates,
}

impl Referrer<'_> {
    fn me(&self) -> &Candidate {
        &self.candidates.all[self.at]
    }

    fn set(&self, field: &mut Node, role: Option<&Gvk>) -> Result<()> {
        if field.is_null() {
            return Ok(());
        }
        match &mut field.data {
            Data::Scalar(_) => self.set_scalar(field, role),
            Data::Map(_) => self.set_map(field, role),
            Data::Seq(items) => items.iter_mut().try_for_each(|item| match item.data {
                _ if item.is_null() => Ok(()),
                Data::Scalar(_) => self.set_scalar(item, role),
                Data::Map(_) => self.set_map(item, role),
                Data::Seq(_) => Err(Error::invalid(
                    "list item is expected to be either a string or a map of string",
                )),
            }),
        }
    }

    fn set_scalar(&self, field: &mut Node, role: Option<&Gvk>) -> Result<()> {
        let Some(found) = self.find(field.text(), None, role, false)? else {
            return Ok(());
        };
        let name = &self.candidates.all[found].current.name;
        if name != field.text() {
            field.set_scalar(Node::scalar(name));
        }
        Ok(())
    }

    fn set_map(&self, field: &mut Node, role: Option<&Gvk>) -> Result<()> {
        let Some(name) = field.get("name") else {
            return Err(Error::invalid("path config error; no 'name' field in node"));
        };
        let old = name.text().to_owned();
        let namespace = field.get("namespace").map(|n| n.text().to_owned());
        let Some(found) = self.find(&old, namespace.as_deref(), role, true)? else {
            return Ok(());
        };
        let current = &self.candidates.all[found].current;
        if current.name == old && current.namespace.is_empty() {
            return Ok(());
        }
        field.set("name", Some(Node::scalar(&current.name)));
        if !current.namespace.is_empty() {
            field.set("namespace", Some(Node::scalar(&current.namespace)));
        }
        Ok(())
    }

    /// Whether anything in the object's namespace may name the candidate.
    fn may_refer(&self, candidate: &Candidate) -> bool {
        let me = self.me();
        me.cluster_scoped
            || candidate.cluster_scoped
            || candidate.namespace == me.namespace
            || self.bindings.contains(&candidate.current.namespace)
    }

    /// Whether an object of this name in the candidate's namespace is meant.
    fn is_near(&self, candidate: &Candidate) -> bool {
        let me = self.me();
        me.cluster_scoped
            || candidate.cluster_scoped
            || candidate.current.gvk.kind == "ServiceAccount"
            || candidate.namespace == me.namespace
    }

    /// The object a name stands for, if it is among the rendered ones.
    fn find(
        &self,
        name: &str,
        namespace: Option<&str>,
        role: Option<&Gvk>,
        with_namespace: bool,
    ) -> Result<Option<usize>> {
        let Some(named) = self.candidates.by_name.get(name) else {
            return Ok(None);
        };
        let all = &self.candidates.all;
        let mut found: Vec<usize> = named
            .iter()
            .copied()
            .filter(|&at| {
                let candidate = &all[at];
                self.may_refer(candidate)
                    && candidate
                        .previous
                        .iter()
                        .any(|id| id.gvk.is_selected(&self.rule.target))
            })
            .collect();
        if let Some(namespace) = namespace {
            found = self.in_namespace(found, namespace);
        }
        if let Some(role) = role {
            found.retain(|&at| all[at].previous.iter().any(|id| id.gvk.is_selected(role)));
        }
        found.retain(|&at| self.is_near(&all[at]));
        if let [one] = found.as_slice() {
            return Ok(Some(*one));
        }
        let me = self.me();
        found.retain(|&at| affixes_match(&all[at], me, true));
        if found.len() > 1 {
            found.retain(|&at| affixes_match(&all[at], me, false));
        }
        let Some(&first) = found.first() else {
            return Ok(None);
        };
        let same = |at: &usize| {
            let (a, b) = (&all[*at].current, &all[first].current);
            a.name == b.name && (!with_namespace || a.namespace == b.namespace)
        };
        if found.iter().all(same) {
            return Ok(Some(first));
        }
        let ids: Vec<String> = found
            .iter()
            .map(|&at| all[at].current.to_string())
            .collect();
        Err(Error::invalid(format!(
            "found multiple possible referrals: {}",
            ids.join(", ")
        )))
    }

    /// Candidates by the namespace they were read in; if no object at all was read in it, by that of now.
    fn in_namespace(&self, found: Vec<usize>, namespace: &str) -> Vec<usize> {
        let all = &self.candidates.all;
        let known = all
            .iter()
            .any(|c| c.original_namespace == namespace && self.may_refer(c));
        found
            .into_iter()
            .filter(|&at| {
                if known {
                    all[at].original_namespace == namespace
                } else {
                    all[at].namespace == namespace
                }
            })
            .collect()
    }
}

/// Whether two objects went through the same prefixes and suffixes, as far as the shorter history says.
fn affixes_match(a: &Candidate, b: &Candidate, allow_empty: bool) -> bool {
    let same = |x: &[String], y: &[String]| {
        (allow_empty && (x.is_empty() || y.is_empty())) || same_ending(x, y)
    };
    same(&a.prefixes, &b.prefixes) && same(&a.suffixes, &b.suffixes)
}

fn same_ending(x: &[String], y: &[String]) -> bool {
    let (short, long) = if x.len() <= y.len() { (x, y) } else { (y, x) };
    if short.is_empty() {
        long.is_empty()
    } else {
        long.ends_with(short)
    }
}
