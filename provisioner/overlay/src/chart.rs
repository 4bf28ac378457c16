//! Helm charts among a kustomization's generators: what is asked of `helm`, and what is made of its answer.
//!
//! The rules are those of kustomize's `HelmChartInflationGenerator`; only charts with a `repo` are known here, since
//! those beside a kustomization are directories of any size that nothing pins.

use crate::decode::{At, Decode};
use crate::document;
use crate::error::{Error, Result};
use crate::kustomization::{HelmChart, HelmGlobals};
use crate::loader::Loader;
use crate::resource::{Resource, annotation};
use crate::schema::Schema;
use crate::transform::merge;
use crate::value::Value;
use crate::yaml::{self, Dialect, Limits, Node};

/// A chart of a repository of charts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chart {
    /// The chart's name.
    pub name: String,
    /// The URL of the repository.
    pub repo: String,
    /// The version.
    pub version: String,
}

/// What a chart is rendered with, in the order `helm template` is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChartRelease {
    /// `releaseName`; without one helm makes up a name, which is never the same.
    pub name: String,
    /// `--namespace`, if not empty.
    pub namespace: String,
    /// `--name-template`, if not empty.
    pub name_template: String,
    /// YAML files for `-f`, the first what `valuesFile` and `valuesInline` give together.
    pub values: Vec<Vec<u8>>,
    /// `--api-versions`, each.
    pub api_versions: Vec<String>,
    /// `--kube-version`, if not empty.
    pub kube_version: String,
    /// `--include-crds`
    pub include_crds: bool,
    /// `--skip-tests`
    pub skip_tests: bool,
    /// `--no-hooks`
    pub skip_hooks: bool,
    /// `--debug`
    pub debug: bool,
    /// `--devel`
    pub devel: bool,
}

/// Renders the charts of `helmCharts`.
pub(crate) fn of_field(
    charts: &[HelmChart],
    globals: Option<&HelmGlobals>,
    loader: &Loader<'_>,
    schema: &Schema,
) -> Result<Vec<Resource>> {
    let globals = globals.cloned().unwrap_or_default();
    let mut out = Vec::new();
    for chart in charts {
        out.extend(inflate(chart.clone(), &globals, loader, schema)?);
    }
    Ok(out)
}

/// Renders the chart of a configuration of kind `HelmChartInflationGenerator`.
pub(crate) fn of_plugin(
    config: &Value,
    at: &At<'_>,
    loader: &Loader<'_>,
    schema: &Schema,
) -> Result<Vec<Resource>> {
    let chart = HelmChart::decode(config, at)?;
    let globals = HelmGlobals::decode(config, at)?;
    inflate(chart, &globals, loader, schema)
}

fn inflate(
    args: HelmChart,
    globals: &HelmGlobals,
    loader: &Loader<'_>,
    schema: &Schema,
) -> Result<Vec<Resource>> {
    if args.name.is_empty() {
        return Err(Error::invalid("chart name cannot be empty"));
    }
    let chart = Chart {
        name: args.name.clone(),
        repo: args.repo.clone(),
        version: args.version.clone(),
    };
    if !matches!(
        args.values_merge.as_str(),
        "" | "merge" | "override" | "replace"
    ) {
        return Err(Error::invalid(
            "valuesMerge must be one of [merge override replace]",
        ));
    }
    // Asked first, so that where no chart may be used it is this that is said.
    let own = loader.chart_values(&chart)?;
    for (missing, what) in [
        (chart.repo.is_empty(), "repo"),
        (chart.version.is_empty(), "version"),
        (
            args.release_name.is_empty() && args.name_template.is_empty(),
            "releaseName",
        ),
    ] {
        if missing {
            return Err(Error::refused(format!(
                "chart '{}' has no `{what}`: only a chart of a repository, at one version and under a name, always renders the same",
                chart.name
            )));
        }
    }
    if !globals.config_home.is_empty() {
        return Err(Error::refused(format!(
            "chart '{}' has a `configHome`: helm is run without anybody's configuration",
            chart.name
        )));
    }
    let file = if args.values_file.is_empty() {
        own
    } else {
        loader.load(&args.values_file)?
    };
    let mut values = vec![values(&args, file, schema)?];
    for path in &args.additional_values_files {
        values.push(
            loader
                .load(path)
                .map_err(|e| e.context("could not load additionalValuesFile"))?,
        );
    }
    let release = ChartRelease {
        name: args.release_name,
        namespace: args.namespace,
        name_template: args.name_template,
        values,
        api_versions: args.api_versions,
        kube_version: args.kube_version,
        include_crds: args.include_crds,
        skip_tests: args.skip_tests,
        skip_hooks: args.skip_hooks,
        debug: args.debug,
        devel: args.devel,
    };
    let printed = loader.template(&chart, &release)?;
    let mut made = document::resources(&printed)
        .or_else(|error| match after_separator(&printed) {
            Some(rest) => document::resources(rest),
            None => Err(error),
        })
        .map_err(|e| e.context(format!("reading what chart '{}' renders to", chart.name)))?;
    for resource in &mut made {
        resource.put_annotation(annotation::HELM_GENERATED, "true");
    }
    Ok(made)
}

/// helm may tell things before the first object.
fn after_separator(printed: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(printed, b"\n---")?;
    Some(&printed[at + 1..])
}

/// The file of values, with those of the kustomization laid over or under it.
fn values(args: &HelmChart, file: Vec<u8>, schema: &Schema) -> Result<Vec<u8>> {
    let Some(Value::Map(inline)) = args.values_inline.as_ref() else {
        return Ok(file);
    };
    if inline.is_empty() {
        return Ok(file);
    }
    let inline = crate::value::from_json(&Value::Map(inline.clone()));
    let merged = match args.values_merge.as_str() {
        "replace" => inline,
        order => {
            let file = yaml::first_document(&file, Dialect::Current, Limits::default())
                .map_err(|e| Error::syntax(&e).context("could not parse values file into rnode"))?
                .unwrap_or_else(Node::empty_map);
            let (mut under, over) = if order == "merge" {
                (inline, file)
            } else {
                (file, inline)
            };
            merge::merge(&mut under, &over, schema)
                .map_err(|e| e.context("could not merge values"))?;
            under
        }
    };
    let mut out = String::new();
    yaml::emit::document(&crate::value::of_resource(&merged)?, &mut out);
    Ok(out.into_bytes())
}
