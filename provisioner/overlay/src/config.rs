//! Where in objects the built-in transformers look: the defaults, and how configurations add to them.

use std::sync::LazyLock;

use crate::decode::{At, Decode, Mode};
use crate::error::{Error, Result};
use crate::id::Gvk;
use crate::value::Value;

/// A path in objects of some kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: Gvk,
    pub(crate) path: String,
    pub(crate) create: bool,
}

impl FieldSpec {
    pub(crate) fn new(path: &str, create: bool) -> FieldSpec {
        FieldSpec {
            gvk: Gvk::default(),
            path: path.to_owned(),
            create,
        }
    }
}

impl Decode for FieldSpec {
    fn type_name() -> String {
        "types.FieldSpec".to_owned()
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<FieldSpec> {
        let fields = at.fields(
            value,
            "FieldSpec",
            &["group", "version", "kind", "path", "create"],
        )?;
        Ok(FieldSpec {
            gvk: Gvk {
                group: fields.get("group")?,
                version: fields.get("version")?,
                kind: fields.get("kind")?,
            },
            path: fields.get("path")?,
            create: fields.get("create")?,
        })
    }
}

/// Adds `more` to `specs`, leaving out what is there. A path that is there with another `create` is a conflict.
pub(crate) fn merge_specs(specs: &mut Vec<FieldSpec>, more: &[FieldSpec]) -> Result<()> {
    for spec in more {
        match specs
            .iter()
            .find(|known| known.gvk.is_selected(&spec.gvk) && known.path == spec.path)
        {
            Some(known) if known.create != spec.create => {
                return Err(Error::invalid("conflicting fieldspecs"));
            }
            Some(_) => {}
            None => specs.push(spec.clone()),
        }
    }
    Ok(())
}

/// A kind of object, and where others name such an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameReference {
    pub(crate) target: Gvk,
    pub(crate) referrers: Vec<FieldSpec>,
}

impl Decode for NameReference {
    fn type_name() -> String {
        "builtinconfig.NameBackReferences".to_owned()
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<NameReference> {
        let fields = at.fields(
            value,
            "NameBackReferences",
            &["group", "version", "kind", "fieldSpecs"],
        )?;
        Ok(NameReference {
            target: Gvk {
                group: fields.get("group")?,
                version: fields.get("version")?,
                kind: fields.get("kind")?,
            },
            referrers: fields.get("fieldSpecs")?,
        })
    }
}

/// The lists of all transformers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TransformerConfig {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<NameReference>,
    pub(crate) var_reference: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
}

/// What applies without any configuration.
pub(crate) static DEFAULT: LazyLock<TransformerConfig> = LazyLock::new(|| {
    let mut config = parse(include_str!("data/field-specs.txt"));
    config.sort();
    config
});

/// The defaults once merged into nothing. That is not the same: a narrower specification that sorts before a wider
/// one of the same path hides it.
pub(crate) static GATHERED_DEFAULT: LazyLock<TransformerConfig> = LazyLock::new(|| {
    let mut config = TransformerConfig::default();
    match config.merge(&DEFAULT) {
        Ok(()) => config,
        Err(_) => DEFAULT.clone(),
    }
});

fn parse(text: &str) -> TransformerConfig {
    let mut config = TransformerConfig::default();
    let mut section = "";
    let part = |word: &str| {
        if word == "-" {
            String::new()
        } else {
            word.to_owned()
        }
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["section", name] => section = name,
            ["target", group, version, kind] => config.name_reference.push(NameReference {
                target: Gvk {
                    group: part(group),
                    version: part(version),
                    kind: part(kind),
                },
                referrers: Vec::new(),
            }),
            [group, version, kind, create, path] => {
                let gvk = Gvk {
                    group: part(group),
                    version: part(version),
                    kind: part(kind),
                };
                let spec = FieldSpec {
                    gvk,
                    path: (*path).to_owned(),
                    create: *create == "+",
                };
                let list = if section == "nameReference" {
                    config.name_reference.last_mut().map(|r| &mut r.referrers)
                } else {
                    config.list(section)
                };
                if let Some(list) = list {
                    list.push(spec);
                }
            }
            _ => {}
        }
    }
    config
}

