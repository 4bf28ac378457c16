//! A project that vendors, and `kubectl kustomize` as the oracle.

use std::path::{Path, PathBuf};
use std::process::Command;

use overlay::{DiskTree, Options, Remotes};
use vendor::{Allowed, Limits, Lock, Outcome, Shelf, Store, Vendoring};

pub struct Project {
    pub folder: tempfile::TempDir,
    pub allowed: Vec<String>,
    pub limits: Limits,
    pub helm: PathBuf,
}

impl Project {
    /// A project whose overlay has this kustomization.
    pub fn new(allowed: &[&str], kustomization: &str) -> Project {
        let folder = tempfile::tempdir().expect("a folder");
        let project = Project {
            folder,
            allowed: allowed.iter().map(|text| (*text).to_owned()).collect(),
            limits: Limits::default(),
            helm: PathBuf::from("/nonexistent/helm"),
        };
        project.kustomization(kustomization);
        project
    }

    pub fn kustomization(&self, text: &str) {
        std::fs::create_dir_all(self.overlay()).expect("a folder");
        std::fs::write(self.overlay().join("kustomization.yaml"), text).expect("a file");
    }

    pub fn overlay(&self) -> PathBuf {
        self.folder.path().join("overlay")
    }

    pub fn lock_file(&self) -> PathBuf {
        self.folder.path().join("overlays.lock.yaml")
    }

    pub fn lock(&self) -> Lock {
        Lock::load(&self.lock_file()).expect("a lock file")
    }

    pub fn vendor_folder(&self) -> PathBuf {
        self.folder.path().join("vendor")
    }

    pub fn shelf(&self) -> Shelf {
        Shelf::new(self.vendor_folder(), self.limits.clone())
    }

    pub fn store(&self) -> Store {
        let allowed = Allowed::new(&self.allowed).expect("a list");
        Store::new(self.shelf(), self.lock(), allowed)
    }

    fn rendered(&self, remotes: &dyn Remotes) -> Result<String, String> {
        let folder = self.overlay().canonicalize().expect("the overlay");
        let tree = DiskTree::new(Path::new("/")).expect("a tree");
        let root = folder.to_str().expect("UTF-8");
        overlay::render_with(&tree, root, &Options::default(), remotes)
            .map(|rendered| rendered.to_yaml())
            .map_err(|error| error.to_string())
    }

    /// Vendors what the overlay takes.
    pub fn vendor(&self, update: bool) -> Result<Outcome, String> {
        let vendoring = Vendoring::new(self.store(), update, self.helm.clone());
        self.rendered(&vendoring)?;
        vendoring
            .finish(&self.lock_file())
            .map_err(|error| error.to_string())
    }

    /// Renders with what is vendored.
    pub fn render(&self) -> Result<String, String> {
        self.rendered(&self.store())
    }

    /// What `kubectl kustomize` prints for the same overlay, asking the same servers.
    pub fn kubectl(&self, more: &[&str]) -> String {
        let kubectl = sandbox::testing::kubectl().expect("kubectl must be installed");
        let home = tempfile::tempdir().expect("a folder");
        let output = Command::new(kubectl)
            .arg("kustomize")
            .args(more)
            .arg(self.overlay())
            .env("HOME", home.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .expect("kubectl runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl kustomize: {said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The vendored file that ends so.
    pub fn vendored(&self, end: &str) -> PathBuf {
        let mut waiting = vec![self.vendor_folder()];
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    waiting.push(path);
                } else if path.ends_with(end) {
                    return path;
                }
            }
        }
        panic!("no '{end}' is vendored");
    }
}
