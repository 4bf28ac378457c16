//! Strategic merge: laying a partial object over a whole one.
//!
//! Mappings merge key by key and a null removes one. A list is replaced, unless the schema gives it merge keys:
//! then elements meet by key, those of the patch come first, and `$patch: delete|replace|merge` directs a mapping or
//! a list. What the reference does with elements that lack their keys is odd, and kept.

use crate::budget;
use crate::error::{Error, Result};
use crate::id::Gvk;
use crate::schema::{Place, Schema};
use crate::yaml::node::Data;
use crate::yaml::{Node, Style, Tag};

use super::fieldspec::wrong_kind;

/// Merges `patch` into `node`; whether anything is left.
pub(crate) fn merge(node: &mut Node, patch: &Node, schema: &Schema) -> Result<bool> {
    budget::tree(patch, 0)?;
    let mut patch = patch.clone();
    let merge = Merge { schema };
    match merge.walk(Some(node), Some(&mut patch), None)? {
        Outcome::Dest => Ok(true),
        Outcome::Patch => {
            *node = patch;
            Ok(true)
        }
        Outcome::Nothing => Ok(false),
    }
}

/// What becomes of two nodes.
enum Outcome {
    /// The first, changed in place.
    Dest,
    /// The second, changed in place.
    Patch,
    /// None.
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

struct Merge<'s> {
    schema: &'s Schema,
}

fn present(node: Option<&Node>) -> Option<&Node> {
    node.filter(|n| !n.is_null())
}

