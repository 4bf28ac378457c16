//! Reading an environment's files, once and bounded.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path};

use planner::Source;
use planner::resource::Origin;
use sha2::{Digest, Sha256};

use crate::error::{Error, Errors, Fault};
use crate::schema::Document;
use crate::semantics;
use crate::yaml::{self, Node, Place};

/// Bytes one file may have.
const LARGEST: u64 = 1 << 20;
/// Unknown fields reported at once.
const MOST_FAULTS: usize = 20;
/// Where templates of infrastructure are, from the project's root.
const INFRASTRUCTURE: &str = "templates/infrastructure";

/// An environment as it was read.
#[derive(Clone, Debug)]
pub struct Environment {
    /// What the file says.
    pub document: Document,
    file: String,
    tree: Node,
    sources: Vec<Source>,
    inputs: BTreeMap<String, String>,
}

impl Environment {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// Path of its file from the project's root.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The templates of its infrastructure.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// SHA-256 (lower-case hex) of every file that was read, by path from the project's root.
    pub fn inputs(&self) -> &BTreeMap<String, String> {
        &self.inputs
    }

    /// The place in the file of a path of keys and indexes, or of the deepest part of it that is there.
    pub fn origin(&self, path: &[&str]) -> Origin {
        let (place, _) = self.tree.locate(path.iter().copied());
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Origin {
            file: self.file.clone(),
            line: number(place.line),
            column: number(place.column),
        }
    }
}

/// Reads `environments/NAME/environment.yaml` below the project's root, and the templates it names.
///
/// # Errors
/// Everything found wrong, with places; advice is in [`Error::hint`].
pub fn load(root: &Path, name: &str) -> Result<Environment, Errors> {
    let known = names(root);
    if !known.iter().any(|other| other == name) {
        return Err(Error::Unknown {
            name: name.chars().take(80).collect(),
            known,
        }
        .into());
    }
    let file = format!("environments/{name}/environment.yaml");
    let mut inputs = BTreeMap::new();
    let text = read(root, &format!("environments/{name}"), &file, &mut inputs)?;
    let fault = |place: Place, fault| Error::Fault {
        file: file.clone(),
        line: place.line,
        column: place.column,
        fault,
    };
    let tree = yaml::parse(&text).map_err(|error| fault(error.place, Fault::Yaml(error.why)))?;
    let (document, mut faults) = typed(&tree);
    if let Some(document) = &document {
        faults.extend(semantics::check(document, name, &tree));
    }
    let mut sources = Vec::new();
    for (index, path) in document
        .iter()
        .flat_map(|document| document.what.infrastructure.iter().enumerate())
    {
        let place = tree
            .locate(["what", "infrastructure", &index.to_string()])
            .0;
        if !within(path) {
            let hint = "write a path below templates/infrastructure, without `..`";
            faults.push((
                place,
                Fault::Unfit {
                    why: format!("the template `{path}` lies outside of {INFRASTRUCTURE}"),
                    hint,
                },
            ));
            continue;
        }
        let full = format!("{INFRASTRUCTURE}/{path}");
        match read(root, INFRASTRUCTURE, &full, &mut inputs) {
            Ok(text) => sources.push(Source { path: full, text }),
            Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                faults.push((
                    place,
                    Fault::Undeclared {
                        what: "template",
                        name: path.clone(),
                        known: templates(root),
                    },
                ));
            }
            Err(error) => faults.push((place, Fault::Form(error.to_string()))),
        }
    }
    faults.sort_by_key(|(place, _)| *place);
    match document {
        Some(document) if faults.is_empty() => Ok(Environment {
            document,
            file,
            tree,
            sources,
            inputs,
        }),
        _ => Err(Errors(
            faults
                .into_iter()
                .map(|(place, what)| fault(place, what))
                .collect(),
        )),
    }
}

/// Names of the environments there are, sorted.
fn names(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join("environments"))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join("environment.yaml").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn templates(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join(INFRASTRUCTURE))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Whether a path stays where it starts.
pub(crate) fn within(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

/// Reads a file that must really lie in a folder, links followed, and notes its digest.
fn read(
    root: &Path,
    folder: &str,
    path: &str,
    inputs: &mut BTreeMap<String, String>,
) -> Result<String, Error> {
    let full = root.join(path);
    let failed = |source| Error::Read {
        path: path.into(),
        source,
    };
    let refused = |why: &str| Error::Refused {
        path: path.into(),
        why: why.to_owned(),
    };
    let real = full.canonicalize().map_err(failed)?;
    if !real.starts_with(root.join(folder).canonicalize().map_err(failed)?) {
        return Err(refused("a link leads out of its folder"));
    }
    // Opening a pipe would wait for a writer.
    if !real.metadata().map_err(failed)?.is_file() {
        return Err(refused("it is no regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(&real)
        .map_err(failed)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(refused("it is larger than 1 MiB"));
    }
    inputs.insert(path.to_owned(), hex::encode(Sha256::digest(&bytes)));
    String::from_utf8(bytes).map_err(|_| refused("it is no UTF-8 text"))
}

/// The typed document, and every unknown field: one after the other is put right or taken out, so that one run shows them all.
fn typed(tree: &Node) -> (Option<Document>, Vec<(Place, Fault)>) {
    let mut value = tree.value();
    let mut faults = Vec::new();
    while faults.len() < MOST_FAULTS {
        let error = match serde_path_to_error::deserialize::<_, Document>(&value) {
            Ok(document) => return (Some(document), faults),
            Err(error) => error,
        };
        let why = error.inner().to_string();
        let mut path: Vec<String> = error.path().iter().filter_map(segment).collect();
        let Some(field) = why
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split('`').next())
        else {
            faults.push((
                tree.locate(path.iter().map(String::as_str)).0,
                Fault::Form(why),
            ));
            break;
        };
        // Within tagged values the path ends at the value itself.
        if path.last().is_none_or(|last| last != field) {
            path.push(field.to_owned());
        }
        let known: Vec<String> = why
            .split('`')
            .skip(3)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        let meant = planner::nearest(field, known.iter().map(String::as_str));
        faults.push((
            tree.locate(path.iter().map(String::as_str)).0,
            Fault::UnknownField {
                field: field.to_owned(),
                known,
            },
        ));
        let pointer: String = path[..path.len() - 1]
            .iter()
            .map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")))
            .collect();
        let Some(parent) = value
            .pointer_mut(&pointer)
            .and_then(serde_json::Value::as_object_mut)
        else {
            break;
        };
        let Some(inner) = parent.remove(field) else {
            break;
        };
        // A misspelt field that is only taken out would be reported as missing, too, and end the search.
        if let Some(meant) = meant.filter(|meant| !parent.contains_key(meant)) {
            parent.insert(meant, inner);
        }
    }
    (None, faults)
}

fn segment(segment: &serde_path_to_error::Segment) -> Option<String> {
    use serde_path_to_error::Segment;
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        // A variant of an externally tagged enum is a key in YAML.
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    }
}
