//! The scenario `node`: pods that failed, or all of ours on a node, are replaced while their neighbours serve.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::{Cluster, Pod, PodState};
use super::{Recovered, resource};
use crate::address::AddressError;
use crate::checks::finding;
use crate::finding::{Finding, Severity};
use crate::kinds::recover::{Cordon, Going, Pods, Workload};

/// Seconds a pod may be not ready before it counts as failed: as long as the deadline that Kubernetes gives a slow start in most charts.
const PATIENCE: i64 = 300;
/// Seconds each replacement has.
const DEADLINE: u32 = 300;

/// What is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Whatever is found failed.
    #[default]
    Failed,
    /// These pods, `NAMESPACE/NAME`, whether they serve or not.
    Pods(BTreeSet<String>),
    /// Every pod of ours on this node.
    Node(String),
}

/// What has to be done, and what speaks against it.
///
/// # Errors
/// When a name can't be part of an address.
pub fn node(
    cluster: &Cluster,
    asked: &Asked,
    created: Timestamp,
) -> Result<Recovered, AddressError> {
    let mut found = Recovered::default();
    let going = chosen(cluster, asked, created, &mut found.findings);
    let uids: BTreeSet<&str> = going.iter().map(|pod| pod.uid.as_str()).collect();
    let mut by_workload: BTreeMap<&Workload, Vec<&Pod>> = BTreeMap::new();
    for pod in going {
        match &pod.workload {
            Some(workload) => by_workload.entry(workload).or_default().push(pod),
            None => found.findings.push(finding(
                Severity::Error,
                "node.unowned",
                pod.path(),
                "no Deployment, StatefulSet or DaemonSet of this generation owns it, so nothing would take its place".to_owned(),
                "replace it by hand, or make it part of the overlay as a Deployment",
            )),
        }
    }
    let leaves_node = matches!(asked, Asked::Node(_));
    let mut first = BTreeSet::new();
    if let Asked::Node(name) = asked {
        first.extend(cordon(cluster, name, &mut found)?);
    }
    for (workload, pods) in by_workload {
        for pod in &pods {
            data(cluster, workload, pod, leaves_node, &mut found.findings);
        }
        neighbours(cluster, workload, &pods, &uids, &mut found.findings);
        budgets(cluster, &pods, &mut found.findings);
        let mut pods: Vec<Going> = pods
            .iter()
            .map(|pod| Going {
                name: pod.name.clone(),
                uid: pod.uid.clone(),
                serves: serves(cluster, pod),
                node_answers: cluster.node_answers(pod),
            })
            .collect();
        pods.sort_by(|a, b| (a.serves, &a.name).cmp(&(b.serves, &b.name)));
        let spec = Pods {
            workload: workload.clone(),
            pods,
            deadline: DEADLINE,
        };
        let mut made = resource("pods", &path(workload), &spec)?;
        made.depends_on.clone_from(&first);
        found.resources.push(made);
    }
    Ok(found)
}

/// How a workload is called in an address.
pub(super) fn path(workload: &Workload) -> String {
    format!("{}/{}/{}", workload.namespace, workload.kind, workload.name)
}

