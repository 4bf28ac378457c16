//! Makes `src/data/kubernetes-VERSION.txt` out of what Kubernetes publishes:
//!
//! ```sh
//! cargo run -p manifest --example schema -- VERSION swagger.json API > provisioner/manifest/src/data/kubernetes-VERSION.txt
//! ```
//!
//! `swagger.json` is `api/openapi-spec/swagger.json` of the Go module `k8s.io/kubernetes`. It names no enumerations, so these are read
//! from the types in `API`, the unpacked Go module `k8s.io/api` of the same release: types marked `+enum`, and their constants.
#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Enumerations that the server takes other values for: qualified names, `HugePages-SIZE`.
const OPEN: [&str; 4] = [
    "core.v1.FinalizerName",
    "core.v1.LimitType",
    "core.v1.ResourceQuotaScope",
    "core.v1.StorageMedium",
];

/// Fields called required that the server takes an object without: their zero value is as good, or a default fills them in.
const TAKEN_WITHOUT: [(&str, &str); 13] = [
    ("apiextensions.v1.CustomResourceDefinitionVersion", "served"),
    (
        "apiextensions.v1.CustomResourceDefinitionVersion",
        "storage",
    ),
    ("core.v1.HTTPHeader", "value"),
    ("core.v1.ISCSIPersistentVolumeSource", "lun"),
    ("core.v1.ISCSIVolumeSource", "lun"),
    ("core.v1.LimitRangeSpec", "limits"),
    ("core.v1.SleepAction", "seconds"),
    ("core.v1.Sysctl", "value"),
    ("discovery.v1.EndpointSlice", "endpoints"),
    ("rbac.v1.RoleRef", "apiGroup"),
    ("scheduling.v1.PriorityClass", "value"),
    ("storage.v1.CSIDriver", "spec"),
    ("storage.v1.CSINodeSpec", "drivers"),
];

/// Values by definition and field.
type Enumerations = BTreeMap<(String, String), BTreeSet<String>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [version, swagger, api] = arguments.as_slice() else {
        return Err("arguments: VERSION swagger.json API".into());
    };
    let document: Value = serde_json::from_str(&fs::read_to_string(swagger)?)?;
    let definitions = document["definitions"]
        .as_object()
        .ok_or("no definitions in the document")?;
    let enumerations = enumerations(Path::new(api))?;

    println!(
        "# Types of Kubernetes {version}, by examples/schema.rs from api/openapi-spec/swagger.json of k8s.io/kubernetes and the types of"
    );
    println!(
        "# k8s.io/api, both Apache-2.0. `def TYPE`, `= APIVERSION KIND`, and its fields: `NAME TYPE`, `!` when required, `key=` of a list, `enum=`."
    );
    let mut wanted: Vec<&str> = definitions
        .iter()
        .filter(|(_, definition)| kind(definition).is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    let mut written = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !written.insert(name) {
            continue;
        }
        wanted.extend(
            fields(&definitions[name])
                .filter_map(|(_, field)| target(field))
                .filter(|target| definitions[*target].get("properties").is_some()),
        );
    }
    for name in written {
        let definition = &definitions[name];
        let short = short(name);
        println!("def {short}");
        if let Some((api_version, kind)) = kind(definition) {
            println!("= {api_version} {kind}");
        }
        for (field, value) in fields(definition) {
            let mut line = format!("{field} {}", shape(value, definitions));
            let required = definition["required"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one == field));
            if required && !TAKEN_WITHOUT.contains(&(short, field)) {
                line.push_str(" !");
            }
            if value["x-kubernetes-list-type"] == "map" {
                let keys: Vec<&str> = value["x-kubernetes-list-map-keys"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                line.push_str(&format!(" key={}", keys.join(",")));
            }
            if let Some(values) = enumerations.get(&(short.to_owned(), field.to_owned())) {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                line.push_str(&format!(" enum={}", values.join(",")));
            }
            println!("{line}");
        }
    }
    Ok(())
}

/// The API version and kind of what can stand in a manifest by itself.
fn kind(definition: &Value) -> Option<(String, &str)> {
    let [only] = definition["x-kubernetes-group-version-kind"]
        .as_array()?
        .as_slice()
    else {
        return None;
    };
    let metadata = definition["properties"]["metadata"]["$ref"].as_str()?;
    if !metadata.ends_with(".ObjectMeta") {
        return None;
    }
    let (group, version) = (only["group"].as_str()?, only["version"].as_str()?);
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Some((api_version, only["kind"].as_str()?))
}

