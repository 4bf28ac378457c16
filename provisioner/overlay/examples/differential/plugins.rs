//! Generators, transformers and validators by their configurations.

use crate::generate::{Make, quoted};
use crate::objects::{entries, name, namespace, pick};
use crate::write::{Y, list, map};

impl Make {
    /// `generators`, `transformers` and `validators`, in files and inline.
    pub(crate) fn plugins(&mut self, k: &mut Y, directory: &str) {
        if self.chance(12) {
            let mut all = vec![self.transformer(directory)];
            if self.chance(20) {
                all.push(self.transformer(directory));
            }
            self.put(k, "transformers", directory, &all);
        }
        if self.chance(5) {
            let one = self.configured_generator(directory);
            self.put(k, "generators", directory, &[one]);
        }
        if self.chance(3) {
            let one = self.transformer(directory);
            self.put(k, "validators", directory, &[one]);
        }
    }

    fn put(&mut self, k: &mut Y, field: &str, directory: &str, all: &[Y]) {
        let texts: Vec<String> = all.iter().map(|one| self.text(one)).collect();
        let text = texts.join("---\n");
        let entry = if self.chance(70) {
            let path = format!("{field}.yaml");
            self.files.insert(format!("{directory}/{path}"), text);
            path
        } else {
            text
        };
        k.put(field, list([entry.into()]));
    }

    fn configured_generator(&mut self, directory: &str) -> Y {
        if self.chance(15) {
            return map([
                ("apiVersion", "builtin".into()),
                ("kind", "IAMPolicyGenerator".into()),
                ("metadata", map([("name", "g".into())])),
                ("cloud", "gke".into()),
                (
                    "kubernetesService",
                    map([("name", name(&mut self.rng).into())]),
                ),
                (
                    "serviceAccount",
                    map([("name", "a".into()), ("projectId", "p".into())]),
                ),
            ]);
        }
        let (field, kind) = if self.rng.bool() {
            ("configMapGenerator", "ConfigMapGenerator")
        } else {
            ("secretGenerator", "SecretGenerator")
        };
        let mut config = map([
            ("apiVersion", "builtin".into()),
            ("kind", kind.into()),
            ("metadata", map([("name", "made".into())])),
        ]);
        if self.chance(20) {
            let namespace = namespace(&mut self.rng);
            config.at("metadata").put("namespace", namespace);
        }
        if let (Y::Map(own), Y::Map(more)) =
            (&mut config, self.generator(field, "plugged", directory))
        {
            let keep = self.rng.bool();
            own.extend(more.into_iter().filter(|(key, _)| keep || key != "name"));
        }
        config
    }

    /// The configuration of a transformer.
    fn transformer(&mut self, directory: &str) -> Y {
        let rng = &mut self.rng;
        let kind = pick(
            rng,
            &[
                "PrefixSuffixTransformer",
                "ReplacementTransformer",
                "PrefixTransformer",
                "SuffixTransformer",
                "LabelTransformer",
                "AnnotationsTransformer",
                "NamespaceTransformer",
                "ImageTagTransformer",
                "ReplicaCountTransformer",
                "PatchTransformer",
                "HashTransformer",
                "ValueAddTransformer",
                "PatchJson6902Transformer",
                "PatchStrategicMergeTransformer",
            ],
        );
        let mut config = map([
            ("apiVersion", "builtin".into()),
            ("kind", kind.into()),
            ("metadata", map([("name", "t".into())])),
        ]);
        let specs = |path: &str| list([map([("path", path.into()), ("create", true.into())])]);
        match kind {
            "PrefixTransformer" => {
                config.put("prefix", "t-");
                config.put("fieldSpecs", specs("metadata/name"));
            }
            "SuffixTransformer" => {
                config.put("suffix", "-t");
                config.put("fieldSpecs", specs("metadata/name"));
            }
            "PrefixSuffixTransformer" => {
                config.put("prefix", "t-");
                config.put("suffix", "-t");
                config.put("fieldSpecs", specs("metadata/name"));
            }
            "ReplacementTransformer" => {
                let (from, to) = (self.some_id(), self.some_id());
                let source = map([
                    ("kind", from.kind.as_str().into()),
                    ("name", from.name.as_str().into()),
                ]);
                let select = map([("kind", to.kind.as_str().into())]);
                let target = map([
                    ("select", select),
                    ("fieldPaths", list(["metadata.annotations.replaced".into()])),
                    ("options", map([("create", true.into())])),
                ]);
                let replacement = map([("source", source), ("targets", list([target]))]);
                config.put("replacements", list([replacement]));
            }
            "LabelTransformer" => {
                config.put("labels", quoted(entries(rng, true)));
                config.put("fieldSpecs", specs("metadata/labels"));
            }
            "AnnotationsTransformer" => {
                config.put("annotations", quoted(entries(rng, false)));
                config.put("fieldSpecs", specs("metadata/annotations"));
            }
            "NamespaceTransformer" => {
                config.at("metadata").put("namespace", namespace(rng));
                if rng.bool() {
                    config.put("unsetOnly", true);
                }
                let subjects = pick(rng, &["defaultOnly", "allServiceAccounts", "none"]);
                config.put("setRoleBindingSubjects", subjects);
                config.put("fieldSpecs", specs("metadata/namespace"));
            }
            "ImageTagTransformer" => {
                config.put(
                    "imageTag",
                    map([("name", "nginx".into()), ("newTag", "t1".into())]),
                );
                if rng.bool() {
                    config.put("fieldSpecs", specs("spec/image"));
                }
            }
            "ReplicaCountTransformer" => {
                config.put(
                    "replica",
                    map([("name", name(rng).into()), ("count", 7.into())]),
                );
                config.put(
                    "fieldSpecs",
                    list([map([
                        ("path", "spec/replicas".into()),
                        ("kind", "Deployment".into()),
                        ("create", true.into()),
                    ])]),
                );
            }
            "ValueAddTransformer" => {
                config.put("value", pick(rng, &["added", "10", "yes"]));
                let path = pick(
                    rng,
                    &[
                        "metadata/annotations/added",
                        "spec/x/y",
                        "metadata/namespace",
                    ],
                );
                config.put("targets", list([map([("fieldPath", path.into())])]));
            }
            "HashTransformer" => {}
            _ => {
                let id = self.some_id();
                match kind {
                    "PatchTransformer" => {
                        let target = self.target(&id);
                        let text = self.json(&id);
                        self.put_text(&mut config, ["patch", "path"], directory, text);
                        config.put("target", target);
                    }
                    "PatchJson6902Transformer" => {
                        let target = map([
                            ("kind", id.kind.as_str().into()),
                            ("name", id.name.as_str().into()),
                        ]);
                        let text = self.json(&id);
                        self.put_text(&mut config, ["jsonOp", "path"], directory, text);
                        config.put("target", target);
                    }
                    _ => {
                        let patch = self.strategic(&id);
                        let text = self.text(&patch);
                        self.put_text(&mut config, ["patches", "paths"], directory, text);
                    }
                }
            }
        }
        config
    }

    /// Puts a text into a configuration, by itself or by the path of its file.
    fn put_text(&mut self, config: &mut Y, fields: [&str; 2], directory: &str, text: String) {
        let [inline, path] = fields;
        if self.chance(70) {
            config.put(inline, text);
            return;
        }
        let file = "plugin-patch.yaml";
        self.files.insert(format!("{directory}/{file}"), text);
        if path == "paths" {
            config.put(path, list([file.into()]));
        } else {
            config.put(path, file);
        }
    }
}
