//! An HTTP server for one test: files, and git repositories through git's own `git http-backend`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use tokio::io::AsyncWriteExt as _;

/// What is served at a path.
#[derive(Clone)]
pub enum Page {
    /// Bytes of this content type.
    Content(&'static str, Vec<u8>),
    /// A redirect.
    Redirect(String),
    /// A byte now and then, without end.
    Endless,
}

#[derive(Clone)]
struct Shared {
    repositories: PathBuf,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A server that ends with its value.
pub struct Server {
    pub url: String,
    folder: tempfile::TempDir,
    shared: Shared,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Server {
    pub fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let shared = Shared {
            repositories: folder.path().to_owned(),
            pages: Arc::default(),
            asked: Arc::default(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(shared.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Server {
            url,
            folder,
            shared,
            runtime: Some(runtime),
        }
    }

    /// Serves bytes at a path.
    pub fn page(&self, path: &str, page: Page) {
        self.shared
            .pages
            .lock()
            .expect("pages")
            .insert(path.to_owned(), page);
    }

    pub fn content(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.page(path, Page::Content("application/yaml", content.into()));
    }

    /// Every request since the last call: method, path and query.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.asked.lock().expect("requests"))
    }

    /// An empty repository, served at `/NAME.git`.
    pub fn repository(&self, name: &str) -> Repository {
        let bare = self.folder.path().join(format!("{name}.git"));
        let work = tempfile::tempdir().expect("a folder");
        git(
            self.folder.path(),
            &["init", "-q", "--bare", "-b", "main", &format!("{name}.git")],
        );
        git(&bare, &["config", "http.receivepack", "false"]);
        git(work.path(), &["init", "-q", "-b", "main"]);
        let target = bare.to_str().expect("UTF-8");
        git(work.path(), &["remote", "add", "origin", target]);
        Repository { work }
    }
}

/// A repository's working copy.
pub struct Repository {
    work: tempfile::TempDir,
}

impl Repository {
    pub fn folder(&self) -> &Path {
        self.work.path()
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.folder().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        git(self.folder(), arguments)
    }

    /// Commits everything and publishes it, with its tags. Gives the commit.
    pub fn publish(&self, message: &str) -> String {
        self.git(&["add", "-A", "-f"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.push();
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn push(&self) {
        self.git(&["push", "-q", "--force", "origin", "--all"]);
        self.git(&["push", "-q", "--force", "origin", "--tags"]);
    }
}

/// Runs git with nobody's configuration, and gives what it prints.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Test")
        .env("GIT_AUTHOR_EMAIL", "test@example.org")
        .env("GIT_COMMITTER_NAME", "Test")
        .env("GIT_COMMITTER_EMAIL", "test@example.org")
        .output()
        .expect("git must be installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {said}");
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

async fn answer(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    shared
        .asked
        .lock()
        .expect("requests")
        .push(format!("{method} {uri}"));
    let page = shared.pages.lock().expect("pages").get(uri.path()).cloned();
    let built = match page {
        Some(Page::Content(kind, content)) => Response::builder()
            .header("content-type", kind)
            .body(Body::from(content)),
        Some(Page::Redirect(to)) => Response::builder()
            .status(StatusCode::FOUND)
            .header("location", to)
            .body(Body::empty()),
        Some(Page::Endless) => {
            let bytes = futures::stream::unfold(
                tokio::time::interval(std::time::Duration::from_millis(20)),
                |mut clock| async move {
                    clock.tick().await;
                    Some((Ok::<_, std::io::Error>(Bytes::from_static(b"#")), clock))
                },
            );
            Response::builder().body(Body::from_stream(bytes))
        }
        None if uri.path().contains(".git/") => {
            return backend(&shared.repositories, &method, &uri, &headers, &body).await;
        }
        None => Response::builder()
            .status(StatusCode::NOT_FOUND)
            .body(Body::empty()),
    };
    built.expect("a response")
}

/// Hands a request to `git http-backend`, by the rules of CGI.
async fn backend(
    repositories: &Path,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Response<Body> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_PROJECT_ROOT", repositories)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("git must be installed");
    let mut stdin = child.stdin.take().expect("an input");
    let sent = body.to_vec();
    let write = tokio::spawn(async move {
        // A refused request is not read to its end.
        let _ = stdin.write_all(&sent).await;
    });
    let output = child.wait_with_output().await.expect("an answer");
    write.await.expect("the request was written");
    let end = output
        .stdout
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("headers");
    let (head, rest) = output.stdout.split_at(end);
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(head).lines() {
        let (name, value) = line.split_once(": ").expect("a header");
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>().expect("a status")),
            _ => response.header(name, value),
        };
    }
    response
        .body(Body::from(rest[4..].to_vec()))
        .expect("a response")
}
