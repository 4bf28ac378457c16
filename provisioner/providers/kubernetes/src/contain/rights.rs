//! Bindings that give rights to the namespaces' service accounts.

use containment::Item;
use planner::identity::labels;
use serde_json::{Value, json};

use super::view::{Before, View, state};
use super::{manifest, undo};
use crate::normal::{mark, text};

const WAVE: u8 = 1;
const RBAC: &str = "rbac.authorization.k8s.io/v1";

pub(super) fn items(view: &View) -> Vec<Item> {
    ["RoleBinding", "ClusterRoleBinding"]
        .iter()
        .flat_map(|kind| {
            view.of(kind)
                .iter()
                .filter_map(|binding| item(view, kind, binding))
        })
        .collect()
}

fn item(view: &View, kind: &str, binding: &Value) -> Option<Item> {
    let subjects = binding
        .get("subjects")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let marked = kind == "ClusterRoleBinding"
        && mark(binding, "labels", labels::ENVIRONMENT) == Some(view.environment.as_str())
        && !view.spares(binding);
    // One that is marked as ours goes as a whole, but for the rights of the account that asks.
    let remaining: Vec<&Value> = subjects
        .iter()
        .filter(|subject| {
            if marked {
                account(subject).as_ref() == view.own.as_ref() && view.own.is_some()
            } else {
                !is_ours(view, subject)
            }
        })
        .collect();
    let nothing_to_do = remaining.len() == subjects.len() && !(marked && subjects.is_empty());
    if nothing_to_do {
        return None;
    }
    let whole = manifest::of(binding, RBAC, kind);
    let role = format!(
        "gives {} {} to {} of the environment's subjects",
        text(binding, "/roleRef/kind"),
        super::view::printable(text(binding, "/roleRef/name")),
        subjects.len() - remaining.len()
    );
    let (action, verb) = match remaining.is_empty() {
        true => ("delete", "create"),
        false => ("take the environment's subjects out", "replace"),
    };
    let undo = undo::manifest(view, verb, &whole);
    let found = json!({"manifest": whole, "remaining": remaining});
    let before = Before::of(binding, RBAC, kind, found);
    Some(before.item(WAVE, state(true), &role, action, undo))
}

/// The account a subject names. RBAC compares users by name, and an account's user name names it as well.
fn account(subject: &Value) -> Option<(String, String)> {
    let name = text(subject, "/name");
    let (namespace, name) = match text(subject, "/kind") {
        "ServiceAccount" => (text(subject, "/namespace"), name),
        "User" => name
            .strip_prefix("system:serviceaccount:")?
            .split_once(':')?,
        _ => return None,
    };
    Some((namespace.to_owned(), name.to_owned()))
}

fn is_ours(view: &View, subject: &Value) -> bool {
    if let Some(account) = account(subject) {
        return view.covers(&account.0) && view.own.as_ref() != Some(&account);
    }
    text(subject, "/kind") == "Group"
        && text(subject, "/name")
            .strip_prefix("system:serviceaccounts:")
            .is_some_and(|namespace| view.covers(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contain::view::Namespace;

    fn view() -> View {
        View {
            environment: "demo".to_owned(),
            context: "c".to_owned(),
            namespaces: vec![Namespace {
                name: "ours".to_owned(),
                ending: false,
            }],
            own: Some(("ours".to_owned(), "operator".to_owned())),
            except: vec!["new".parse().expect("a generation")],
            ..View::default()
        }
    }

    #[test]
    fn which_subjects_are_ours() {
        let subject = |kind: &str, namespace: &str, name: &str| json!({"kind": kind, "namespace": namespace, "name": name});
        for (subject, ours) in [
            (subject("ServiceAccount", "ours", "api"), true),
            (subject("ServiceAccount", "theirs", "api"), false),
            (subject("ServiceAccount", "ours", "operator"), false),
            (subject("User", "", "system:serviceaccount:ours:api"), true),
            (
                subject("User", "", "system:serviceaccount:ours2:api"),
                false,
            ),
            (subject("User", "", "jane"), false),
            (subject("Group", "", "system:serviceaccounts:ours"), true),
            (subject("Group", "", "system:serviceaccounts"), false),
            (subject("Group", "", "system:masters"), false),
        ] {
            assert_eq!(is_ours(&view(), &subject), ours, "{subject}");
        }
    }

    #[test]
    fn a_name_that_is_a_command_stays_a_name() {
        let binding = json!({
            "metadata": {"name": "x'; rm -rf /; '\u{1b}[2J", "uid": "u"},
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "ours", "name": "api"}],
        });
        let item = item(&view(), "ClusterRoleBinding", &binding).expect("it is ours");
        assert!(!item.what.contains('\u{1b}') && !item.undo.contains('\u{1b}'));
        let words = shlex::split(&item.undo).expect("it is a command");
        assert_eq!((words[0].as_str(), words[3].as_str()), ("printf", "|"));
        let manifest: Value = serde_json::from_str(&words[2]).expect("a manifest");
        assert_eq!(manifest["metadata"]["name"], binding["metadata"]["name"]);
    }

    #[test]
    fn what_is_marked_goes_unless_its_generation_is_spared() {
        let binding = |generation: &str, subjects: Value| {
            json!({
                "metadata": {"name": "b", "labels": {"rebuild.dev/environment": "demo", "rebuild.dev/generation": generation}},
                "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": subjects,
            })
        };
        let user = json!([{"kind": "User", "name": "jane"}]);
        let of = |generation: &str| {
            item(
                &view(),
                "ClusterRoleBinding",
                &binding(generation, user.clone()),
            )
        };
        assert_eq!(of("old").map(|item| item.action), Some("delete".to_owned()));
        assert_eq!(of("new"), None);
    }
}
