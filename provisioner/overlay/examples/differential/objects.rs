//! Objects of all the kinds that rules know something about.

use fastrand::Rng;

use crate::custom;
use crate::write::{Y, list, map};

/// Names are few, so that references meet objects.
const NAMES: [&str; 5] = ["web", "db", "cache", "api", "a.b"];
const NAMESPACES: [&str; 4] = ["default", "prod", "kube-system", "test"];
pub(crate) const IMAGES: [&str; 9] = [
    "nginx",
    "nginx:1.25",
    "example.com/team/app:v1",
    "example.com:5000/app",
    "example.com:5000/app:v2@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
    "redis@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
    "busybox:latest",
    "app",
    "my-nginx:1",
];
pub(crate) const KINDS: [&str; 38] = [
    "Deployment",
    "Deployment",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "CronJob",
    "Job",
    "Pod",
    "Service",
    "Service",
    "ConfigMap",
    "ConfigMap",
    "Secret",
    "Ingress",
    "HorizontalPodAutoscaler",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "Namespace",
    "CustomResourceDefinition",
    "Widget",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "ReplicaSet",
    "ReplicationController",
    "StorageClass",
    "PriorityClass",
    "IngressClass",
    "Certificate",
    "ServiceMonitor",
    "Rollout",
];

pub(crate) fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

pub(crate) fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

pub(crate) fn name(rng: &mut Rng) -> String {
    pick(rng, &NAMES).to_owned()
}

pub(crate) fn namespace(rng: &mut Rng) -> String {
    pick(rng, &NAMESPACES).to_owned()
}

/// Text that is easily taken for something else, or hard to write.
pub(crate) fn odd(rng: &mut Rng) -> String {
    const ODD: &[&str] = &[
        "#!/bin/sh\nset -e\n\techo \"$X\" \\\n  && exit 0\n",
        "server {\n    listen 80;  \n\n    location / { }\n}\n",
        "{{ .Values.x | quote }}",
        "a\r\nb\r\n",
        "a\u{85}b",
        "a\u{2028}b",
        "\u{A0}a",
        "e\u{301}",
        "a\tb",
        "\ta",
        "a\t",
        "\u{7F}",
        "\u{9}\n",
        "C:\\path\\n",
        "--- a",
        "...",
        "---\na\n",
        "? a",
        "| a",
        "> a",
        ".inf",
        "-.Inf",
        ".NaN",
        "nan",
        "0x",
        "08",
        "0o8",
        "0b2",
        "1e",
        "12e03",
        "+.5",
        "1__0",
        "1,000",
        "190:20:30.15",
        "2001-1-1",
        "2001-12-14 21:59:43.10 -5",
        "2001-12-14T21:59:43Z",
        "On",
        "NO",
        "tRue",
        "!!str a",
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "https://example.com/a?b=c&d=e#f",
        "a,b",
        "a]",
        "100%",
        "*/5 * * * *",
        "\"a\": b",
        "'",
        "\"",
        "\\",
        "a\n\n\nb\n\n",
        "\n",
        "\n\n",
        " \n",
        "a\n b\n  c\nd",
        "key: value\nlist:\n- a\n# comment\n",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "Y",
        "true",
        "False",
        "TRUE",
        "null",
        "~",
        "Null",
        "0777",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "1.0",
        "1.50",
        "1e3",
        "1E-7",
        "+1",
        "-1",
        "-0",
        "0",
        "00",
        "1.",
        ".5",
        "1:30",
        "190:20:30",
        "2020-01-01",
        "2020-01-01T10:00:00Z",
        "12345678901234567890",
        "123456789012345678901234567890",
        "1e400",
        "0.1e1",
        "",
        " ",
        "a: b",
        "a #b",
        "#a",
        "- a",
        "-",
        "?",
        ":",
        "a:",
        "@a",
        "`a",
        "%a",
        "*a",
        "&a",
        "!a",
        "'a'",
        "\"a\"",
        "a'b",
        "a\\b",
        "a\nb",
        "a\nb\n",
        "\na",
        "a\n\n",
        "  a\n b\n",
        "a \nb",
        "tab\there",
        "ünïcode",
        "日本語",
        "😀",
        "\u{FEFF}a",
        "<<",
        "=",
        "$(NAME)",
        "pre-$(NAME)-$(OTHER)",
        "[a, b]",
        "{\"a\": 1}",
    ];
    match rng.u32(..12) {
        0..9 => pick(rng, ODD).to_owned(),
        9 => "a word and another "
            .repeat(rng.usize(3..9))
            .trim()
            .to_owned(),
        10 => format!(
            "{}\n  {}",
            "line of text ".repeat(rng.usize(1..9)),
            pick(rng, ODD)
        ),
        _ => format!("{}:{}", pick(rng, ODD), pick(rng, ODD)),
    }
}

