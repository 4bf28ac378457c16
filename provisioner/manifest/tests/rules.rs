//! Each rule with what keeps it and what breaks it.

mod support;

use manifest::{Code, Policy, Severity};
use serde_json::{Value, json};
use support::{
    around, checked, container, core, deployment, pod_spec, put, told, told_of, with, without,
    workload,
};

const AT: &str = "spec.template.spec";
const FIRST: &str = "spec.template.spec.containers[0]";

#[test]
fn nothing_is_said_of_what_is_in_order() {
    for (api_version, kind) in [
        ("v1", "Pod"),
        ("v1", "PodTemplate"),
        ("v1", "ReplicationController"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("batch/v1", "Job"),
        ("batch/v1", "CronJob"),
    ] {
        assert_eq!(
            told_of(workload(api_version, kind, pod_spec())),
            [""; 0],
            "{kind}"
        );
    }
}

/// Every kind of workload, and every kind of container.
#[test]
fn pods_are_found_wherever_they_stand() {
    let mut spec = put(pod_spec(), "/initContainers", json!([container("first")]));
    spec = put(
        spec,
        "/ephemeralContainers",
        json!([without(container("debug"), "/resources")]),
    );
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let spec = put(
            spec.clone(),
            &format!("/{list}/0/securityContext/privileged"),
            json!(true),
        );
        for (api_version, kind, path) in [
            ("v1", "Pod", "spec"),
            ("v1", "PodTemplate", "template.spec"),
            ("v1", "ReplicationController", AT),
            ("apps/v1", "Deployment", AT),
            ("apps/v1", "StatefulSet", AT),
            ("apps/v1", "DaemonSet", AT),
            ("apps/v1", "ReplicaSet", AT),
            ("batch/v1", "Job", AT),
            ("batch/v1", "CronJob", "spec.jobTemplate.spec.template.spec"),
        ] {
            assert_eq!(
                told_of(workload(api_version, kind, spec.clone())),
                [format!(
                    "container.privileged {path}.{list}[0].securityContext.privileged"
                )],
                "{kind}"
            );
        }
    }
}

#[test]
fn pods_and_containers() {
    let cases: Vec<(&str, Value, &[&str])> = vec![
        (
            "/hostNetwork",
            json!(true),
            &["pod.host-namespace SPEC.hostNetwork"],
        ),
        (
            "/hostPID",
            json!(true),
            &["pod.host-namespace SPEC.hostPID"],
        ),
        (
            "/hostIPC",
            json!(true),
            &["pod.host-namespace SPEC.hostIPC"],
        ),
        ("/hostNetwork", json!(false), &[]),
        (
            "/volumes",
            json!([{"name": "logs", "hostPath": {"path": "/var/log"}}]),
            &["pod.host-path SPEC.volumes[0].hostPath"],
        ),
        (
            "/volumes",
            json!([{"name": "scratch", "emptyDir": {}}]),
            &[],
        ),
        (
            "/containers/0/securityContext/privileged",
            json!(false),
            &[],
        ),
        (
            "/containers/0/securityContext/windowsOptions",
            json!({"hostProcess": true}),
            &["container.privileged C.securityContext.windowsOptions.hostProcess"],
        ),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
            &["container.privilege-escalation C.securityContext.allowPrivilegeEscalation"],
        ),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            Value::Null,
            &["container.privilege-escalation C.securityContext.allowPrivilegeEscalation"],
        ),
        (
            "/containers/0/securityContext/runAsNonRoot",
            json!(false),
            &["container.runs-as-root C.securityContext.runAsNonRoot"],
        ),
        (
            "/containers/0/securityContext/runAsNonRoot",
            Value::Null,
            &["container.runs-as-root C.securityContext.runAsNonRoot"],
        ),
        (
            "/containers/0/securityContext/runAsUser",
            json!(0),
            &["container.runs-as-root C.securityContext.runAsUser"],
        ),
        (
            "/securityContext",
            json!({"runAsUser": 0}),
            &["container.runs-as-root C.securityContext.runAsUser"],
        ),
        ("/containers/0/securityContext/runAsUser", json!(1000), &[]),
        (
            "/containers/0/securityContext/capabilities/add",
            json!(["NET_BIND_SERVICE", "CHOWN"]),
            &[],
        ),
        (
            "/containers/0/securityContext/capabilities/add",
            json!(["CHOWN", "NET_ADMIN"]),
            &["container.capabilities C.securityContext.capabilities.add[1]"],
        ),
        (
            "/containers/0/image",
            json!("api:1"),
            &["image.without-digest C.image"],
        ),
        (
            "/containers/0/image",
            json!("api@sha256:abc"),
            &["image.without-digest C.image"],
        ),
        (
            "/containers/0/resources",
            json!({}),
            &[
                "container.without-limits C.resources.limits",
                "container.without-requests C.resources.requests",
            ],
        ),
        (
            "/containers/0/resources",
            json!({"limits": {"cpu": 1, "memory": "1Gi"}}),
            &[],
        ),
        (
            "/containers/0/resources",
            json!({"requests": {"cpu": 1, "memory": "1Gi"}}),
            &["container.without-limits C.resources.limits"],
        ),
        (
            "/containers/0/env",
            json!([{"name": "DB_PASSWORD", "value": "hunter2"}]),
            &["container.secret-literal C.env[0].value"],
        ),
        (
            "/containers/0/env",
            json!([{"name": "LOG_LEVEL", "value": "info"}, {"name": "TOKEN_FILE", "value": "/run/token"}, {"name": "TOKEN", "value": "$(OTHER)"}]),
            &[],
        ),
    ];
    for (pointer, value, expected) in cases {
        let object = deployment(put(pod_spec(), pointer, value.clone()));
        let expected: Vec<String> = expected
            .iter()
            .map(|text| {
                text.replace(" SPEC", &format!(" {AT}"))
                    .replace(" C.", &format!(" {FIRST}."))
            })
            .collect();
        assert_eq!(told_of(object), expected, "{pointer} {value}");
    }
}