impl<'s> Merge<'s> {
    /// The type of the nodes: what the parent says, or what they say of themselves.
    fn place(&self, nodes: [Option<&Node>; 2], given: Option<Place<'s>>) -> Option<Place<'s>> {
        given.or_else(|| {
            nodes
                .into_iter()
                .flatten()
                .filter(|n| !n.is_null())
                .find_map(|node| {
                    let text = |key| {
                        node.get(key)
                            .filter(|v| !v.is_empty())
                            .map_or("", Node::text)
                    };
                    let (api_version, kind) = (text("apiVersion"), text("kind"));
                    if api_version.is_empty() || kind.is_empty() {
                        return None;
                    }
                    self.schema.of_kind(&Gvk::new(api_version, kind))
                })
        })
    }

    fn walk(
        &self,
        dest: Option<&mut Node>,
        patch: Option<&mut Node>,
        given: Option<Place<'s>>,
    ) -> Result<Outcome> {
        let (d, p) = (dest.as_deref(), patch.as_deref());
        let place = self.place([d, p], given);
        let Some(lead) = present(d).or(present(p)) else {
            return self.walk_map(dest, patch, place);
        };
        let kind = lead.kind_name();
        for other in [present(d), present(p)].into_iter().flatten() {
            if other.kind_name() != kind {
                return Err(wrong_kind(other, kind));
            }
        }
        match &lead.data {
            Data::Map(_) => self.walk_map(dest, patch, place),
            Data::Seq(_) => match place.and_then(Place::merge_keys) {
                Some(keys) => self.walk_list(dest, patch, place, keys),
                None => Ok(if patch.is_some() {
                    Outcome::Patch
                } else {
                    Outcome::Dest
                }),
            },
            Data::Scalar(_) => Ok(if patch.is_some() {
                Outcome::Patch
            } else {
                Outcome::Dest
            }),
        }
    }

    /// As [`Merge::walk`] for a node laid over itself, which is how an added node is treated; whether it stays.
    fn walk_self(&self, node: &mut Node, given: Option<Place<'s>>) -> Result<bool> {
        if node.is_null() {
            return Ok(node.keep);
        }
        let place = self.place([Some(node), None], given);
        match &node.data {
            Data::Scalar(_) => Ok(true),
            Data::Map(_) => {
                if directive(node)? == Directive::Delete {
                    return Ok(false);
                }
                self.fields_self(node, place)?;
                Ok(true)
            }
            Data::Seq(_) => {
                let Some(keys) = place.and_then(Place::merge_keys) else {
                    return Ok(true);
                };
                if directive(node)? == Directive::Delete {
                    return Ok(false);
                }
                let Data::Seq(items) = &mut node.data else {
                    return Ok(true);
                };
                let mut pool = Pool {
                    nodes: std::mem::take(items),
                    list: Vec::new(),
                };
                let all: Vec<usize> = (0..pool.nodes.len()).collect();
                let merged = self.elements(
                    &mut pool,
                    all.clone(),
                    Some(all),
                    place.and_then(Place::elements),
                    keys,
                )?;
                *items = pool.take(&merged);
                Ok(true)
            }
        }
    }

    fn fields_self(&self, node: &mut Node, place: Option<Place<'s>>) -> Result<()> {
        let Data::Map(entries) = &mut node.data else {
            return Ok(());
        };
        let mut removed = Vec::new();
        for (at, entry) in entries.iter_mut().enumerate() {
            let inner = place.and_then(|p| p.field(entry.key.text()));
            if self.walk_self(&mut entry.value, inner)? {
                requote(&mut entry.value);
            } else {
                removed.push(at);
            }
        }
        for at in removed.into_iter().rev() {
            // Of a key said twice only the first is looked at.
            let key = entries[at].key.text();
            if !entries[..at].iter().any(|e| e.key.text() == key) {
                entries.remove(at);
            }
        }
        Ok(())
    }

    fn walk_map(
        &self,
        dest: Option<&mut Node>,
        patch: Option<&mut Node>,
        place: Option<Place<'s>>,
    ) -> Result<Outcome> {
        let Some(dest) = dest.filter(|d| !d.is_null()) else {
            return self.add_map(patch, place);
        };
        let Some(patch) = patch else {
            self.fields(dest, None, place)?;
            return Ok(Outcome::Dest);
        };
        if patch.is_null() {
            return Ok(Outcome::Nothing);
        }
        match directive(patch)? {
            Directive::Delete => Ok(Outcome::Nothing),
            Directive::Replace => {
                self.fields_self(patch, place)?;
                Ok(Outcome::Patch)
            }
            Directive::Merge => {
                self.fields(dest, Some(patch), place)?;
                Ok(Outcome::Dest)
            }
        }
    }

    fn add_map(&self, patch: Option<&mut Node>, place: Option<Place<'s>>) -> Result<Outcome> {
        let Some(patch) = patch else {
            return Ok(Outcome::Nothing);
        };
        if patch.is_null() {
            return Ok(Outcome::Patch);
        }
        if directive(patch).is_ok_and(|d| d == Directive::Delete) {
            return Ok(Outcome::Nothing);
        }
        self.fields_self(patch, place)?;
        Ok(Outcome::Patch)
    }

    fn fields(
        &self,
        dest: &mut Node,
        patch: Option<&mut Node>,
        place: Option<Place<'s>>,
    ) -> Result<()> {
        let mut names: Vec<String> = dest
            .entries()
            .iter()
            .map(|e| e.key.text().to_owned())
            .collect();
        let mut patch = patch;
        if let Some(patch) = &patch {
            names.extend(patch.entries().iter().map(|e| e.key.text().to_owned()));
        }
        names.sort_unstable();
        names.dedup();
        for name in names {
            let inner = place.and_then(|p| p.field(&name));
            let style = patch
                .as_ref()
                .and_then(|p| p.entries().iter().find(|e| e.key.text() == name))
                .map_or(Style::Plain, |e| e.key.style);
            let mut over = patch.as_mut().and_then(|p| p.get_mut(&name));
            let mut under = dest.get_mut(&name);
            // A null that was written out stays unless the patch says something.
            if let (Some(node), None) = (&under, &over)
                && node.is_null()
            {
                if node.text().is_empty() {
                    dest.remove(&name);
                } else if let Some(node) = under {
                    let style = node.style;
                    *node = Node::persistent_null(node.text().to_owned());
                    node.style = style;
                }
                continue;
            }
            match self.walk(under.as_deref_mut(), over.as_deref_mut(), inner)? {
                Outcome::Dest => {
                    if let Some(node) = under {
                        if node.is_null() && !node.keep {
                            dest.remove(&name);
                        } else {
                            requote(node);
                        }
                    }
                }
                Outcome::Patch => {
                    let value = over
                        .map(|node| std::mem::replace(node, Node::tagged_scalar("", Tag::Null)));
                    dest.set_styled(&name, value, style);
                }
                Outcome::Nothing => {
                    dest.remove(&name);
                }
            }
        }
        Ok(())
    }

    fn walk_list(
        &self,
        dest: Option<&mut Node>,
        patch: Option<&mut Node>,
        place: Option<Place<'s>>,
        keys: &[String],
    ) -> Result<Outcome> {
        let Some(dest) = dest.filter(|d| !d.is_null()) else {
            let Some(patch) = patch else {
                return Ok(Outcome::Nothing);
            };
            self.list_self(patch, place, keys)?;
            return Ok(Outcome::Patch);
        };
        let mut patch = patch;
        if let Some(over) = patch.as_deref_mut() {
            if over.is_null() {
                return Ok(Outcome::Nothing);
            }
            match directive(over)? {
                Directive::Delete => return Ok(Outcome::Nothing),
                Directive::Replace => {
                    self.list_self(over, place, keys)?;
                    return Ok(Outcome::Patch);
                }
                Directive::Merge => {}
            }
        }
        let Data::Seq(items) = &mut dest.data else {
            return Ok(Outcome::Dest);
        };
        let mut pool = Pool {
            nodes: std::mem::take(items),
            list: Vec::new(),
        };
        let under: Vec<usize> = (0..pool.nodes.len()).collect();
        let over = patch.and_then(|p| match &mut p.data {
            Data::Seq(more) => {
                let start = pool.nodes.len();
                pool.nodes.append(more);
                Some((start..pool.nodes.len()).collect())
            }
            _ => None,
        });
        let merged = self.elements(
            &mut pool,
            under,
            over,
            place.and_then(Place::elements),
            keys,
        )?;
        *items = pool.take(&merged);
        Ok(Outcome::Dest)
    }

    /// A list that is added or replaces another, after its directive was looked at.
    fn list_self(&self, list: &mut Node, place: Option<Place<'s>>, keys: &[String]) -> Result<()> {
        let Data::Seq(items) = &mut list.data else {
            return Ok(());
        };
        let mut pool = Pool {
            nodes: std::mem::take(items),
            list: Vec::new(),
        };
        let all: Vec<usize> = (0..pool.nodes.len()).collect();
        let merged = self.elements(
            &mut pool,
            all.clone(),
            Some(all),
            place.and_then(Place::elements),
            keys,
        )?;
        *items = pool.take(&merged);
        Ok(())
    }

    /// Merges two lists of places in `pool`, which may be the same, by key.
    fn elements(
        &self,
        pool: &mut Pool,
        mut dest: Vec<usize>,
        patch: Option<Vec<usize>>,
        place: Option<Place<'s>>,
        keys: &[String],
    ) -> Result<Vec<usize>> {
        let scalar_key = [String::new()];
        let order: Vec<&[usize]> = patch
            .iter()
            .map(Vec::as_slice)
            .chain([dest.as_slice()])
            .collect();
        let mut values = pool.values(&order, keys);
        let keys = if values.is_empty() && keys.is_empty() {
            values = pool.scalars(&order);
            &scalar_key
        } else {
            keys
        };
        if values.is_empty() {
            return Ok(dest);
        }
        if keys.len() > 1 {
            unify(&mut values);
        }
        let mut added: Vec<usize> = Vec::new();
        let mut valid_keys: Vec<String> = Vec::new();
        for at in 0..values.len() {
            let wanted = values[at].clone();
            if wanted.is_empty() {
                continue;
            }
            let (names, texts) = usable(&values, &wanted, keys);
            valid_keys = names;
            let (match_names, match_texts) =
                usable(std::slice::from_ref(&texts), &texts, &valid_keys);
            let under = pool.find(&dest, &match_names, &match_texts);
            let over = patch
                .as_ref()
                .and_then(|list| pool.find(list, &match_names, &match_texts));
            let merged = self.element(pool, under, over, place)?;
            let Some(merged) =
                merged.filter(|&at| !pool.nodes[at].is_null() && !pool.nodes[at].is_empty_map())
            else {
                for _ in &valid_keys {
                    dest = pool.set(&dest, None, &valid_keys, &texts)?;
                }
                continue;
            };
            for (key, text) in valid_keys.iter().zip(&texts) {
                let node = &mut pool.nodes[merged];
                if text.is_empty() || node.get(key).is_some() {
                    continue;
                }
                if key.is_empty() {
                    node.set_scalar(Node::scalar(text));
                } else {
                    node.set(key, Some(Node::scalar(text)));
                }
            }
            added = pool.set(&added, Some(merged), &valid_keys, &texts)?;
        }
        self.append(pool, added, &dest, &valid_keys)
    }

    /// One element of each list, merged; its place.
    fn element(
        &self,
        pool: &mut Pool,
        under: Option<usize>,
        over: Option<usize>,
        place: Option<Place<'s>>,
    ) -> Result<Option<usize>> {
        let blank = || Node::tagged_scalar("", Tag::Null);
        if let (Some(u), Some(o)) = (under, over)
            && u == o
        {
            let mut node = std::mem::replace(&mut pool.nodes[u], blank());
            let stays = self.walk_self(&mut node, place)?;
            pool.nodes[u] = node;
            return Ok(stays.then_some(u));
        }
        let mut first = under.map(|at| std::mem::replace(&mut pool.nodes[at], blank()));
        let mut second = over.map(|at| std::mem::replace(&mut pool.nodes[at], blank()));
        let outcome = self.walk(first.as_mut(), second.as_mut(), place)?;
        if let (Some(at), Some(node)) = (under, first) {
            pool.nodes[at] = node;
        }
        if let (Some(at), Some(node)) = (over, second) {
            pool.nodes[at] = node;
        }
        Ok(match outcome {
            Outcome::Dest => under,
            Outcome::Patch => over,
            Outcome::Nothing => None,
        })
    }

    /// Puts the elements of `from` into `into`: in place of one with the same keys, else at the end.
    fn append(
        &self,
        pool: &mut Pool,
        mut into: Vec<usize>,
        from: &[usize],
        keys: &[String],
    ) -> Result<Vec<usize>> {
        let first = keys.first().map_or("", String::as_str);
        for &at in from {
            if first.is_empty() {
                let text = pool.nodes[at].text().to_owned();
                into = pool.set(&into, Some(at), &[String::new()], &[text])?;
                continue;
            }
            let mut texts = Vec::new();
            for key in keys {
                let node = &pool.nodes[at];
                if !node.is_null() && !node.is_map() {
                    return Err(wrong_kind(node, "MappingNode"));
                }
                match node.get(key) {
                    Some(value) => texts.push(value.text().to_owned()),
                    None => into.push(at),
                }
            }
            if keys.len() > 1 {
                into = pool.set(&into, None, keys, &texts)?;
            }
            into = pool.set(&into, Some(at), keys, &texts)?;
        }
        Ok(into)
    }
}

/// Elements of lists being merged, so that the same one can stand in several.
struct Pool {
    nodes: Vec<Node>,
    list: Vec<Option<Node>>,
}

impl Pool {
    /// The values of the keys of all elements, each once, in order.
    fn values(&self, lists: &[&[usize]], keys: &[String]) -> Vec<Vec<String>> {
        let mut out: Vec<Vec<String>> = Vec::new();
        if keys.is_empty() {
            return out;
        }
        for &at in lists.iter().copied().flatten() {
            let node = &self.nodes[at];
            let texts: Vec<String> = keys
                .iter()
                .map(|key| {
                    node.get(key)
                        .filter(|v| !v.is_empty())
                        .map_or_else(String::new, |v| v.text().to_owned())
                })
                .collect();
            if !out.contains(&texts) {
                out.push(texts);
            }
        }
        out
    }

