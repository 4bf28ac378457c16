//! Repositories, against git's own server.

use std::os::unix::fs::PermissionsExt as _;

use vendor::{Limits, upstream};

use crate::project::Project;
use crate::server::{Repository, Server};

const CONFIG: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n  say: hello\n";

/// A repository with a base in `deploy/base`, tagged `v1`.
fn base(server: &Server) -> (Repository, String) {
    let repository = server.repository("org/web");
    repository.write(
        "deploy/base/kustomization.yaml",
        "resources:\n- web.yaml\n- ../shared\n",
    );
    repository.write("deploy/base/web.yaml", CONFIG);
    repository.write(
        "deploy/shared/kustomization.yaml",
        "resources: [more.yaml]\n",
    );
    std::fs::write(
        repository.folder().join("deploy/shared/real.yaml"),
        CONFIG.replace("web", "shared"),
    )
    .unwrap();
    std::os::unix::fs::symlink(
        "real.yaml",
        repository.folder().join("deploy/shared/more.yaml"),
    )
    .unwrap();
    std::os::unix::fs::symlink("/etc/passwd", repository.folder().join("deploy/evil.yaml"))
        .unwrap();
    repository.write(".gitattributes", "*.yaml text eol=crlf\n");
    let commit = repository.publish("base");
    repository.git(&["tag", "-a", "v1", "-m", "v1"]);
    repository.push();
    (repository, commit)
}

fn project(server: &Server, query: &str) -> Project {
    let text = format!(
        "resources:\n- {}/org/web.git//deploy/base{query}\nnamePrefix: our-\n",
        server.url
    );
    Project::new(&[&format!("{}/org", server.url)], &text)
}

#[test]
fn a_base_renders_as_kubectl_renders_it_and_asks_nobody() {
    let server = Server::start();
    let (_repository, commit) = base(&server);
    for query in [
        "?ref=v1",
        "",
        "?ref=main",
        &format!("?ref={commit}"),
        "?ref=refs/heads/main",
    ] {
        let project = project(&server, query);
        let error = project.render().unwrap_err();
        assert!(error.contains("is not vendored"), "{error}");
        let outcome = project
            .vendor(false)
            .unwrap_or_else(|error| panic!("{query}: {error}"));
        let [pin] = outcome.lock.repositories.values().collect::<Vec<_>>()[..] else {
            panic!("one repository: {outcome:?}");
        };
        assert_eq!(pin.commit, commit, "{query}");
        let left_out: Vec<&String> = outcome.left_out.values().flatten().collect();
        assert_eq!(left_out, ["deploy/evil.yaml: a link that leads out"]);
        let expected = project.kubectl(&[]);
        assert!(expected.contains("our-shared"), "{expected}");
        server.asked();
        assert_eq!(project.render().unwrap(), expected);
        assert_eq!(server.asked(), [""; 0], "rendering asks nobody");
        assert_eq!(project.store().verify(), []);

        // A second time nothing is asked and nothing changes.
        let lock = std::fs::read(project.lock_file()).unwrap();
        assert_eq!(project.vendor(false).unwrap().changes, []);
        assert_eq!(server.asked(), [""; 0]);
        assert_eq!(std::fs::read(project.lock_file()).unwrap(), lock);
    }
}

#[test]
fn what_is_kept_is_plain_files() {
    let server = Server::start();
    let _repository = base(&server);
    let project = project(&server, "?ref=v1");
    project.vendor(false).unwrap();
    let mut waiting = vec![project.vendor_folder()];
    let mut names = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let data = path.symlink_metadata().unwrap();
            if data.is_dir() {
                waiting.push(path);
                continue;
            }
            assert!(data.is_file(), "{}", path.display());
            assert_eq!(
                data.permissions().mode() & 0o777,
                0o644,
                "{}",
                path.display()
            );
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    names.retain(|name| !name.ends_with(".files"));
    names.sort();
    // The only `.gitattributes` is ours, in the folder itself.
    let kept = [
        ".gitattributes",
        "kustomization.yaml",
        "kustomization.yaml",
        "real.yaml",
        "web.yaml",
    ];
    assert_eq!(names, kept);
    assert_eq!(
        std::fs::read_to_string(project.vendor_folder().join(".gitattributes")).unwrap(),
        "* -text\n"
    );
}

