//! The pods that objects lead to.

use serde_json::Value;

use crate::object::{Object, list, text};

/// What a pod is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pod<'a> {
    /// The way to the pod's spec.
    pub path: &'static str,
    /// Labels of the pods.
    pub labels: &'a Value,
    /// The pod's spec.
    pub spec: &'a Value,
}

/// A container of a pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Container<'a> {
    pod: &'static str,
    list: &'static str,
    at: usize,
    /// Its name.
    pub name: &'a str,
    /// The container.
    pub value: &'a Value,
}

/// The pod of a built-in workload, whatever the version of its API.
pub(crate) fn pod<'a>(object: &Object<'a>) -> Option<Pod<'a>> {
    let (template, path) = match (object.group(), object.kind) {
        ("", "Pod") => ("", "spec"),
        ("", "PodTemplate") => ("/template", "template.spec"),
        ("", "ReplicationController")
        | ("apps" | "extensions", "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet")
        | ("batch", "Job") => ("/spec/template", "spec.template.spec"),
        ("batch", "CronJob") => (
            "/spec/jobTemplate/spec/template",
            "spec.jobTemplate.spec.template.spec",
        ),
        _ => return None,
    };
    let template = object.value.pointer(template)?;
    Some(Pod {
        path,
        labels: &template["metadata"]["labels"],
        spec: template.get("spec").filter(|spec| spec.is_object())?,
    })
}

impl<'a> Pod<'a> {
    /// All containers: the ordinary, those that run first, those added for debugging.
    pub(crate) fn containers(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        let (pod, spec) = (self.path, self.spec);
        ["containers", "initContainers", "ephemeralContainers"]
            .into_iter()
            .flat_map(move |field| {
                list(spec, field).map(move |(at, value)| Container {
                    pod,
                    list: field,
                    at,
                    name: text(value, "name").unwrap_or_default(),
                    value,
                })
            })
    }

    /// Whether it says that it runs on Windows, where Linux's privileges mean nothing.
    pub(crate) fn on_windows(&self) -> bool {
        self.spec["os"]["name"] == "windows"
    }

    /// The way to a field of the pod's spec.
    pub(crate) fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }
}

impl Container<'_> {
    /// Whether it was added for debugging; such a container has no resources of its own.
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.list == "ephemeralContainers"
    }

    /// The way to a field of the container.
    pub(crate) fn at(&self, field: &str) -> String {
        format!("{}.{}[{}].{field}", self.pod, self.list, self.at)
    }
}
