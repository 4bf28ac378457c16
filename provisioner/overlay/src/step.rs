//! Transformers made ready: from fields of a kustomization or from configuration files.

use std::collections::BTreeMap;

use crate::config::FieldSpec;
use crate::decode::{At, Decode, Mode};
use crate::document;
use crate::error::{Error, ErrorKind, Result, excerpt};
use crate::generate::{self, Kind};
use crate::kustomization::{GeneratorArgs, Image, PatchArgs, Replacement, Replica, Selector};
use crate::loader::Loader;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::shared;
use crate::transform::json_patch::JsonPatch;
use crate::transform::namespace::{Namespace, Subjects};
use crate::transform::patch::{self, Patch};
use crate::transform::prefix::{self, End};
use crate::transform::{hash, image, metadata, replacement, replicas, value_add};
use crate::value::Value;

/// One transformer with its configuration.
pub(crate) enum Step {
    StrategicPatches(Vec<Resource>),
    Patch(Patch),
    Namespace {
        name: String,
        specs: Vec<FieldSpec>,
        unset_only: bool,
        subjects: Subjects,
    },
    Affix {
        end: End,
        text: String,
        specs: Vec<FieldSpec>,
    },
    /// Labels or annotations.
    Entries {
        entries: BTreeMap<String, String>,
        specs: Vec<FieldSpec>,
    },
    JsonPatch {
        target: Selector,
        patch: JsonPatch,
    },
    Replicas {
        replica: Replica,
        specs: Vec<FieldSpec>,
    },
    Images {
        images: Vec<Image>,
        specs: Vec<FieldSpec>,
    },
    Replacements(Vec<Replacement>),
    ValueAdd {
        value: String,
        targets: Vec<value_add::Target>,
    },
    Hash,
    Several(Vec<Step>),
}

impl Step {
    pub(crate) fn apply(&self, map: &mut ResMap, schema: &Schema) -> Result<()> {
        self.run(map, schema)?;
        shared::settle(map);
        Ok(())
    }

    fn run(&self, map: &mut ResMap, schema: &Schema) -> Result<()> {
        match self {
            Step::StrategicPatches(patches) => patch::apply_legacy(map, patches, schema),
            Step::Patch(patch) => patch.apply(map, schema),
            Step::Namespace {
                name,
                specs,
                unset_only,
                subjects,
            } => Namespace {
                name,
                specs,
                unset_only: *unset_only,
                subjects: *subjects,
            }
            .apply(map, schema),
            Step::Affix { end, text, specs } => prefix::apply(map, *end, text, specs, schema),
            Step::Entries { entries, specs } => metadata::apply(map, entries, specs),
            Step::JsonPatch { target, patch } => {
                for at in map.select(target, schema)? {
                    patch::apply_json(&mut map.items_mut()[at], patch)?;
                }
                Ok(())
            }
            Step::Replicas { replica, specs } => replicas::apply(map, replica, specs),
            Step::Images { images, specs } => image::apply(map, images, specs),
            Step::Replacements(list) => replacement::apply(map, list, schema),
            Step::ValueAdd { value, targets } => value_add::apply(map, value, targets, schema),
            Step::Hash => hash::apply(map, schema),
            Step::Several(steps) => steps.iter().try_for_each(|step| step.apply(map, schema)),
        }
    }
}

/// Reads the patches of `patchesStrategicMerge`: each entry is a patch or the path of one.
pub(crate) fn strategic_patches(
    paths: &[String],
    inline: &str,
    loader: &Loader<'_>,
) -> Result<Step> {
    if paths.is_empty() && inline.is_empty() {
        return Err(Error::invalid("empty file path and empty patch content"));
    }
    let mut all = Vec::new();
    for path in paths {
        match document::resources(path.as_bytes()) {
            Ok(patches) => all.extend(patches),
            Err(_) => {
                let content = loader.load(path)?;
                all.extend(document::resources(&content).map_err(|e| in_file(e, path))?);
            }
        }
    }
    if !inline.is_empty() {
        all.extend(document::resources(inline.as_bytes())?);
    }
    if all.is_empty() {
        return Err(Error::invalid(format!(
            "patch appears to be empty; files=[{}], Patch={inline}",
            paths.join(" ")
        )));
    }
    Ok(Step::StrategicPatches(all))
}