    /// The texts of all elements, each once.
    fn scalars(&self, lists: &[&[usize]]) -> Vec<Vec<String>> {
        let mut out: Vec<Vec<String>> = Vec::new();
        for &at in lists.iter().copied().flatten() {
            let text = vec![self.nodes[at].text().to_owned()];
            if !out.contains(&text) {
                out.push(text);
            }
        }
        out
    }

    /// The first element with these values.
    fn find(&self, list: &[usize], keys: &[String], texts: &[String]) -> Option<usize> {
        let first = keys.first().map_or("", String::as_str);
        list.iter().copied().find(|&at| {
            let node = &self.nodes[at];
            if first.is_empty() {
                return texts.first().is_some_and(|text| node.text() == text);
            }
            !node.is_null()
                && node.is_map()
                && keys.len() == texts.len()
                && keys
                    .iter()
                    .zip(texts)
                    .all(|(key, text)| node.get(key).is_some_and(|value| value.text() == text))
        })
    }

    /// The list with `element` in place of those with these values, or at its end; without an element they go.
    fn set(
        &self,
        list: &[usize],
        element: Option<usize>,
        keys: &[String],
        texts: &[String],
    ) -> Result<Vec<usize>> {
        let mut out = Vec::with_capacity(list.len() + 1);
        let mut matched = false;
        let of_mappings = keys.first().is_some_and(|k| !k.is_empty())
            && texts.first().is_some_and(|t| !t.is_empty());
        for &at in list {
            let node = &self.nodes[at];
            if node.is_null() || node.is_empty_map() {
                continue;
            }
            if !node.is_map() && of_mappings {
                out.push(at);
                continue;
            }
            if !self.has(node, keys, texts)? {
                if !texts.is_empty() {
                    out.push(at);
                }
                continue;
            }
            matched = true;
            out.extend(element);
        }
        if let Some(at) = element.filter(|&at| !matched && !self.nodes[at].is_null()) {
            out.push(at);
        }
        Ok(out)
    }

