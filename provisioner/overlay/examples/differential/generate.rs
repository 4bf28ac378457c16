//! Trees of kustomizations that use every field.

use fastrand::Rng;

use crate::objects::{
    IMAGES, Id, api_version, chance, container, entries, head, id, name, namespace, object, odd,
    pick, raw,
};
use crate::write::{Y, document, list, map};
use crate::{Files, TOP};

/// The tree of a seed. Most trees that `fails` are tried again, for what is refused says little.
pub(crate) fn tree(seed: u64, fails: impl Fn(&Files) -> bool) -> Files {
    let mut seeds = Rng::with_seed(seed);
    let tries = if chance(&mut seeds, 12) { 1 } else { 40 };
    let mut files = Files::new();
    for _ in 0..tries {
        files = one(seeds.u64(..));
        if !fails(&files) {
            break;
        }
    }
    files
}

fn one(seed: u64) -> Files {
    let mut rng = Rng::with_seed(seed);
    let odd = chance(&mut rng, 60);
    let mut make = Make {
        busy: rng.u32(5..35),
        rng,
        odd,
        files: Files::new(),
        known: Vec::new(),
        generated: Vec::new(),
    };
    make.all();
    make.files
}

pub(crate) struct Make {
    pub(crate) rng: Rng,
    /// Percentage of the fields a kustomization has.
    busy: u32,
    /// Styles of YAML vary.
    odd: bool,
    pub(crate) files: Files,
    /// The objects that the tree has so far.
    known: Vec<Id>,
    /// The kind and name of what was generated so far.
    generated: Vec<String>,
}

