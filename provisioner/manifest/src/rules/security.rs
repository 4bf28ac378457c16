//! Privileges of pods and containers, by the Pod Security Standards:
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/>.

use serde_json::Value;

use crate::code::Code;
use crate::finding::{Findings, Spot};
use crate::object::{Object, list, text};
use crate::text::quoted;
use crate::workload::{Container, Pod};

/// The capabilities that the baseline lets a container add.
const BASELINE: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub(super) fn check(object: &Object<'_>, pod: &Pod<'_>, findings: &mut Findings<'_>) {
    of_pod(object, pod, findings);
    for container in pod.containers() {
        of_container(object, pod, &container, findings);
    }
}

fn of_pod(object: &Object<'_>, pod: &Pod<'_>, findings: &mut Findings<'_>) {
    for (field, what) in [
        ("hostNetwork", "network"),
        ("hostPID", "processes"),
        ("hostIPC", "IPC"),
    ] {
        if pod.spec[field] == true {
            findings.add(
                object,
                Code::HostNamespace,
                Spot::at(pod.at(field)),
                format!("its pods share the {what} of their node"),
            );
        }
    }
    for (at, volume) in list(pod.spec, "volumes") {
        let Some(path) = volume.get("hostPath").filter(|path| !path.is_null()) else {
            continue;
        };
        findings.add(
            object,
            Code::HostPath,
            Spot::at(pod.at(&format!("volumes[{at}].hostPath"))),
            format!(
                "its volume `{}` is `{}` of the node",
                quoted(text(volume, "name").unwrap_or_default()),
                quoted(text(path, "path").unwrap_or_default())
            ),
        );
    }
}

fn of_container(
    object: &Object<'_>,
    pod: &Pod<'_>,
    container: &Container<'_>,
    findings: &mut Findings<'_>,
) {
    let name = quoted(container.name);
    let own = &container.value["securityContext"];
    let whole = &pod.spec["securityContext"];
    let setting = |field: &str| {
        [own, whole]
            .into_iter()
            .find_map(|context| set(context, field))
    };
    let mut tell = |code, field: &str, message: String| {
        let spot = Spot {
            path: container.at(&format!("securityContext.{field}")),
            container: Some(container.name),
        };
        findings.add(object, code, spot, message);
    };

    let host_process = [own, whole]
        .into_iter()
        .find_map(|context| set(&context["windowsOptions"], "hostProcess"));
    if own["privileged"] == true {
        let message = format!("container `{name}` is privileged");
        tell(Code::Privileged, "privileged", message);
    }
    if host_process.is_some_and(|value| *value == true) {
        let message = format!("container `{name}` is a process of its Windows node");
        tell(Code::Privileged, "windowsOptions.hostProcess", message);
    }
    if setting("runAsUser").is_some_and(|user| user.as_i64() == Some(0)) {
        let message = format!("container `{name}` runs as root");
        tell(Code::RunsAsRoot, "runAsUser", message);
    } else if setting("runAsNonRoot").is_none_or(|value| *value != true) {
        let message = format!("container `{name}` may run as root");
        tell(Code::RunsAsRoot, "runAsNonRoot", message);
    }
    if pod.on_windows() {
        return;
    }
    if own["allowPrivilegeEscalation"] != false {
        let message = format!("container `{name}` may gain privileges");
        tell(
            Code::PrivilegeEscalation,
            "allowPrivilegeEscalation",
            message,
        );
    }
    for (at, capability) in list(&own["capabilities"], "add") {
        let Some(capability) = capability.as_str() else {
            continue;
        };
        if !BASELINE.contains(&capability) {
            let message = format!(
                "container `{name}` adds the capability `{}`",
                quoted(capability)
            );
            tell(
                Code::Capabilities,
                &format!("capabilities.add[{at}]"),
                message,
            );
        }
    }
}

fn set<'a>(context: &'a Value, field: &str) -> Option<&'a Value> {
    context.get(field).filter(|value| !value.is_null())
}
