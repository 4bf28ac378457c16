//! What objects name, and who provides it.

mod support;

use serde_json::{Value, json};
use support::{
    around, checked, container, core, deployment, pod_spec, put, told, told_of, workload,
};

const AT: &str = "spec.template.spec";
const FIRST: &str = "spec.template.spec.containers[0]";

#[test]
fn pods_name_things() {
    let cases: Vec<(&str, Value, &str, Value)> = vec![
        (
            "/serviceAccountName",
            json!("api"),
            "AT.serviceAccountName",
            core("ServiceAccount", "api"),
        ),
        (
            "/imagePullSecrets",
            json!([{"name": "pull"}]),
            "AT.imagePullSecrets[0].name",
            core("Secret", "pull"),
        ),
        (
            "/volumes",
            json!([{"name": "v", "configMap": {"name": "conf"}}]),
            "AT.volumes[0].configMap.name",
            core("ConfigMap", "conf"),
        ),
        (
            "/volumes",
            json!([{"name": "v", "secret": {"secretName": "keys"}}]),
            "AT.volumes[0].secret.secretName",
            core("Secret", "keys"),
        ),
        (
            "/volumes",
            json!([{"name": "v", "projected": {"sources": [{"secret": {"name": "keys"}}]}}]),
            "AT.volumes[0].projected.sources[0].secret.name",
            core("Secret", "keys"),
        ),
        (
            "/volumes",
            json!([{"name": "v", "projected": {"sources": [{"configMap": {"name": "conf"}}]}}]),
            "AT.volumes[0].projected.sources[0].configMap.name",
            core("ConfigMap", "conf"),
        ),
        (
            "/volumes",
            json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]),
            "AT.volumes[0].persistentVolumeClaim.claimName",
            put(
                core("PersistentVolumeClaim", "data"),
                "/spec",
                json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}),
            ),
        ),
        (
            "/volumes",
            json!([{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "keys"}}}]),
            "AT.volumes[0].csi.nodePublishSecretRef.name",
            core("Secret", "keys"),
        ),
        (
            "/containers/0/envFrom",
            json!([{"configMapRef": {"name": "conf"}}]),
            "C.envFrom[0].configMapRef.name",
            core("ConfigMap", "conf"),
        ),
        (
            "/containers/0/envFrom",
            json!([{"secretRef": {"name": "keys"}}]),
            "C.envFrom[0].secretRef.name",
            core("Secret", "keys"),
        ),
        (
            "/containers/0/env",
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "a"}}}]),
            "C.env[0].valueFrom.secretKeyRef.name",
            core("Secret", "keys"),
        ),
        (
            "/containers/0/env",
            json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "a"}}}]),
            "C.env[0].valueFrom.configMapKeyRef.name",
            put(core("ConfigMap", "conf"), "/data", json!({"a": "1"})),
        ),
    ];
    for (pointer, value, path, provider) in cases {
        let path = path
            .replace("AT.", &format!("{AT}."))
            .replace("C.", &format!("{FIRST}."));
        let object = deployment(put(pod_spec(), pointer, value));
        assert_eq!(
            told_of(object.clone()),
            [format!("reference.missing {path}")]
        );
        let mut objects = around();
        objects.extend([object, provider]);
        assert_eq!(told(&objects), [""; 0], "{path}");
    }
}

#[test]
fn optional_things_need_not_be_there() {
    let mut spec = put(
        pod_spec(),
        "/volumes",
        json!([
            {"name": "a", "configMap": {"name": "x", "optional": true, "items": [{"key": "k", "path": "k"}]}},
            {"name": "b", "secret": {"secretName": "x", "optional": true}},
            {"name": "c", "projected": {"sources": [{"configMap": {"name": "x", "optional": true}}, {"secret": {"name": "x", "optional": true}}]}},
        ]),
    );
    spec["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "x", "optional": true}}, {"secretRef": {"name": "x", "optional": true}}]);
    spec["containers"][0]["env"] = json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "a", "optional": true}}}]);
    assert_eq!(told_of(deployment(spec)), [""; 0]);
}