#[test]
fn a_changed_file_is_refused() {
    let server = Server::start();
    let _repository = base(&server);
    let project = project(&server, "?ref=v1");
    project.vendor(false).unwrap();
    let file = project.vendored("base/web.yaml");
    std::fs::write(&file, CONFIG.replace("hello", "hullo")).unwrap();
    let error = project.render().unwrap_err();
    assert!(error.contains("is pinned"), "{error}");
    let problems = project.store().verify();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].reason.contains("deploy/base/web.yaml"),
        "{problems:?}"
    );

    // A link to the same content is no file.
    let elsewhere = project.folder.path().join("elsewhere");
    std::fs::write(&elsewhere, CONFIG).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    assert!(project.render().is_err());

    // What was lost is fetched again and is the same.
    let lock = std::fs::read(project.lock_file()).unwrap();
    assert_eq!(project.vendor(false).unwrap().changes, []);
    assert_eq!(std::fs::read(project.lock_file()).unwrap(), lock);
    assert_eq!(project.store().verify(), []);
    project.render().unwrap();

    // A list that was changed along with the file is not the one that was pinned.
    let list = std::fs::read_dir(project.vendor_folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "files"))
        .unwrap();
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, text.replace("web.yaml", "wed.yaml")).unwrap();
    let error = project.render().unwrap_err();
    assert!(
        error.contains("the list of its files has digest"),
        "{error}"
    );

    // What nobody listed is told, and read by nobody.
    std::fs::write(&list, &text).unwrap();
    std::fs::write(file.with_file_name("kustomization.yml"), "resources: []\n").unwrap();
    project.render().unwrap();
    let problems = project.store().verify();
    assert!(problems[0].reason.contains("is not listed"), "{problems:?}");
}

#[test]
fn a_tag_that_moved_is_noticed_and_taken_only_by_an_update() {
    let server = Server::start();
    let (repository, first) = base(&server);
    let project = project(&server, "?ref=v1");
    project.vendor(false).unwrap();
    let before = project.render().unwrap();
    assert_eq!(upstream(&project.store()), []);

    repository.write("deploy/base/web.yaml", &CONFIG.replace("hello", "evil"));
    let second = repository.publish("moved");
    repository.git(&["tag", "-f", "-a", "v1", "-m", "v1 again"]);
    repository.push();

    // Neither rendering nor vendoring without an update sees it.
    assert_eq!(project.vendor(false).unwrap().changes, []);
    assert_eq!(project.render().unwrap(), before);
    let problems = upstream(&project.store());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].reason.contains(&first) && problems[0].reason.contains(&second),
        "{problems:?}"
    );

    // What was lost comes from the commit that is pinned, not from the tag.
    std::fs::remove_dir_all(project.vendor_folder()).unwrap();
    assert!(project.render().is_err());
    assert_eq!(project.vendor(false).unwrap().changes, []);
    assert_eq!(project.render().unwrap(), before);

    let changes = project.vendor(true).unwrap().changes;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].was.as_deref(), Some(&*first));
    assert_eq!(changes[0].now.as_deref(), Some(&*second));
    assert_eq!(project.render().unwrap(), project.kubectl(&[]));
    assert_eq!(upstream(&project.store()), []);

    // The tree of before is not needed any more.
    let trees = project.lock().trees();
    let removed = project
        .shelf()
        .prune(&|digest| trees.contains_key(digest))
        .unwrap();
    assert_eq!(removed.len(), 2, "{removed:?}");
    project.render().unwrap();
}

#[test]
fn what_is_not_allowed_is_neither_fetched_nor_used() {
    let server = Server::start();
    let _repository = base(&server);
    let mut project = project(&server, "?ref=v1");
    project.vendor(false).unwrap();
    server.asked();
    for allowed in [vec![], vec![format!("{}/organisation", server.url)]] {
        project.allowed = allowed;
        for error in [
            project.vendor(true).unwrap_err(),
            project.render().unwrap_err(),
        ] {
            assert!(error.contains("what.overlay.remotes"), "{error}");
        }
    }
    assert_eq!(server.asked(), [""; 0]);
    for place in [
        "git@github.com:org/web//deploy?ref=v1",
        "ssh://git@example.org/org/web//deploy",
        "file:///org/web.git//deploy",
    ] {
        let project = Project::new(
            &["https://github.com/"],
            &format!("resources:\n- {place}\n"),
        );
        let error = project.vendor(false).unwrap_err();
        assert!(error.contains("is refused"), "{error}");
    }
}