/// A scalar as it stands.
pub(crate) fn raw(rng: &mut Rng) -> Y {
    const RAW: &[&str] = &[
        "No",
        "tRue",
        "0o8",
        "08",
        "1e",
        "12e03",
        "+.5",
        "-.5",
        "1__0",
        "0x_1",
        "0b2",
        "190:20:30",
        "2001-1-1",
        "2001-12-14 21:59:43.10 -5",
        "! a",
        "!custom a",
        "!!str",
        "!!bool yes",
        "!!timestamp 2020-01-01",
        "\"a\\u00e9\\x41\\n\"",
        "'it''s'",
        "100Mi",
        "0.10",
        "1e-10",
        "1E+5",
        "-1.0",
        "4294967296",
        "yes",
        "No",
        "on",
        "y",
        "0777",
        "0o17",
        "0x1F",
        "1_000",
        "1.0",
        "1.50",
        "1e3",
        "1E-7",
        "+1",
        "-0",
        ".5",
        "1.",
        "1:30",
        "2020-01-01",
        "2020-01-01 10:00:00",
        "2001-12-14t21:59:43.10-05:00",
        "12345678901234567890",
        "123456789012345678901234567890",
        "~",
        "null",
        "",
        "!!str 1",
        "!!int \"3\"",
        "!!float 1",
        "!!binary aGVsbG8=",
        "'x'",
        "0b101",
        "0.1e1",
        "1e21",
        "123456789.123456789",
        "9007199254740993",
        "-9223372036854775808",
        "18446744073709551615",
        "0.000001",
        "0.0000001",
        "1e20",
    ];
    Y::Raw(pick(rng, RAW).to_owned())
}

pub(crate) fn api_version(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "apps/v1",
        "StorageClass" => "storage.k8s.io/v1",
        "PriorityClass" => "scheduling.k8s.io/v1",
        "Certificate" => "cert-manager.io/v1",
        "ServiceMonitor" => "monitoring.coreos.com/v1",
        "Rollout" => "argoproj.io/v1alpha1",
        "CronJob" | "Job" => "batch/v1",
        "Ingress" | "NetworkPolicy" | "IngressClass" => "networking.k8s.io/v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => {
            "rbac.authorization.k8s.io/v1"
        }
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
            "admissionregistration.k8s.io/v1"
        }
        "APIService" => "apiregistration.k8s.io/v1",
        "PodDisruptionBudget" => "policy/v1",
        "Widget" => "example.com/v1",
        _ => "v1",
    }
}

pub(crate) fn is_cluster_scoped(kind: &str) -> bool {
    matches!(
        kind,
        "PersistentVolume"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "Namespace"
            | "CustomResourceDefinition"
            | "ValidatingWebhookConfiguration"
            | "MutatingWebhookConfiguration"
            | "APIService"
            | "StorageClass"
            | "PriorityClass"
            | "IngressClass"
    )
}

/// Labels or annotations.
pub(crate) fn entries(rng: &mut Rng, plain: bool) -> Y {
    let keys = ["app", "tier", "example.com/key", "env", "y", "1"];
    let mut out = Y::Map(Vec::new());
    let from = rng.usize(..keys.len());
    for key in keys.iter().cycle().skip(from).take(rng.usize(1..3)) {
        let value = if plain || rng.bool() {
            Y::Text(pick(rng, &["web", "db", "x1", "true", "10", "a-b"]).to_owned())
        } else {
            Y::Text(odd(rng))
        };
        out.put(key, value);
    }
    out
}

/// The identity of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

pub(crate) fn id(rng: &mut Rng) -> Id {
    let kind = pick(rng, &KINDS).to_owned();
    let namespace = if is_cluster_scoped(&kind) || chance(rng, 75) {
        String::new()
    } else {
        namespace(rng)
    };
    let name = match kind.as_str() {
        "Namespace" => self::namespace(rng),
        "CustomResourceDefinition" => "widgets.example.com".to_owned(),
        _ => name(rng),
    };
    Id {
        kind,
        name,
        namespace,
    }
}

