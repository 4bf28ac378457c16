//! Ownership tags and free tags.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use planner::identity::tags;
use planner::{Address, Generation, Step};

/// First 16 characters of the token that the object was created under; tells a replacement from what it replaces.
pub(crate) const TOKEN: &str = "rebuild:token";
/// Present when the `Name` tag was declared, so that a declared name is read back and the default one is not.
pub(crate) const NAMED: &str = "rebuild:named";
const NAME: &str = "Name";

/// Tags as EC2 gives them.
pub(crate) type TagMap = BTreeMap<String, String>;

pub(crate) fn from_sdk(list: &[Tag]) -> TagMap {
    list.iter()
        .filter_map(|tag| {
            Some((
                tag.key()?.to_owned(),
                tag.value().unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

pub(crate) fn to_sdk(map: &TagMap) -> Vec<Tag> {
    map.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// The free tags of an object: what a spec declares.
pub(crate) fn free(all: &TagMap) -> TagMap {
    all.iter()
        .filter(|(key, _)| {
            !key.starts_with("rebuild:")
                && !key.starts_with("aws:")
                && (key.as_str() != NAME || all.contains_key(NAMED))
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Free tags with what `Name` calls for.
pub(crate) fn named(free: &TagMap, address: &Address) -> TagMap {
    let mut map = free.clone();
    if map.contains_key(NAME) {
        map.insert(NAMED.to_owned(), "yes".to_owned());
    } else {
        // A tag's value holds 256 characters (EC2 User Guide, "Tag restrictions").
        map.insert(NAME.to_owned(), address.name().chars().take(256).collect());
    }
    map
}

/// Everything a new object is tagged with.
pub(crate) fn all(
    environment: &str,
    generation: &Generation,
    step: &Step,
    declared: &TagMap,
) -> TagMap {
    let mut map = named(declared, &step.address);
    map.insert(tags::ENVIRONMENT.to_owned(), environment.to_owned());
    map.insert(tags::GENERATION.to_owned(), generation.to_string());
    map.insert(tags::ADDRESS.to_owned(), step.address.to_string());
    map.insert(TOKEN.to_owned(), token_mark(step).to_owned());
    if !step.digest.is_empty() {
        map.insert(tags::DIGEST.to_owned(), step.digest.clone());
    }
    map
}

pub(crate) fn token_mark(step: &Step) -> &str {
    step.token.get(..16).unwrap_or(&step.token)
}

pub(crate) fn specification(kind: ResourceType, map: &TagMap) -> TagSpecification {
    TagSpecification::builder()
        .resource_type(kind)
        .set_tags(Some(to_sdk(map)))
        .build()
}

pub(crate) fn filter(name: impl Into<String>, value: impl Into<String>) -> Filter {
    Filter::builder().name(name).values(value).build()
}

pub(crate) fn tag_filter(key: &str, value: impl Into<String>) -> Filter {
    filter(format!("tag:{key}"), value)
}