/// Names the file a malformed document is in.
pub(crate) fn in_file(error: Error, path: &str) -> Error {
    if error.is_malformed() {
        return error
            .in_file(path)
            .reworded(|message| format!("{message} in File: {path}"));
    }
    error.in_file(path)
}

/// Reads an entry of `patchesJson6902`.
pub(crate) fn json_patch(
    target: Option<&Selector>,
    path: &str,
    inline: &str,
    loader: &Loader<'_>,
) -> Result<Step> {
    let Some(target) = target.filter(|t| !t.id.name.is_empty()) else {
        return Err(Error::invalid("must specify the target name"));
    };
    let text = match (path.is_empty(), inline.is_empty()) {
        (true, true) => return Err(Error::invalid("empty file path and empty jsonOp")),
        (false, false) => {
            return Err(Error::invalid(
                "must specify a file path or jsonOp, not both",
            ));
        }
        (true, false) => inline.to_owned(),
        (false, true) => {
            let content = loader.load(path)?;
            if content.is_empty() {
                return Err(Error::invalid(format!(
                    "patch file '{path}' empty seems to be empty"
                )));
            }
            String::from_utf8(content)
                .map_err(|_| Error::invalid(format!("'{path}' is not UTF-8")))?
        }
    };
    let patch = JsonPatch::parse(&text).map_err(|e| {
        e.in_file(path)
            .context(format!("decoding {}", excerpt(&text)))
    })?;
    if patch.is_empty() {
        return Err(Error::invalid(format!(
            "patch appears to be empty; file={path}, JsonOp={text}"
        )));
    }
    Ok(Step::JsonPatch {
        target: target.clone(),
        patch,
    })
}

/// Reads `replacements`, those in files included.
pub(crate) fn replacements(list: &[Replacement], loader: &Loader<'_>) -> Result<Step> {
    let mut all = Vec::new();
    for entry in list {
        if entry.path.is_empty() {
            all.push(entry.clone());
            continue;
        }
        if entry.source.is_some() || entry.targets.as_ref().is_some_and(|t| !t.is_empty()) {
            return Err(Error::invalid(
                "cannot specify both path and inline replacement",
            ));
        }
        let content = loader.load(&entry.path)?;
        let value = document_value(&content).map_err(|e| e.in_file(&entry.path))?;
        let at = At::top(Mode::Lenient, "Replacement");
        match &value {
            Value::List(_) => all.extend(Vec::<Replacement>::decode(&value, &at)?),
            Value::Map(_) => all.push(Replacement::decode(&value, &at)?),
            _ => {
                return Err(Error::invalid(
                    "unsupported replacement type encountered within replacement path: invalid",
                ));
            }
        }
    }
    Ok(Step::Replacements(all))
}

fn document_value(content: &[u8]) -> Result<Value> {
    Ok(crate::decode::document(content)
        .map_err(|e| e.into_error().context("error converting YAML to JSON"))?
        .unwrap_or(Value::Null))
}

fn is_built_in(plugin: &Resource) -> bool {
    plugin.api_version() == "builtin"
}

fn refuse_external(plugin: &Resource) -> Error {
    let id = plugin.original_id();
    Error::refused(format!(
        "external plugins disabled; unable to load external plugin '{}': rendering runs no code of an overlay's ({id})",
        id.gvk.kind
    ))
}

/// What a configuration of a generator or transformer is read with.
struct Config<'a> {
    value: Value,
    plugin: &'a Resource,
}