/// The fields of a type; what a server says of an object (`status`) is nobody's to declare.
fn fields(definition: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let standing = kind(definition).is_some();
    definition["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(move |(name, _)| !(standing && *name == "status"))
        .map(|(name, field)| (name.as_str(), field))
}

/// The definition that a field leads to.
fn target(field: &Value) -> Option<&str> {
    if let Some(reference) = field["$ref"].as_str() {
        return reference.strip_prefix("#/definitions/");
    }
    target(field.get("items").or(field.get("additionalProperties"))?)
}

fn shape(field: &Value, definitions: &serde_json::Map<String, Value>) -> String {
    if let Some(name) = field["$ref"]
        .as_str()
        .and_then(|text| text.strip_prefix("#/definitions/"))
    {
        let definition = &definitions[name];
        if definition.get("properties").is_some() {
            return short(name).to_owned();
        }
        return match name.rsplit('.').next() {
            Some("Quantity") => "quantity".to_owned(),
            Some("FieldsV1" | "RawExtension") => "object".to_owned(),
            // An empty type is written `{}`.
            _ if definition["type"] == "object" => "object".to_owned(),
            _ => shape(definition, definitions),
        };
    }
    match (field["type"].as_str(), field["format"].as_str()) {
        (Some("array"), _) => format!("[]{}", shape(&field["items"], definitions)),
        (Some("object"), _) => match field.get("additionalProperties") {
            Some(values) => format!("{{}}{}", shape(values, definitions)),
            None => "object".to_owned(),
        },
        (Some("string"), Some("int-or-string")) => "int-or-string".to_owned(),
        (Some("string"), _) => "string".to_owned(),
        (Some("integer"), Some("int32")) => "int32".to_owned(),
        (Some("integer"), _) => "int64".to_owned(),
        (Some("number"), _) => "number".to_owned(),
        (Some("boolean"), _) => "boolean".to_owned(),
        _ => "any".to_owned(),
    }
}

fn short(name: &str) -> &str {
    [
        "io.k8s.apimachinery.pkg.apis.",
        "io.k8s.apimachinery.pkg.",
        "io.k8s.apiextensions-apiserver.pkg.apis.",
        "io.k8s.kube-aggregator.pkg.apis.",
        "io.k8s.api.",
    ]
    .iter()
    .find_map(|prefix| name.strip_prefix(prefix))
    .unwrap_or(name)
}

fn enumerations(api: &Path) -> Result<Enumerations, Box<dyn Error>> {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut typed: Vec<(String, String, String)> = Vec::new();
    for group in sorted(api)? {
        if !group.is_dir() {
            continue;
        }
        for version in sorted(&group)? {
            let file = version.join("types.go");
            if !file.is_file() {
                continue;
            }
            let name = |path: &Path| {
                path.file_name()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default()
            };
            let package = format!("{}.{}", name(&group), name(&version));
            read_types(
                &package,
                &fs::read_to_string(file)?,
                &mut values,
                &mut typed,
            );
        }
    }
    // A value with a space has no place in the table's lines, and a type without one of its values would be wrong.
    let fits = |values: &BTreeSet<String>| !values.iter().any(|value| value.contains([' ', ',']));
    values.retain(|name, all| !OPEN.contains(&name.as_str()) && !all.is_empty() && fits(all));
    Ok(typed
        .into_iter()
        .filter_map(|(definition, field, of)| Some(((definition, field), values.get(&of)?.clone())))
        .collect())
}

fn sorted(folder: &Path) -> Result<Vec<std::path::PathBuf>, std::io::Error> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    Ok(paths)
}

/// Reads one `types.go`, formatted as gofmt does: what is marked `+enum`, its constants, and the fields of structs.
fn read_types(
    package: &str,
    text: &str,
    values: &mut BTreeMap<String, BTreeSet<String>>,
    typed: &mut Vec<(String, String, String)>,
) {
    let mut imports: BTreeMap<&str, String> = BTreeMap::new();
    let mut marked = false;
    let mut structure = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let qualified = |name: &str| match name.split_once('.') {
            Some((alias, name)) => imports
                .get(alias)
                .map(|package| format!("{package}.{name}")),
            None => Some(format!("{package}.{name}")),
        };
        match words.as_slice() {
            ["//", "+enum"] => marked = true,
            ["//", ..] => {}
            ["type", name, "string"] if marked => {
                marked = false;
                values.entry(format!("{package}.{name}")).or_default();
            }
            ["type", name, "struct", "{"] => {
                marked = false;
                structure = Some(format!("{package}.{name}"));
            }
            ["type", ..] => marked = false,
            ["}"] => structure = None,
            [path] | [_, path] if path.starts_with("\"k8s.io/api/") => {
                let path = path.trim_matches('"');
                let parts: Vec<&str> = path.rsplit('/').take(2).collect();
                if let [version, group] = parts.as_slice() {
                    let alias = if words.len() == 2 { words[0] } else { version };
                    imports.insert(alias, format!("{group}.{version}"));
                }
            }
            [_, of, "=", value, ..] | ["const", _, of, "=", value, ..]
                if value.starts_with('"') =>
            {
                if let Some(all) = qualified(of).and_then(|name| values.get_mut(&name)) {
                    let value = line.split('"').nth(1).unwrap_or_default();
                    if !value.is_empty() {
                        all.insert(value.to_owned());
                    }
                }
            }
            [_, of, tag, ..] if tag.starts_with("`json:\"") => {
                let field = tag["`json:\"".len()..]
                    .split([',', '"'])
                    .next()
                    .unwrap_or_default();
                let of = of.trim_start_matches("[]").trim_start_matches('*');
                if let (Some(structure), Some(of)) = (&structure, qualified(of)) {
                    typed.push((structure.clone(), field.to_owned(), of));
                }
            }
            _ => {}
        }
    }
}
