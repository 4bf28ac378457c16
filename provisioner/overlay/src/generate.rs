//! ConfigMaps and Secrets made from literals and files.

use std::collections::BTreeMap;

use base64::Engine as _;

use crate::error::{Error, Result};
use crate::kustomization::GeneratorArgs;
use crate::loader::Loader;
use crate::resource::{Behavior, Resource};
use crate::yaml::{Node, Style, Tag};

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// Makes one object.
pub(crate) fn generate(kind: Kind, args: &GeneratorArgs, loader: &Loader<'_>) -> Result<Resource> {
    if args.name.is_empty() {
        return Err(Error::invalid("a configmap must have a name"));
    }
    let mut node = Node::empty_map();
    node.set("apiVersion", Some(Node::tagged_scalar("v1", Tag::Str)));
    node.set(
        "kind",
        Some(Node::tagged_scalar(
            if kind == Kind::ConfigMap {
                "ConfigMap"
            } else {
                "Secret"
            },
            Tag::Str,
        )),
    );
    let mut metadata = Node::empty_map();
    metadata.set("name", Some(Node::string(&args.name)));
    if !args.namespace.is_empty() {
        metadata.set("namespace", Some(Node::string(&args.namespace)));
    }
    node.set("metadata", Some(metadata));
    if kind == Kind::Secret {
        let text = if args.secret_type.is_empty() {
            "Opaque"
        } else {
            &args.secret_type
        };
        node.set("type", Some(Node::string(text)));
    }
    let pairs = pairs(args, loader).map_err(|e| e.context("loading KV pairs"))?;
    let mut known = BTreeMap::new();
    for (key, value) in pairs {
        if known.contains_key(&key) {
            return Err(Error::invalid(format!(
                "configmap {} illegally repeats the key `{key}`",
                args.name
            )));
        }
        known.insert(key, value);
    }
    if kind == Kind::Secret {
        node.set("data", Some(Node::empty_map()));
    }
    for (key, value) in known {
        let (field, text) = match (kind, String::from_utf8(value)) {
            (Kind::ConfigMap, Ok(text)) => ("data", text),
            (Kind::ConfigMap, Err(e)) => ("binaryData", base64_lines(e.as_bytes())),
            (Kind::Secret, Ok(text)) => ("data", base64_lines(text.as_bytes())),
            (Kind::Secret, Err(e)) => ("data", base64_lines(e.as_bytes())),
        };
        let mut value = Node::tagged_scalar(text, Tag::Str);
        if value.text().contains('\n') {
            value.style = Style::Literal;
        }
        if let Some(map) = node.get_or_create(field, Node::empty_map) {
            map.set(&key, Some(value));
        }
    }
    let mut resource = Resource::new(node);
    if let Some(options) = &args.options {
        for (key, value) in options.labels.iter().flatten() {
            resource.set_label(key, value);
        }
        for (key, value) in options.annotations.iter().flatten() {
            resource.set_annotation(key, value);
        }
        if options.immutable {
            resource
                .node
                .set("immutable", Some(Node::tagged_scalar("true", Tag::Bool)));
        }
    }
    if !args
        .options
        .as_ref()
        .is_some_and(|o| o.disable_name_suffix_hash)
    {
        resource.enable_hash();
    }
    resource.set_behavior(Behavior::from_text(&args.behavior));
    Ok(resource)
}

/// Base64 in lines of 70 characters when it is longer than one.
fn base64_lines(data: &[u8]) -> String {
    const LINE: usize = 70;
    let encoded = base64::engine::general_purpose::STANDARD.encode(data);
    if encoded.len() / LINE < 1 {
        return encoded;
    }
    let mut out = String::with_capacity(encoded.len() + encoded.len() / LINE + 1);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(LINE.min(rest.len()));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out
}

type Pair = (String, Vec<u8>);

fn pairs(args: &GeneratorArgs, loader: &Loader<'_>) -> Result<Vec<Pair>> {
    let mut out = Vec::new();
    for path in &args.envs {
        let listed = |e: Error| e.context(format!("env source files: [{}]", args.envs.join(" ")));
        let content = loader.load(path).map_err(listed)?;
        env_lines(&content, &mut out).map_err(|e| listed(e).in_file(path))?;
    }
    for literal in &args.literals {
        out.push(
            parse_literal(literal)
                .map_err(|e| e.context(format!("literal sources [{}]", args.literals.join(" "))))?,
        );
    }
    for source in &args.files {
        let pair = parse_file_source(source)
            .and_then(|(key, path)| Ok((key.to_owned(), loader.load(path)?)));
        out.push(pair.map_err(|e| e.context(format!("file sources: [{}]", args.files.join(" "))))?);
    }
    Ok(out)
}

fn parse_literal(source: &str) -> Result<Pair> {
    match source.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            Ok((key.to_owned(), unquote(value).as_bytes().to_vec()))
        }
        _ => Err(Error::invalid(format!(
            "invalid literal source {source}, expected key=value"
        ))),
    }
}

/// Without quotes that stand at both ends.
fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if text.len() >= 2
            && let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote))
        {
            return inner;
        }
    }
    text
}

/// `key=path`, or a path whose last part is the key.
fn parse_file_source(source: &str) -> Result<(&str, &str)> {
    match source.split('=').collect::<Vec<_>>().as_slice() {
        [path] => {
            let trimmed = path.trim_end_matches('/');
            let base = trimmed.rsplit('/').next().unwrap_or(trimmed);
            Ok((if base.is_empty() { "." } else { base }, path))
        }
        ["", path] => Err(Error::invalid(format!(
            "missing key name for file path \"{path}\" in source \"{source}\""
        ))),
        [key, ""] => Err(Error::invalid(format!(
            "missing file path for key name \"{key}\" in source \"{source}\""
        ))),
        [key, path] => Ok((key, path)),
        _ => Err(Error::invalid(format!(
            "source \"{source}\" key name or file path contains '='"
        ))),
    }
}

/// `key=value` lines; blank ones and comments are skipped.
fn env_lines(content: &[u8], out: &mut Vec<Pair>) -> Result<()> {
    /// Longer lines end the reading, without a word, as in the reference.
    const LONGEST: usize = 64 * 1024;
    for (number, line) in content.split(|&b| b == b'\n').enumerate() {
        if line.len() >= LONGEST {
            return Ok(());
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line)
            .map_err(|_| Error::invalid(format!("line {} has invalid utf8 bytes", number + 1)))?;
        let line = if number == 0 {
            line.strip_prefix('\u{FEFF}').unwrap_or(line)
        } else {
            line
        };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if !key.is_empty() {
            out.push((key.to_owned(), value.as_bytes().to_vec()));
        }
    }
    Ok(())
}