impl Make {
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        chance(&mut self.rng, percent)
    }

    /// Whether a kustomization has this field.
    fn uses(&mut self) -> bool {
        let busy = self.busy;
        self.chance(busy)
    }

    pub(crate) fn write(&mut self, path: &str, value: &Y) {
        let text = document(value, &mut self.rng, self.odd);
        self.files.insert(path.to_owned(), text);
    }

    pub(crate) fn text(&mut self, value: &Y) -> String {
        document(value, &mut self.rng, self.odd)
    }

    fn all(&mut self) {
        let mut bases = Vec::new();
        if self.chance(15) {
            self.kustomization("shared", &[], true);
        }
        for base in ["base", "other"].into_iter().take(self.rng.usize(..3)) {
            self.kustomization(base, &[], false);
            bases.push(base);
        }
        if self.chance(20) {
            self.kustomization("middle", &bases, false);
            bases = vec!["middle"];
        }
        if self.chance(25) {
            self.kustomization("component", &[], true);
        }
        if self.chance(10) {
            self.kustomization("component2", &[], true);
        }
        self.kustomization(TOP, &bases, false);
    }

    fn kustomization(&mut self, directory: &str, bases: &[&str], component: bool) {
        let mut k = Y::Map(Vec::new());
        if component {
            k.put("apiVersion", "kustomize.config.k8s.io/v1alpha1");
            k.put("kind", "Component");
        } else if self.chance(50) {
            k.put("apiVersion", "kustomize.config.k8s.io/v1beta1");
            k.put("kind", "Kustomization");
        }
        if self.chance(4) {
            let labels = quoted(entries(&mut self.rng, true));
            k.put("metadata", map([("name", "x".into()), ("labels", labels)]));
        }
        if self.chance(3) {
            k.put("openapi", map([("version", "v1.21.2".into())]));
        }
        let mut resources: Vec<Y> = bases.iter().map(|b| Y::Text(format!("../{b}"))).collect();
        if self.chance(15) && !resources.is_empty() {
            k.put("bases", Y::List(std::mem::take(&mut resources)));
        }
        let few = if component { 0..2 } else { 1..4 };
        for at in 0..self.rng.usize(few) {
            let path = format!("r{at}.yaml");
            self.resources(&format!("{directory}/{path}"));
            resources.push(path.into());
        }
        if !resources.is_empty() {
            k.put("resources", Y::List(resources));
        }
        let components: Vec<Y> = ["shared", "component", "component2"]
            .into_iter()
            .filter(|name| {
                self.files
                    .contains_key(&format!("{name}/kustomization.yaml"))
            })
            .filter(|name| {
                directory == TOP || (*name == "shared" && *name != directory && !component)
            })
            .map(|name| Y::Text(format!("../{name}")))
            .collect();
        if !components.is_empty() {
            k.put("components", Y::List(components));
        }
        self.names(&mut k);
        self.labels(&mut k);
        self.generators(&mut k, directory);
        self.images(&mut k);
        self.patches(&mut k, directory);
        self.replacements(&mut k, directory);
        self.vars(&mut k);
        self.configurations(&mut k, directory);
        self.crds(&mut k, directory);
        self.plugins(&mut k, directory);
        if self.chance(10) {
            let order = pick(&mut self.rng, &["fifo", "legacy"]);
            let mut sort = map([("order", order.into())]);
            if order == "legacy" && self.rng.bool() {
                sort.put(
                    "legacySortOptions",
                    map([
                        ("orderFirst", list(["Service".into(), "Deployment".into()])),
                        ("orderLast", list(["ConfigMap".into()])),
                    ]),
                );
            }
            k.put("sortOptions", sort);
        }
        if self.chance(8) {
            let all = [
                "originAnnotations",
                "transformerAnnotations",
                "managedByLabel",
            ];
            let count = self.rng.usize(1..4);
            k.put(
                "buildMetadata",
                list(all.into_iter().take(count).map(Y::from)),
            );
        }
        if self.chance(2) {
            k = in_another_case(k, &mut self.rng);
        }
        if self.chance(3)
            && let Y::Map(entries) = &mut k
        {
            self.rng.shuffle(entries);
        }
        let mut text = self.text(&k);
        if self.odd && self.chance(3) {
            text = text.replace('\n', "\r\n");
        }
        if self.odd && self.chance(5) {
            text = format!("{}{text}", pick(&mut self.rng, &["---\n", "# head\n\n"]));
        }
        self.files
            .insert(format!("{directory}/kustomization.yaml"), text);
    }

    fn crds(&mut self, k: &mut Y, directory: &str) {
        if !self.chance(4) {
            return;
        }
        let plain = || map([("type", "string".into())]);
        let mut spec = Y::Map(Vec::new());
        let hints: [(&str, &[(&str, &str)]); 4] = [
            (
                "configName",
                &[
                    ("x-kubernetes-object-ref-api-version", "v1"),
                    ("x-kubernetes-object-ref-kind", "ConfigMap"),
                ],
            ),
            ("labels", &[("x-kubernetes-label-selector", "")]),
            ("a", &[("x-kubernetes-annotation", "")]),
            ("b", &[("x-kubernetes-identity", "")]),
        ];
        for (field, extensions) in hints {
            if self.rng.bool() {
                let mut property = plain();
                for (name, value) in extensions {
                    property.put(name, *value);
                }
                if field == "configName" && self.rng.bool() {
                    property.put("x-kubernetes-object-ref-name-key", "name");
                }
                spec.put(field, property);
            }
        }
        let schema = |properties: Y| map([("Schema", map([("properties", properties)]))]);
        let kind = map([
            ("apiVersion", plain()),
            ("kind", plain()),
            ("metadata", plain()),
            ("spec", map([("$ref", "example.com/v1.WidgetSpec".into())])),
        ]);
        let all = map([
            ("example.com/v1.Widget", schema(kind)),
            ("example.com/v1.WidgetSpec", schema(spec)),
        ]);
        self.files
            .insert(format!("{directory}/crd.json"), json_text(&all));
        k.put("crds", list(["crd.json".into()]));
    }

    fn resources(&mut self, path: &str) {
        let mut documents = Vec::new();
        for _ in 0..self.rng.usize(1..5) {
            let id = id(&mut self.rng);
            if self.known.contains(&id) && !self.chance(3) {
                continue;
            }
            documents.push(object(&mut self.rng, &id));
            self.known.push(id);
        }
        if documents.is_empty() {
            let id = Id {
                kind: "ConfigMap".to_owned(),
                name: format!("n{}", self.known.len()),
                namespace: String::new(),
            };
            documents.push(object(&mut self.rng, &id));
            self.known.push(id);
        }
        if self.chance(6) {
            let kind = pick(&mut self.rng, &["List", "ConfigMapList", "List"]);
            let all = map([
                ("apiVersion", "v1".into()),
                ("kind", kind.into()),
                ("items", Y::List(documents)),
            ]);
            self.write(path, &all);
            return;
        }
        let mut text = String::new();
        if self.odd && self.chance(10) {
            text += pick(
                &mut self.rng,
                &[
                    "---\n",
                    "# head\n",
                    "\n\n",
                    "# a\n---\n",
                    "--- # said\n",
                    "\u{FEFF}",
                ],
            );
        }
        for (at, value) in documents.iter().enumerate() {
            if at > 0 {
                text += "---\n";
                if self.odd && self.chance(5) {
                    text += pick(&mut self.rng, &["---\n", "# only a comment\n---\n", "\n"]);
                }
            }
            text += &self.text(value);
        }
        if self.odd && self.chance(5) {
            text += pick(&mut self.rng, &["---\n", "...\n", "# end\n", "\n\n"]);
        }
        if self.odd && self.chance(3) {
            text = text.replace('\n', "\r\n");
        }
        self.files.insert(path.to_owned(), text);
    }

    fn names(&mut self, k: &mut Y) {
        if self.uses() {
            k.put("namespace", namespace(&mut self.rng));
        }
        if self.uses() {
            k.put("namePrefix", pick(&mut self.rng, &["pre-", "a-", "x."]));
        }
        if self.uses() {
            k.put("nameSuffix", pick(&mut self.rng, &["-suf", "-v1"]));
        }
    }

    fn labels(&mut self, k: &mut Y) {
        if self.uses() {
            let mut labels = Vec::new();
            for _ in 0..self.rng.usize(1..3) {
                let plain = self.rng.bool();
                let mut label = map([("pairs", quoted(entries(&mut self.rng, plain)))]);
                if self.chance(30) {
                    label.put("includeSelectors", true);
                }
                if self.chance(30) {
                    label.put("includeTemplates", true);
                }
                if self.chance(20) {
                    let path = pick(
                        &mut self.rng,
                        &["spec/labels", "spec/a/b", "metadata/annotations"],
                    );
                    let mut field =
                        map([("path", path.into()), ("create", self.rng.bool().into())]);
                    match self.rng.u32(..4) {
                        0 => field.put("group", "apps"),
                        1 => field.put("version", "v1"),
                        _ => field.put("kind", "Widget"),
                    }
                    label.put("fields", list([field]));
                }
                labels.push(label);
            }
            k.put("labels", Y::List(labels));
        }
        if self.uses() {
            let labels = quoted(entries(&mut self.rng, true));
            k.put("commonLabels", labels);
        }
        if self.uses() {
            let annotations = quoted(entries(&mut self.rng, false));
            k.put("commonAnnotations", annotations);
        }
    }

    fn generators(&mut self, k: &mut Y, directory: &str) {
        for (field, names) in [
            ("configMapGenerator", ["cfg", "files"]),
            ("secretGenerator", ["sec", "cfg"]),
        ] {
            if !self.uses() {
                continue;
            }
            let mut all = Vec::new();
            for name in names.into_iter().take(self.rng.usize(1..3)) {
                let one = self.generator(field, name, directory);
                all.push(one);
            }
            k.put(field, Y::List(all));
        }
        if self.uses() {
            let options = self.options();
            k.put("generatorOptions", options);
        }
    }

    pub(crate) fn options(&mut self) -> Y {
        let mut options = Y::Map(Vec::new());
        if self.rng.bool() {
            let labels = quoted(entries(&mut self.rng, true));
            options.put("labels", labels);
        }
        if self.rng.bool() {
            let annotations = quoted(entries(&mut self.rng, false));
            options.put("annotations", annotations);
        }
        if self.rng.bool() {
            options.put("disableNameSuffixHash", self.rng.bool());
        }
        if self.chance(30) {
            options.put("immutable", true);
        }
        options
    }

    pub(crate) fn generator(&mut self, field: &str, name: &str, directory: &str) -> Y {
        let mut out = map([("name", name.into())]);
        if self.chance(4) {
            out.put("namespace", namespace(&mut self.rng));
        }
        let id = format!("{field}/{name}");
        let behaviors: &[&str] = if self.generated.contains(&id) {
            &["merge", "merge", "replace"]
        } else {
            &["create", "", "", ""]
        };
        let behavior = pick(&mut self.rng, behaviors);
        if !behavior.is_empty() {
            out.put("behavior", behavior);
        }
        self.generated.push(id);
        if self.chance(60) {
            let mut literals = Vec::new();
            for key in ["k", "l", "m.n"].into_iter().take(self.rng.usize(1..4)) {
                let value = odd(&mut self.rng);
                let quote = pick(&mut self.rng, &["", "", "", "'", "\""]);
                literals.push(Y::Text(format!("{key}={quote}{value}{quote}")));
            }
            out.put("literals", Y::List(literals));
        }
        if self.chance(35) {
            let path = format!("{name}.conf");
            let content = match self.rng.u32(..5) {
                0 => "a = 1\nb: two\n".to_owned(),
                1 => format!("{}\n", odd(&mut self.rng)),
                2 => "one\r\ntwo\r\n".to_owned(),
                3 => "nul\0\u{1}".to_owned(),
                _ => odd(&mut self.rng),
            };
            self.files.insert(format!("{directory}/{path}"), content);
            let mut all: Vec<Y> = vec![if self.rng.bool() {
                format!("key={path}").into()
            } else {
                path.into()
            }];
            if self.chance(25) {
                let content: String = match self.rng.u32(..4) {
                    0 => "{\n  \"a\": [1, 2],\n\t\"b\": \"<>&\"\n}\n".to_owned(),
                    1 => "line with blanks at its end  \n\n  and an indent\n".to_owned(),
                    2 => "no break at the end\n\n\nafter two".to_owned(),
                    _ => format!("{}\n{}\n", odd(&mut self.rng), odd(&mut self.rng)),
                };
                let path = format!("sub/{name}.json");
                self.files.insert(format!("{directory}/{path}"), content);
                all.push(path.into());
            }
            out.put("files", Y::List(all));
        }
        if self.chance(25) {
            let path = format!("{name}.env");
            let mut content = String::from("# a comment\nX=1\n\n");
            content += &format!("Y={}\n", odd(&mut self.rng).replace('\n', " "));
            content += pick(
                &mut self.rng,
                &[
                    "",
                    "Z=\n",
                    "  W=w  \n",
                    "Q=\"q\"",
                    "V=a=b\r\n",
                    "\u{FEFF}U=u\n",
                ],
            );
            self.files.insert(format!("{directory}/{path}"), content);
            if self.chance(15) {
                let second = format!("{name}.2.env");
                self.files
                    .insert(format!("{directory}/{second}"), "S=s\nT=a b\n".to_owned());
                out.put("envs", list([path.into(), second.into()]));
            } else if self.rng.bool() {
                out.put("envs", list([path.into()]));
            } else {
                out.put("env", path);
            }
        }
        if field == "secretGenerator" && self.chance(30) {
            out.put(
                "type",
                pick(&mut self.rng, &["Opaque", "kubernetes.io/tls", "custom"]),
            );
        }
        if self.chance(30) {
            let options = self.options();
            out.put("options", options);
        }
        out
    }

    fn images(&mut self, k: &mut Y) {
        if self.uses() {
            let mut images = Vec::new();
            for _ in 0..self.rng.usize(1..3) {
                let from = pick(&mut self.rng, &IMAGES);
                let from = from.split('@').next().unwrap_or(from);
                let bare = match from.rsplit_once(':') {
                    Some((bare, tag)) if !tag.contains('/') => bare,
                    _ => from,
                };
                let mut image = map([("name", bare.into())]);
                if self.rng.bool() {
                    image.put(
                        "newName",
                        pick(&mut self.rng, &["registry.example.org/x", "y", "z:1"]),
                    );
                }
                if self.rng.bool() {
                    let tag = pick(&mut self.rng, &["v2", "1.10", "0777", "latest"]);
                    image.put("newTag", Y::Raw(format!("\"{tag}\"")));
                }
                if self.chance(15) {
                    image.put("digest", "sha256:abc");
                }
                if self.chance(10) {
                    image.put("tagSuffix", "-suffix");
                }
                images.push(image);
            }
            let field = if self.chance(4) {
                "imageTags"
            } else {
                "images"
            };
            k.put(field, Y::List(images));
        }
        let scaled = self.known_of(&["Deployment", "StatefulSet"]);
        if self.uses()
            && let Some(id) = scaled
        {
            let mut all = vec![map([
                ("name", id.name.into()),
                ("count", self.rng.i64(0..9).into()),
            ])];
            if self.chance(20)
                && let Some(other) = self.known_of(&["Deployment", "StatefulSet", "ReplicaSet"])
            {
                all.push(map([("name", other.name.into()), ("count", 5.into())]));
            }
            k.put("replicas", Y::List(all));
        }
    }

    /// A known object of one of these kinds.
    fn known_of(&mut self, kinds: &[&str]) -> Option<Id> {
        let all: Vec<&Id> = self
            .known
            .iter()
            .filter(|id| kinds.contains(&id.kind.as_str()))
            .collect();
        (!all.is_empty()).then(|| all[self.rng.usize(..all.len())].clone())
    }

    pub(crate) fn some_id(&mut self) -> Id {
        match self.known.len() {
            0 => id(&mut self.rng),
            _ if self.chance(3) => id(&mut self.rng),
            count => self.known[self.rng.usize(..count)].clone(),
        }
    }

    pub(crate) fn target(&mut self, id: &Id) -> Y {
        let mut out = Y::Map(Vec::new());
        if self.chance(80) {
            out.put("kind", id.kind.as_str());
        }
        if self.chance(30) {
            let version = api_version(&id.kind);
            match version.split_once('/') {
                Some((group, version)) => {
                    out.put("group", group);
                    out.put("version", version);
                }
                None => out.put("version", version),
            }
        }
        if self.chance(60) {
            let name = match self.rng.u32(..6) {
                0 => ".*".to_owned(),
                1 => format!("{}.*", &id.name[..1]),
                2 => "web|db".to_owned(),
                3 => format!("^{}$", id.name),
                _ => id.name.clone(),
            };
            out.put("name", name);
        }
        if self.chance(10) {
            out.put(
                "namespace",
                pick(&mut self.rng, &["default", "prod", "p.*", "test"]),
            );
        }
        if self.chance(15) {
            let chosen = pick(
                &mut self.rng,
                &[
                    "app=web",
                    "app in (web, db)",
                    "!tier",
                    "app,env!=x",
                    "tier notin (db)",
                    "app==web",
                ],
            );
            out.put("labelSelector", chosen);
        }
        if self.chance(5) {
            out.put(
                "annotationSelector",
                pick(&mut self.rng, &["app", "!app", "example.com/key"]),
            );
        }
        out
    }

    fn patches(&mut self, k: &mut Y, directory: &str) {
        if self.uses() {
            let mut all = Vec::new();
            for at in 0..self.rng.usize(1..4) {
                let one = self.patch(directory, at);
                all.push(one);
            }
            k.put("patches", Y::List(all));
        }
        if self.uses() {
            let id = self.some_id();
            let patch = self.strategic(&id);
            let mut text = self.text(&patch);
            if self.chance(15) {
                let second = self.some_id();
                let patch = self.strategic(&second);
                text = format!("{text}---\n{}", self.text(&patch));
            }
            if self.rng.bool() {
                self.files.insert(format!("{directory}/sm.yaml"), text);
                k.put("patchesStrategicMerge", list(["sm.yaml".into()]));
            } else {
                k.put("patchesStrategicMerge", list([text.into()]));
            }
        }
        if self.uses() {
            let id = self.some_id();
            let version = api_version(&id.kind);
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            let mut target = map([
                ("version", version.into()),
                ("kind", id.kind.as_str().into()),
                ("name", id.name.as_str().into()),
            ]);
            if !group.is_empty() {
                target.put("group", group);
            }
            let text = self.json(&id);
            let mut entry = map([("target", target)]);
            if self.rng.bool() {
                self.files.insert(format!("{directory}/json.yaml"), text);
                entry.put("path", "json.yaml");
            } else {
                entry.put("patch", text);
            }
            k.put("patchesJson6902", list([entry]));
        }
    }

    fn patch(&mut self, directory: &str, at: usize) -> Y {
        let id = self.some_id();
        let json = self.rng.bool();
        let text = if json {
            self.json(&id)
        } else {
            let patch = self.strategic(&id);
            let mut text = self.text(&patch);
            if self.chance(8) {
                let second = self.some_id();
                let patch = self.strategic(&second);
                text += "---\n";
                text += &self.text(&patch);
            }
            text
        };
        let mut entry = Y::Map(Vec::new());
        if self.chance(30) {
            let path = format!("patch{at}.yaml");
            self.files.insert(format!("{directory}/{path}"), text);
            entry.put("path", path);
        } else {
            entry.put("patch", text);
        }
        if json || self.chance(40) {
            let target = self.target(&id);
            entry.put("target", target);
        }
        if !json && self.chance(10) {
            let option = pick(&mut self.rng, &["allowNameChange", "allowKindChange"]);
            let mut options = map([(option, true.into())]);
            if self.chance(20) {
                let other = if option == "allowNameChange" {
                    "allowKindChange"
                } else {
                    "allowNameChange"
                };
                options.put(other, self.rng.bool());
            }
            entry.put("options", options);
        }
        entry
    }

    pub(crate) fn strategic(&mut self, id: &Id) -> Y {
        let rng = &mut self.rng;
        let mut out = head(id);
        if chance(rng, 5) {
            out.put("$patch", "delete");
            return out;
        }
        if chance(rng, 25) {
            let annotations = entries(rng, false);
            out.at("metadata").put("annotations", annotations);
        }
        if chance(rng, 10) {
            out.at("metadata").put("labels", Y::Raw("null".to_owned()));
        }
        let spec = match id.kind.as_str() {
            "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
                let pod = self.pod_patch();
                map([("template", map([("spec", pod)]))])
            }
            "CronJob" => {
                let pod = self.pod_patch();
                map([(
                    "jobTemplate",
                    map([("spec", map([("template", map([("spec", pod)]))]))]),
                )])
            }
            "Pod" => self.pod_patch(),
            "Service" => {
                let mut port = map([(
                    "port",
                    Y::from(pick(rng, &["80", "443"]).parse().unwrap_or(80i64)),
                )]);
                port.put("name", pick(rng, &["http", "web"]));
                if chance(rng, 20) {
                    port.put("$patch", "delete");
                }
                let mut spec = map([("ports", list([port]))]);
                if chance(rng, 30) {
                    spec.put("selector", map([("app", Y::Raw("null".to_owned()))]));
                }
                spec
            }
            "ConfigMap" | "Secret" => {
                let mut data = Y::Map(Vec::new());
                for key in ["k", "new", "y"] {
                    if chance(rng, 50) {
                        let value = if chance(rng, 20) {
                            raw(rng)
                        } else {
                            odd(rng).into()
                        };
                        data.put(key, value);
                    }
                }
                out.put("data", data);
                return out;
            }
            "Widget" => map([
                ("a", odd(rng).into()),
                ("list", list([map([("name", "x".into())]), odd(rng).into()])),
                ("b", raw(rng)),
            ]),
            _ => {
                let mut labels = Y::Map(Vec::new());
                labels.put("patched", "x");
                out.at("metadata").put("labels", labels);
                return out;
            }
        };
        out.put("spec", spec);
        out
    }

    fn pod_patch(&mut self) -> Y {
        let rng = &mut self.rng;
        let mut spec = Y::Map(Vec::new());
        if chance(rng, 75) {
            let name = pick(rng, &["main", "side", "new"]);
            let mut one = container(rng, name);
            match rng.u32(..12) {
                0 => one.put("$patch", "delete"),
                1 => one.put("$patch", "replace"),
                2 => one.put("env", Y::Raw("null".to_owned())),
                3 => one.put(
                    "ports",
                    list([map([
                        ("containerPort", 80.into()),
                        ("$patch", "delete".into()),
                    ])]),
                ),
                _ => {}
            }
            let mut all = vec![one];
            if chance(rng, 8) {
                all.push(map([(
                    "$patch",
                    pick(rng, &["replace", "merge", "delete"]).into(),
                )]));
            }
            if chance(rng, 10) {
                all.push(container(rng, "side"));
            }
            spec.put("containers", Y::List(all));
        }
        if chance(rng, 20) {
            spec.put(
                "volumes",
                list([map([
                    ("name", "data".into()),
                    ("emptyDir", Y::Map(Vec::new())),
                ])]),
            );
        }
        if chance(rng, 5) {
            spec.put(
                "$setElementOrder/containers",
                list([
                    map([("name", "side".into())]),
                    map([("name", "main".into())]),
                ]),
            );
        }
        if chance(rng, 15) {
            spec.put("serviceAccountName", name(rng));
        }
        if chance(rng, 10) {
            spec.put(
                "tolerations",
                list([map([("key", "a".into()), ("effect", "NoSchedule".into())])]),
            );
        }
        spec
    }

    pub(crate) fn json(&mut self, id: &Id) -> String {
        let mut paths = vec![
            "/metadata/labels",
            "/metadata/annotations",
            "/metadata/annotations/new",
            "/metadata/name",
            "/metadata/labels/app",
            "/metadata/labels/example.com~1key",
            "/spec",
            "/spec/new",
            "/kind",
        ];
        match id.kind.as_str() {
            "Deployment" | "StatefulSet" | "DaemonSet" => paths.extend([
                "/spec/replicas",
                "/spec/template/spec/containers/0/image",
                "/spec/template/spec/containers/0/env/0/value",
                "/spec/template/spec/containers/0/env/-",
                "/spec/template/spec/containers/-",
                "/spec/template/spec/containers/0/args",
                "/spec/template/spec/containers/-1",
            ]),
            "Service" => paths.extend([
                "/spec/ports/0/port",
                "/spec/ports/-",
                "/spec/ports/0",
                "/spec/selector",
            ]),
            "ConfigMap" | "Secret" => {
                paths.extend(["/data/k", "/data", "/data/new", "/data/app.properties"])
            }
            _ => paths.extend(["/spec/a", "/spec/list", "/spec/list/0", "/rules/0/verbs/-"]),
        }
        let rng = &mut self.rng;
        let mut operations = Vec::new();
        for _ in 0..rng.usize(1..4) {
            let path = pick(rng, &paths);
            let operation = pick(
                rng,
                &[
                    "add", "add", "add", "add", "add", "replace", "replace", "remove", "copy",
                    "move", "test",
                ],
            );
            let mut entry = map([("op", operation.into()), ("path", path.into())]);
            match operation {
                "copy" | "move" => {
                    let from = pick(
                        rng,
                        &[
                            "/metadata/name",
                            "/kind",
                            "/metadata",
                            "/spec",
                            "/metadata/labels",
                        ],
                    );
                    entry.put("from", from);
                }
                "remove" => {}
                _ => {
                    let value = match rng.u32(..6) {
                        0 => raw(rng),
                        1 => list([odd(rng).into(), raw(rng)]),
                        2 => map([
                            ("b", odd(rng).into()),
                            ("a", raw(rng)),
                            ("name", "z".into()),
                        ]),
                        3 => rng.i64(0..100).into(),
                        _ => odd(rng).into(),
                    };
                    entry.put("value", value);
                }
            }
            operations.push(entry);
        }
        let all = Y::List(operations);
        if self.chance(30) {
            return json_text(&all);
        }
        self.text(&all)
    }

    fn replacements(&mut self, k: &mut Y, directory: &str) {
        if !self.uses() {
            return;
        }
        let mut all = Vec::new();
        for _ in 0..self.rng.usize(1..3) {
            let id = self.some_id();
            let to = self.some_id();
            let rng = &mut self.rng;
            let mut source = map([
                ("kind", id.kind.as_str().into()),
                ("name", id.name.as_str().into()),
            ]);
            if !id.namespace.is_empty() && chance(rng, 70) {
                source.put("namespace", id.namespace.as_str());
            }
            let paths = [
                "metadata.name",
                "kind",
                "metadata.labels.app",
                "metadata.namespace",
                "spec.template.spec.containers.0.image",
                "spec.template.spec.containers.[name=main].image",
                "spec.ports.0.port",
                "data.k",
                "spec.selector",
                "spec.replicas",
                "metadata.labels",
            ];
            if chance(rng, 60) {
                source.put("fieldPath", pick(rng, &paths));
            }
            if chance(rng, 15) {
                source.put(
                    "options",
                    map([
                        ("delimiter", pick(rng, &[":", "/", "-"]).into()),
                        ("index", rng.i64(0..2).into()),
                    ]),
                );
            } else if chance(rng, 5) {
                source.put("options", map([("encoding", "base64".into())]));
            }
            if chance(rng, 10) {
                source.put("version", "v1");
            }
            let mut select = map([("kind", to.kind.as_str().into())]);
            if chance(rng, 10) {
                select.put("labelSelector", pick(rng, &["app=web", "!tier", "app"]));
            }
            if chance(rng, 10) {
                select.put("version", "v1");
            }
            if chance(rng, 5) {
                select.put("namespace", pick(rng, &["default", "prod", "test"]));
            }
            if chance(rng, 60) {
                select.put("name", to.name.as_str());
            }
            let mut target = map([("select", select)]);
            if chance(rng, 15) {
                target.put("reject", list([map([("name", name(rng).into())])]));
            }
            let targets = [
                "metadata.annotations.new",
                "metadata.labels.app",
                "spec.template.spec.containers.*.image",
                "spec.template.spec.containers.[name=main].env.[name=A].value",
                "spec.template.spec.containers.0.name",
                "spec.ports.0.name",
                "data.k",
                "spec.new.deep",
                "spec.replicas",
                "metadata.annotations.[example.com/key]",
                "spec.rules.*.host",
                "metadata.name",
                "metadata.namespace",
                "spec.template.spec.containers.[name=main].env",
                "spec.template.spec.containers.[name=new].image",
                "spec.template.metadata.annotations.[example.com/key]",
                "spec.selector",
                "spec.template.spec.containers.*.env.[name=A].value",
                "spec.list.0",
                "spec.list.-",
                "data.app\\.properties",
            ];
            let count = rng.usize(1..3);
            let fields: Vec<Y> = (0..count).map(|_| pick(rng, &targets).into()).collect();
            target.put("fieldPaths", Y::List(fields));
            if chance(rng, 60) {
                let mut options = map([("create", true.into())]);
                if chance(rng, 20) {
                    options.put("delimiter", pick(rng, &[":", "/", "-"]));
                    options.put("index", rng.i64(-1..3));
                }
                if chance(rng, 5) {
                    options.put("encoding", pick(rng, &["base64", "hex"]));
                }
                target.put("options", options);
            }
            all.push(if chance(rng, 10) {
                map([
                    ("sourceValue", odd(rng).into()),
                    ("targets", list([target])),
                ])
            } else {
                map([("source", source), ("targets", list([target]))])
            });
        }
        if self.chance(15) {
            let one = all.len() == 1 && self.rng.bool();
            let value = match all.pop() {
                Some(only) if one => only,
                last => Y::List(all.into_iter().chain(last).collect()),
            };
            self.write(&format!("{directory}/replacement.yaml"), &value);
            all = vec![map([("path", "replacement.yaml".into())])];
        }
        k.put("replacements", Y::List(all));
    }

    fn vars(&mut self, k: &mut Y) {
        if !self.chance(15) {
            return;
        }
        let id = self.some_id();
        let rng = &mut self.rng;
        let reference = map([
            ("apiVersion", api_version(&id.kind).into()),
            ("kind", id.kind.as_str().into()),
            ("name", id.name.as_str().into()),
        ]);
        let mut var = map([
            ("name", pick(rng, &["NAME", "NAME", "OTHER"]).into()),
            ("objref", reference),
        ]);
        if chance(rng, 10) && !id.namespace.is_empty() {
            var.at("objref").put("namespace", id.namespace.as_str());
        }
        if chance(rng, 60) {
            let path = pick(
                rng,
                &[
                    "metadata.name",
                    "metadata.labels.app",
                    "metadata.annotations[example.com/key]",
                    "spec.template.spec.containers[0].image",
                    "spec",
                    "metadata.namespace",
                    "data.k",
                    "spec.replicas",
                    "spec.ports[0].port",
                ],
            );
            var.put("fieldref", map([("fieldPath", path.into())]));
        }
        k.put("vars", list([var]));
    }

    fn configurations(&mut self, k: &mut Y, directory: &str) {
        if !self.chance(12) {
            return;
        }
        let rng = &mut self.rng;
        let mut config = Y::Map(Vec::new());
        let spec = |path: &str, create: bool| {
            map([
                ("path", path.into()),
                ("kind", "Widget".into()),
                ("create", create.into()),
            ])
        };
        if rng.bool() {
            let reference = map([
                ("kind", "ConfigMap".into()),
                ("version", "v1".into()),
                ("fieldSpecs", list([spec("spec/configName", false)])),
            ]);
            config.put("nameReference", list([reference]));
        }
        for (field, path) in [
            ("images", "spec/image"),
            ("commonLabels", "spec/labels"),
            ("commonAnnotations", "spec/a"),
            ("namePrefix", "spec/b"),
            ("namespace", "spec/namespace"),
            ("replicas", "spec/replicas"),
            ("varReference", "spec/a"),
        ] {
            if chance(rng, 30) {
                let create = rng.bool();
                config.put(field, list([spec(path, create)]));
            }
        }
        self.write(&format!("{directory}/config.yaml"), &config);
        k.put("configurations", list(["config.yaml".into()]));
    }
}