impl TransformerConfig {
    fn list(&mut self, section: &str) -> Option<&mut Vec<FieldSpec>> {
        Some(match section {
            "namePrefix" => &mut self.name_prefix,
            "nameSuffix" => &mut self.name_suffix,
            "namespace" => &mut self.namespace,
            "commonLabels" => &mut self.common_labels,
            "labels" => &mut self.labels,
            "templateLabels" => &mut self.template_labels,
            "commonAnnotations" => &mut self.common_annotations,
            "varReference" => &mut self.var_reference,
            "images" => &mut self.images,
            "replicas" => &mut self.replicas,
            _ => return None,
        })
    }

    /// Reads a file of `configurations`.
    pub(crate) fn read(content: &[u8]) -> Result<TransformerConfig> {
        let value = crate::decode::strict_document(content)
            .map_err(|e| e.into_error().context("error converting YAML to JSON"))?
            .unwrap_or(Value::Null);
        let known = [
            "namePrefix",
            "nameSuffix",
            "namespace",
            "commonLabels",
            "labels",
            "templateLabels",
            "commonAnnotations",
            "nameReference",
            "varReference",
            "images",
            "replicas",
        ];
        let wrap = |e: Error| e.context("error unmarshaling JSON: while decoding JSON");
        let fields = At::top(Mode::StrictNames, "TransformerConfig");
        let fields = fields
            .fields(&value, "TransformerConfig", &known)
            .map_err(wrap)?;
        let mut config = TransformerConfig {
            name_reference: fields.get("nameReference").map_err(wrap)?,
            ..TransformerConfig::default()
        };
        for section in known {
            if let Some(list) = config.list(section) {
                *list = fields.get(section).map_err(wrap)?;
            }
        }
        config.sort();
        Ok(config)
    }

    /// Adds another configuration.
    pub(crate) fn merge(&mut self, other: &TransformerConfig) -> Result<()> {
        let mut other = other.clone();
        for (section, name) in [
            ("namePrefix", "NamePrefix"),
            ("nameSuffix", "NameSuffix"),
            ("namespace", "NameSpace"),
            ("commonAnnotations", "CommonAnnotations"),
            ("commonLabels", "CommonLabels"),
            ("labels", "Labels"),
            ("templateLabels", "TemplateLabels"),
            ("varReference", "VarReference"),
            ("images", "Images"),
            ("replicas", "Replicas"),
        ] {
            let more = other.list(section).map(std::mem::take).unwrap_or_default();
            if let Some(list) = self.list(section) {
                merge_specs(list, &more)
                    .map_err(|e| e.context(format!("failed to merge {name} fieldSpec")))?;
            }
        }
        for reference in &other.name_reference {
            self.add_name_reference(reference)
                .map_err(|e| e.context("failed to merge NameReference fieldSpec"))?;
        }
        self.sort();
        Ok(())
    }

    /// Adds places where objects of a kind are named.
    pub(crate) fn add_name_reference(&mut self, reference: &NameReference) -> Result<()> {
        let mut found = false;
        for known in self
            .name_reference
            .iter_mut()
            .filter(|known| known.target == reference.target)
        {
            merge_specs(&mut known.referrers, &reference.referrers)?;
            found = true;
        }
        if !found {
            self.name_reference.push(reference.clone());
        }
        Ok(())
    }

    fn sort(&mut self) {
        for section in [
            "namePrefix",
            "nameSuffix",
            "namespace",
            "commonLabels",
            "labels",
            "templateLabels",
            "commonAnnotations",
            "varReference",
            "images",
            "replicas",
        ] {
            if let Some(list) = self.list(section) {
                list.sort_by_cached_key(|spec| spec.gvk.sort_key());
            }
        }
        self.name_reference
            .sort_by_cached_key(|reference| reference.target.sort_key());
    }
}