impl Config<'_> {
    fn get<T: Decode>(&self, name: &str) -> Result<T> {
        self.at().fields(&self.value, "Config", &[])?.get(name)
    }

    fn optional<T: Decode>(&self, name: &str) -> Result<Option<T>> {
        self.at().fields(&self.value, "Config", &[])?.optional(name)
    }

    fn at(&self) -> At<'_> {
        At::top(Mode::Lenient, self.plugin.kind())
    }

    fn affix(&self, end: End) -> Result<Step> {
        let Some(specs) = self.optional("fieldSpecs")? else {
            return Err(Error::invalid("fieldSpecs is not expected to be nil"));
        };
        let text = self.get(if end == End::Prefix {
            "prefix"
        } else {
            "suffix"
        })?;
        Ok(Step::Affix { end, text, specs })
    }
}

fn failed(plugin: &Resource, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Refused | ErrorKind::Corrupt => error,
        _ => error.context(format!(
            "plugin {} fails configuration",
            plugin.original_id()
        )),
    }
}

/// A transformer from its configuration.
pub(crate) fn transformer(plugin: &Resource, loader: &Loader<'_>) -> Result<Step> {
    if !is_built_in(plugin) {
        return Err(refuse_external(plugin));
    }
    let config = Config {
        value: crate::value::of_resource(&plugin.node)?,
        plugin,
    };
    built_in_transformer(&config, loader).unwrap_or_else(|| {
        Err(match plugin.kind() {
            "ConfigMapGenerator"
            | "SecretGenerator"
            | "IAMPolicyGenerator"
            | "HelmChartInflationGenerator" => {
                Error::invalid(format!("plugin {} not a transformer", plugin.original_id()))
            }
            _ => Error::invalid(format!("unable to load builtin {}", plugin.gvk())),
        })
    })
}

fn built_in_transformer(config: &Config<'_>, loader: &Loader<'_>) -> Option<Result<Step>> {
    let made = match config.plugin.kind() {
        "AnnotationsTransformer" => entries(config, "annotations"),
        "LabelTransformer" => entries(config, "labels"),
        "HashTransformer" => Ok(Step::Hash),
        "ImageTagTransformer" => image_step(config),
        "NamespaceTransformer" => namespace_step(config),
        "PatchJson6902Transformer" => json_step(config, loader),
        "PatchStrategicMergeTransformer" => strategic_step(config, loader),
        "PatchTransformer" => patch_step(config, loader),
        "PrefixTransformer" => config.affix(End::Prefix),
        "SuffixTransformer" => config.affix(End::Suffix),
        "PrefixSuffixTransformer" => affixes(config),
        "ReplacementTransformer" => config
            .get::<Vec<Replacement>>("replacements")
            .and_then(|list| replacements(&list, loader)),
        "ReplicaCountTransformer" => replica_step(config),
        "ValueAddTransformer" => value_step(config, loader),
        _ => return None,
    };
    Some(made.map_err(|e| failed(config.plugin, e)))
}

fn entries(config: &Config<'_>, field: &str) -> Result<Step> {
    Ok(Step::Entries {
        entries: config.get(field)?,
        specs: config.get("fieldSpecs")?,
    })
}

fn image_step(config: &Config<'_>) -> Result<Step> {
    Ok(Step::Images {
        images: vec![config.get("imageTag")?],
        specs: config.get("fieldSpecs")?,
    })
}

fn replica_step(config: &Config<'_>) -> Result<Step> {
    Ok(Step::Replicas {
        replica: config.get("replica")?,
        specs: config.get("fieldSpecs")?,
    })
}

fn affixes(config: &Config<'_>) -> Result<Step> {
    Ok(Step::Several(vec![
        config.affix(End::Prefix)?,
        config.affix(End::Suffix)?,
    ]))
}

fn namespace_step(config: &Config<'_>) -> Result<Step> {
    let subjects = Subjects::parse(&config.get::<String>("setRoleBindingSubjects")?)?;
    let name = config.plugin.namespace().to_owned();
    Ok(Step::Namespace {
        name,
        specs: config.get("fieldSpecs")?,
        unset_only: config.get("unsetOnly")?,
        subjects,
    })
}

fn json_step(config: &Config<'_>, loader: &Loader<'_>) -> Result<Step> {
    let target: Option<Selector> = config.get("target")?;
    json_patch(
        target.as_ref(),
        &config.get::<String>("path")?,
        &config.get::<String>("jsonOp")?,
        loader,
    )
}

