//! A real Kubernetes control plane, with nodes that run nothing.
//!
//! etcd, the API server, the controllers and the scheduler are the real ones. kwok plays the nodes: it moves pods
//! through their phases as a kubelet would, and runs no container.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use crate::endpoints::KUBE_CONTEXT;
use crate::error::Result;
use crate::files;
use crate::http::{self, Api};
use crate::install::{Installed, Tool};
use crate::pki::{self, Authority};
use crate::ports::{Port, Ports};
use crate::process::{self, Launch, Process};
use crate::secrets::KubernetesTokens;
use crate::servers::PATIENCE;

/// The nodes and the availability zones that they say they are in.
const NODES: [(&str, &str); 3] = [
    ("sandbox-a", "us-east-1a"),
    ("sandbox-b", "us-east-1b"),
    ("sandbox-c", "us-east-1c"),
];

/// Signatures last this long: the servers' own certificates outlive them by far.
const HOSTS: [&str; 6] = [
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "10.0.0.1",
];

/// A running control plane.
pub(crate) struct ControlPlane {
    /// In the order they were started.
    pub(crate) processes: Vec<Process>,
    pub(crate) server: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) audit_log: PathBuf,
    /// Speaks as the user in `system:masters`.
    pub(crate) api: Api,
}

/// What all parts need.
struct Plan<'a> {
    tools: &'a Installed,
    dir: &'a Path,
    ports: &'a Ports,
    authority: &'a Authority,
    tokens: &'a KubernetesTokens,
    server: String,
}

/// Starts it with its data in `dir`.
pub(crate) async fn start(
    tools: &Installed,
    dir: &Path,
    ports: &Ports,
    authority: &Authority,
    tokens: &KubernetesTokens,
) -> Result<ControlPlane> {
    files::private_dir(dir)?;
    let plan = Plan {
        tools,
        dir,
        ports,
        authority,
        tokens,
        server: format!("https://127.0.0.1:{}", ports.of(Port::ApiServer)),
    };
    let kubeconfig = plan.kubeconfig(KUBE_CONTEXT, &tokens.admin)?;
    let etcd = plan.etcd().await?;
    let (service_key, api_server) = plan.api_server().await?;
    let api = Api {
        client: http::client(Some(&authority.certificate))?,
        base: plan.server.clone(),
        name: "Kubernetes",
        token: Some(("Authorization", format!("Bearer {}", tokens.admin))),
    };
    let ready = || async {
        match api.get("/readyz").await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(answer.unwanted().to_string()),
            Err(error) => Err(http::cause(&error)),
        }
    };
    api_server.ready(PATIENCE, ready).await?;
    let (controllers, scheduler, kwok, seeded) = tokio::join!(
        plan.controller_manager(&service_key),
        plan.scheduler(),
        plan.kwok(),
        seed(&api),
    );
    let (controllers, scheduler, kwok) = (controllers?, scheduler?, kwok?);
    seeded?;
    controllers
        .ready(PATIENCE, || plan.healthy(Port::ControllerManager))
        .await?;
    scheduler
        .ready(PATIENCE, || plan.healthy(Port::Scheduler))
        .await?;
    kwok.ready(PATIENCE, || nodes_ready(&api)).await?;
    // Without its service account no pod is admitted to a namespace.
    controllers
        .ready(PATIENCE, || async {
            let path = "/api/v1/namespaces/default/serviceaccounts/default";
            match api.get(path).await {
                Ok(answer) if answer.status.is_success() => Ok(()),
                Ok(answer) => Err(answer.unwanted().to_string()),
                Err(error) => Err(http::cause(&error)),
            }
        })
        .await?;
    Ok(ControlPlane {
        processes: vec![etcd, api_server, controllers, scheduler, kwok],
        server: plan.server,
        kubeconfig,
        audit_log: audit_log(dir),
        api,
    })
}

