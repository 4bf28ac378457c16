//! The findings there are.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a finding weighs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Note,
    /// To be looked at; apply goes on.
    Warning,
    /// Blocks apply.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

macro_rules! codes {
    ($($variant:ident = $name:literal, $severity:ident, $meaning:literal, $hint:literal;)*) => {
        /// What was found. The name is stable; severities are defaults, which an environment's policy may change.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum Code {
            $(
                #[doc = $meaning]
                #[serde(rename = $name)]
                $variant,
            )*
        }

        impl Code {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The stable name, `container.privileged`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How much it weighs unless the policy says otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do about it, where a finding has nothing more exact to say.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)* }
            }
        }
    };
}

codes! {
    ImageWithoutDigest = "image.without-digest", Error,
        "A container's image is named by a tag, so that what runs can change without a plan.",
        "pin it as NAME@sha256:DIGEST";
    Privileged = "container.privileged", Warning,
        "A container is privileged, or a Windows HostProcess container; the node is as open to it as to its root user (baseline).",
        "take `privileged` away and add the one capability that is needed";
    PrivilegeEscalation = "container.privilege-escalation", Warning,
        "A container does not forbid its processes to gain privileges (restricted).",
        "set `securityContext.allowPrivilegeEscalation: false`";
    RunsAsRoot = "container.runs-as-root", Warning,
        "A container may run as root: `runAsNonRoot` is not true, or `runAsUser` is 0 (restricted).",
        "set `securityContext.runAsNonRoot: true` for the pod or the container, and a `runAsUser` other than 0 if its image has none";
    Capabilities = "container.capabilities", Warning,
        "A container adds a capability beyond those of the baseline.",
        "take the capability away, or run what needs it somewhere of its own";
    SecretLiteral = "container.secret-literal", Warning,
        "An environment variable named like a secret has a literal value, which anyone who reads the object or this repository knows.",
        "make it a secret of the environment and read it with `valueFrom.secretKeyRef`; consider the old value known";
    WithoutLimits = "container.without-limits", Warning,
        "A container, its pod and its namespace's LimitRange set no limit for CPU or memory; it can starve its node.",
        "set `resources.limits`";
    WithoutRequests = "container.without-requests", Warning,
        "A container, its pod and its namespace's LimitRange request no CPU or memory; the scheduler counts it as nothing.",
        "set `resources.requests`";
    HostNamespace = "pod.host-namespace", Warning,
        "A pod shares the network, the processes or the IPC of its node (baseline).",
        "take it away, or keep the pod in a namespace where only such pods run";
    HostPath = "pod.host-path", Warning,
        "A pod mounts a folder of its node (baseline).",
        "use a PersistentVolumeClaim, an emptyDir or a projected volume";
    WithoutNetworkPolicy = "network-policy.missing", Warning,
        "No NetworkPolicy selects the pods, so that anything in the cluster may talk to them, and they to anything.",
        "add a NetworkPolicy whose `podSelector` is empty, and allow what is needed";
    ApiDeprecated = "api.deprecated", Warning,
        "The object's API version is deprecated in the cluster's release of Kubernetes.",
        "use the version that replaces it";
    ApiRemoved = "api.removed", Error,
        "The object's API version is no longer served by the cluster's release of Kubernetes.",
        "use the version that replaces it";
    ReferenceMissing = "reference.missing", Warning,
        "An object names another that nothing here provides, in a namespace where the other objects are.",
        "declare it in the overlay, or correct the name; a ConfigMap or Secret that may be missing is marked `optional: true`";
    ReferenceKeyMissing = "reference.missing-key", Warning,
        "An object names a key that the ConfigMap does not have.",
        "add the key, correct its name, or mark the reference `optional: true`";
    ReferenceElsewhere = "reference.elsewhere", Note,
        "An object names a class, or an object in a namespace where nothing here is; the cluster may have it, the overlay does not.",
        "make sure that the cluster provides it";
    UnknownKind = "schema.unknown-kind", Error,
        "Kubernetes has no such kind in that API version, or the overlay's CustomResourceDefinition does not serve it.",
        "correct `apiVersion` or `kind`";
    UnknownField = "schema.unknown-field", Error,
        "The type has no such field. Server-side apply, which is how objects are sent, refuses it.",
        "correct the name, or take the field away";
    WrongType = "schema.wrong-type", Error,
        "A value is not of its field's type; the API server refuses it.",
        "write a value of the type";
    MissingField = "schema.missing-field", Error,
        "A required field is missing; the API server refuses the object.",
        "add the field";
    UnknownValue = "schema.unknown-value", Error,
        "A value is none of those that the field may have; the API server refuses it.",
        "use one of the values named";
    DuplicateKey = "schema.duplicate-key", Error,
        "Two elements of a list have the same key. Server-side apply refuses it.",
        "take one of them away";
    TooDeep = "schema.too-deep", Error,
        "Values are nested more than 100 deep; they were not looked at.",
        "make the object flatter";
    NotChecked = "schema.not-checked", Note,
        "A custom resource's definition is not in the overlay, so its fields were not checked.",
        "nothing, if the cluster has the definition";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
