//! Asks the cluster what there is. What can't be asked for is told, and what can is looked at all the same.

use std::fmt::Debug;

use executor::provider::{Error, ErrorKind};
use futures::StreamExt as _;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, DynamicObject, ListParams, ObjectList, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use planner::identity::labels;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::KubernetesBarrier;
use super::view::{Namespace, View};
use crate::normal::{mark, text};
use crate::reading::patiently;

/// Objects in one page of a list.
const PAGE: u32 = 500;
/// Objects of one list that are looked at.
const MOST: usize = 10_000;
/// Namespaces that are looked at.
const NAMESPACES: usize = 500;
/// Lists asked for at once.
const AT_ONCE: usize = 8;
/// The type of Secrets whose values are service accounts' tokens of the old kind.
const TOKEN: &str = "type=kubernetes.io/service-account-token";
/// Namespaces without which the cluster itself stops.
const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Kinds that are asked for in each namespace.
const KINDS: [(&str, &str); 16] = [
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("networking.k8s.io/v1", "Ingress"),
    ("v1", "Service"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "ReplicationController"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("v1", "Pod"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
];

pub(super) fn resource(api_version: &str, kind: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

/// One list: of which kind, in which namespace; in all of them without one.
struct Question {
    api_version: &'static str,
    kind: &'static str,
    namespace: Option<String>,
}

impl KubernetesBarrier {
    /// Everything, and what could not be looked at.
    ///
    /// # Errors
    /// When the cluster does not answer, or does not know who asks.
    pub(super) async fn view(&self) -> Result<(View, Vec<Error>), Error> {
        let mut unread = Vec::new();
        let namespaces = self.namespaces(&mut unread).await?;
        let own = self.own_account(&namespaces).await;
        if let Some((namespace, name)) = &own {
            unread.push(Error::new(
                ErrorKind::Invalid,
                format!("cut off the service account {namespace}/{name}"),
                "it is the one that asks; ask from outside the environment",
            ));
        }
        let mut view = View {
            environment: self.reach.environment.clone(),
            context: self.cluster.context.clone(),
            except: self.reach.except.clone(),
            namespaces,
            own,
            ..View::default()
        };
        let mut questions: Vec<Question> = Vec::new();
        for (api_version, kind) in KINDS {
            // Bindings of any namespace may give rights to our accounts.
            let everywhere = matches!(kind, "RoleBinding" | "ClusterRoleBinding");
            let namespaces = match everywhere {
                true => vec![None],
                false => view
                    .namespaces
                    .iter()
                    .map(|found| Some(found.name.clone()))
                    .collect(),
            };
            questions.extend(namespaces.into_iter().map(|namespace| Question {
                api_version,
                kind,
                namespace,
            }));
        }
        let refused = self.ask(questions, &mut view, &mut unread).await;
        if refused.contains(&"RoleBinding") {
            let within = view.namespaces.iter().map(|found| Question {
                api_version: "rbac.authorization.k8s.io/v1",
                kind: "RoleBinding",
                namespace: Some(found.name.clone()),
            });
            let within = within.collect();
            self.ask(within, &mut view, &mut unread).await;
        }
        Ok((view, unread))
    }

    /// Puts the answers into the view, and returns the kinds that may not be asked for everywhere.
    async fn ask(
        &self,
        questions: Vec<Question>,
        view: &mut View,
        unread: &mut Vec<Error>,
    ) -> Vec<&'static str> {
        let mut asked = futures::stream::iter(questions)
            .map(|question| async move {
                let (found, error) = self.answer(&question).await;
                (question, found, error)
            })
            .buffer_unordered(AT_ONCE);
        let mut refused = Vec::new();
        let mut errors = Vec::new();
        while let Some((question, found, error)) = asked.next().await {
            view.objects.entry(question.kind).or_default().extend(found);
            if let Some(error) = error {
                match question.namespace {
                    None => refused.push(question.kind),
                    Some(namespace) => {
                        view.unlisted.insert((question.kind, namespace));
                    }
                }
                errors.push(error);
            }
        }
        errors.sort_by(|a, b| a.what.cmp(&b.what));
        unread.append(&mut errors);
        refused
    }

    async fn answer(&self, question: &Question) -> (Vec<Value>, Option<Error>) {
        let resource = resource(question.api_version, question.kind);
        let client = self.cluster.client();
        let (api, place): (Api<DynamicObject>, _) = match &question.namespace {
            Some(namespace) => (
                Api::namespaced_with(client, namespace, &resource),
                format!("of the namespace {namespace}"),
            ),
            None => (
                Api::all_with(client, &resource),
                "of the cluster".to_owned(),
            ),
        };
        let what = format!("list {} {place}", resource.plural);
        let params = ListParams::default().limit(PAGE);
        let (api, what) = (&api, what.as_str());
        if question.kind == "Secret" {
            // The metadata alone: with the objects, their values would come.
            let params = params.fields(TOKEN);
            let list = |params: ListParams| async move {
                patiently(what, || api.list_metadata(&params)).await
            };
            return pages(what, MOST, params, list).await;
        }
        let list = |params: ListParams| async move { patiently(what, || api.list(&params)).await };
        pages(what, MOST, params, list).await
    }

    async fn namespaces(&self, unread: &mut Vec<Error>) -> Result<Vec<Namespace>, Error> {
        let environment = &self.reach.environment;
        let resource = resource("v1", "Namespace");
        let api: Api<DynamicObject> = Api::all_with(self.cluster.client(), &resource);
        let what = format!("list the namespaces of environment {environment}");
        let params = ListParams::default()
            .limit(PAGE)
            .labels(&format!("{}={environment}", labels::ENVIRONMENT));
        let list = async |params: ListParams| patiently(&what, || api.list(&params)).await;
        let (mut found, error) = pages(&what, NAMESPACES, params, list).await;
        match error {
            Some(error) if error.kind == ErrorKind::Denied || !found.is_empty() => {
                unread.push(error);
            }
            Some(error) => return Err(error),
            None => {}
        }
        found.retain(|namespace| {
            mark(namespace, "labels", labels::ENVIRONMENT) == Some(environment.as_str())
        });
        for name in &self.reach.namespaces {
            let what = format!("look at the namespace {name}");
            match patiently(&what, || api.get_opt(name)).await {
                // Its marks say whose it is, so without them it is left alone.
                Err(error) => unread.push(error),
                Ok(None) => {}
                Ok(Some(namespace)) => match crate::reading::json(&what, &namespace) {
                    Ok(namespace) => found.push(namespace),
                    Err(error) => unread.push(error),
                },
            }
        }
        let (chosen, refused) = choose(&found, environment, |namespace| {
            let generation = mark(namespace, "labels", labels::GENERATION);
            let mut except = self.reach.except.iter();
            generation.is_some_and(|generation| except.any(|spared| spared.as_str() == generation))
        });
        unread.extend(refused);
        Ok(chosen)
    }

    /// The service account that asks, where it is of one of the namespaces.
    async fn own_account(&self, namespaces: &[Namespace]) -> Option<(String, String)> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.cluster.client());
        let (how, question) = (PostParams::default(), SelfSubjectReview::default());
        let review = patiently("ask the cluster who we are", || {
            reviews.create(&how, &question)
        });
        let user = review.await.ok()?.status?.user_info?.username?;
        let (namespace, name) = user
            .strip_prefix("system:serviceaccount:")?
            .split_once(':')?;
        let ours = namespaces.iter().any(|found| found.name == namespace);
        ours.then(|| (namespace.to_owned(), name.to_owned()))
    }
}