/// What the steps of a plan for this scenario were asked for, so that it can be planned again: the very pods, and the node.
pub fn asked(steps: &[crate::Step]) -> Asked {
    let cordoned = steps
        .iter()
        .find(|step| step.address.qualified_kind() == "recover.cordon");
    if let Some(node) = cordoned {
        return Asked::Node(node.address.name().to_owned());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pods = steps
        .iter()
        .filter(|step| step.address.qualified_kind() == "recover.pods")
        .flat_map(|step| {
            let namespace = text(&step.spec["workload"]["namespace"]);
            let pods = step.spec["pods"].as_array().into_iter().flatten();
            pods.map(move |pod| format!("{namespace}/{}", text(&pod["name"])))
        });
    Asked::Pods(pods.collect())
}

fn serves(cluster: &Cluster, pod: &Pod) -> bool {
    pod.state == PodState::Ready && cluster.node_answers(pod)
}

/// Why a pod counts as failed.
fn failed(cluster: &Cluster, pod: &Pod, created: Timestamp) -> Option<String> {
    if !cluster.node_answers(pod) {
        return Some("its node is not ready".to_owned());
    }
    match &pod.state {
        PodState::Failed(why) => Some(why.clone()),
        PodState::NotReady {
            since: Some(since),
            why,
        } if created.as_second().saturating_sub(since.as_second()) >= PATIENCE => Some(why.clone()),
        _ => None,
    }
}

fn chosen<'a>(
    cluster: &'a Cluster,
    asked: &Asked,
    created: Timestamp,
    findings: &mut Vec<Finding>,
) -> Vec<&'a Pod> {
    let there = cluster
        .pods
        .iter()
        .filter(|pod| pod.state != PodState::Ending || !cluster.node_answers(pod));
    match asked {
        Asked::Failed => there
            .filter(|pod| {
                let why = failed(cluster, pod, created);
                let daemon = pod.workload.as_ref().is_some_and(|workload| workload.kind == "DaemonSet");
                // It belongs to the node, and nobody starts another one elsewhere.
                if daemon && !cluster.node_answers(pod) {
                    return false;
                }
                // What nobody replaces is only replaced when a person names it.
                if let Some(why) = &why {
                    let weight = if pod.workload.is_some() { "is replaced" } else { "stays: nothing would take its place" };
                    findings.push(finding(
                        Severity::Note,
                        "node.failed",
                        pod.path(),
                        format!("{why}; it {weight}"),
                        "read its log and its events before it is gone (`kubectl logs --previous`, `kubectl describe pod`)",
                    ));
                }
                why.is_some() && pod.workload.is_some()
            })
            .collect(),
        Asked::Pods(names) => {
            for name in names {
                if !cluster.pods.iter().any(|pod| pod.path() == *name) {
                    findings.push(finding(
                        Severity::Error,
                        "node.no-pod",
                        name,
                        "there is no such pod in the generation's namespaces".to_owned(),
                        "name it as `NAMESPACE/NAME`; `kubectl get pods -A` lists them",
                    ));
                }
            }
            there.filter(|pod| names.contains(&pod.path())).collect()
        }
        // What a DaemonSet has on a node belongs to the node and ends with it; evicted, it would come back there.
        Asked::Node(name) => there
            .filter(|pod| pod.node.as_ref() == Some(name))
            .filter(|pod| {
                pod.workload
                    .as_ref()
                    .is_none_or(|workload| workload.kind != "DaemonSet")
            })
            .collect(),
    }
}

fn cordon(
    cluster: &Cluster,
    name: &str,
    found: &mut Recovered,
) -> Result<Option<crate::Address>, AddressError> {
    let Some(node) = cluster.nodes.iter().find(|node| node.name == name) else {
        found.findings.push(finding(
            Severity::Error,
            "node.no-node",
            name,
            "the cluster has no such node".to_owned(),
            "`kubectl get nodes` lists them",
        ));
        return Ok(None);
    };
    let others = cluster
        .nodes
        .iter()
        .filter(|other| other.name != name && other.ready && other.schedulable);
    if others.count() == 0 {
        found.findings.push(finding(
            Severity::Error,
            "node.no-other",
            name,
            "no other node is ready and takes pods".to_owned(),
            "add a node first",
        ));
    }
    found.findings.push(finding(
        Severity::Note,
        "node.stays-cordoned",
        name,
        "it takes no new pods from now on, and pods of others stay on it".to_owned(),
        "when it is mended: `kubectl uncordon`; when it is given up: drain it for its other tenants and remove it",
    ));
    let spec = Cordon {
        name: node.name.clone(),
        uid: node.uid.clone(),
    };
    let made = resource("cordon", name, &spec)?;
    let address = made.address.clone();
    found.resources.push(made);
    Ok(Some(address))
}

