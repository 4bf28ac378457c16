//! Pure kustomize rendering over a file-tree trait.
//!
//! [`render`] gives what `kubectl kustomize` prints, byte for byte, for kustomize 5.8.1. It reads files only through
//! a [`FileTree`], runs nothing and talks to nobody: plugins that are programs or containers are refused by name, and
//! so are remote resources and charts, unless [`render_with`] is given a [`Remotes`] that has them. Work grows with the number of objects, not with its square.
//!
//! kustomize cannot read back some of what it writes on the way and then refuses the whole tree: a comment beside a
//! key whose value ends up between brackets, text in block form that begins with a tab. Such trees are rendered here.
//! Its JSON patches test the text of numbers and strings, so that `1.0` is not `1`; here they test values, as
//! [RFC 6902](https://www.rfc-editor.org/rfc/rfc6902#section-4.6) says.

mod budget;
mod chart;
mod config;
mod crds;
mod decode;
mod document;
mod error;
mod generate;
mod id;
mod json;
mod kustomization;
mod loader;
mod origin;
mod remote;
mod resmap;
mod resource;
mod schema;
mod selector;
mod shared;
mod step;
mod target;
mod transform;
mod tree;
mod value;
mod yaml;

use std::collections::BTreeMap;

pub use chart::{Chart, ChartRelease};
pub use error::{Error, ErrorKind, Location};
pub use loader::Input;
pub use remote::{NoRemotes, RemoteError, Remotes, RepositorySpec};
pub use tree::{DiskTree, FileTree, MemoryTree, Place, TreeError};
pub use value::Value;

use config::FieldSpec;
use loader::Loader;
use resmap::ResMap;
use resource::annotation;
use target::{Session, Target};

/// The label that says which tool made an object, and its value.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "kustomize-v5.8.1");

/// The order of the result where the kustomization does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reorder {
    /// By kind, then by name, as `kubectl kustomize` does.
    #[default]
    Legacy,
    /// As read.
    None,
}

/// Which files a kustomization may read besides other kustomizations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadRestrictor {
    /// Those in or below its own directory.
    #[default]
    RootOnly,
    /// Any in the tree.
    None,
}

/// What one rendering may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of one file, in bytes.
    pub file_bytes: u64,
    /// Size of all files read, in bytes; a file read twice counts twice.
    pub total_bytes: u64,
    /// Kustomizations within kustomizations.
    pub depth: usize,
    /// Kustomizations read in all.
    pub kustomizations: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            file_bytes: 8 << 20,
            total_bytes: 64 << 20,
            depth: 50,
            kustomizations: 10_000,
        }
    }
}

/// How to render.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The order of the result.
    pub reorder: Reorder,
    /// Which files may be read.
    pub load_restrictor: LoadRestrictor,
    /// Label every object as made by kustomize.
    pub managed_by_label: bool,
    /// What the rendering may cost.
    pub limits: Limits,
}

/// A rendered object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// `apiVersion`
    pub api_version: String,
    /// `kind`
    pub kind: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.namespace`, if it is set.
    pub namespace: Option<String>,
    /// The whole object.
    pub value: Value,
}

/// The result of a rendering.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The objects, in order.
    pub objects: Vec<Object>,
    /// Every file that was read, by path: the same files give the same result.
    pub inputs: Vec<Input>,
    /// What kustomize warns of, in its words.
    pub warnings: Vec<String>,
}

impl Rendered {
    /// The objects as `kubectl kustomize` prints them.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        for (at, object) in self.objects.iter().enumerate() {
            if at > 0 {
                out.push_str("---\n");
            }
            yaml::emit::document(&object.value, &mut out);
        }
        out
    }
}

/// Renders the kustomization in the directory `root` of `tree`.
///
/// # Errors
/// When a file is missing, is no YAML, says something that does not fit, leads out of where it may lead, asks for
/// something that is refused, or is larger than the limits.
pub fn render(tree: &dyn FileTree, root: &str, options: &Options) -> Result<Rendered, Error> {
    render_with(tree, root, options, &NoRemotes)
}

/// As [`render`]; what kustomizations take from elsewhere is asked of `remotes`.
///
/// # Errors
/// As for [`render`]. What `remotes` does not list is [`ErrorKind::Refused`], what it cannot give [`ErrorKind::Corrupt`].
pub fn render_with(
    tree: &dyn FileTree,
    root: &str,
    options: &Options,
    remotes: &dyn Remotes,
) -> Result<Rendered, Error> {
    shared::forget();
    budget::within(|| render_within(Loader::new(tree, root, options, remotes)?))
}

fn render_within(loader: Loader<'_>) -> Result<Rendered, Error> {
    let session = Session::new();
    let mut target = Target::load(loader.clone(), &session)?;
    let mut map = target.render()?;
    let k = &target.kustomization;
    match &k.sort_options {
        Some(sort) => transform::sort::apply(&mut map, sort)?,
        None if loader.options().reorder == Reorder::Legacy => {
            transform::sort::default_order(&mut map)
        }
        None => {}
    }
    let wants = |name: &str| k.build_metadata.iter().any(|option| option == name);
    if loader.options().managed_by_label || wants("managedByLabel") {
        let label = BTreeMap::from([(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned())]);
        transform::metadata::apply(&mut map, &label, &[FieldSpec::new("metadata/labels", true)])?;
    }
    clean(
        &mut map,
        wants("originAnnotations"),
        wants("transformerAnnotations"),
    );
    let objects = map
        .into_items()
        .into_iter()
        .map(object)
        .collect::<Result<_, _>>()?;
    Ok(Rendered {
        objects,
        inputs: loader.inputs(),
        warnings: session.warnings.take(),
    })
}

/// Takes out the annotations that are only there while rendering.
fn clean(map: &mut ResMap, keep_origin: bool, keep_transformations: bool) {
    for resource in map.items_mut() {
        resource.remove_build_annotations();
        if !keep_origin {
            resource.remove_annotation(annotation::ORIGIN);
        }
        if !keep_transformations {
            resource.remove_annotation(annotation::TRANSFORMATIONS);
        }
    }
}

fn object(mut resource: resource::Resource) -> Result<Object, Error> {
    let id = resource.current_id();
    let api_version = resource.api_version().to_owned();
    let value =
        value::from_resource(&mut resource.node).map_err(|e| Error::from(e).context(&id))?;
    Ok(Object {
        api_version,
        kind: id.gvk.kind,
        name: id.name,
        namespace: Some(id.namespace).filter(|n| !n.is_empty()),
        value,
    })
}