#[test]
fn every_cluster_has_them() {
    let mut spec = put(
        pod_spec(),
        "/volumes",
        json!([{"name": "a", "configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]),
    );
    spec["serviceAccountName"] = json!("default");
    spec["priorityClassName"] = json!("system-cluster-critical");
    assert_eq!(told_of(deployment(spec)), [""; 0]);
    for role in ["system:node", "cluster-admin", "admin", "edit", "view"] {
        assert_eq!(told_of(binding("ClusterRole", role)), [""; 0], "{role}");
    }
}

fn binding(kind: &str, role: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b", "namespace": "shop"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}, "subjects": [{"kind": "ServiceAccount", "name": "default"}]})
}

#[test]
fn keys_of_config_maps() {
    let spec = put(
        pod_spec(),
        "/volumes",
        json!([{"name": "v", "configMap": {"name": "conf", "items": [{"key": "a", "path": "a"}, {"key": "b", "path": "b"}]}}]),
    );
    let spec = put(
        spec,
        "/containers/0/env",
        json!([{"name": "C", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "c"}}}]),
    );
    let mut objects = around();
    objects.push(deployment(spec));
    objects.push(put(core("ConfigMap", "conf"), "/data", json!({"a": "1"})));
    assert_eq!(
        told(&objects),
        [
            format!("reference.missing-key {FIRST}.env[0].valueFrom.configMapKeyRef.name"),
            format!("reference.missing-key {AT}.volumes[0].configMap.items[1].key"),
        ]
    );
    assert_eq!(checked(&objects)[0].container.as_deref(), Some("main"));
}

#[test]
fn other_objects_name_things() {
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i", "namespace": "shop"}, "spec": {
        "ingressClassName": "nginx", "tls": [{"secretName": "cert"}], "defaultBackend": {"service": {"name": "front", "port": {"number": 80}}},
        "rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "back", "port": {"number": 80}}}}]}}]}});
    assert_eq!(
        told_of(ingress.clone()),
        [
            "reference.missing spec.defaultBackend.service.name",
            "reference.missing spec.rules[0].http.paths[0].backend.service.name",
            "reference.missing spec.tls[0].secretName",
            "reference.elsewhere spec.ingressClassName",
        ]
    );
    let asked = put(
        ingress,
        "/metadata/annotations",
        json!({"cert-manager.io/cluster-issuer": "letsencrypt"}),
    );
    assert!(
        !told_of(asked)
            .iter()
            .any(|told| told.contains("secretName"))
    );

    let set = put(
        workload("apps/v1", "StatefulSet", pod_spec()),
        "/spec/serviceName",
        json!("peers"),
    );
    assert_eq!(told_of(set), ["reference.missing spec.serviceName"]);

    let claim = put(
        core("PersistentVolumeClaim", "data"),
        "/spec/storageClassName",
        json!("fast"),
    );
    assert_eq!(
        told_of(claim.clone()),
        ["reference.elsewhere spec.storageClassName"]
    );
    assert_eq!(
        told_of(put(claim, "/spec/storageClassName", json!(""))),
        [""; 0]
    );

    let class = put(pod_spec(), "/priorityClassName", json!("urgent"));
    assert_eq!(
        told_of(deployment(class)),
        [format!("reference.elsewhere {AT}.priorityClassName")]
    );

    assert_eq!(
        told_of(binding("Role", "reader")),
        ["reference.missing roleRef.name"]
    );
    assert_eq!(
        told_of(binding("ClusterRole", "reader")),
        ["reference.missing roleRef.name"]
    );
    let bound = put(
        binding("ClusterRole", "view"),
        "/subjects/0/name",
        json!("nobody"),
    );
    assert_eq!(told_of(bound), ["reference.missing subjects[0].name"]);

    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "namespace": "shop"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "demo"}}});
    assert_eq!(
        told_of(scaler.clone()),
        ["reference.missing spec.scaleTargetRef.name"]
    );
    let mut objects = around();
    objects.extend([scaler, deployment(pod_spec())]);
    assert_eq!(told(&objects), [""; 0]);

    let account = put(
        core("ServiceAccount", "api"),
        "/imagePullSecrets",
        json!([{"name": "pull"}]),
    );
    assert_eq!(
        told_of(account),
        ["reference.missing imagePullSecrets[0].name"]
    );
}

/// In a namespace that holds nothing of ours, others may have put what is named.
#[test]
fn webhooks_and_other_namespaces() {
    let webhook = |namespace: &str| {
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "w"}, "webhooks": [
            {"name": "w.shop.example", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {"service": {"name": "hook", "namespace": namespace}}}]})
    };
    assert_eq!(
        told_of(webhook("shop")),
        ["reference.missing webhooks[0].clientConfig.service"]
    );
    assert_eq!(
        told_of(webhook("cert-manager")),
        ["reference.elsewhere webhooks[0].clientConfig.service"]
    );
    assert_eq!(
        told_of(webhook("default")),
        ["reference.elsewhere webhooks[0].clientConfig.service"]
    );

    // So it is in the cluster's own namespaces, whatever is added to them.
    let bound = put(
        binding("Role", "system:leader"),
        "/metadata/namespace",
        json!("kube-system"),
    );
    let bound = put(bound, "/subjects/0/name", json!("controller"));
    assert_eq!(told_of(bound), ["reference.elsewhere subjects[0].name"]);

    let api = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.toys.example"},
        "spec": {"group": "toys.example", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, "service": {"name": "toys", "namespace": "shop"}}});
    assert_eq!(told_of(api), ["reference.missing spec.service"]);
}

#[test]
fn what_controllers_make() {
    let spec = put(
        pod_spec(),
        "/containers/0/envFrom",
        json!([{"secretRef": {"name": "keys"}}]),
    );
    for maker in [
        json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "c", "namespace": "shop"}, "spec": {"secretName": "keys"}}),
        json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "keys", "namespace": "shop"}, "spec": {}}),
        json!({"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": {"name": "keys", "namespace": "shop"}, "spec": {}}),
    ] {
        let mut objects = around();
        objects.extend([deployment(spec.clone()), maker]);
        assert_eq!(told(&objects), ["schema.not-checked"]);
    }
    let set = put(
        workload("apps/v1", "StatefulSet", pod_spec()),
        "/spec/volumeClaimTemplates",
        json!([{"metadata": {"name": "data"}, "spec": {}}]),
    );
    let set = put(set, "/metadata/name", json!("db"));
    let reads = |claim: &str| {
        let spec = json!({"containers": [container("main")], "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]});
        let mut objects = around();
        objects.extend([set.clone(), deployment(spec)]);
        told(&objects)
    };
    assert_eq!(reads("data-db-0"), [""; 0]);
    // Its own volume of the template's name is replaced.
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "anything"}}]);
    assert_eq!(
        told_of(put(set.clone(), "/spec/template/spec/volumes", volumes)),
        [""; 0]
    );
    assert_eq!(reads("data-db-x").len(), 1);
}