/// The part of an object that says what it is.
pub(crate) fn head(id: &Id) -> Y {
    let mut metadata = map([("name", id.name.as_str().into())]);
    if !id.namespace.is_empty() {
        metadata.put("namespace", id.namespace.as_str());
    }
    map([
        ("apiVersion", api_version(&id.kind).into()),
        ("kind", id.kind.as_str().into()),
        ("metadata", metadata),
    ])
}

/// A whole object.
pub(crate) fn object(rng: &mut Rng, id: &Id) -> Y {
    let mut out = head(id);
    if chance(rng, 40) {
        let labels = entries(rng, true);
        out.at("metadata").put("labels", labels);
    }
    if chance(rng, 25) {
        let annotations = entries(rng, false);
        out.at("metadata").put("annotations", annotations);
    }
    if chance(rng, 2) {
        out.at("metadata")
            .put("creationTimestamp", Y::Raw("null".to_owned()));
    }
    body(rng, &id.kind, &mut out);
    if chance(rng, 4) {
        let odd = raw(rng);
        out.at("x-odd").put("field", odd);
    }
    if chance(rng, 3)
        && let Y::Map(entries) = &mut out
    {
        rng.shuffle(entries);
    }
    out
}

pub(crate) fn selector(rng: &mut Rng) -> Y {
    let labels = entries(rng, true);
    map([("matchLabels", labels)])
}

fn body(rng: &mut Rng, kind: &str, out: &mut Y) {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Rollout" => {
            let template = template(rng);
            let mut spec = map([("template", template)]);
            if chance(rng, 80) {
                spec.put("selector", selector(rng));
            }
            if kind != "DaemonSet" && chance(rng, 60) {
                spec.put("replicas", rng.i64(0..5));
            }
            if kind == "StatefulSet" {
                spec.put("serviceName", name(rng));
                if chance(rng, 50) {
                    spec.put("volumeClaimTemplates", claims(rng));
                }
            }
            out.put("spec", spec);
        }
        "CronJob" => {
            let template = template(rng);
            out.put(
                "spec",
                map([
                    ("schedule", "*/5 * * * *".into()),
                    (
                        "jobTemplate",
                        map([("spec", map([("template", template)]))]),
                    ),
                ]),
            );
        }
        "Job" => {
            let template = template(rng);
            out.put("spec", map([("template", template)]));
        }
        "Pod" => {
            let spec = pod_spec(rng);
            out.put("spec", spec);
        }
        "Service" => service(rng, out),
        "ConfigMap" | "Secret" => data(rng, kind, out),
        "Ingress" => ingress(rng, out),
        "HorizontalPodAutoscaler" => {
            let target = pick(rng, &["Deployment", "StatefulSet", "Widget"]);
            let target = map([
                ("apiVersion", api_version(target).into()),
                ("kind", target.into()),
                ("name", name(rng).into()),
            ]);
            out.put(
                "spec",
                map([
                    ("scaleTargetRef", target),
                    ("minReplicas", 1.into()),
                    ("maxReplicas", 3.into()),
                ]),
            );
        }
        "PersistentVolumeClaim" => {
            let mut spec = map([
                ("accessModes", list(["ReadWriteOnce".into()])),
                (
                    "resources",
                    map([("requests", map([("storage", "1Gi".into())]))]),
                ),
            ]);
            if chance(rng, 50) {
                spec.put("volumeName", name(rng));
            }
            if chance(rng, 30) {
                spec.put("storageClassName", name(rng));
            }
            if chance(rng, 20) {
                spec.put("selector", selector(rng));
            }
            out.put("spec", spec);
        }
        "PersistentVolume" => out.put(
            "spec",
            map([
                ("capacity", map([("storage", "1Gi".into())])),
                (
                    "claimRef",
                    map([
                        ("name", name(rng).into()),
                        ("namespace", namespace(rng).into()),
                    ]),
                ),
            ]),
        ),
        "ServiceAccount" if chance(rng, 50) => {
            let secret = map([("name", name(rng).into())]);
            out.put("imagePullSecrets", list([secret.clone()]));
            out.put("secrets", list([secret]));
        }
        "Role" | "ClusterRole" => rules(rng, kind, out),
        "RoleBinding" | "ClusterRoleBinding" => binding(rng, kind, out),
        "ReplicationController" => {
            let template = template(rng);
            let labels = entries(rng, true);
            out.put("spec", map([("selector", labels), ("template", template)]));
        }
        "StorageClass" | "PriorityClass" | "IngressClass" | "Certificate" | "ServiceMonitor" => {
            custom::body(rng, kind, out);
        }
        "CustomResourceDefinition" if chance(rng, 50) => custom::definition(rng, out),
        "CustomResourceDefinition" => out.put(
            "spec",
            map([
                ("group", "example.com".into()),
                (
                    "names",
                    map([("kind", "Widget".into()), ("plural", "widgets".into())]),
                ),
                ("scope", pick(rng, &["Namespaced", "Cluster"]).into()),
                (
                    "conversion",
                    map([(
                        "webhook",
                        map([(
                            "clientConfig",
                            map([(
                                "service",
                                map([
                                    ("name", name(rng).into()),
                                    ("namespace", namespace(rng).into()),
                                ]),
                            )]),
                        )]),
                    )]),
                ),
            ]),
        ),
        "Widget" => widget(rng, out),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
            let service = map([
                ("name", name(rng).into()),
                ("namespace", namespace(rng).into()),
            ]);
            out.put(
                "webhooks",
                list([map([
                    ("name", "a.example.com".into()),
                    ("clientConfig", map([("service", service)])),
                ])]),
            );
        }
        "APIService" => out.put(
            "spec",
            map([(
                "service",
                map([
                    ("name", name(rng).into()),
                    ("namespace", namespace(rng).into()),
                ]),
            )]),
        ),
        "NetworkPolicy" => {
            let labels = selector(rng);
            out.put(
                "spec",
                map([
                    ("podSelector", labels.clone()),
                    (
                        "ingress",
                        list([map([("from", list([map([("podSelector", labels)])]))])]),
                    ),
                ]),
            );
        }
        "PodDisruptionBudget" => {
            let selector = selector(rng);
            out.put(
                "spec",
                map([("selector", selector), ("minAvailable", 1.into())]),
            );
        }
        _ => {}
    }
}