impl Plan<'_> {
    fn launch(&self, name: &'static str, tool: Tool) -> Result<Launch> {
        Ok(Launch::new(
            name,
            self.tools.program(tool)?.to_owned(),
            self.dir.to_owned(),
        ))
    }

    fn url(&self, port: Port) -> String {
        format!("http://127.0.0.1:{}", self.ports.of(port))
    }

    async fn etcd(&self) -> Result<Process> {
        let data = self.dir.join("etcd");
        files::private_dir(&data)?;
        let (url, peer) = (self.url(Port::Etcd), self.url(Port::EtcdPeer));
        let launch = self
            .launch("etcd", Tool::Etcd)?
            .option("--data-dir", &data)
            .option("--listen-client-urls", &url)
            .option("--advertise-client-urls", &url)
            .option("--listen-peer-urls", &peer)
            .option("--initial-advertise-peer-urls", &peer)
            .option("--initial-cluster", format!("default={peer}"))
            .argument("--log-level=warn")
            // Survives the death of processes, which is all that is promised; not that of the machine.
            .argument("--unsafe-no-fsync");
        let process = process::start(launch).await?;
        let client = http::client(None)?;
        let health = format!("{url}/health");
        process
            .ready(PATIENCE, || http::answers(&client, &health))
            .await?;
        Ok(process)
    }

    /// Returns the key that signs service accounts' tokens as well.
    async fn api_server(&self) -> Result<(PathBuf, Process)> {
        let leaf = self.authority.issue(self.dir, "apiserver", &HOSTS)?;
        let (private, public) = pki::key_pair(self.dir, "service-accounts")?;
        let KubernetesTokens {
            admin,
            controller_manager,
            scheduler,
            kwok,
        } = self.tokens;
        let tokens = self.dir.join("tokens.csv");
        let users = format!(
            "{admin},rebuild-sandbox,1,\"system:masters\"\n\
             {controller_manager},system:kube-controller-manager,2,\"system:masters\"\n\
             {scheduler},system:kube-scheduler,3\n\
             {kwok},kwok,4,\"system:masters\"\n"
        );
        files::write_private(&tokens, users.as_bytes())?;
        let policy = self.dir.join("audit-policy.json");
        files::write_json(&policy, &audit_policy())?;
        let launch = self
            .launch("kube-apiserver", Tool::KubeApiserver)?
            .option("--etcd-servers", self.url(Port::Etcd))
            .argument("--bind-address=127.0.0.1")
            // Nothing reaches it at this address (RFC 5737); a loopback one is refused.
            .argument("--advertise-address=192.0.2.1")
            .argument("--endpoint-reconciler-type=none")
            .option("--secure-port", self.ports.of(Port::ApiServer).to_string())
            .option("--tls-cert-file", &leaf.certificate)
            .option("--tls-private-key-file", &leaf.key)
            .option("--cert-dir", self.dir)
            .option("--service-account-key-file", &public)
            .option("--service-account-signing-key-file", &private)
            .argument("--service-account-issuer=https://kubernetes.default.svc")
            .option("--token-auth-file", &tokens)
            .argument("--authorization-mode=RBAC")
            .argument("--anonymous-auth=false")
            .argument("--service-cluster-ip-range=10.0.0.0/24")
            .argument("--allow-privileged=true")
            .option("--audit-policy-file", &policy)
            .option("--audit-log-path", audit_log(self.dir))
            .argument("--audit-log-maxsize=50")
            .argument("--audit-log-maxbackup=1")
            .argument("--profiling=false");
        Ok((private, process::start(launch).await?))
    }

    async fn controller_manager(&self, service_key: &Path) -> Result<Process> {
        let name = "kube-controller-manager";
        let kubeconfig = self.kubeconfig(name, &self.tokens.controller_manager)?;
        let launch = self
            .launch(name, Tool::KubeControllerManager)?
            .option("--kubeconfig", kubeconfig)
            .argument("--leader-elect=false")
            .option("--service-account-private-key-file", service_key)
            .option("--root-ca-file", &self.authority.path)
            // Claims get volumes: empty folders that nothing is ever written to, since no container runs.
            .argument("--enable-hostpath-provisioner=true")
            .argument("--profiling=false");
        process::start(self.served(launch, name, Port::ControllerManager)?).await
    }

    async fn scheduler(&self) -> Result<Process> {
        let name = "kube-scheduler";
        let kubeconfig = self.kubeconfig(name, &self.tokens.scheduler)?;
        let launch = self
            .launch(name, Tool::KubeScheduler)?
            .option("--kubeconfig", kubeconfig)
            .argument("--leader-elect=false");
        process::start(self.served(launch, name, Port::Scheduler)?).await
    }

    /// Both have a health check of their own, over TLS.
    fn served(&self, launch: Launch, name: &str, port: Port) -> Result<Launch> {
        let leaf = self.authority.issue(self.dir, name, &["127.0.0.1"])?;
        Ok(launch
            .argument("--bind-address=127.0.0.1")
            .option("--secure-port", self.ports.of(port).to_string())
            .option("--tls-cert-file", leaf.certificate)
            .option("--tls-private-key-file", leaf.key))
    }

    async fn healthy(&self, port: Port) -> std::result::Result<(), String> {
        let client =
            http::client(Some(&self.authority.certificate)).map_err(|error| error.to_string())?;
        let url = format!("https://127.0.0.1:{}/healthz", self.ports.of(port));
        http::answers(&client, &url).await
    }

    async fn kwok(&self) -> Result<Process> {
        let kubeconfig = self.kubeconfig("kwok", &self.tokens.kwok)?;
        let launch = self
            .launch("kwok", Tool::Kwok)?
            .option("--kubeconfig", kubeconfig)
            .argument("--manage-all-nodes=true")
            .option(
                "--server-address",
                format!("127.0.0.1:{}", self.ports.of(Port::Kwok)),
            );
        let launch = self
            .tools
            .stages
            .iter()
            .fold(launch, |launch, stage| launch.option("--config", stage));
        process::start(launch).await
    }

    fn kubeconfig(&self, user: &str, token: &str) -> Result<PathBuf> {
        let path = self.dir.join(format!("{user}.kubeconfig"));
        // JSON is YAML; `kubectl config` rewrites it in its own style if it is ever used on it.
        files::write_json(
            &path,
            &json!({
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{
                    "name": KUBE_CONTEXT,
                    "cluster": {
                        "server": self.server,
                        "certificate-authority": self.authority.path,
                    },
                }],
                "users": [{"name": user, "user": {"token": token}}],
                "contexts": [{
                    "name": KUBE_CONTEXT,
                    "context": {"cluster": KUBE_CONTEXT, "user": user},
                }],
                "current-context": KUBE_CONTEXT,
            }),
        )?;
        Ok(path)
    }
}