/// Data that nothing else has.
fn data(
    cluster: &Cluster,
    workload: &Workload,
    pod: &Pod,
    leaves_node: bool,
    findings: &mut Vec<Finding>,
) {
    let answers = cluster.node_answers(pod);
    if !pod.with_pod.is_empty() {
        // Replicas of a Deployment are alike, so what one holds for itself is scratch; a StatefulSet's are persons.
        let severity = match workload.kind.as_str() {
            "StatefulSet" => Severity::Error,
            _ => Severity::Note,
        };
        findings.push(finding(
            severity,
            "node.data-in-pod",
            pod.path(),
            format!(
                "its volumes end with it, and nothing else has what is in them: {}",
                pod.with_pod.join(", ")
            ),
            "copy what is worth keeping (`kubectl cp`), or bring it back with `--scenario data-loss`",
        ));
    }
    if !pod.on_node.is_empty() && workload.kind != "DaemonSet" {
        findings.push(finding(
            Severity::Error,
            "node.data-on-node",
            pod.path(),
            format!(
                "it writes to folders that only its node has: {}",
                pod.on_node.join(", ")
            ),
            "copy the data off the node first, or bring it back with `--scenario data-loss`",
        ));
    }
    if !pod.pinned.is_empty() && (leaves_node || !answers) {
        findings.push(finding(
            Severity::Error,
            "node.data-on-node",
            pod.path(),
            format!(
                "its replacement runs on this node or nowhere, for the volumes of these claims are the node's: {}",
                pod.pinned.join(", ")
            ),
            "mend the node, or delete the claims and bring the data back with `--scenario data-loss`",
        ));
    }
    if !answers && workload.kind == "StatefulSet" {
        findings.push(finding(
            Severity::Error,
            "node.may-still-run",
            pod.path(),
            "its node does not answer, and no second one is started while the first may run"
                .to_owned(),
            "make sure that the machine is off, then remove the node (`kubectl delete node`)",
        ));
    }
}

/// Somebody must serve while pods are replaced, and every other one should.
fn neighbours(
    cluster: &Cluster,
    workload: &Workload,
    pods: &[&Pod],
    going: &BTreeSet<&str>,
    findings: &mut Vec<Finding>,
) {
    let others: Vec<&Pod> = cluster
        .pods
        .iter()
        .filter(|pod| pod.workload.as_ref() == Some(workload) && !going.contains(pod.uid.as_str()))
        .filter(|pod| pod.state != PodState::Ending)
        .collect();
    let subject = path(workload);
    // The pods of a DaemonSet serve their node, not each other.
    let evicted_in_turn =
        pods.iter().filter(|pod| serves(cluster, pod)).count() > 1 && workload.kind == "Deployment";
    let left = others.iter().any(|pod| serves(cluster, pod)) || evicted_in_turn;
    if !left && workload.kind != "DaemonSet" {
        findings.push(finding(
            Severity::Error,
            "node.none-left",
            &subject,
            format!(
                "no healthy replica is left beside {}: this is no failed node but an outage",
                pods.iter()
                    .map(|pod| pod.path())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "find the cause, which replacing would hide; then `--scenario data-loss`, or the main command without a scenario",
        ));
        return;
    }
    let ill: Vec<String> = others
        .iter()
        .filter(|pod| !serves(cluster, pod))
        .map(|pod| pod.path())
        .collect();
    if !ill.is_empty() {
        findings.push(finding(
            Severity::Warning,
            "node.others-ill",
            &subject,
            format!("others of it do not serve either: {}", ill.join(", ")),
            "leave out --pod, so that every failed one is replaced",
        ));
    }
}

/// A pod that serves may go only as its budgets allow; the API server holds the same against each eviction, later.
fn budgets(cluster: &Cluster, pods: &[&Pod], findings: &mut Vec<Finding>) {
    for budget in &cluster.budgets {
        let counted = pods
            .iter()
            .filter(|pod| serves(cluster, pod) && budget.covers(pod))
            .count();
        if counted > 0 && budget.allowed < 1 {
            findings.push(finding(
                Severity::Error,
                "node.budget",
                format!("{}/{}", budget.namespace, budget.name),
                "the PodDisruptionBudget allows none of its pods to go now".to_owned(),
                "wait until the others are well, or add a replica",
            ));
        }
    }
}
