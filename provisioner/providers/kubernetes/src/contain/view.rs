//! What was found, and items made of it.

use std::collections::{BTreeMap, BTreeSet};

use containment::{Item, State};
use executor::provider::{Error, ErrorKind};
use planner::Generation;
use planner::identity::labels;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::normal::{mark, text};

/// Annotation: since when a service account holds no token of before.
pub(super) const CONTAINED: &str = "rebuild.dev/contained";
/// The name of what is made to close something: a NetworkPolicy, an ingress class that nobody serves.
pub(super) const NAME: &str = "rebuild-contained";

/// A namespace that is cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Namespace {
    pub name: String,
    /// It is being deleted, and takes nothing new.
    pub ending: bool,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub environment: String,
    /// The context of the kubeconfig.
    pub context: String,
    pub except: Vec<Generation>,
    pub namespaces: Vec<Namespace>,
    /// Namespace and name of the service account that asks, if it is of one of the namespaces.
    pub own: Option<(String, String)>,
    /// By kind. A kind that could not be listed in a namespace is in `unlisted`.
    pub objects: BTreeMap<&'static str, Vec<Value>>,
    pub unlisted: BTreeSet<(&'static str, String)>,
}

impl View {
    pub fn of(&self, kind: &str) -> &[Value] {
        self.objects.get(kind).map_or(&[], Vec::as_slice)
    }

    pub fn covers(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|found| found.name == namespace)
    }

    pub fn spares(&self, object: &Value) -> bool {
        mark(object, "labels", labels::GENERATION).is_some_and(|generation| {
            self.except
                .iter()
                .any(|spared| spared.as_str() == generation)
        })
    }
}

/// What `before` of an item holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Before {
    pub api_version: String,
    pub kind: String,
    #[serde(default)]
    pub namespace: String,
    pub name: String,
    /// Empty for what is to be made.
    #[serde(default)]
    pub uid: String,
    /// Something holds the object back when it is deleted.
    #[serde(default)]
    pub finalizers: bool,
    /// What closing changes, as it was.
    pub found: Value,
}

impl Before {
    pub fn of(object: &Value, api_version: &str, kind: &str, found: Value) -> Self {
        let field = |pointer| text(object, pointer).to_owned();
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: field("/metadata/namespace"),
            name: field("/metadata/name"),
            uid: field("/metadata/uid"),
            finalizers: has_finalizers(object),
            found,
        }
    }

    /// # Errors
    /// When the item is none of this place.
    pub fn read(item: &Item) -> Result<Self, Error> {
        serde_json::from_value(item.before.clone()).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("close {}", item.id),
                format!("the item does not say what it is: {error}"),
            )
        })
    }

    /// `Deployment NAMESPACE/NAME`, with nothing in it that a terminal obeys: names of bindings may hold any character.
    pub fn title(&self) -> String {
        let place = if self.namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.namespace, self.name)
        };
        format!("{} {}", self.kind, printable(&place))
    }

    pub fn item(self, wave: u8, state: State, note: &str, action: &str, undo: String) -> Item {
        let title = self.title();
        Item {
            id: format!("kubernetes.{}", title.replacen(' ', "/", 1)),
            what: if note.is_empty() {
                title
            } else {
                format!("{title}: {note}")
            },
            action: action.to_owned(),
            wave,
            state,
            before: serde_json::to_value(self).unwrap_or_default(),
            undo,
        }
    }
}

pub(super) fn has_finalizers(object: &Value) -> bool {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty())
}

pub(super) fn state(open: bool) -> State {
    if open { State::Open } else { State::Closed }
}

pub(super) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let plain = c == '\'' || c == '"' || c == '\\';
            let escaped: Vec<char> = if plain {
                vec![c]
            } else {
                c.escape_debug().collect()
            };
            escaped
        })
        .collect()
}