/// What the users of the sandbox ask is written down; what the cluster does by itself is not.
fn audit_policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "users": ["rebuild-sandbox"]},
            {"level": "None"},
        ],
    })
}

/// Where the API server writes down what was changed.
fn audit_log(dir: &Path) -> PathBuf {
    dir.join("audit.log")
}

/// Makes the nodes and a default storage class.
async fn seed(api: &Api) -> Result<()> {
    for (name, zone) in NODES {
        create(api, "/api/v1/nodes", &node(name, zone)).await?;
    }
    let class = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/host-path",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    });
    create(api, "/apis/storage.k8s.io/v1/storageclasses", &class).await
}

/// Makes an object unless there is one of its name.
async fn create(api: &Api, path: &str, object: &Value) -> Result<()> {
    api.call(Method::POST, path, Some(object))
        .await?
        .expect(&[409])?;
    Ok(())
}

fn node(name: &str, zone: &str) -> Value {
    let capacity =
        json!({"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "200Gi"});
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": crate::REGION,
                "topology.kubernetes.io/zone": zone,
                "type": "kwok",
            },
        },
        "status": {"allocatable": capacity, "capacity": capacity},
    })
}

async fn nodes_ready(api: &Api) -> std::result::Result<(), String> {
    let answer = match api.get("/api/v1/nodes").await {
        Ok(answer) if answer.status.is_success() => answer,
        Ok(answer) => return Err(answer.unwanted().to_string()),
        Err(error) => return Err(http::cause(&error)),
    };
    let list = answer.json().map_err(|error| error.to_string())?;
    let ready = |node: &&Value| {
        let conditions = node["status"]["conditions"].as_array();
        let ready = conditions.into_iter().flatten().any(|condition| {
            condition["type"] == json!("Ready") && condition["status"] == json!("True")
        });
        let taints = node["spec"]["taints"].as_array();
        ready && taints.is_none_or(Vec::is_empty)
    };
    let count = list["items"]
        .as_array()
        .map_or(0, |nodes| nodes.iter().filter(ready).count());
    if count >= NODES.len() {
        Ok(())
    } else {
        Err(format!("{count} of {} nodes are ready", NODES.len()))
    }
}
