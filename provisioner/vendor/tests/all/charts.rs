//! Charts, from a server of charts, rendered by the real `helm`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use sandbox::{Folders, Installer, Silent, Tool};
use vendor::{Helm, Limits, upstream};

use crate::project::Project;
use crate::server::Server;

static HELM: LazyLock<PathBuf> = LazyLock::new(|| {
    let tools = Folders::from_environment().expect("a home").tools;
    let installed = Installer::new(tools)
        .install(&[Tool::Helm], &Silent)
        .expect("helm can be installed");
    installed
        .program(Tool::Helm)
        .expect("it was asked for")
        .to_owned()
});

const TEMPLATE: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-web
  namespace: {{ .Release.Namespace }}
data:
  say: {{ .Values.say | quote }}
  more: {{ .Values.more | quote }}
  api: {{ .Capabilities.APIVersions.Has \"example.org/v1\" | quote }}
";

/// Publishes a chart; helm itself packs it and writes the index.
fn publish(server: &Server, template: &str) {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("web");
    std::fs::create_dir_all(chart.join("templates")).unwrap();
    std::fs::create_dir_all(chart.join("crds")).unwrap();
    std::fs::write(
        chart.join("Chart.yaml"),
        "apiVersion: v2\nname: web\nversion: 1.2.3\n",
    )
    .unwrap();
    std::fs::write(chart.join("values.yaml"), "say: hello\nmore: little\n").unwrap();
    std::fs::write(chart.join("templates/web.yaml"), template).unwrap();
    for arguments in [&["package", "web"][..], &["repo", "index", "."]] {
        let output = Command::new(&*HELM)
            .args(arguments)
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    server.content(
        "/charts/index.yaml",
        std::fs::read(folder.path().join("index.yaml")).unwrap(),
    );
    server.content(
        "/charts/web-1.2.3.tgz",
        std::fs::read(folder.path().join("web-1.2.3.tgz")).unwrap(),
    );
}

fn kustomization(server: &Server, more: &str) -> String {
    format!(
        "helmCharts:\n- name: web\n  repo: {}/charts\n  version: 1.2.3\n  releaseName: it\n  namespace: ours\n  apiVersions: [example.org/v1]\n{more}namePrefix: our-\n",
        server.url
    )
}

fn project(server: &Server, more: &str) -> Project {
    let mut project = Project::new(&[&server.url], &kustomization(server, more));
    project.helm = HELM.clone();
    project
}

#[test]
fn a_chart_renders_as_kubectl_renders_it_and_without_helm() {
    let server = Server::start();
    publish(&server, TEMPLATE);
    let mut project = project(&server, "  valuesInline:\n    more: much\n");
    assert!(project.render().unwrap_err().contains("is not vendored"));
    let outcome = project.vendor(false).unwrap();
    let chart = &outcome.lock.charts[0];
    assert_eq!(chart.renderings.values().next().unwrap().helm, "v3.22.0");
    server.asked();
    project.helm = "/nonexistent/helm".into();
    let rendered = project.render().unwrap();
    assert_eq!(server.asked(), [""; 0]);
    for text in [
        "our-it-web",
        "say: hello",
        "more: much",
        "api: \"true\"",
        "namespace: ours",
    ] {
        assert!(rendered.contains(text), "{text}: {rendered}");
    }
    let helm = HELM.to_str().unwrap();
    let expected = project.kubectl(&["--enable-helm", "--helm-command", helm]);
    std::fs::remove_dir_all(project.overlay().join("charts")).unwrap();
    assert_eq!(rendered, expected);
    assert_eq!(upstream(&project.store()), []);
    // Nothing is missing, so helm is not needed.
    assert_eq!(project.vendor(false).unwrap().changes, []);

    // Other values are another rendering.
    project.kustomization(&kustomization(
        &server,
        "  valuesInline:\n    more: other\n",
    ));
    let error = project.render().unwrap_err();
    assert!(error.contains("not those it was rendered with"), "{error}");
    let error = project.vendor(false).unwrap_err();
    assert!(error.contains("/nonexistent/helm"), "{error}");
    project.helm = HELM.clone();
    project.vendor(false).unwrap();
    assert!(project.render().unwrap().contains("more: other"));
}

#[test]
fn another_archive_of_the_same_version_is_refused() {
    let server = Server::start();
    publish(&server, TEMPLATE);
    let project = project(&server, "");
    project.vendor(false).unwrap();
    let before = project.render().unwrap();
    publish(
        &server,
        &TEMPLATE.replace("data:", "data:\n  evil: yes-it-is"),
    );
    assert_eq!(project.vendor(false).unwrap().changes, []);
    assert_eq!(project.render().unwrap(), before);
    assert_eq!(upstream(&project.store()).len(), 1);
    std::fs::remove_dir_all(project.vendor_folder()).unwrap();
    let error = project.vendor(false).unwrap_err();
    assert!(error.contains("is not what the lock file pins"), "{error}");
    // The archive and what it renders to.
    assert_eq!(project.vendor(true).unwrap().changes.len(), 2);
    assert!(project.render().unwrap().contains("evil"));

    // An archive that is not the one that the index says.
    server.content("/charts/web-1.2.3.tgz", "no archive");
    let error = project.vendor(true).unwrap_err();
    assert!(error.contains("says another"), "{error}");
}

#[test]
fn a_chart_that_makes_things_up_is_refused() {
    let server = Server::start();
    publish(
        &server,
        &TEMPLATE.replace("data:", "data:\n  password: {{ randAlphaNum 20 }}"),
    );
    let error = project(&server, "").vendor(false).unwrap_err();
    assert!(error.contains("renders differently each time"), "{error}");
}

#[test]
fn a_kustomization_adds_no_options() {
    let server = Server::start();
    publish(&server, TEMPLATE);
    let project = project(&server, "");
    let mark = project.folder.path().join("mark");
    let script = project.folder.path().join("evil");
    std::fs::write(
        &script,
        format!("#!/bin/sh\ntouch {}\ncat\n", mark.display()),
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    let option = format!("--post-renderer={}", script.display());
    let text = kustomization(&server, "");
    for text in [
        text.replace("releaseName: it", &format!("releaseName: {option}")),
        text.replace("namespace: ours", &format!("namespace: {option}")),
        text.replace("name: web", &format!("name: {option}")),
        text.replace("version: 1.2.3", &format!("version: {option}")),
        text.replace("example.org/v1", &option),
    ] {
        project.kustomization(&text);
        let _refused_or_taken_as_a_value = project.vendor(false);
        assert!(!mark.exists(), "{text}");
    }
    // The mark is one that is made when the option is one.
    let status = Command::new(&script)
        .stdin(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success() && mark.exists());
}

#[test]
fn helm_has_a_time_and_a_version() {
    let server = Server::start();
    publish(&server, TEMPLATE);
    let mut project = project(&server, "");
    project.vendor(false).unwrap();

    let fake = project.folder.path().join("helm");
    let script = |text: &str| {
        std::fs::write(&fake, format!("#!/bin/sh\n{text}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&fake, mode).unwrap();
    };
    script("echo v4.3.1");
    let error = Helm::new(&fake, Limits::default()).unwrap_err().to_string();
    assert!(error.contains("helm 3 is needed"), "{error}");
    script("exec /usr/bin/tail -f /dev/null");
    let limits = Limits {
        helm_time: std::time::Duration::from_secs(1),
        ..Limits::default()
    };
    let error = Helm::new(&fake, limits).unwrap_err().to_string();
    assert!(error.contains("took longer"), "{error}");

    // Another helm renders nothing new beside what is pinned.
    script(&format!(
        "[ \"$1\" = version ] && {{ echo v3.0.0; exit; }}\nexec {} \"$@\"",
        HELM.display()
    ));
    project.helm = fake.clone();
    project.kustomization(&kustomization(
        &server,
        "  valuesInline:\n    more: other\n",
    ));
    let error = project.vendor(false).unwrap_err();
    assert!(
        error.contains("rendered by helm v3.22.0, and this is v3.0.0"),
        "{error}"
    );
    project.vendor(true).unwrap();

    // It sees nobody's environment.
    script(
        "[ \"$1\" = version ] && { echo v3.0.0; exit; }\necho 'apiVersion: v1'\necho 'kind: ConfigMap'\necho 'metadata: {name: it}'\necho 'data:'\necho \"  path: '${CARGO_MANIFEST_DIR:-unset}'\"",
    );
    project.vendor(true).unwrap();
    assert!(project.render().unwrap().contains("path: unset"));
}
