//! A kustomization and what it builds on, gathered and transformed.

use std::cell::RefCell;
use std::sync::Arc;

use crate::config::TransformerConfig;
use crate::document;
use crate::error::{Error, ErrorKind, Result, excerpt};
use crate::generate::{self, Kind};
use crate::kustomization::{
    COMPONENT, FILE_NAMES, GeneratorOptions, Kustomization, Patch as PatchEntry,
};
use crate::loader::Loader;
use crate::origin::{self, Origin};
use crate::remote::{RepositorySpec, is_url};
use crate::resmap::ResMap;
use crate::resource::{Resource, annotation};
use crate::schema::Schema;
use crate::step::{self, Step};
use crate::transform::namespace::Subjects;
use crate::transform::patch::{self, Patch};
use crate::transform::prefix::End;
use crate::transform::vars::{VarSet, shown};
use crate::transform::{hash, metadata, nameref};
use crate::value::Value;

/// What holds for a whole rendering.
pub(crate) struct Session {
    schema: RefCell<Arc<Schema>>,
    schema_chosen: RefCell<bool>,
    pub(crate) warnings: RefCell<Vec<String>>,
}

impl Session {
    pub(crate) fn new() -> Session {
        Session {
            schema: RefCell::new(Schema::built_in()),
            schema_chosen: RefCell::new(false),
            warnings: RefCell::default(),
        }
    }

    pub(crate) fn schema(&self) -> Arc<Schema> {
        self.schema.borrow().clone()
    }

    /// Takes the schema a kustomization names, unless one was named before.
    fn choose_schema(&self, target: &Target<'_, '_>) -> Result<()> {
        let openapi = &target.kustomization.openapi;
        let document = match openapi.get("path") {
            Some(path) => Some((path, target.loader.load(path)?)),
            None => None,
        };
        if *self.schema_chosen.borrow() {
            return Ok(());
        }
        let version = openapi.get("version");
        if let Some((path, content)) = document {
            if version.is_some() {
                return Err(Error::invalid(
                    "builtin version and custom schema provided, cannot use both",
                ));
            }
            let value = crate::decode::document(&content)
                .map_err(|e| e.into_error().in_file(path).context("invalid schema file"))?
                .unwrap_or(Value::Null);
            *self.schema.borrow_mut() = Arc::new(Schema::from_openapi(&value));
            *self.schema_chosen.borrow_mut() = true;
        } else if let Some(version) = version.filter(|v| !v.is_empty()) {
            if version != "v1.21.2" {
                return Err(Error::invalid(
                    "the specified OpenAPI version is not built in",
                ));
            }
            *self.schema_chosen.borrow_mut() = true;
        }
        Ok(())
    }
}

/// Objects and the rules that came with them.
#[derive(Default)]
pub(crate) struct Accumulator {
    pub(crate) map: ResMap,
    config: TransformerConfig,
    vars: VarSet,
}

impl Accumulator {
    fn absorb(&mut self, other: Accumulator, schema: &Schema) -> Result<()> {
        self.map.append_all(other.map.into_items(), schema)?;
        self.merge_config(&other.config)?;
        self.vars.merge(other.vars)
    }

    fn merge_config(&mut self, config: &TransformerConfig) -> Result<()> {
        if self.config == *config {
            return Ok(());
        }
        if self.config == TransformerConfig::default() && *config == *crate::config::DEFAULT {
            self.config = crate::config::GATHERED_DEFAULT.clone();
            return Ok(());
        }
        self.config.merge(config)
    }
}

/// One kustomization.
pub(crate) struct Target<'t, 's> {
    pub(crate) kustomization: Kustomization,
    file: &'static str,
    loader: Loader<'t>,
    session: &'s Session,
    origin: Option<Origin>,
}

