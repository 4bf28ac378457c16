//! Files behind URLs.

use vendor::upstream;

use crate::project::Project;
use crate::server::{Page, Server};

const CONFIG: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n  say: hello\n";

fn project(server: &Server) -> Project {
    let text = format!(
        "resources:\n- {url}/files/web.yaml\nconfigurations:\n- {url}/config.yaml\nnameSuffix: -x\n",
        url = server.url
    );
    Project::new(&[&server.url], &text)
}

#[test]
fn files_render_as_kubectl_renders_them() {
    let server = Server::start();
    server.content("/files/web.yaml", CONFIG);
    server.content("/config.yaml", "namePrefix: []\n");
    let project = project(&server);
    assert!(project.render().unwrap_err().contains("is not vendored"));
    let outcome = project.vendor(false).unwrap();
    assert_eq!(outcome.lock.files.len(), 2);
    server.asked();
    let rendered = project.render().unwrap();
    assert_eq!(server.asked(), [""; 0]);
    assert_eq!(rendered, project.kubectl(&[]));
    assert_eq!(upstream(&project.store()), []);

    server.content("/files/web.yaml", CONFIG.replace("hello", "evil"));
    assert_eq!(project.vendor(false).unwrap().changes, []);
    assert_eq!(project.render().unwrap(), rendered);
    assert_eq!(upstream(&project.store()).len(), 1);

    // Lost, it can't be had again but by an update.
    std::fs::remove_dir_all(project.vendor_folder()).unwrap();
    let error = project.vendor(false).unwrap_err();
    assert!(error.contains("is not what the lock file pins"), "{error}");
    assert_eq!(project.vendor(true).unwrap().changes.len(), 1);
    assert_eq!(project.render().unwrap(), project.kubectl(&[]));

    std::fs::write(project.vendored("content"), "changed").unwrap();
    assert!(project.render().unwrap_err().contains("was changed"));
}

#[test]
fn what_nothing_names_any_more_leaves_the_lock_file() {
    let server = Server::start();
    server.content("/files/web.yaml", CONFIG);
    server.content("/config.yaml", "namePrefix: []\n");
    let project = project(&server);
    project.vendor(false).unwrap();
    project.kustomization(&format!("resources:\n- {}/files/web.yaml\n", server.url));
    let changes = project.vendor(false).unwrap().changes;
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].now, None);
    project.kustomization("resources: []\nconfigMapGenerator:\n- name: a\n");
    project.vendor(false).unwrap();
    assert!(!project.lock_file().exists());
    project.render().unwrap();
}

#[test]
fn a_redirect_is_followed_only_to_what_is_allowed() {
    let server = Server::start();
    let other = Server::start();
    other.content("/web.yaml", CONFIG);
    server.content("/real.yaml", CONFIG);
    for (to, good) in [
        ("/real.yaml".to_owned(), true),
        (format!("{}/web.yaml", other.url), false),
        ("https://127.0.0.1:1/web.yaml".to_owned(), false),
        ("file:///etc/passwd".to_owned(), false),
        ("/web.yaml".to_owned(), false),
    ] {
        server.page("/web.yaml", Page::Redirect(to.clone()));
        let project = Project::new(
            &[&server.url, "https://127.0.0.1:1"],
            &format!("resources:\n- {}/web.yaml\n", server.url),
        );
        let outcome = project.vendor(false);
        assert_eq!(outcome.is_ok(), good, "{to}: {outcome:?}");
    }
    assert_eq!(other.asked(), [""; 0]);
}

#[test]
fn what_is_too_large_or_missing_is_said() {
    let server = Server::start();
    server.content("/large.yaml", vec![b'#'; 9 << 20]);
    server.page(
        "/page.yaml",
        Page::Content("text/html; charset=utf-8", b"<html>".to_vec()),
    );
    for (path, said) in [
        ("large.yaml", "has more than"),
        ("none.yaml", "404"),
        ("page.yaml", "a page for people"),
    ] {
        let project = Project::new(
            &[&server.url],
            &format!("resources:\n- {}/{path}\n", server.url),
        );
        let error = project.vendor(false).unwrap_err();
        assert!(error.contains(said), "{path}: {error}");
    }
}

#[test]
fn a_server_that_never_ends_is_left() {
    let server = Server::start();
    server.page("/web.yaml", Page::Endless);
    let mut project = Project::new(
        &[&server.url],
        &format!("resources:\n- {}/web.yaml\n", server.url),
    );
    project.limits.time = std::time::Duration::from_secs(1);
    let error = project.vendor(false).unwrap_err();
    assert!(error.contains("it takes too long"), "{error}");
}