fn claims(rng: &mut Rng) -> Y {
    let mut claim = map([
        ("metadata", map([("name", name(rng).into())])),
        ("spec", map([("storageClassName", name(rng).into())])),
    ]);
    if rng.bool() {
        let labels = entries(rng, true);
        claim.at("metadata").put("labels", labels);
    }
    list([claim])
}

fn template(rng: &mut Rng) -> Y {
    let mut metadata = Y::Map(Vec::new());
    if chance(rng, 85) {
        let labels = entries(rng, true);
        metadata.put("labels", labels);
    }
    if chance(rng, 15) {
        let annotations = entries(rng, false);
        metadata.put("annotations", annotations);
    }
    let spec = pod_spec(rng);
    map([("metadata", metadata), ("spec", spec)])
}

pub(crate) fn container(rng: &mut Rng, name: &str) -> Y {
    let mut out = map([("name", name.into())]);
    if chance(rng, 90) {
        out.put("image", pick(rng, &IMAGES));
    }
    if chance(rng, 30) {
        let mut ports = Vec::new();
        for port in [80, 8080, 443].into_iter().take(rng.usize(1..4)) {
            let mut entry = map([("containerPort", Y::from(port))]);
            if rng.bool() {
                entry.put("name", pick(rng, &["http", "https", "udp"]));
            }
            if chance(rng, 30) {
                entry.put("protocol", pick(rng, &["TCP", "UDP"]));
            }
            ports.push(entry);
        }
        out.put("ports", Y::List(ports));
    }
    if chance(rng, 50) {
        let env = env(rng);
        out.put("env", env);
    }
    if chance(rng, 20) {
        let source = pick(rng, &["configMapRef", "secretRef"]);
        let source = map([(source, map([("name", name_of(rng).into())]))]);
        out.put("envFrom", list([source]));
    }
    for field in ["command", "args"] {
        if chance(rng, 15) {
            let items: Vec<Y> = (0..rng.usize(1..4)).map(|_| odd(rng).into()).collect();
            out.put(field, Y::List(items));
        }
    }
    if chance(rng, 20) {
        let mount = map([
            ("name", pick(rng, &["data", "cfg"]).into()),
            ("mountPath", pick(rng, &["/data", "/cfg"]).into()),
        ]);
        out.put("volumeMounts", list([mount]));
    }
    if chance(rng, 20) {
        out.put(
            "resources",
            map([(
                "limits",
                map([(
                    "cpu",
                    Y::Raw(pick(rng, &["1", "0.5", "100m", "1e3", "'2'"]).to_owned()),
                )]),
            )]),
        );
    }
    out
}

