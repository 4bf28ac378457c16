//! What objects name.

use serde_json::Value;

use super::{Kind, Reference};
use crate::object::{Object, list, text};
use crate::workload::{Container, Pod, pod};

/// Collects what one object names.
struct Wanted<'a> {
    home: &'a str,
    found: Vec<Reference<'a>>,
}

/// Everything that an object names.
pub(super) fn of<'a>(object: &Object<'a>) -> Vec<Reference<'a>> {
    let mut wanted = Wanted {
        home: object.home(),
        found: Vec::new(),
    };
    let spec = &object.value["spec"];
    if let Some(pod) = pod(object) {
        let replaced: Vec<&str> = list(spec, "volumeClaimTemplates")
            .filter_map(|(_, template)| text(&template["metadata"], "name"))
            .collect();
        wanted.pod(&pod, &replaced);
    }
    match (object.group(), object.kind) {
        ("apps", "StatefulSet") => wanted.stateful_set(spec),
        ("", "PersistentVolumeClaim") => wanted.claim(spec, "spec"),
        ("", "ServiceAccount") => wanted.secrets(object.value, "imagePullSecrets", "name", ""),
        ("networking.k8s.io", "Ingress") => wanted.ingress(spec),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            wanted.binding(object.value);
        }
        ("autoscaling", "HorizontalPodAutoscaler") => wanted.scaled(&spec["scaleTargetRef"]),
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
        ) => {
            for (at, webhook) in list(object.value, "webhooks") {
                let path = format!("webhooks[{at}].clientConfig.service");
                wanted.elsewhere(&webhook["clientConfig"]["service"], path);
            }
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let path = "spec.conversion.webhook.clientConfig.service";
            let webhook = &spec["conversion"]["webhook"]["clientConfig"];
            wanted.elsewhere(&webhook["service"], path.to_owned());
        }
        ("apiregistration.k8s.io", "APIService") => {
            wanted.elsewhere(&spec["service"], "spec.service".to_owned());
        }
        _ => {}
    }
    wanted.found
}

impl<'a> Wanted<'a> {
    fn add(&mut self, kind: Kind, name: Option<&'a str>, path: String) {
        let namespace = if kind.is_of_cluster() { "" } else { self.home };
        self.add_in(kind, namespace, name, path);
    }

    fn add_in(&mut self, kind: Kind, namespace: &'a str, name: Option<&'a str>, path: String) {
        if let Some(name) = name {
            self.found.push(Reference {
                kind,
                namespace,
                name,
                key: None,
                path,
                container: None,
            });
        }
    }

    /// A reference that may be optional.
    fn add_source(&mut self, kind: Kind, source: &'a Value, name: &str, path: &str) {
        if source["optional"] != true {
            self.add(kind, text(source, name), format!("{path}.{name}"));
        }
    }

    /// Secrets in a list.
    fn secrets(&mut self, value: &'a Value, field: &str, name: &str, path: &str) {
        for (at, one) in list(value, field) {
            let path = format!("{path}{field}[{at}].{name}");
            self.add(Kind::Secret, text(one, name), path);
        }
    }

    /// A Service in a namespace that the reference itself names.
    fn elsewhere(&mut self, service: &'a Value, path: String) {
        if let Some(namespace) = text(service, "namespace") {
            self.add_in(Kind::Service, namespace, text(service, "name"), path);
        }
    }

    /// `replaced` are volumes that a StatefulSet puts a claim of its own in the place of.
    fn pod(&mut self, pod: &Pod<'a>, replaced: &[&str]) {
        let spec = pod.spec;
        let account = text(spec, "serviceAccountName").or(text(spec, "serviceAccount"));
        self.add(Kind::ServiceAccount, account, pod.at("serviceAccountName"));
        for (kind, field) in [
            (Kind::PriorityClass, "priorityClassName"),
            (Kind::RuntimeClass, "runtimeClassName"),
        ] {
            self.add(kind, text(spec, field), pod.at(field));
        }
        self.secrets(spec, "imagePullSecrets", "name", &format!("{}.", pod.path));
        for (at, volume) in list(spec, "volumes") {
            if text(volume, "name").is_some_and(|name| replaced.contains(&name)) {
                continue;
            }
            self.volume(volume, &pod.at(&format!("volumes[{at}]")));
        }
        for container in pod.containers() {
            self.container(&container);
        }
    }