#[test]
fn what_the_pod_says_holds_for_its_containers() {
    let spec = without(pod_spec(), "/containers/0/securityContext/runAsNonRoot");
    let spec = put(spec, "/securityContext", json!({"runAsNonRoot": true}));
    assert_eq!(told_of(deployment(spec)), [""; 0]);

    let spec = without(pod_spec(), "/containers/0/resources");
    let spec = put(
        spec,
        "/resources",
        json!({"limits": {"cpu": 1, "memory": "1Gi"}}),
    );
    assert_eq!(told_of(deployment(spec)), [""; 0]);
}

#[test]
fn linux_privileges_mean_nothing_on_windows() {
    let spec = without(
        pod_spec(),
        "/containers/0/securityContext/allowPrivilegeEscalation",
    );
    let spec = put(spec, "/os", json!({"name": "windows"}));
    assert_eq!(told_of(deployment(spec)), [""; 0]);
}

#[test]
fn a_limit_range_fills_in() {
    let object = deployment(without(pod_spec(), "/containers/0/resources"));
    let range = |spec: Value| put(core("LimitRange", "defaults"), "/spec", spec);
    let mut objects = around();
    objects.push(object);
    objects.push(range(json!({"limits": [{"type": "Container", "default": {"memory": "1Gi"}, "defaultRequest": {"cpu": "1"}}]})));
    assert_eq!(
        told(&objects),
        [format!("container.without-limits {FIRST}.resources.limits")]
    );
    assert!(checked(&objects)[0].message.ends_with("no limit of CPU"));
    objects.push(range(
        json!({"limits": [{"type": "Container", "default": {"cpu": 1}}]}),
    ));
    assert_eq!(told(&objects), [""; 0]);
}

#[test]
fn no_value_of_a_secret_is_told() {
    let spec = put(
        pod_spec(),
        "/containers/0/env",
        json!([{"name": "API_KEY", "value": "hunter2"}]),
    );
    let mut objects = around();
    objects.push(deployment(spec));
    let findings = checked(&objects);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].container.as_deref(), Some("main"));
    assert!(findings[0].message.contains("`API_KEY`"));
    assert!(!format!("{findings:?}").contains("hunter2"));
}

#[test]
fn an_image_is_told_once_and_found_in_custom_resources() {
    let mut spec = pod_spec();
    spec["containers"] = json!([container("main"), container("side")]);
    for at in 0..2 {
        spec["containers"][at]["image"] = json!("api:1");
    }
    assert_eq!(
        told_of(deployment(spec)),
        [format!("image.without-digest {FIRST}.image")]
    );

    let rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "demo", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "api:1"}]}}}});
    let findings = checked(&[rollout]);
    let message = findings
        .iter()
        .find(|one| one.code == Code::ImageWithoutDigest)
        .unwrap();
    assert_eq!(
        message.to_string(),
        format!("its image `api:1` has no digest ({FIRST}.image)")
    );
}