impl<'t, 's> Target<'t, 's> {
    /// Reads the kustomization at the loader's root.
    pub(crate) fn load(loader: Loader<'t>, session: &'s Session) -> Result<Target<'t, 's>> {
        let mut found = Vec::new();
        for name in FILE_NAMES {
            match loader.load(name) {
                Ok(content) => found.push((name, content)),
                Err(error) if matches!(error.kind(), ErrorKind::Limit | ErrorKind::Corrupt) => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        let (file, content) = match found.as_slice() {
            [one] => one,
            [] => {
                return Err(Error::missing(format!(
                    "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{}'",
                    loader.root()
                )));
            }
            _ => {
                return Err(Error::invalid(format!(
                    "Found multiple kustomization files under: {}\n",
                    loader.root()
                )));
            }
        };
        let (kustomization, warnings) = Kustomization::read(content, loader.root())
            .map_err(|e| e.in_file(&format!("{}/{file}", loader.root())))?;
        session.warnings.borrow_mut().extend(warnings);
        Ok(Target {
            kustomization,
            file,
            loader,
            session,
            origin: None,
        })
    }

    /// Renders the kustomization as the outermost one: names hashed, references repaired, variables replaced.
    pub(crate) fn render(&mut self) -> Result<ResMap> {
        self.session.choose_schema(self)?;
        if !self.kustomization.build_metadata.is_empty() {
            self.origin = Some(Origin::default());
        }
        let mut all = self.accumulate(Accumulator::default())?;
        let schema = self.session.schema();
        hash::apply(&mut all.map, &schema)?;
        nameref::apply(&mut all.map, &all.config.name_reference, &schema)?;
        let unused = all.vars.resolve(&mut all.map, &all.config.var_reference)?;
        if !unused.is_empty() {
            self.session.warnings.borrow_mut().push(format!(
                "well-defined vars that were never replaced: {}",
                unused.join(",")
            ));
        }
        drop_local(&mut all.map, &schema)?;
        Ok(all.map)
    }

    /// Gathers and transforms. A component goes on with what its parent has gathered.
    fn accumulate(&mut self, all: Accumulator) -> Result<Accumulator> {
        let mut all = all;
        let resources = std::mem::take(&mut self.kustomization.resources);
        self.add_resources(&mut all, &resources)
            .map_err(|e| wrap(e, "accumulating resources"))?;
        self.add_config(&mut all)?;
        self.generate(&mut all)?;
        let components = std::mem::take(&mut self.kustomization.components);
        for path in &components {
            all = self
                .add_component(all, path)
                .map_err(|e| wrap(e, "accumulating components"))?;
        }
        self.transform(&mut all)?;
        self.validate(&mut all)?;
        let vars = self.kustomization.vars.take().unwrap_or_default();
        let schema = self.session.schema();
        all.vars.define(&vars, &mut all.map, &schema).map_err(|e| {
            e.context(format!(
                "merging vars [{}]",
                vars.iter().map(shown).collect::<Vec<_>>().join(" ")
            ))
        })?;
        Ok(all)
    }

    fn add_resources(&mut self, all: &mut Accumulator, paths: &[String]) -> Result<()> {
        for path in paths {
            let Err(as_file) = self.add_file(all, path) else {
                continue;
            };
            // A URL that is no file for this rendering may be a repository's.
            let unlisted = as_file.kind() == ErrorKind::Refused
                && is_url(path)
                && RepositorySpec::parse(path).is_some();
            if is_final(&as_file) && !unlisted {
                return Err(as_file);
            }
            let malformed = as_file.is_malformed();
            let told = if unlisted {
                format!("accumulating resources from '{path}': URL is a git repository")
            } else {
                as_file.to_string()
            };
            let forbidden = as_file.kind() == ErrorKind::Security;
            let loader = match self.loader.descend(path) {
                Ok(loader) => loader,
                Err(_) if malformed => return Err(as_file),
                Err(error) if as_file.location().is_some() => {
                    return Err(as_file.reworded(|m| format!("accumulation err='{m}': {error}")));
                }
                Err(error) => {
                    let error = wrap(error, &format!("accumulation err='{told}'"));
                    return Err(if forbidden {
                        error.of_security()
                    } else {
                        error
                    });
                }
            };
            self.add_directory(all, loader, path)
                .map_err(|e| wrap(e, &format!("accumulation err='{told}'")))?;
        }
        Ok(())
    }

    fn add_file(&self, all: &mut Accumulator, path: &str) -> Result<()> {
        let mut resources = self
            .read_resources(path)
            .map_err(|e| wrap(e, &format!("accumulating resources from '{path}'")))?;
        if let Some(origin) = &self.origin {
            origin::mark_file(&mut resources, &origin.append(path))
                .map_err(|e| wrap(e, &format!("cannot add path annotation for '{path}'")))?;
        }
        let schema = self.session.schema();
        all.map
            .append_all(resources.into_items(), &schema)
            .map_err(|e| wrap(e, &format!("merging resources from '{path}'")))
    }

    fn read_resources(&self, path: &str) -> Result<ResMap> {
        let content = self.loader.load(path)?;
        let resources = document::resources(&content).map_err(|e| step::in_file(e, path))?;
        // Objects of one file may not repeat either.
        let schema = self.session.schema();
        let mut map = ResMap::default();
        map.append_all(resources, &schema)?;
        Ok(map)
    }

    /// The kustomization in another directory, with what it inherits from this one.
    fn child(&self, loader: Loader<'t>, path: &str) -> Result<Target<'t, 's>> {
        let root = loader.root().to_owned();
        let mut child = Target::load(loader, self.session)
            .map_err(|e| wrap(e, &format!("couldn't make target for path '{root}'")))?;
        child
            .kustomization
            .build_metadata
            .clone_from(&self.kustomization.build_metadata);
        child.origin = self.origin.as_ref().map(|origin| origin.append(path));
        self.session.choose_schema(&child)?;
        Ok(child)
    }

    fn add_directory(&self, all: &mut Accumulator, loader: Loader<'t>, path: &str) -> Result<()> {
        let root = loader.root().to_owned();
        let mut child = self.child(loader, path)?;
        if child.kustomization.kind == COMPONENT {
            return Err(Error::invalid(format!(
                "expected kind != 'Component' for path '{root}'"
            )));
        }
        let gathered = child
            .accumulate(Accumulator::default())
            .map_err(|e| wrap(e, &format!("recursed accumulation of path '{root}'")))?;
        let schema = self.session.schema();
        all.absorb(gathered, &schema)
            .map_err(|e| wrap(e, &format!("recursed merging from path '{root}'")))
    }

    fn add_component(&self, all: Accumulator, path: &str) -> Result<Accumulator> {
        let loader = self
            .loader
            .descend(path)
            .map_err(|e| e.reworded(|m| format!("loader.New \"{m}\"")))?;
        let root = loader.root().to_owned();
        let quoted = |e: Error| e.reworded(|m| format!("accumulateDirectory: \"{m}\""));
        let mut child = self.child(loader, path).map_err(quoted)?;
        if child.kustomization.kind != COMPONENT {
            let kind = &child.kustomization.kind;
            return Err(quoted(Error::invalid(format!(
                "expected kind 'Component' for path '{root}' but got '{kind}'"
            ))));
        }
        child
            .accumulate(all)
            .map_err(|e| quoted(wrap(e, &format!("recursed accumulation of path '{root}'"))))
    }

    fn add_config(&self, all: &mut Accumulator) -> Result<()> {
        let mut config = crate::config::DEFAULT.clone();
        let mut custom = TransformerConfig::default();
        for path in &self.kustomization.configurations {
            let content = self.loader.load(path)?;
            custom.merge(&TransformerConfig::read(&content).map_err(|e| e.in_file(path))?)?;
        }
        if !self.kustomization.configurations.is_empty() {
            config.merge(&custom)?;
        }
        all.merge_config(&config)
            .map_err(|e| e.context("merging config"))?;
        let crds = &self.kustomization.crds;
        if !crds.is_empty() {
            let config = crate::crds::config(&self.loader, crds)
                .map_err(|e| e.context(format!("loading CRDs [{}]", crds.join(" "))))?;
            all.merge_config(&config)
                .map_err(|e| e.context("merging CRDs"))?;
        }
        Ok(())
    }

    fn generate(&mut self, all: &mut Accumulator) -> Result<()> {
        let k = &self.kustomization;
        let global = k.generator_options.as_ref();
        let built_in = |kind: Kind,
                        list: &[crate::kustomization::GeneratorArgs]|
         -> Result<Vec<(Resource, Option<Origin>)>> {
            let name = if kind == Kind::ConfigMap {
                "ConfigMapGenerator"
            } else {
                "SecretGenerator"
            };
            let origin = self.origin.as_ref().map(|o| o.built_in(name, self.file));
            list.iter()
                .map(|args| {
                    let mut args = args.clone();
                    args.options = GeneratorOptions::merged(args.options.take(), global);
                    Ok((
                        generate::generate(kind, &args, &self.loader)?,
                        origin.clone(),
                    ))
                })
                .collect()
        };
        let mut made = built_in(Kind::ConfigMap, &k.config_map_generator)?;
        made.extend(built_in(Kind::Secret, &k.secret_generator)?);
        let schema = self.session.schema();
        let charts = crate::chart::of_field(
            &k.helm_charts,
            k.helm_globals.as_ref(),
            &self.loader,
            &schema,
        )?;
        let origin = self
            .origin
            .as_ref()
            .map(|o| o.built_in("HelmChartInflationGenerator", self.file));
        made.extend(charts.into_iter().map(|r| (r, origin.clone())));
        let entries = k.generators.clone();
        for plugin in self
            .plugins(&entries)
            .map_err(|e| wrap(e, "loading generator plugins"))?
        {
            let origin = Origin::of_plugin(&plugin);
            let resources = step::generator(&plugin, &self.loader, &schema)
                .map_err(|e| wrap(e, "loading generator plugins"))?;
            made.extend(resources.into_iter().map(|r| (r, origin.clone())));
        }
        for (mut resource, origin) in made {
            if let Some(origin) = &origin {
                origin::mark(&mut resource, origin);
            }
            all.map
                .absorb(resource, &schema)
                .map_err(|e| e.context("merging from generator"))?;
        }
        Ok(())
    }

    /// The configurations that entries of `generators`, `transformers` or `validators` give or point to.
    fn plugins(&mut self, entries: &[String]) -> Result<Vec<Resource>> {
        let schema = self.session.schema();
        let mut all = Accumulator::default();
        let mut paths = Vec::new();
        for entry in entries {
            let Ok(mut inline) = document::resources(entry.as_bytes()) else {
                paths.push(entry.clone());
                continue;
            };
            if let Some(origin) = &self.origin {
                let text = origin.append(self.file).text();
                for plugin in &mut inline {
                    plugin.set_origin(&text);
                }
            }
            all.map.append_all(inline, &schema)?;
        }
        self.add_resources(&mut all, &paths)?;
        Ok(all.map.into_items())
    }

    fn transform(&mut self, all: &mut Accumulator) -> Result<()> {
        let mut steps = self.built_in_steps(&all.config)?;
        let entries = std::mem::take(&mut self.kustomization.transformers);
        for plugin in self.plugins(&entries)? {
            steps.push((
                step::transformer(&plugin, &self.loader)?,
                Origin::of_plugin(&plugin),
            ));
        }
        let schema = self.session.schema();
        for (step, origin) in steps {
            step.apply(&mut all.map, &schema)?;
            if let Some(origin) = origin {
                origin::record(all.map.items_mut(), &origin);
            }
            all.map.drop_empty();
        }
        Ok(())
    }

    /// The transformers the kustomization's fields ask for, in the order they run.
    fn built_in_steps(&self, config: &TransformerConfig) -> Result<Vec<(Step, Option<Origin>)>> {
        let k = &self.kustomization;
        let mut steps = Steps {
            target: self,
            list: Vec::new(),
        };
        if let Some(paths) = k.patches_strategic_merge.as_ref().filter(|p| !p.is_empty()) {
            let shown = || vec![("paths".to_owned(), strings(paths))];
            steps.push("PatchStrategicMergeTransformer", shown, || {
                step::strategic_patches(paths, "", &self.loader)
            })?;
        }
        for entry in &k.patches {
            let shown = || patch_entry(entry, "patch");
            steps.push("PatchTransformer", shown, || {
                let mut text = String::new();
                crate::yaml::emit::document(&Value::Map(patch_entry(entry, "patch")), &mut text);
                let args = patch::Args {
                    path: &entry.path,
                    patch: &entry.patch,
                    target: entry.target.as_ref(),
                    options: entry.options.as_ref(),
                };
                Patch::read(&args, &self.loader, &text).map(Step::Patch)
            })?;
        }
        if !k.namespace.is_empty() {
            let step = Step::Namespace {
                name: k.namespace.clone(),
                specs: config.namespace.clone(),
                unset_only: false,
                subjects: Subjects::Default,
            };
            steps.add("NamespaceTransformer", step);
        }
        if !k.name_prefix.is_empty() {
            let step = Step::Affix {
                end: End::Prefix,
                text: k.name_prefix.clone(),
                specs: config.name_prefix.clone(),
            };
            steps.add("PrefixTransformer", step);
        }
        if !k.name_suffix.is_empty() {
            let step = Step::Affix {
                end: End::Suffix,
                text: k.name_suffix.clone(),
                specs: config.name_suffix.clone(),
            };
            steps.add("SuffixTransformer", step);
        }
        for label in &k.labels {
            let step = Step::Entries {
                entries: label.pairs.clone(),
                specs: metadata::label_specs(label, config)?,
            };
            steps.add("LabelTransformer", step);
        }
        if !k.labels.is_empty() || k.common_labels.as_ref().is_some_and(|l| !l.is_empty()) {
            let entries = k.common_labels.clone().unwrap_or_default();
            steps.add(
                "LabelTransformer",
                Step::Entries {
                    entries,
                    specs: config.common_labels.clone(),
                },
            );
        }
        if !k.common_annotations.is_empty() {
            let step = Step::Entries {
                entries: k.common_annotations.clone(),
                specs: config.common_annotations.clone(),
            };
            steps.add("AnnotationsTransformer", step);
        }
        for entry in k.patches_json6902.iter().flatten() {
            let shown = || patch_entry(entry, "jsonOp");
            steps.push("PatchJson6902Transformer", shown, || {
                step::json_patch(
                    entry.target.as_ref(),
                    &entry.path,
                    &entry.patch,
                    &self.loader,
                )
            })?;
        }
        for replica in &k.replicas {
            steps.add(
                "ReplicaCountTransformer",
                Step::Replicas {
                    replica: replica.clone(),
                    specs: config.replicas.clone(),
                },
            );
        }
        // Each is a transformation of its own where transformations are recorded.
        let together = if self.origin.is_some() {
            1
        } else {
            k.images.len().max(1)
        };
        for images in k.images.chunks(together) {
            steps.add(
                "ImageTagTransformer",
                Step::Images {
                    images: images.to_vec(),
                    specs: config.images.clone(),
                },
            );
        }
        if !k.replacements.is_empty() {
            steps.push("ReplacementTransformer", Vec::new, || {
                step::replacements(&k.replacements, &self.loader)
            })?;
        }
        Ok(steps.list)
    }

    fn validate(&mut self, all: &mut Accumulator) -> Result<()> {
        let entries = std::mem::take(&mut self.kustomization.validators);
        let schema = self.session.schema();
        for plugin in self.plugins(&entries)? {
            let step = step::transformer(&plugin, &self.loader)?;
            let before = all.map.clone();
            step.apply(&mut all.map, &schema)?;
            let mut after = all.map.clone();
            for resource in after.items_mut() {
                let mut labels = resource.labels();
                if labels.remove("validated-by").is_some() {
                    resource.set_labels(&labels);
                }
            }
            if before.items() != after.items() {
                return Err(Error::invalid(
                    "validator shouldn't modify the resource map",
                ));
            }
        }
        Ok(())
    }
}

struct Steps<'a, 't, 's> {
    target: &'a Target<'t, 's>,
    list: Vec<(Step, Option<Origin>)>,
}

impl Steps<'_, '_, '_> {
    fn add(&mut self, name: &str, step: Step) {
        let origin = self
            .target
            .origin
            .as_ref()
            .map(|o| o.built_in(name, self.target.file));
        self.list.push((step, origin));
    }

