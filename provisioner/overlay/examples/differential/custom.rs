//! Kinds that the schema knows nothing or little about, as they are found in repositories.

use fastrand::Rng;

use crate::objects::{chance, name, name_of, odd, pick, raw, selector};
use crate::write::{Y, list, map};

/// The fields of an object of one of these kinds.
pub(crate) fn body(rng: &mut Rng, kind: &str, out: &mut Y) {
    match kind {
        "StorageClass" => {
            out.put("provisioner", "ebs.csi.aws.com");
            out.put(
                "parameters",
                map([("type", "gp3".into()), ("iops", raw(rng))]),
            );
            if chance(rng, 30) {
                out.put("allowVolumeExpansion", true);
            }
        }
        "PriorityClass" => {
            out.put(
                "value",
                Y::Raw(pick(rng, &["1000000", "1e6", "0"]).to_owned()),
            );
            out.put("description", odd(rng));
        }
        "IngressClass" => {
            let parameters = map([
                ("kind", "Widget".into()),
                ("name", name(rng).into()),
                ("apiGroup", "example.com".into()),
            ]);
            out.put(
                "spec",
                map([("controller", "a/b".into()), ("parameters", parameters)]),
            );
        }
        "Certificate" => {
            out.put(
                "spec",
                map([
                    ("secretName", name_of(rng).into()),
                    ("dnsNames", list(["*.example.com".into(), odd(rng).into()])),
                    (
                        "issuerRef",
                        map([("name", name(rng).into()), ("kind", "ClusterIssuer".into())]),
                    ),
                ]),
            );
        }
        _ => {
            let selector = selector(rng);
            let endpoint = map([
                ("port", "http".into()),
                (
                    "interval",
                    Y::Raw(pick(rng, &["30s", "1m", "60"]).to_owned()),
                ),
                (
                    "relabelings",
                    list([map([
                        ("regex", "(.*);(.+)".into()),
                        ("replacement", "$1:$2".into()),
                        ("sourceLabels", list(["a".into(), "b".into()])),
                    ])]),
                ),
            ]);
            out.put(
                "spec",
                map([("selector", selector), ("endpoints", list([endpoint]))]),
            );
        }
    }
}

/// A definition with a schema, which is what most of the text in repositories is.
pub(crate) fn definition(rng: &mut Rng, out: &mut Y) {
    out.at("metadata")
        .at("annotations")
        .put("controller-gen.kubebuilder.io/version", "v0.14.0");
    let spec = property(rng, 3);
    let status = map([
        ("type", "object".into()),
        ("x-kubernetes-preserve-unknown-fields", true.into()),
    ]);
    let properties = map([
        (
            "apiVersion",
            map([
                ("description", "APIVersion defines the versioned schema of this representation\nof an object. Servers should convert recognized schemas to the latest internal value.".into()),
                ("type", "string".into()),
            ]),
        ),
        ("metadata", map([("type", "object".into())])),
        ("spec", spec),
        ("status", status),
    ]);
    let column = map([
        ("name", "Age".into()),
        ("type", "date".into()),
        ("jsonPath", ".metadata.creationTimestamp".into()),
    ]);
    let version = map([
        ("name", "v1".into()),
        ("served", true.into()),
        ("storage", true.into()),
        ("subresources", map([("status", Y::Map(Vec::new()))])),
        ("additionalPrinterColumns", list([column])),
        (
            "schema",
            map([(
                "openAPIV3Schema",
                map([("type", "object".into()), ("properties", properties)]),
            )]),
        ),
    ]);
    out.put(
        "spec",
        map([
            ("group", "example.com".into()),
            (
                "names",
                map([
                    ("kind", "Widget".into()),
                    ("listKind", "WidgetList".into()),
                    ("plural", "widgets".into()),
                    ("shortNames", list(["w".into(), "y".into()])),
                ]),
            ),
            ("scope", pick(rng, &["Namespaced", "Cluster"]).into()),
            ("versions", list([version])),
        ]),
    );
    if chance(rng, 30) {
        out.put(
            "status",
            map([
                ("conditions", Y::List(Vec::new())),
                ("storedVersions", Y::List(Vec::new())),
            ]),
        );
    }
}

fn property(rng: &mut Rng, deep: u32) -> Y {
    let mut out = Y::Map(Vec::new());
    if chance(rng, 60) {
        out.put("description", odd(rng));
    }
    match rng.u32(..if deep > 0 { 6 } else { 3 }) {
        0 => {
            out.put("type", "string");
            out.put("pattern", "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))$");
            out.put("enum", list(["".into(), "on".into(), odd(rng).into()]));
        }
        1 => {
            out.put("type", "integer");
            out.put("format", "int64");
            out.put("minimum", raw(rng));
            out.put("default", raw(rng));
        }
        2 => {
            out.put("x-kubernetes-int-or-string", true);
            out.put(
                "anyOf",
                list(["integer", "string"].map(|kind| map([("type", kind.into())]))),
            );
        }
        3 => {
            out.put("type", "array");
            let items = property(rng, deep - 1);
            out.put("items", items);
            out.put("x-kubernetes-list-type", "atomic");
        }
        _ => {
            let mut properties = Y::Map(Vec::new());
            for field in ["name", "on", "value", "n", "default", "kind"] {
                if chance(rng, 40) {
                    let inner = property(rng, deep - 1);
                    properties.put(field, inner);
                }
            }
            out.put("type", "object");
            out.put("properties", properties);
            out.put("required", list(["name".into(), "n".into()]));
        }
    }
    out
}