/// Which namespaces are cut off, and why others are not.
fn choose(
    found: &[Value],
    environment: &str,
    spared: impl Fn(&Value) -> bool,
) -> (Vec<Namespace>, Vec<Error>) {
    let (mut chosen, mut refused): (Vec<Namespace>, Vec<Error>) = Default::default();
    for namespace in found {
        let name = text(namespace, "/metadata/name");
        let refuse = |why: &str| {
            Error::new(
                ErrorKind::Foreign,
                format!("cut off the namespace {name}"),
                why,
            )
        };
        let owner = mark(namespace, "labels", labels::ENVIRONMENT);
        if SYSTEM.contains(&name) {
            refused.push(refuse("the cluster itself runs there"));
        } else if owner.is_some_and(|owner| owner != environment) {
            refused.push(refuse("it is marked as another environment's"));
        } else if !spared(namespace) && !chosen.iter().any(|known| known.name == name) {
            chosen.push(Namespace {
                name: name.to_owned(),
                ending: namespace
                    .pointer("/metadata/deletionTimestamp")
                    .is_some_and(|at| !at.is_null()),
            });
        }
    }
    chosen.sort_by(|a, b| a.name.cmp(&b.name));
    (chosen, refused)
}

/// All pages of a list, up to a limit. What was read before a page failed is kept.
async fn pages<K, F>(
    what: &str,
    most: usize,
    mut params: ListParams,
    list: impl Fn(ListParams) -> F,
) -> (Vec<Value>, Option<Error>)
where
    K: Clone + Debug + DeserializeOwned + Serialize,
    F: Future<Output = Result<ObjectList<K>, Error>>,
{
    let mut found = Vec::new();
    loop {
        let page = match list(params.clone()).await {
            Ok(page) => page,
            // A kind that the cluster does not serve: there is none.
            Err(error) if error.kind == ErrorKind::NotYet => return (found, None),
            Err(error) => return (found, Some(error)),
        };
        for item in page.items {
            if found.len() == most {
                let why = format!("there are more than {most}; these were looked at");
                return (found, Some(Error::new(ErrorKind::Invalid, what, why)));
            }
            match serde_json::to_value(&item) {
                Ok(item) => found.push(item),
                Err(error) => {
                    let why = format!("an object can't be read: {error}");
                    return (found, Some(Error::new(ErrorKind::Server, what, why)));
                }
            }
        }
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if params.continue_token.is_none() {
            return (found, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whose_a_namespace_is() {
        let namespace = |name: &str, environment: Value, generation: &str, at: Value| {
            json!({"metadata": {"name": name, "deletionTimestamp": at, "labels": {
                "rebuild.dev/environment": environment, "rebuild.dev/generation": generation,
            }}})
        };
        let found = [
            namespace("b", json!("demo"), "old", json!("2026-11-24T02:00:00Z")),
            namespace("a", json!("demo"), "old", Value::Null),
            namespace("listed", Value::Null, "", Value::Null),
            namespace("clean", json!("demo"), "new", Value::Null),
            namespace("theirs", json!("other"), "old", Value::Null),
            namespace("kube-system", json!("demo"), "old", Value::Null),
            namespace("a", json!("demo"), "old", Value::Null),
        ];
        let (chosen, refused) = choose(&found, "demo", |namespace| {
            mark(namespace, "labels", labels::GENERATION) == Some("new")
        });
        let chosen: Vec<_> = chosen
            .iter()
            .map(|found| (found.name.as_str(), found.ending))
            .collect();
        assert_eq!(chosen, [("a", false), ("b", true), ("listed", false)]);
        let refused: Vec<&str> = refused.iter().map(|error| error.what.as_str()).collect();
        assert_eq!(
            refused,
            [
                "cut off the namespace theirs",
                "cut off the namespace kube-system"
            ]
        );
    }
}