    fn has(&self, node: &Node, keys: &[String], texts: &[String]) -> Result<bool> {
        let mut found = false;
        for (at, key) in keys.iter().enumerate() {
            if let Some(text) = texts.get(at) {
                found = if key.is_empty() {
                    if !node.is_scalar() {
                        return Err(wrong_kind(node, "ScalarNode"));
                    }
                    node.value_text() == text
                } else {
                    if !node.is_map() {
                        return Err(wrong_kind(node, "MappingNode"));
                    }
                    // An empty text asks only for the key.
                    node.get(key)
                        .is_some_and(|value| text.is_empty() || value.text() == text)
                };
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(found)
    }

    /// The nodes of a list of places; one that stands there twice is copied.
    fn take(mut self, list: &[usize]) -> Vec<Node> {
        self.list = self.nodes.into_iter().map(Some).collect();
        let mut uses = vec![0usize; self.list.len()];
        for &at in list {
            uses[at] += 1;
        }
        list.iter()
            .filter_map(|&at| {
                uses[at] -= 1;
                if uses[at] > 0 {
                    self.list[at].clone()
                } else {
                    self.list[at].take()
                }
            })
            .collect()
    }
}

/// The keys worth comparing: those that any of `all` has a value for, or all of them when none has.
fn usable(all: &[Vec<String>], texts: &[String], keys: &[String]) -> (Vec<String>, Vec<String>) {
    let used: Vec<bool> = (0..keys.len())
        .map(|at| {
            all.iter()
                .any(|values| values.get(at).is_some_and(|value| !value.is_empty()))
        })
        .collect();
    if !used.contains(&true) {
        return (keys.to_vec(), texts.to_vec());
    }
    let names = keys
        .iter()
        .zip(&used)
        .filter(|(_, used)| **used)
        .map(|(key, _)| key.clone())
        .collect();
    let texts = texts
        .iter()
        .zip(&used)
        .filter(|(text, used)| **used || !text.is_empty())
        .map(|(text, _)| text.clone())
        .collect();
    (names, texts)
}

/// Makes values that only differ where one has nothing the same.
fn unify(values: &mut [Vec<String>]) {
    for first in 0..values.len() {
        for second in 0..values.len() {
            let (a, b) = (&values[first], &values[second]);
            if a.len() != b.len() {
                continue;
            }
            let compatible = a
                .iter()
                .zip(b)
                .all(|(x, y)| x == y || x.is_empty() || y.is_empty());
            let common = a.iter().zip(b).any(|(x, y)| x == y);
            if compatible && common {
                let joined: Vec<String> = a
                    .iter()
                    .zip(b)
                    .map(|(x, y)| if x.is_empty() { y.clone() } else { x.clone() })
                    .collect();
                values[first].clone_from(&joined);
                values[second] = joined;
            }
        }
    }
}

/// Reads and removes the `$patch` of a mapping or list.
fn directive(node: &mut Node) -> Result<Directive> {
    const KEY: &str = "$patch";
    let parse = |text: &str| match text {
        "delete" => Ok(Directive::Delete),
        "replace" => Ok(Directive::Replace),
        "merge" => Ok(Directive::Merge),
        other => Err(Error::invalid(format!("unknown patch strategy '{other}'"))),
    };
    match &mut node.data {
        Data::Map(_) => {
            let Some(value) = node.get(KEY) else {
                return Ok(Directive::Merge);
            };
            let found = parse(value.text())?;
            node.remove(KEY);
            Ok(found)
        }
        Data::Seq(items) => {
            let Some(element) = items
                .iter()
                .find(|item| item.get(KEY).is_some())
                .filter(|item| item.entries().len() == 1)
            else {
                return Ok(Directive::Merge);
            };
            let text = element.get(KEY).map_or("", Node::text).to_owned();
            let found = parse(&text)?;
            items.retain(|item| {
                !item.is_null()
                    && !item.is_empty_map()
                    && item.get(KEY).is_none_or(|value| value.text() != text)
            });
            Ok(found)
        }
        Data::Scalar(text) => Err(Error::invalid(format!(
            "no implemented strategic merge patch strategy for '{}' ('{text}')",
            node.tag.as_str()
        ))),
    }
}

/// What a setter does to a value it leaves in place.
fn requote(node: &mut Node) {
    if node.is_string()
        && node.style == Style::Plain
        && crate::yaml::resolve::is_not_a_string(node.text())
    {
        node.style = Style::Double;
    }
}
