//! Service accounts and their tokens.
//!
//! A token names the identity of its account, and the server compares it (Kubernetes, "Managing Service Accounts", bound tokens). So a
//! new account of the same name ends every token of the old one.

use containment::Item;
use serde_json::{Map, Value, json};

use super::view::{Before, CONTAINED, View, state};
use super::{manifest, undo};
use crate::normal::{mark, text};

const WAVE: u8 = 4;
/// Annotation that every Secret with a token carries.
const ACCOUNT: &str = "kubernetes.io/service-account.name";

pub(super) fn items(view: &View) -> Vec<Item> {
    let secrets = view.of("Secret").iter().filter_map(|secret| {
        let account = mark(secret, "annotations", ACCOUNT)?;
        let note = format!("token of the service account {account}");
        let before = Before::of(secret, "v1", "Secret", json!({"serviceAccount": account}));
        let undo = format!(
            "can't be taken back; for a new token: {}",
            undo::kubectl(view, &before.namespace, &["create", "token", account])
        );
        Some(before.item(WAVE, state(true), &note, "delete", undo))
    });
    let own = |account: &&Value| {
        view.own.as_ref().is_none_or(|(namespace, name)| {
            text(account, "/metadata/namespace") != namespace
                || text(account, "/metadata/name") != name
        })
    };
    let accounts = view.of("ServiceAccount").iter().filter(own);
    secrets
        .chain(accounts.map(|account| item(view, account)))
        .collect()
}

fn item(view: &View, account: &Value) -> Item {
    let automount = account.get("automountServiceAccountToken");
    let found = json!({
        "automountServiceAccountToken": automount,
        "manifest": manifest::of(account, "v1", "ServiceAccount"),
    });
    let before = Before::of(account, "v1", "ServiceAccount", found);
    let back = json!({
        "automountServiceAccountToken": automount,
        "metadata": {"annotations": {CONTAINED: null}},
    });
    let undo = format!(
        "{} # tokens of before stay void",
        undo::patch(view, &before, &back)
    );
    let ending = view
        .namespaces
        .iter()
        .any(|found| found.ending && found.name == before.namespace);
    let action = match ending {
        true => "delete, and its tokens with it",
        false => "make it anew, so that its tokens are void",
    };
    before.item(WAVE, state(!is_contained(account)), "", action, undo)
}

pub(super) fn is_contained(account: &Value) -> bool {
    mark(account, "annotations", CONTAINED).is_some()
        && account.get("automountServiceAccountToken") == Some(&json!(false))
}

/// What closes an account that came after the tokens.
pub(super) fn patch(now: &str) -> Value {
    json!({"automountServiceAccountToken": false, "metadata": {"annotations": {CONTAINED: now}}})
}

/// The account that takes the place of an old one: its labels, annotations and pull secrets, and no token.
pub(super) fn successor(old: &Value, namespace: &str, name: &str, now: &str) -> Value {
    let mut annotations: Map<String, Value> = old
        .pointer("/metadata/annotations")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    annotations.insert(CONTAINED.to_owned(), json!(now));
    let mut account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": false,
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
    });
    if let Some(labels) = old.pointer("/metadata/labels") {
        account["metadata"]["labels"] = labels.clone();
    }
    if let Some(secrets) = old.get("imagePullSecrets") {
        account["imagePullSecrets"] = secrets.clone();
    }
    account
}