/// Texts of a kustomization's own fields must be strings.
pub(crate) fn quoted(value: Y) -> Y {
    match value {
        Y::Map(entries) => Y::Map(
            entries
                .into_iter()
                .map(|(key, value)| match value {
                    Y::Text(text) => (key, Y::Raw(json_string(&text))),
                    other => (key, other),
                })
                .collect(),
        ),
        other => other,
    }
}

/// Names of fields match in any case.
fn in_another_case(value: Y, rng: &mut Rng) -> Y {
    let Y::Map(entries) = value else { return value };
    let changed = entries.into_iter().map(|(key, value)| {
        let key = match rng.u32(..4) {
            0 => key.to_lowercase(),
            1 => key.to_uppercase(),
            _ => key,
        };
        (key, value)
    });
    Y::Map(changed.collect())
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn json_text(value: &Y) -> String {
    fn json(value: &Y) -> serde_json::Value {
        match value {
            Y::Raw(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
            Y::Text(text) => text.as_str().into(),
            Y::Map(entries) => serde_json::Value::Object(
                entries.iter().map(|(k, v)| (k.clone(), json(v))).collect(),
            ),
            Y::List(items) => items.iter().map(json).collect(),
            Y::Anchor(_, inner) => json(inner),
            Y::Alias(_) => serde_json::Value::Null,
        }
    }
    json(value).to_string()
}
