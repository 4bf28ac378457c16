//! The kustomization file.

use std::collections::BTreeMap;

use crate::config::FieldSpec;
use crate::decode::{At, Decode, Mode};
use crate::error::{Error, Result};
use crate::id::{Gvk, ResId};
use crate::value::Value;

/// The names a kustomization file may have.
pub(crate) const FILE_NAMES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Declares a structure together with how it is read: each field with its name in the file.
macro_rules! structure {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: $type,)* }

        impl Decode for $name {
            fn type_name() -> String {
                concat!("types.", stringify!($name)).to_owned()
            }

            fn decode(value: &Value, at: &At<'_>) -> Result<$name> {
                let fields = at.fields(value, stringify!($name), &[$($key),*])?;
                Ok($name { $($field: fields.get($key)?,)* })
            }
        }
    };
}

impl<T: Decode> Decode for Option<T> {
    fn type_name() -> String {
        T::type_name()
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<Option<T>> {
        T::decode(value, at).map(Some)
    }
}

structure! {
    /// `labels[]`
    Label {
        pairs: BTreeMap<String, String> = "pairs",
        include_selectors: bool = "includeSelectors",
        include_templates: bool = "includeTemplates",
        fields: Vec<FieldSpec> = "fields",
    }
}

structure! {
    /// `patches[].options`
    PatchArgs {
        allow_name_change: bool = "allowNameChange",
        allow_kind_change: bool = "allowKindChange",
    }
}

structure! {
    /// `patches[]` and `patchesJson6902[]`
    Patch {
        path: String = "path",
        patch: String = "patch",
        target: Option<Selector> = "target",
        options: Option<PatchArgs> = "options",
    }
}

structure! {
    /// `images[]`
    Image {
        name: String = "name",
        new_name: String = "newName",
        tag_suffix: String = "tagSuffix",
        new_tag: String = "newTag",
        digest: String = "digest",
    }
}

structure! {
    /// `replicas[]`
    Replica {
        name: String = "name",
        count: i64 = "count",
    }
}

structure! {
    /// `generatorOptions` and `options` of a generator
    GeneratorOptions {
        labels: Option<BTreeMap<String, String>> = "labels",
        annotations: Option<BTreeMap<String, String>> = "annotations",
        disable_name_suffix_hash: bool = "disableNameSuffixHash",
        immutable: bool = "immutable",
    }
}

impl GeneratorOptions {
    /// A generator's own options, completed by the kustomization's.
    pub(crate) fn merged(
        own: Option<GeneratorOptions>,
        global: Option<&GeneratorOptions>,
    ) -> Option<GeneratorOptions> {
        let Some(global) = global else { return own };
        let mut own = own.unwrap_or_default();
        let fill = |own: &mut Option<BTreeMap<String, String>>,
                    global: &Option<BTreeMap<String, String>>| {
            if let Some(global) = global {
                let own = own.get_or_insert_default();
                for (key, value) in global {
                    own.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
        };
        fill(&mut own.labels, &global.labels);
        fill(&mut own.annotations, &global.annotations);
        own.disable_name_suffix_hash |= global.disable_name_suffix_hash;
        own.immutable |= global.immutable;
        Some(own)
    }
}

structure! {
    /// `configMapGenerator[]` and `secretGenerator[]`; `type` is for the latter.
    GeneratorArgs {
        namespace: String = "namespace",
        name: String = "name",
        behavior: String = "behavior",
        literals: Vec<String> = "literals",
        files: Vec<String> = "files",
        envs: Vec<String> = "envs",
        env: String = "env",
        options: Option<GeneratorOptions> = "options",
        secret_type: String = "type",
    }
}

structure! {
    /// `sortOptions`
    SortOptions {
        order: String = "order",
        legacy: Option<LegacySortOptions> = "legacySortOptions",
    }
}

structure! {
    /// `sortOptions.legacySortOptions`
    LegacySortOptions {
        order_first: Vec<String> = "orderFirst",
        order_last: Vec<String> = "orderLast",
    }
}

structure! {
    /// `vars[].fieldref`
    FieldRef {
        field_path: String = "fieldPath",
    }
}

structure! {
    /// `vars[].objref`
    ObjectRef {
        api_version: String = "apiVersion",
        group: String = "group",
        version: String = "version",
        kind: String = "kind",
        name: String = "name",
        namespace: String = "namespace",
    }
}

impl ObjectRef {
    /// The kind it names; `apiVersion` wins over `group` and `version`.
    pub(crate) fn gvk(&self) -> Gvk {
        let mut gvk = Gvk {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
        };
        match self.api_version.split('/').collect::<Vec<_>>().as_slice() {
            [""] => {}
            [version] => gvk.version = (*version).to_owned(),
            [group, version] => {
                gvk.group = (*group).to_owned();
                gvk.version = (*version).to_owned();
            }
            _ => {}
        }
        gvk
    }
}

structure! {
    /// `vars[]`
    Var {
        name: String = "name",
        object: ObjectRef = "objref",
        field: FieldRef = "fieldref",
    }
}

impl Var {
    pub(crate) fn field_path(&self) -> &str {
        if self.field.field_path.is_empty() {
            "metadata.name"
        } else {
            &self.field.field_path
        }
    }
}

structure! {
    /// `replacements[].source.options` and `replacements[].targets[].options`
    FieldOptions {
        delimiter: String = "delimiter",
        index: i64 = "index",
        encoding: String = "encoding",
        create: bool = "create",
    }
}

structure! {
    /// `replacements[].targets[]`
    ReplacementTarget {
        select: Option<Selector> = "select",
        reject: Vec<Selector> = "reject",
        field_paths: Vec<String> = "fieldPaths",
        options: Option<FieldOptions> = "options",
    }
}

structure! {
    /// `replacements[]`
    Replacement {
        path: String = "path",
        source: Option<ReplacementSource> = "source",
        targets: Option<Vec<ReplacementTarget>> = "targets",
        source_value: Option<String> = "sourceValue",
    }
}

/// `replacements[].source`
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReplacementSource {
    pub(crate) id: ResId,
    pub(crate) field_path: String,
    pub(crate) options: Option<FieldOptions>,
}

impl Decode for ReplacementSource {
    fn type_name() -> String {
        "types.SourceSelector".to_owned()
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<ReplacementSource> {
        let fields = at.fields(
            value,
            "SourceSelector",
            &[
                "group",
                "version",
                "kind",
                "name",
                "namespace",
                "fieldPath",
                "options",
            ],
        )?;
        Ok(ReplacementSource {
            id: ResId {
                gvk: Gvk {
                    group: fields.get("group")?,
                    version: fields.get("version")?,
                    kind: fields.get("kind")?,
                },
                name: fields.get("name")?,
                namespace: fields.get("namespace")?,
            },
            field_path: fields.get("fieldPath")?,
            options: fields.get("options")?,
        })
    }
}

/// What objects a patch or replacement is for. The parts of the identity are regular expressions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector {
    pub(crate) id: ResId,
    pub(crate) annotations: String,
    pub(crate) labels: String,
}

impl Decode for Selector {
    fn type_name() -> String {
        "types.Selector".to_owned()
    }

    fn decode(value: &Value, at: &At<'_>) -> Result<Selector> {
        let known = [
            "group",
            "version",
            "kind",
            "name",
            "namespace",
            "annotationSelector",
            "labelSelector",
        ];
        let fields = at.fields(value, "Selector", &known)?;
        Ok(Selector {
            id: ResId {
                gvk: Gvk {
                    group: fields.get("group")?,
                    version: fields.get("version")?,
                    kind: fields.get("kind")?,
                },
                name: fields.get("name")?,
                namespace: fields.get("namespace")?,
            },
            annotations: fields.get("annotationSelector")?,
            labels: fields.get("labelSelector")?,
        })
    }
}

structure! {
    /// `metadata`, which changes nothing.
    ObjectMeta {
        name: String = "name",
        namespace: String = "namespace",
        labels: BTreeMap<String, String> = "labels",
        annotations: BTreeMap<String, String> = "annotations",
    }
}

structure! {
    /// `helmGlobals`
    HelmGlobals {
        chart_home: String = "chartHome",
        config_home: String = "configHome",
    }
}

structure! {
    /// `helmCharts[]`
    HelmChart {
        name: String = "name",
        version: String = "version",
        repo: String = "repo",
        release_name: String = "releaseName",
        namespace: String = "namespace",
        additional_values_files: Vec<String> = "additionalValuesFiles",
        values_file: String = "valuesFile",
        values_inline: Option<Value> = "valuesInline",
        values_merge: String = "valuesMerge",
        include_crds: bool = "includeCRDs",
        skip_hooks: bool = "skipHooks",
        api_versions: Vec<String> = "apiVersions",
        kube_version: String = "kubeVersion",
        name_template: String = "nameTemplate",
        skip_tests: bool = "skipTests",
        debug: bool = "debug",
        devel: bool = "devel",
    }
}

structure! {
    /// `helmChartInflationGenerator[]`, the older form.
    OldHelmChart {
        name: String = "chartName",
        version: String = "chartVersion",
        repo: String = "chartRepoUrl",
        chart_home: String = "chartHome",
        chart_repo_name: String = "chartRepoName",
        helm_bin: String = "helmBin",
        helm_home: String = "helmHome",
        values_file: String = "values",
        values_inline: Option<Value> = "valuesLocal",
        values_merge: String = "valuesMerge",
        release_name: String = "releaseName",
        release_namespace: String = "releaseNamespace",
        extra_args: Vec<String> = "extraArgs",
    }
}

impl From<OldHelmChart> for HelmChart {
    // kustomize drops what is not here, the namespace too.
    fn from(old: OldHelmChart) -> HelmChart {
        HelmChart {
            name: old.name,
            version: old.version,
            repo: old.repo,
            values_file: old.values_file,
            values_inline: old.values_inline,
            values_merge: old.values_merge,
            release_name: old.release_name,
            ..HelmChart::default()
        }
    }
}

structure! {
    /// A kustomization or component, as written.
    Kustomization {
        kind: String = "kind",
        api_version: String = "apiVersion",
        metadata: Option<ObjectMeta> = "metadata",
        openapi: BTreeMap<String, String> = "openapi",
        name_prefix: String = "namePrefix",
        name_suffix: String = "nameSuffix",
        namespace: String = "namespace",
        common_labels: Option<BTreeMap<String, String>> = "commonLabels",
        labels: Vec<Label> = "labels",
        common_annotations: BTreeMap<String, String> = "commonAnnotations",
        patches_strategic_merge: Option<Vec<String>> = "patchesStrategicMerge",
        patches_json6902: Option<Vec<Patch>> = "patchesJson6902",
        patches: Vec<Patch> = "patches",
        images: Vec<Image> = "images",
        image_tags: Option<Vec<Image>> = "imageTags",
        replacements: Vec<Replacement> = "replacements",
        replicas: Vec<Replica> = "replicas",
        vars: Option<Vec<Var>> = "vars",
        sort_options: Option<SortOptions> = "sortOptions",
        resources: Vec<String> = "resources",
        components: Vec<String> = "components",
        crds: Vec<String> = "crds",
        bases: Option<Vec<String>> = "bases",
        config_map_generator: Vec<GeneratorArgs> = "configMapGenerator",
        secret_generator: Vec<GeneratorArgs> = "secretGenerator",
        helm_globals: Option<HelmGlobals> = "helmGlobals",
        helm_charts: Vec<HelmChart> = "helmCharts",
        helm_chart_inflation_generator: Vec<OldHelmChart> = "helmChartInflationGenerator",
        generator_options: Option<GeneratorOptions> = "generatorOptions",
        configurations: Vec<String> = "configurations",
        generators: Vec<String> = "generators",
        transformers: Vec<String> = "transformers",
        validators: Vec<String> = "validators",
        build_metadata: Vec<String> = "buildMetadata",
    }
}

pub(crate) const KUSTOMIZATION: &str = "Kustomization";
pub(crate) const COMPONENT: &str = "Component";

impl Kustomization {
    /// Reads a kustomization file found in `root`, and what there is to warn of.
    pub(crate) fn read(content: &[u8], root: &str) -> Result<(Kustomization, Vec<String>)> {
        let invalid = |e: Error| e.context("invalid Kustomization");
        let value = crate::decode::document(content)
            .map_err(|e| invalid(e.into_error()))?
            .unwrap_or(Value::Null);
        let mut k = Kustomization::decode(&value, &At::top(Mode::Strict, KUSTOMIZATION))
            .map_err(invalid)?;
        let warnings = k.deprecations();
        k.complete();
        if is_blank(&value) {
            return Err(Error::invalid("kustomization.yaml is empty"));
        }
        let problems = k.problems();
        if !problems.is_empty() {
            return Err(Error::invalid(format!(
                "Failed to read kustomization file under {root}:\n{}",
                problems.join("\n")
            )));
        }
        Ok((k, warnings))
    }

    fn deprecations(&self) -> Vec<String> {
        let edit = "Run 'kustomize edit fix' to update your Kustomization automatically.";
        let experimental = format!("[EXPERIMENTAL] {edit}");
        [
            (self.bases.is_some(), "bases", "resources", edit),
            (self.common_labels.is_some(), "commonLabels", "labels", edit),
            (self.image_tags.is_some(), "imageTags", "images", edit),
            (
                self.patches_json6902.is_some(),
                "patchesJson6902",
                "patches",
                edit,
            ),
            (
                self.patches_strategic_merge.is_some(),
                "patchesStrategicMerge",
                "patches",
                edit,
            ),
            (
                self.vars.is_some(),
                "vars",
                "replacements",
                experimental.as_str(),
            ),
        ]
        .into_iter()
        .filter(|(used, ..)| *used)
        .map(|(_, old, new, advice)| {
            format!("# Warning: '{old}' is deprecated. Please use '{new}' instead. {advice}")
        })
        .collect()
    }

    /// Fills in kinds and moves old fields to where they belong today.
    fn complete(&mut self) {
        if self.kind.is_empty() {
            self.kind = KUSTOMIZATION.to_owned();
        }
        if self.api_version.is_empty() {
            self.api_version = api_version_of(&self.kind).to_owned();
        }
        self.resources.extend(self.bases.take().unwrap_or_default());
        self.images
            .extend(self.image_tags.take().unwrap_or_default());
        for generator in self
            .config_map_generator
            .iter_mut()
            .chain(&mut self.secret_generator)
        {
            if !generator.env.is_empty() {
                let env = std::mem::take(&mut generator.env);
                generator.envs.push(env);
            }
        }
        for old in self.helm_chart_inflation_generator.drain(..) {
            if !old.helm_home.is_empty() {
                let globals = self.helm_globals.get_or_insert_default();
                globals.config_home.clone_from(&old.helm_home);
            }
            self.helm_charts.push(old.into());
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.kind != KUSTOMIZATION && self.kind != COMPONENT {
            out.push("kind should be Kustomization or Component".to_owned());
        }
        let wanted = api_version_of(&self.kind);
        if self.api_version != wanted {
            out.push(format!("apiVersion for {} should be {wanted}", self.kind));
        }
        out
    }
}

fn api_version_of(kind: &str) -> &'static str {
    if kind == COMPONENT {
        "kustomize.config.k8s.io/v1alpha1"
    } else {
        "kustomize.config.k8s.io/v1beta1"
    }
}

/// Whether nothing but the type is said.
fn is_blank(value: &Value) -> bool {
    let Value::Map(entries) = value else {
        return true;
    };
    entries.iter().all(|(key, value)| {
        let named = |name: &str| key.eq_ignore_ascii_case(name);
        let nothing = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::List(items) => {
                items.is_empty()
                    && (named("bases")
                        || named("imageTags")
                        || named("helmChartInflationGenerator"))
            }
            _ => false,
        };
        nothing || named("kind") || named("apiVersion")
    })
}