    fn volume(&mut self, volume: &'a Value, path: &str) {
        self.config_map(&volume["configMap"], &format!("{path}.configMap"));
        self.add_source(
            Kind::Secret,
            &volume["secret"],
            "secretName",
            &format!("{path}.secret"),
        );
        self.add(
            Kind::PersistentVolumeClaim,
            text(&volume["persistentVolumeClaim"], "claimName"),
            format!("{path}.persistentVolumeClaim.claimName"),
        );
        self.add(
            Kind::Secret,
            text(&volume["csi"]["nodePublishSecretRef"], "name"),
            format!("{path}.csi.nodePublishSecretRef.name"),
        );
        self.claim(
            &volume["ephemeral"]["volumeClaimTemplate"]["spec"],
            &format!("{path}.ephemeral.volumeClaimTemplate.spec"),
        );
        for (at, source) in list(&volume["projected"], "sources") {
            let path = format!("{path}.projected.sources[{at}]");
            self.config_map(&source["configMap"], &format!("{path}.configMap"));
            self.add_source(
                Kind::Secret,
                &source["secret"],
                "name",
                &format!("{path}.secret"),
            );
        }
    }

    /// A ConfigMap that becomes files, perhaps only some of its keys.
    fn config_map(&mut self, source: &'a Value, path: &str) {
        self.add_source(Kind::ConfigMap, source, "name", path);
        let (Some(name), false) = (text(source, "name"), source["optional"] == true) else {
            return;
        };
        for (at, item) in list(source, "items") {
            self.found.push(Reference {
                kind: Kind::ConfigMap,
                namespace: self.home,
                name,
                key: text(item, "key"),
                path: format!("{path}.items[{at}].key"),
                container: None,
            });
        }
    }

    fn container(&mut self, container: &Container<'a>) {
        let from = self.found.len();
        for (at, variable) in list(container.value, "env") {
            for (kind, field) in [
                (Kind::ConfigMap, "configMapKeyRef"),
                (Kind::Secret, "secretKeyRef"),
            ] {
                let Some(source) = variable.get("valueFrom").and_then(|from| from.get(field))
                else {
                    continue;
                };
                let path = container.at(&format!("env[{at}].valueFrom.{field}"));
                let before = self.found.len();
                self.add_source(kind, source, "name", &path);
                for reference in self.found.iter_mut().skip(before) {
                    reference.key = text(source, "key");
                }
            }
        }
        for (at, source) in list(container.value, "envFrom") {
            for (kind, field) in [
                (Kind::ConfigMap, "configMapRef"),
                (Kind::Secret, "secretRef"),
            ] {
                if let Some(source) = source.get(field) {
                    let path = container.at(&format!("envFrom[{at}].{field}"));
                    self.add_source(kind, source, "name", &path);
                }
            }
        }
        for reference in self.found.iter_mut().skip(from) {
            reference.container = Some(container.name);
        }
    }

    fn stateful_set(&mut self, spec: &'a Value) {
        self.add(
            Kind::Service,
            text(spec, "serviceName"),
            "spec.serviceName".to_owned(),
        );
        for (at, template) in list(spec, "volumeClaimTemplates") {
            let path = format!("spec.volumeClaimTemplates[{at}].spec");
            self.claim(&template["spec"], &path);
        }
    }

    fn claim(&mut self, spec: &'a Value, path: &str) {
        self.add(
            Kind::StorageClass,
            text(spec, "storageClassName"),
            format!("{path}.storageClassName"),
        );
    }

    fn ingress(&mut self, spec: &'a Value) {
        self.add(
            Kind::IngressClass,
            text(spec, "ingressClassName"),
            "spec.ingressClassName".to_owned(),
        );
        self.secrets(spec, "tls", "secretName", "spec.");
        let backend = |backend: &'a Value| text(&backend["service"], "name");
        self.add(
            Kind::Service,
            backend(&spec["defaultBackend"]),
            "spec.defaultBackend.service.name".to_owned(),
        );
        for (rule_at, rule) in list(spec, "rules") {
            for (at, path) in list(&rule["http"], "paths") {
                self.add(
                    Kind::Service,
                    backend(&path["backend"]),
                    format!("spec.rules[{rule_at}].http.paths[{at}].backend.service.name"),
                );
            }
        }
    }

    fn binding(&mut self, value: &'a Value) {
        let role = &value["roleRef"];
        let kind = match role["kind"].as_str() {
            Some("Role") => Some(Kind::Role),
            Some("ClusterRole") => Some(Kind::ClusterRole),
            _ => None,
        };
        if let Some(kind) = kind {
            self.add(kind, text(role, "name"), "roleRef.name".to_owned());
        }
        for (at, subject) in list(value, "subjects") {
            if subject["kind"] == "ServiceAccount" {
                let namespace = text(subject, "namespace").unwrap_or(self.home);
                self.add_in(
                    Kind::ServiceAccount,
                    namespace,
                    text(subject, "name"),
                    format!("subjects[{at}].name"),
                );
            }
        }
    }

    fn scaled(&mut self, target: &'a Value) {
        let group = text(target, "apiVersion")
            .and_then(|version| version.split_once('/'))
            .map_or("", |(group, _)| group);
        if let Some(kind) = text(target, "kind").and_then(|kind| Kind::of(group, kind)) {
            self.add(
                kind,
                text(target, "name"),
                "spec.scaleTargetRef.name".to_owned(),
            );
        }
    }
}