pub(crate) fn name_of(rng: &mut Rng) -> String {
    if chance(rng, 30) {
        pick(rng, &["cfg", "files", "sec"]).to_owned()
    } else {
        name(rng)
    }
}

fn env(rng: &mut Rng) -> Y {
    let mut out = Vec::new();
    for variable in ["A", "B", "C"].into_iter().take(rng.usize(1..4)) {
        let mut entry = map([("name", variable.into())]);
        match rng.u32(..5) {
            0 => {
                let source = pick(rng, &["configMapKeyRef", "secretKeyRef"]);
                let reference = map([("name", name_of(rng).into()), ("key", "k".into())]);
                entry.put("valueFrom", map([(source, reference)]));
            }
            1 => entry.put("value", raw(rng)),
            2 => entry.put("value", "$(NAME)"),
            _ => entry.put("value", odd(rng)),
        }
        out.push(entry);
    }
    Y::List(out)
}

fn pod_spec(rng: &mut Rng) -> Y {
    let mut containers = vec![container(rng, "main")];
    if chance(rng, 25) {
        containers.push(container(rng, "side"));
    }
    let mut spec = map([("containers", Y::List(containers))]);
    if chance(rng, 15) {
        let init = container(rng, "init");
        spec.put("initContainers", list([init]));
    }
    if chance(rng, 25) {
        spec.put("serviceAccountName", name(rng));
    }
    if chance(rng, 5) {
        spec.put("serviceAccount", name(rng));
    }
    if chance(rng, 10) {
        let secret = map([("name", name_of(rng).into())]);
        spec.put("imagePullSecrets", list([secret]));
    }
    if chance(rng, 5) {
        spec.put("priorityClassName", name(rng));
    }
    if chance(rng, 30) {
        let volume = |rng: &mut Rng, name: &str| {
            let source = match rng.u32(..4) {
                0 => ("configMap", map([("name", name_of(rng).into())])),
                1 => ("secret", map([("secretName", name_of(rng).into())])),
                2 => (
                    "persistentVolumeClaim",
                    map([("claimName", name_of(rng).into())]),
                ),
                _ => ("emptyDir", Y::Map(Vec::new())),
            };
            map([("name", name.into()), source])
        };
        let volumes = [volume(rng, "data"), volume(rng, "cfg")];
        spec.put("volumes", list(volumes));
    }
    if chance(rng, 10) {
        let selector = selector(rng);
        spec.put(
            "topologySpreadConstraints",
            list([map([
                ("topologyKey", "zone".into()),
                ("whenUnsatisfiable", "DoNotSchedule".into()),
                ("labelSelector", selector),
            ])]),
        );
    }
    if chance(rng, 5) {
        let sources = list([
            map([("configMap", map([("name", name_of(rng).into())]))]),
            map([("secret", map([("name", name_of(rng).into())]))]),
        ]);
        let projected = map([
            ("name", "all".into()),
            ("projected", map([("sources", sources)])),
        ]);
        spec.put("volumes", list([projected]));
    }
    if chance(rng, 8) {
        spec.put(
            "securityContext",
            map([
                ("runAsUser", raw(rng)),
                (
                    "sysctls",
                    list([map([("name", "a".into()), ("value", "1".into())])]),
                ),
            ]),
        );
    }
    if chance(rng, 5) {
        let addresses = ["127.0.0.1", "::1"]
            .map(|ip| map([("ip", ip.into()), ("hostnames", list(["a".into()]))]));
        spec.put("hostAliases", list(addresses));
    }
    if chance(rng, 10) {
        let selector = selector(rng);
        spec.put(
            "affinity",
            map([(
                "podAntiAffinity",
                map([(
                    "requiredDuringSchedulingIgnoredDuringExecution",
                    list([map([
                        ("labelSelector", selector),
                        ("topologyKey", "zone".into()),
                    ])]),
                )]),
            )]),
        );
    }
    spec
}

fn service(rng: &mut Rng, out: &mut Y) {
    let mut spec = Y::Map(Vec::new());
    if chance(rng, 80) {
        let labels = entries(rng, true);
        spec.put("selector", labels);
    }
    let mut ports = Vec::new();
    for port in [80, 443].into_iter().take(rng.usize(1..3)) {
        let mut entry = map([("port", Y::from(port))]);
        if rng.bool() {
            entry.put("name", pick(rng, &["http", "https"]));
        }
        if rng.bool() {
            entry.put(
                "targetPort",
                Y::Raw(pick(rng, &["80", "http", "\"80\""]).to_owned()),
            );
        }
        ports.push(entry);
    }
    spec.put("ports", Y::List(ports));
    out.put("spec", spec);
}

