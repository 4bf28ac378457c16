//! `rebuild overlays vendor` and `verify`, as people run them. What is fetched how is tested in the crate `vendor`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::command::{copy_of_project, rebuild};

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-elsewhere\n";

/// Serves one text at every path until the test's process ends, and counts the requests.
struct Server {
    url: String,
    content: Arc<Mutex<(String, usize)>>,
}

impl Server {
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let content = Arc::new(Mutex::new((CONFIG.to_owned(), 0)));
        let shared = content.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let reader = BufReader::new(stream.try_clone().expect("the connection"));
                let head = reader.lines().map_while(Result::ok);
                head.take_while(|line| !line.is_empty()).for_each(drop);
                let mut content = shared.lock().expect("the content");
                content.1 += 1;
                let text = &content.0;
                let length = text.len();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
                )
                .expect("an answer");
            }
        });
        Server { url, content }
    }

    fn asked(&self) -> usize {
        self.content.lock().expect("the content").1
    }
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("a file to edit");
    assert!(text.contains(from), "{from} in {}", path.display());
    fs::write(path, text.replacen(from, to, 1)).expect("an edited file");
}

#[test]
fn from_the_first_fetch_to_a_change_on_the_server() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let project = folder.path();
    copy_of_project(project);
    let run = |command: &[&str]| {
        let mut arguments = vec!["overlays"];
        arguments.extend_from_slice(command);
        let project = project.to_str().expect("UTF-8");
        arguments.extend_from_slice(&["--env", "production", "--project", project]);
        rebuild(&arguments)
    };
    let overlay = project.join("templates/kubernetes/overlays/production/kustomization.yaml");
    let url = format!("{}/config.yaml", server.url);
    edit(
        &overlay,
        "  - ../../base\n",
        &format!("  - ../../base\n  - {url}\n"),
    );

    // Nothing is allowed yet.
    for command in ["verify", "vendor"] {
        let said = run(&[command]);
        assert!(said.contains("what.overlay.remotes"), "{said}");
        assert!(!said.starts_with("exit: 0"), "{said}");
    }
    assert_eq!(server.asked(), 0);
    edit(
        &project.join("environments/production/environment.yaml"),
        "  overlay:\n",
        &format!("  overlay:\n    remotes: [\"{}/\"]\n", server.url),
    );
    let said = run(&["verify"]);
    assert!(
        said.starts_with("exit: 3") && said.contains("is not vendored"),
        "{said}"
    );
    assert_eq!(server.asked(), 0);

    let said = run(&["vendor"]);
    assert!(
        said.starts_with("exit: 0") && said.contains(&format!("+ {url}")),
        "{said}"
    );
    assert_eq!(server.asked(), 1);
    let lock = project.join("environments/production/overlays.lock.yaml");
    let pinned = fs::read_to_string(&lock).expect("a lock file");
    for command in [&["vendor"][..], &["verify"]] {
        let said = run(command);
        assert!(said.starts_with("exit: 0"), "{said}");
    }
    assert_eq!(server.asked(), 1);

    // The server gives something else.
    server.content.lock().expect("the content").0 = CONFIG.replace("elsewhere", "nowhere");
    assert!(run(&["verify"]).starts_with("exit: 0"));
    let said = run(&["verify", "--upstream"]);
    assert!(
        said.starts_with("exit: 3") && said.contains("it is now sha256:"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&lock).expect("a lock file"), pinned);
    let said = run(&["vendor", "--update", "--format", "json"]);
    assert!(
        said.starts_with("exit: 0") && said.contains("\"was\":\"sha256:"),
        "{said}"
    );
    assert_ne!(fs::read_to_string(&lock).expect("a lock file"), pinned);

    // What is not pinned any more is gone; one tree is left.
    let trees = || {
        let entries = fs::read_dir(project.join("vendor")).expect("the vendored trees");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let [tree] = &trees()[..] else {
        panic!("one tree: {:?}", trees());
    };
    fs::write(tree.join("content"), CONFIG).expect("a changed file");
    let said = run(&["verify"]);
    assert!(
        said.starts_with("exit: 3") && said.contains("was changed"),
        "{said}"
    );
}
