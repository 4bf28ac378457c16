//! Parts of a document that are said once and referred to.

use fastrand::Rng;

use crate::objects::chance;
use crate::write::Y;

/// Makes equal parts of a document anchors and aliases, and some mappings merges of others.
pub(crate) fn share(value: &mut Y, rng: &mut Rng) {
    let mut known = Vec::new();
    visit(value, rng, &mut known);
}

struct Known {
    name: String,
    value: Y,
}

fn visit(value: &mut Y, rng: &mut Rng, known: &mut Vec<Known>) {
    let sharable = match value {
        Y::Map(entries) => !entries.is_empty(),
        Y::List(items) => !items.is_empty(),
        Y::Text(_) => chance(rng, 20),
        _ => false,
    };
    if let Some(found) = known.iter().find(|k| k.value == *value)
        && chance(rng, 60)
    {
        *value = Y::Alias(found.name.clone());
        return;
    }
    let whole = value.clone();
    match value {
        Y::Map(entries) => {
            merge(entries, rng, known);
            for (key, value) in entries {
                // What an object is called is looked for before references are followed.
                if !["kind", "apiVersion", "metadata", "name"].contains(&key.as_str()) {
                    visit(value, rng, known);
                }
            }
        }
        Y::List(items) => {
            for item in items {
                visit(item, rng, known);
            }
        }
        _ => {}
    }
    if sharable && chance(rng, 15) {
        let name = format!("a{}", known.len());
        known.push(Known {
            name: name.clone(),
            value: whole,
        });
        let inner = std::mem::replace(value, Y::Raw(String::new()));
        *value = Y::Anchor(name, Box::new(inner));
    }
}

/// Says some of the entries by reference to a mapping that has them.
fn merge(entries: &mut Vec<(String, Y)>, rng: &mut Rng, known: &[Known]) {
    let Some((name, shared)) = known.iter().find_map(|k| match &k.value {
        Y::Map(shared) if shared.iter().any(|(key, _)| has(entries, key)) => {
            Some((k.name.clone(), shared))
        }
        _ => None,
    }) else {
        return;
    };
    if !chance(rng, 30) {
        return;
    }
    entries.retain(|entry| !shared.contains(entry));
    let reference = if chance(rng, 80) {
        Y::Alias(name)
    } else {
        Y::List(vec![Y::Alias(name)])
    };
    let at = rng.usize(..=entries.len());
    entries.insert(at, ("<<".to_owned(), reference));
}

fn has(entries: &[(String, Y)], key: &str) -> bool {
    entries.iter().any(|(k, _)| k == key)
}