fn data(rng: &mut Rng, kind: &str, out: &mut Y) {
    if chance(rng, 85) {
        let mut data = Y::Map(Vec::new());
        for key in ["k", "app.properties", "y", "10", "9"]
            .into_iter()
            .take(rng.usize(1..6))
        {
            let value = if kind == "Secret" {
                "aGVsbG8=".into()
            } else if chance(rng, 20) {
                raw(rng)
            } else {
                odd(rng).into()
            };
            data.put(key, value);
        }
        out.put("data", data);
    }
    if kind == "Secret" {
        if chance(rng, 50) {
            out.put("type", "Opaque");
        }
        if chance(rng, 30) {
            let text = odd(rng);
            out.put("stringData", map([("s", text.into())]));
        }
    } else if chance(rng, 10) {
        out.put("binaryData", map([("b", "AAECAw==".into())]));
    }
    if chance(rng, 10) {
        out.put("immutable", true);
    }
}

fn ingress(rng: &mut Rng, out: &mut Y) {
    let backend = map([(
        "service",
        map([
            ("name", name(rng).into()),
            ("port", map([("number", 80.into())])),
        ]),
    )]);
    let mut spec = map([(
        "rules",
        list([map([
            ("host", "a.example.com".into()),
            (
                "http",
                map([(
                    "paths",
                    list([map([("path", "/".into()), ("backend", backend.clone())])]),
                )]),
            ),
        ])]),
    )]);
    if rng.bool() {
        spec.put("defaultBackend", backend);
    }
    if rng.bool() {
        spec.put("tls", list([map([("secretName", name_of(rng).into())])]));
    }
    out.put("spec", spec);
}

fn rules(rng: &mut Rng, kind: &str, out: &mut Y) {
    let mut rule = map([
        ("apiGroups", list(["".into()])),
        (
            "resources",
            list([pick(rng, &["configmaps", "secrets", "pods"]).into()]),
        ),
        ("verbs", list(["get".into()])),
    ]);
    if rng.bool() {
        rule.put(
            "resourceNames",
            list([name(rng).into(), name_of(rng).into()]),
        );
    }
    out.put("rules", list([rule]));
    if kind == "ClusterRole" && chance(rng, 20) {
        let selector = selector(rng);
        out.put(
            "aggregationRule",
            map([("clusterRoleSelectors", list([selector]))]),
        );
    }
}

fn binding(rng: &mut Rng, kind: &str, out: &mut Y) {
    let role = if kind == "RoleBinding" && rng.bool() {
        "Role"
    } else {
        "ClusterRole"
    };
    out.put(
        "roleRef",
        map([
            ("apiGroup", "rbac.authorization.k8s.io".into()),
            ("kind", role.into()),
            ("name", name(rng).into()),
        ]),
    );
    let mut subjects = Vec::new();
    for _ in 0..rng.usize(1..3) {
        let account = if chance(rng, 30) {
            "default".to_owned()
        } else {
            name(rng)
        };
        let mut subject = map([
            (
                "kind",
                pick(rng, &["ServiceAccount", "ServiceAccount", "User", "Group"]).into(),
            ),
            ("name", account.into()),
        ]);
        if chance(rng, 70) {
            subject.put("namespace", namespace(rng));
        }
        subjects.push(subject);
    }
    out.put("subjects", Y::List(subjects));
}

fn widget(rng: &mut Rng, out: &mut Y) {
    let mut spec = Y::Map(Vec::new());
    for field in [
        "a",
        "b",
        "list",
        "image",
        "replicas",
        "configName",
        "y",
        "on",
    ] {
        if !chance(rng, 40) {
            continue;
        }
        let value = match field {
            "list" => list([
                odd(rng).into(),
                raw(rng),
                map([("name", "x".into()), ("v", raw(rng))]),
            ]),
            "image" => pick(rng, &IMAGES).into(),
            "replicas" => 3.into(),
            "configName" => name_of(rng).into(),
            _ if rng.bool() => raw(rng),
            _ => odd(rng).into(),
        };
        spec.put(field, value);
    }
    if chance(rng, 20) {
        let container = container(rng, "main");
        spec.put("containers", list([container]));
    }
    out.put("spec", spec);
}
