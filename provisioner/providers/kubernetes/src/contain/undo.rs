//! Commands that take a closing back. Whatever stands in an object is quoted: it may have been written by an intruder.

use serde_json::Value;

use super::view::{Before, View};

fn word(text: &str) -> String {
    // Only NUL can't be quoted, and no name in a cluster holds it.
    shlex::try_quote(text).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}

/// `kubectl` for the context and namespace, with further words.
pub(super) fn kubectl(view: &View, namespace: &str, words: &[&str]) -> String {
    let mut all = vec!["kubectl", "--context", &view.context];
    if !namespace.is_empty() {
        all.extend(["-n", namespace]);
    }
    all.extend(words);
    let quoted: Vec<String> = all.into_iter().map(word).collect();
    quoted.join(" ")
}

/// A JSON merge patch (RFC 7386) that puts fields back.
pub(super) fn patch(view: &View, before: &Before, patch: &Value) -> String {
    let kind = before.kind.to_lowercase();
    let words = ["patch", &kind, &before.name, "--type=merge", "-p"];
    let patch = patch.to_string();
    let words: Vec<&str> = words.into_iter().chain([patch.as_str()]).collect();
    kubectl(view, &before.namespace, &words)
}

/// A whole object given to `kubectl VERB -f -`.
pub(super) fn manifest(view: &View, verb: &str, manifest: &Value) -> String {
    format!(
        "printf '%s' {} | {}",
        word(&manifest.to_string()),
        kubectl(view, "", &[verb, "-f", "-"])
    )
}
