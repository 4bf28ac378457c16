//! Names, tags and digests of container images.

use super::fieldspec::{Create, PreparedSpec, set_scalar, wrong_kind};
use crate::config::FieldSpec;
use crate::error::Result;
use crate::kustomization::Image;
use crate::resmap::ResMap;
use crate::selector::regex;
use crate::yaml::node::Data;
use crate::yaml::{Node, Tag};

/// Changes every image that `images` name, in their order: in all `containers` and `initContainers`, and where
/// `specs` say.
pub(crate) fn apply(map: &mut ResMap, images: &[Image], specs: &[FieldSpec]) -> Result<()> {
    let changes: Vec<Change<'_>> = images
        .iter()
        .map(|image| Change {
            image,
            pattern: regex(&format!(
                "^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$",
                image.name
            ))
            .ok(),
        })
        .collect();
    let specs = PreparedSpec::all(specs);
    map.each(|node| {
        if node.get("kind").map_or("", Node::text) == "CustomResourceDefinition" {
            return Ok(());
        }
        changes.iter().try_for_each(|change| {
            change.find(node)?;
            specs.iter().try_for_each(|spec| {
                spec.apply(node, &Create::Never, &mut |field| change.update(field))
            })
        })
    })
}

struct Change<'a> {
    image: &'a Image,
    pattern: Option<regex::Regex>,
}

impl Change<'_> {
    fn find(&self, node: &mut Node) -> Result<()> {
        match &mut node.data {
            Data::Map(entries) => {
                for entry in entries {
                    if entry.value.is_scalar() {
                        continue;
                    }
                    self.find(&mut entry.value)?;
                    if let Data::Seq(items) = &mut entry.value.data
                        && matches!(entry.key.text(), "containers" | "initContainers")
                    {
                        for item in items {
                            if item.is_null() {
                                continue;
                            }
                            if !item.is_map() {
                                return Err(wrong_kind(item, "MappingNode"));
                            }
                            if let Some(image) = item.get_mut("image") {
                                self.update(image)?;
                            }
                        }
                    }
                }
                Ok(())
            }
            Data::Seq(items) => items.iter_mut().try_for_each(|item| self.find(item)),
            Data::Scalar(_) => Ok(()),
        }
    }

    fn update(&self, field: &mut Node) -> Result<()> {
        if !field.is_null() && !field.is_scalar() {
            return Err(wrong_kind(field, "ScalarNode"));
        }
        if !self
            .pattern
            .as_ref()
            .is_some_and(|p| p.is_match(field.text()))
        {
            return Ok(());
        }
        let (name, mut tag, mut digest) = split(field.text());
        let mut name = if self.image.new_name.is_empty() {
            name.to_owned()
        } else {
            self.image.new_name.clone()
        };
        let image = self.image;
        let suffixed;
        match (image.new_tag.is_empty(), image.digest.is_empty()) {
            (false, false) => (tag, digest) = (&image.new_tag, &image.digest),
            (false, true) => (tag, digest) = (&image.new_tag, ""),
            (true, false) => (tag, digest) = ("", &image.digest),
            (true, true) if !image.tag_suffix.is_empty() => {
                suffixed = format!("{tag}{}", image.tag_suffix);
                (tag, digest) = (&suffixed, "");
            }
            (true, true) => {}
        }
        if !tag.is_empty() {
            name = format!("{name}:{tag}");
        }
        if !digest.is_empty() {
            name = format!("{name}@{digest}");
        }
        set_scalar(field, &name, Tag::None)
    }
}

/// Name, tag and digest; a colon before the first slash belongs to the registry.
fn split(image: &str) -> (&str, &str, &str) {
    let start = image.find('/').unwrap_or(0);
    let at = image[start..].find('@').map(|i| i + start);
    let colon = image[start..].find(':').map(|i| i + start);
    match (colon, at) {
        (None, None) => (image, "", ""),
        (None, Some(at)) => (&image[..at], "", &image[at + 1..]),
        (Some(colon), Some(at)) if at < colon => (&image[..at], "", &image[at + 1..]),
        (Some(colon), Some(at)) => (&image[..colon], &image[colon + 1..at], &image[at + 1..]),
        (Some(colon), None) => (&image[..colon], &image[colon + 1..], ""),
    }
}