fn strategic_step(config: &Config<'_>, loader: &Loader<'_>) -> Result<Step> {
    strategic_patches(
        &config.get::<Vec<String>>("paths")?,
        &config.get::<String>("patches")?,
        loader,
    )
}

fn patch_step(config: &Config<'_>, loader: &Loader<'_>) -> Result<Step> {
    let target: Option<Selector> = config.get("target")?;
    let options: Option<PatchArgs> = config.get("options")?;
    let (path, text): (String, String) = (config.get("path")?, config.get("patch")?);
    let mut shown = String::new();
    crate::yaml::emit::document(&config.value, &mut shown);
    let args = patch::Args {
        path: &path,
        patch: &text,
        target: target.as_ref(),
        options: options.as_ref(),
    };
    Patch::read(&args, loader, &shown).map(Step::Patch)
}

fn value_step(config: &Config<'_>, loader: &Loader<'_>) -> Result<Step> {
    let mut value = config.get::<String>("value")?.trim().to_owned();
    if value.is_empty() {
        value = loader
            .root()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
    }
    let mut targets: Vec<value_add::Target> = config.get("targets")?;
    let path: String = config.get("targetFilePath")?;
    if !path.is_empty() {
        let file = document_value(&loader.load(&path)?)?;
        let more: Vec<value_add::Target> =
            config.at().fields(&file, "Targets", &[])?.get("targets")?;
        targets.extend(more);
    }
    value_add::check(&targets)?;
    Ok(Step::ValueAdd { value, targets })
}

/// The objects a configured generator makes.
pub(crate) fn generator(
    plugin: &Resource,
    loader: &Loader<'_>,
    schema: &Schema,
) -> Result<Vec<Resource>> {
    if !is_built_in(plugin) {
        return Err(refuse_external(plugin));
    }
    let config = Config {
        value: crate::value::of_resource(&plugin.node)?,
        plugin,
    };
    let kind = match plugin.kind() {
        "ConfigMapGenerator" => Kind::ConfigMap,
        "SecretGenerator" => Kind::Secret,
        "IAMPolicyGenerator" => return iam_policy(&config).map_err(|e| failed(plugin, e)),
        "HelmChartInflationGenerator" => {
            return crate::chart::of_plugin(&config.value, &config.at(), loader, schema)
                .map_err(|e| failed(plugin, e));
        }
        _ if built_in_transformer(&config, loader).is_some() => {
            return Err(Error::invalid(format!(
                "plugin {} not a generator",
                plugin.original_id()
            )));
        }
        _ => {
            return Err(Error::invalid(format!(
                "unable to load builtin {}",
                plugin.gvk()
            )));
        }
    };
    let mut args =
        GeneratorArgs::decode(&config.value, &config.at()).map_err(|e| failed(plugin, e))?;
    if args.name.is_empty() {
        args.name = plugin.name().to_owned();
    }
    if args.namespace.is_empty() {
        args.namespace = plugin.namespace().to_owned();
    }
    generate::generate(kind, &args, loader).map(|made| vec![made])
}

fn iam_policy(config: &Config<'_>) -> Result<Vec<Resource>> {
    let part = |outer: &str, inner: &str| {
        config
            .value
            .get(outer)
            .and_then(|v| v.get(inner))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let cloud: String = config.get("cloud")?;
    if cloud != "gke" {
        return Err(Error::invalid(format!(
            "cloud provider {cloud} not supported yet"
        )));
    }
    let mut text = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  annotations:\n    iam.gke.io/gcp-service-account: {}@{}.iam.gserviceaccount.com\n  name: {}\n",
        part("serviceAccount", "name"),
        part("serviceAccount", "projectId"),
        part("kubernetesService", "name"),
    );
    let namespace = part("kubernetesService", "namespace");
    if !namespace.is_empty() {
        text.push_str(&format!("\n  namespace: {namespace}"));
    }
    document::resources(text.as_bytes())
}