#[test]
fn pods_that_no_policy_selects() {
    let policy = |name: &str, selector: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": "shop"}, "spec": {"podSelector": selector}});
    let cases: Vec<(Value, bool)> = vec![
        (json!({}), true),
        (json!({"matchLabels": {"app": "demo"}}), true),
        (json!({"matchLabels": {"app": "other"}}), false),
        (
            json!({"matchLabels": {"app": "demo", "tier": "front"}}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["demo", "other"]}]}),
            true,
        ),
        (
            json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["other"]}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["demo"]}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["back"]}]}),
            true,
        ),
        (
            json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
            true,
        ),
        (
            json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
            false,
        ),
    ];
    for (selector, selected) in cases {
        let objects = [policy("one", selector.clone()), deployment(pod_spec())];
        let expected: &[&str] = if selected {
            &[]
        } else {
            &["network-policy.missing"]
        };
        assert_eq!(told(&objects), expected, "{selector}");
    }
}

#[test]
fn a_namespace_without_policy_is_told_once() {
    let second = put(deployment(pod_spec()), "/metadata/name", json!("second"));
    let objects = [around().remove(0), deployment(pod_spec()), second];
    let findings = checked(&objects);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].object.to_string(), "Namespace/shop");
    assert_eq!(
        findings[0].message,
        "namespace `shop` has no NetworkPolicy for its 2 workloads"
    );
    // Without the namespace among the objects the first workload stands for it; a plugin's policies are believed.
    assert_eq!(
        checked(&objects[1..])[0].object.to_string(),
        "Deployment/shop/demo"
    );
    let cilium = json!({"apiVersion": "cilium.io/v2", "kind": "CiliumClusterwideNetworkPolicy", "metadata": {"name": "all"}});
    assert_eq!(
        told(&[deployment(pod_spec()), cilium]),
        ["schema.not-checked"]
    );
}

#[test]
fn versions_of_apis() {
    let object = |api_version: &str, kind: &str| json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "demo"}});
    let cases = [
        (
            "extensions/v1beta1",
            "Ingress",
            "1.21",
            Some((Code::ApiDeprecated, "networking.k8s.io/v1")),
        ),
        (
            "extensions/v1beta1",
            "Ingress",
            "1.22",
            Some((Code::ApiRemoved, "networking.k8s.io/v1")),
        ),
        (
            "policy/v1beta1",
            "PodDisruptionBudget",
            "1.37",
            Some((Code::ApiRemoved, "policy/v1")),
        ),
        (
            "policy/v1beta1",
            "PodSecurityPolicy",
            "1.37",
            Some((Code::ApiRemoved, "there is no replacement")),
        ),
        (
            "batch/v1beta1",
            "CronJob",
            "1.25",
            Some((Code::ApiRemoved, "batch/v1")),
        ),
        ("batch/v1beta1", "CronJob", "1.20", None),
        (
            "autoscaling/v2beta2",
            "HorizontalPodAutoscaler",
            "1.26",
            Some((Code::ApiRemoved, "autoscaling/v2")),
        ),
        (
            "flowcontrol.apiserver.k8s.io/v1beta3",
            "FlowSchema",
            "1.32",
            Some((Code::ApiRemoved, "flowcontrol.apiserver.k8s.io/v1")),
        ),
        (
            "storage.k8s.io/v1beta1",
            "CSIStorageCapacity",
            "1.26",
            Some((Code::ApiDeprecated, "storage.k8s.io/v1")),
        ),
        (
            "v1",
            "Endpoints",
            "1.37",
            Some((Code::ApiDeprecated, "discovery.k8s.io/v1/EndpointSlice")),
        ),
        ("v1", "ConfigMap", "1.37", None),
    ];
    for (api_version, kind, cluster, expected) in cases {
        let policy = Policy {
            kubernetes: cluster.parse().unwrap(),
            ..Policy::default()
        };
        let findings = with(&[object(api_version, kind)], &policy);
        let found = findings
            .iter()
            .find(|one| matches!(one.code, Code::ApiDeprecated | Code::ApiRemoved));
        assert_eq!(
            found.map(|one| one.code),
            expected.map(|(code, _)| code),
            "{api_version} {kind} {cluster}"
        );
        if let (Some(found), Some((_, hint))) = (found, expected) {
            assert!(found.hint.contains(hint), "{}", found.hint);
        }
        assert!(
            findings.iter().all(|one| one.code != Code::UnknownKind),
            "{findings:?}"
        );
    }
}

#[test]
fn the_environment_weighs() {
    let object = deployment(put(pod_spec(), "/hostNetwork", json!(true)));
    let mut objects = around();
    objects.push(object);
    assert_eq!(checked(&objects)[0].severity, Severity::Warning);
    let policy = Policy {
        severities: [(Code::HostNamespace, Severity::Error)].into(),
        ..Policy::default()
    };
    assert_eq!(with(&objects, &policy)[0].severity, Severity::Error);
}
