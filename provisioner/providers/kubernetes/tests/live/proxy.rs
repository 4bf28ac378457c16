//! Stands between the client and the API server: a fake that injects faults. Everything it lets through, the real server answers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http_body_util::BodyExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::support::CLUSTER;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Sent {
    pub method: String,
    pub path: String,
    pub query: String,
    pub body: Value,
}

/// What goes wrong.
pub enum Fault {
    /// The server is not asked; this is the answer, with further headers.
    Answer(u16, &'static [(&'static str, &'static str)]),
    /// The server does what it was asked, and the client hears this instead.
    Swallowed(u16),
    /// The connection breaks in the middle of the answer.
    Broken,
}

type Rule = dyn FnMut(&Sent) -> Option<Fault> + Send;

struct Shared {
    server: Client,
    rule: Mutex<Box<Rule>>,
    sent: Mutex<Vec<Sent>>,
}

/// The fake, as long as it is kept.
pub struct Proxy {
    /// Leads to it, under the same context as to the server.
    pub kubeconfig: PathBuf,
    shared: Arc<Shared>,
    _folder: tempfile::TempDir,
}

impl Proxy {
    pub async fn start(rule: impl FnMut(&Sent) -> Option<Fault> + Send + 'static) -> Self {
        let kubeconfig = Kubeconfig::read_from(&CLUSTER.kubeconfig).unwrap();
        let options = KubeConfigOptions {
            context: Some(sandbox::KUBE_CONTEXT.to_owned()),
            ..KubeConfigOptions::default()
        };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        config.default_retry = false;
        let shared = Arc::new(Shared {
            server: Client::try_from(config).unwrap(),
            rule: Mutex::new(Box::new(rule)),
            sent: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": server}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": sandbox::KUBE_CONTEXT, "context": {"cluster": "proxy", "user": "proxy"}}],
        });
        std::fs::write(&path, text.to_string()).unwrap();
        Self {
            kubeconfig: path,
            shared,
            _folder: folder,
        }
    }

    /// What came with this method for paths that end so, in its order.
    pub fn sent(&self, method: &str, path: &str) -> Vec<Sent> {
        self.shared
            .sent
            .lock()
            .unwrap()
            .iter()
            .filter(|sent| sent.method == method && sent.path.ends_with(path))
            .cloned()
            .collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let sent = Sent {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let fault = (shared.rule.lock().unwrap())(&sent);
    shared.sent.lock().unwrap().push(sent);
    let broken = || futures::stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("broken"))]);
    match fault {
        Some(Fault::Answer(status, headers)) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            return response.body(Body::from("injected")).unwrap();
        }
        Some(Fault::Broken) => return Response::new(Body::from_stream(broken())),
        Some(Fault::Swallowed(_)) | None => {}
    }
    let mut request = http::Request::builder()
        .method(head.method)
        .uri(head.uri.path_and_query().unwrap().as_str());
    for name in ["accept", "content-type"] {
        if let Some(value) = head.headers.get(name) {
            request = request.header(name, value);
        }
    }
    let request = request
        .body(kube::client::Body::from(body.to_vec()))
        .unwrap();
    let (head, body) = shared.server.send(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut response = Response::builder().status(match fault {
        Some(Fault::Swallowed(status)) => status,
        _ => head.status.as_u16(),
    });
    if let Some(kind) = head.headers.get("content-type") {
        response = response.header("content-type", kind);
    }
    response
        .body(match fault {
            Some(Fault::Swallowed(_)) => Body::from("injected"),
            _ => Body::from(body),
        })
        .unwrap()
}