    fn push(
        &mut self,
        name: &str,
        shown: impl FnOnce() -> Vec<(String, Value)>,
        make: impl FnOnce() -> Result<Step>,
    ) -> Result<()> {
        let step = make().map_err(|e| {
            let mut text = String::new();
            crate::yaml::emit::document(&Value::Map(shown()), &mut text);
            wrap(
                e,
                &format!(
                    "trouble configuring builtin {name} with config: `\n{}`",
                    excerpt(&text)
                ),
            )
        })?;
        self.add(name, step);
        Ok(())
    }
}

fn strings(list: &[String]) -> Value {
    Value::List(list.iter().cloned().map(Value::String).collect())
}

/// A patch entry as messages show it.
fn patch_entry(entry: &PatchEntry, text_field: &str) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    let put = |key: &str, value: &str, into: &mut Vec<(String, Value)>| {
        if !value.is_empty() {
            into.push((key.to_owned(), Value::String(value.to_owned())));
        }
    };
    put("path", &entry.path, &mut out);
    put(text_field, &entry.patch, &mut out);
    if let Some(target) = &entry.target {
        let mut fields = Vec::new();
        put("group", &target.id.gvk.group, &mut fields);
        put("version", &target.id.gvk.version, &mut fields);
        put("kind", &target.id.gvk.kind, &mut fields);
        put("name", &target.id.name, &mut fields);
        put("namespace", &target.id.namespace, &mut fields);
        put("annotationSelector", &target.annotations, &mut fields);
        put("labelSelector", &target.labels, &mut fields);
        out.push(("target".to_owned(), Value::Map(fields)));
    }
    out
}

/// Adds what was being done, but not to refusals and limits, which concern the whole.
fn wrap(error: Error, prefix: &str) -> Error {
    if is_final(&error) {
        return error;
    }
    error.context(prefix)
}

fn is_final(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Refused | ErrorKind::Limit | ErrorKind::Corrupt
    )
}

/// Leaves out objects that are only there for local use; of the others no two may be the same.
fn drop_local(map: &mut ResMap, schema: &Schema) -> Result<()> {
    for resource in map.items() {
        document::check(&resource.node)?;
    }
    if map.items().iter().any(is_local) {
        map.items_mut().retain(|resource| !is_local(resource));
    }
    map.check_distinct(schema)
}

fn is_local(resource: &Resource) -> bool {
    resource
        .annotation(annotation::LOCAL_CONFIG)
        .is_some_and(|value| value != "false")
}