#[test]
fn what_a_repository_lacks_is_said() {
    let server = Server::start();
    let (repository, _) = base(&server);
    for (query, said) in [
        ("?ref=v9", "it has no branch or tag 'v9'"),
        (
            "?ref=0123456789012345678901234567890123456789",
            "can't be fetched",
        ),
        ("?ref=a..b", "no name of a branch or tag"),
    ] {
        let project = project(&server, query);
        let error = project.vendor(false).unwrap_err();
        assert!(error.contains(said), "{query}: {error}");
        assert!(!project.lock_file().exists());
    }
    let missing = Project::new(
        &[&server.url],
        &format!("resources:\n- {}/org/none.git//base?ref=v1\n", server.url),
    );
    let error = missing.vendor(false).unwrap_err();
    assert!(
        error.contains("/org/none.git") && error.contains("404"),
        "{error}"
    );

    // A submodule.
    let inner = repository.git(&["rev-parse", "HEAD"]);
    let entry = format!("160000,{inner},deploy/inner");
    repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
    repository.git(&["commit", "-q", "-m", "inner"]);
    repository.git(&["tag", "v2"]);
    repository.push();
    let error = project(&server, "?ref=v2").vendor(false).unwrap_err();
    assert!(
        error.contains("'deploy/inner' is another repository"),
        "{error}"
    );
    let outcome = project(&server, "?ref=v2&submodules=false")
        .vendor(false)
        .unwrap();
    let left_out: Vec<_> = outcome.left_out.values().flatten().collect();
    assert!(
        left_out.iter().any(|text| text.starts_with("deploy/inner")),
        "{left_out:?}"
    );
}

#[test]
fn a_large_repository_is_refused() {
    let server = Server::start();
    let (repository, _) = base(&server);
    let mut big = String::new();
    let mut random = 1u64;
    while big.len() < 600_000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        big.push_str(&random.to_string());
    }
    repository.write("deploy/big.txt", &big);
    repository.publish("big");
    for (limits, said) in [
        (
            Limits {
                transfer_bytes: 100_000,
                ..Limits::default()
            },
            "more than is allowed",
        ),
        (
            Limits {
                total_bytes: 500_000,
                ..Limits::default()
            },
            "more than 500000 bytes",
        ),
        (
            Limits {
                files: 3,
                ..Limits::default()
            },
            "more than 3",
        ),
    ] {
        let mut project = project(&server, "");
        project.limits = limits;
        let error = project.vendor(false).unwrap_err();
        assert!(error.contains(said), "{said}: {error}");
    }
    let mut project = project(&server, "");
    project.limits.file_bytes = 100_000;
    let outcome = project.vendor(false).unwrap();
    let left_out: Vec<_> = outcome.left_out.values().flatten().collect();
    assert!(
        left_out
            .iter()
            .any(|text| text.starts_with("deploy/big.txt: larger")),
        "{left_out:?}"
    );
    project.render().unwrap();
}

#[test]
fn what_remotes_take_from_elsewhere_is_vendored_too() {
    let server = Server::start();
    let (_repository, commit) = base(&server);
    let outer = server.repository("org/outer");
    outer.write(
        "kustomization.yaml",
        &format!(
            "resources:\n- {url}/org/web.git//deploy/base?ref=v1\n- {url}/more.yaml\ncomponents:\n- {url}/org/outer.git//component?ref={{TAG}}\n",
            url = server.url
        )
        .replace("{TAG}", "c1"),
    );
    outer.write(
        "component/kustomization.yaml",
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels:\n- pairs: {part: component}\n",
    );
    outer.publish("outer");
    outer.git(&["tag", "c1"]);
    outer.push();
    server.content("/more.yaml", CONFIG.replace("web", "more"));
    let mut project = Project::new(
        &[&server.url],
        &format!("resources:\n- {}/org/outer.git\n", server.url),
    );
    let outcome = project.vendor(false).unwrap();
    assert_eq!(outcome.lock.repositories.len(), 3);
    assert_eq!(outcome.lock.files.len(), 1);
    assert!(
        outcome
            .lock
            .repositories
            .values()
            .any(|pin| pin.commit == commit)
    );
    server.asked();
    let rendered = project.render().unwrap();
    assert_eq!(server.asked(), [""; 0]);
    assert!(rendered.contains("part: component"), "{rendered}");
    assert_eq!(rendered, project.kubectl(&[]));

    // What a remote names must be allowed as well.
    project.allowed = vec![format!("{}/org/outer.git", server.url)];
    let error = project.render().unwrap_err();
    assert!(error.contains("what.overlay.remotes"), "{error}");
}
