//! The overlay's objects as resources, in the generation's namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use overlay::{DiskTree, ErrorKind, FileTree, Object, Options, Place, Remotes, TreeError, Value};
use planner::{Address, Resource};
use serde_json::json;

use crate::failure::Failure;

/// A folder that is nowhere on disk: its kustomization wraps the overlay and names the namespace.
const WRAPPER: &str = ".rebuild-namespace";

/// The project's tree with one more kustomization in it.
struct Wrapped {
    disk: DiskTree,
    folder: String,
    kustomization: String,
}

impl FileTree for Wrapped {
    fn find(&self, path: &str) -> Result<Place, TreeError> {
        if path == self.folder {
            return Ok(Place {
                path: path.to_owned(),
                directory: true,
            });
        }
        if path == format!("{}/kustomization.yaml", self.folder) {
            return Ok(Place {
                path: path.to_owned(),
                directory: false,
            });
        }
        self.disk.find(path)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        if path == format!("{}/kustomization.yaml", self.folder) {
            return Ok(self.kustomization.clone().into_bytes());
        }
        self.disk.read(path, limit)
    }
}

/// Renders the overlay into a namespace: its objects, and the digest of every file that was read.
pub fn objects(
    root: &Path,
    path: &str,
    namespace: &str,
    remotes: &dyn Remotes,
) -> Result<(Vec<Resource>, BTreeMap<String, String>), Failure> {
    let (rendered, boundary) = render(root, path, namespace, remotes)?;
    let mut resources = Vec::new();
    for object in &rendered.objects {
        resources.push(resource(object)?);
    }
    let files = rendered
        .inputs
        .iter()
        .filter(|input| !input.path.contains(WRAPPER))
        .map(|input| {
            (
                input
                    .path
                    .trim_start_matches(&boundary)
                    .trim_start_matches('/')
                    .to_owned(),
                input.sha256.clone(),
            )
        })
        .collect();
    Ok((resources, files))
}

/// Renders the overlay into a namespace. What it takes from elsewhere is asked of `remotes`. Gives the folder that all of
/// its files are in as well.
pub fn render(
    root: &Path,
    path: &str,
    namespace: &str,
    remotes: &dyn Remotes,
) -> Result<(overlay::Rendered, String), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::of(format!("the overlay `{path}` can't be rendered"), error)
            .hint("correct the file named")
    };
    let disk = DiskTree::new(root).map_err(|error| failed(&error))?;
    let boundary = disk.boundary().to_owned();
    let folder = format!("{boundary}/{WRAPPER}");
    let kustomization =
        json!({ "resources": [format!("../{path}")], "namespace": namespace }).to_string();
    let wrapped = Wrapped {
        disk,
        folder: folder.clone(),
        kustomization,
    };
    let rendered = overlay::render_with(&wrapped, &folder, &Options::default(), remotes);
    let rendered = rendered.map_err(|error| {
        let failure = Failure::of(format!("the overlay `{path}` can't be rendered"), &error);
        match error.kind() {
            ErrorKind::Refused => failure.hint("what it takes from elsewhere must be allowed by `what.overlay.remotes` and vendored: `rebuild overlays vendor --env NAME`"),
            ErrorKind::Corrupt => failure.hint("see what differs with `rebuild overlays verify --env NAME`, and find out who changed it"),
            _ => failure.hint("correct the file named"),
        }
    })?;
    Ok((rendered, boundary))
}

fn group_kind(object: &Object) -> String {
    match object.api_version.split_once('/') {
        Some((group, _)) => format!("{group}/{}", object.kind),
        None => object.kind.clone(),
    }
}

fn resource(object: &Object) -> Result<Resource, Failure> {
    let name = match &object.namespace {
        Some(namespace) => format!("{namespace}/{}", object.name),
        None => object.name.clone(),
    };
    let address = Address::new("kubernetes", &group_kind(object), &name)
        .map_err(|error| Failure::of("an object of the overlay has no address", &error))?;
    Ok(Resource {
        address,
        spec: json!({ "object": json(&object.value) }),
        depends_on: BTreeSet::new(),
        origin: None,
    })
}

/// A namespace of which nothing but its name is said.
pub fn bare_namespace(name: &str) -> Result<Resource, Failure> {
    let address = Address::new("kubernetes", "Namespace", name)
        .map_err(|error| Failure::of("the namespace has no address", &error))?;
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    Ok(Resource {
        address,
        spec: json!({ "object": object }),
        depends_on: BTreeSet::new(),
        origin: None,
    })
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Uint(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::String(value) => json!(value),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => serde_json::Value::Object(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), json(value)))
                .collect(),
        ),
    }
}
