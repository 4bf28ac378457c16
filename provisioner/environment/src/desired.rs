//! The resources that an environment wants beside its templates and its overlay.

use std::collections::{BTreeMap, BTreeSet};

use planner::kinds::backup::Job as BackupJob;
use planner::kinds::check::{
    Expectation, Http, Refused, Rotated, Sealed, SecretHeader, Seed as SeedCheck, Workload,
};
use planner::kinds::kubernetes::Object;
use planner::kinds::s3::GenerationMark;
use planner::kinds::seed::{Object as SeedObject, SecretField};
use planner::kinds::vault::{Generator, Secret};
use planner::plan::PinnedBackup;
use planner::reference::Unknown;
use planner::{Address, Generation, Late, RenderError, Resource, Source};
use serde::Serialize;
use serde_json::{Value, json};
use tera::{Context, Tera};

use crate::load::Environment;
use crate::places::Resolved;
use crate::schema::{SecretValue, Strategy};

/// Why the wanted resources can't be said.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// A name can't be part of an address.
    #[error(transparent)]
    Address(#[from] planner::address::AddressError),
    /// A spec has no JSON form.
    #[error("`{address}` has no JSON form: {source}")]
    Json {
        /// The resource.
        address: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A text of a check can't be rendered.
    #[error("the check `{check}` can't be rendered: {why}")]
    Check {
        /// The check.
        check: String,
        /// Why.
        why: String,
    },
    /// A way of seeding that does not exist yet.
    #[error("seeding with the strategy `{0}` is not supported")]
    Strategy(String),
    /// Templates with faults.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Templates(Vec<RenderError>),
}

impl Environment {
    /// The namespace of the workloads in a generation.
    pub fn namespace(&self, generation: &Generation) -> Option<String> {
        let overlay = self.document.what.overlay.as_ref()?;
        Some(if overlay.namespace_suffix {
            format!("{}-{generation}", overlay.namespace)
        } else {
            overlay.namespace.clone()
        })
    }

    /// What the templates of infrastructure see.
    pub fn context(&self, resolved: &Resolved, generation: &Generation) -> Value {
        let mut context = serde_json::Map::from_iter(self.document.what.variables.clone());
        context.insert("environment".to_owned(), json!(self.name()));
        context.insert("generation".to_owned(), json!(generation));
        context.insert("account".to_owned(), json!(resolved.aws.account));
        context.insert("region".to_owned(), json!(resolved.aws.region));
        context.insert(
            "namespace".to_owned(),
            json!(self.namespace(generation).unwrap_or_default()),
        );
        Value::Object(context)
    }

    /// Path of a secret in Vault, below the mount.
    pub fn secret_path(&self, generation: &Generation, name: &str) -> String {
        format!("rebuild/{}/{generation}/{name}", self.name())
    }

    /// Everything wanted but the overlay: the templates rendered, and [`resources`].
    ///
    /// # Errors
    /// When a template, a URL or a name does not fit.
    pub fn desired(
        &self,
        resolved: &Resolved,
        generation: &Generation,
        pin: Option<&PinnedBackup>,
        distrusted: &[OldSecret],
    ) -> Result<Vec<Resource>, DesiredError> {
        let mut all = resources(self, resolved, generation, pin, distrusted)?;
        // Templates refer to secrets, so they are rendered along with them; JSON is YAML.
        let secrets: Vec<Value> = all
            .iter()
            .filter(|resource| resource.address.provider() == "vault")
            .map(|resource| json!({"address": resource.address, "spec": resource.spec}))
            .collect();
        let mut sources = self.sources().to_vec();
        sources.push(Source {
            path: self.file().to_owned(),
            text: format!(
                "{{% raw %}}{}{{% endraw %}}",
                json!({ "resources": secrets })
            ),
        });
        let rendered = planner::render(&sources, &self.context(resolved, generation))
            .map_err(DesiredError::Templates)?;
        all.extend(rendered.into_iter().filter(|resource| {
            resource
                .origin
                .as_ref()
                .is_none_or(|origin| origin.file != self.file())
        }));
        all.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(all)
    }
}

/// A secret of a generation that is not trusted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSecret {
    /// The generation.
    pub generation: Generation,
    /// Its name below `secrets`.
    pub name: String,
}

/// The field of a secret that must stay secret.
fn secret_part(generator: &Generator) -> &'static str {
    match generator {
        Generator::Ed25519 | Generator::Tls { .. } => "private-key",
        Generator::Random { .. } | Generator::Password { .. } | Generator::Uuid => "value",
    }
}

struct Assembly<'a> {
    environment: &'a Environment,
    resolved: &'a Resolved,
    generation: &'a Generation,
    made: Vec<Resource>,
}

/// The wanted resources that no template and no overlay declares: secrets, their delivery, the seed, the checks, the mark that
/// says all of it held, and the first backup. Specs are in normal form.
///
/// Without a pin nothing is seeded, and so nothing is marked validated and no backup is taken. `distrusted` are secrets of older generations: that they open
/// nothing here becomes part of the checks.
///
/// # Errors
/// When a URL can't be rendered, or a strategy is not supported.
pub fn resources(
    environment: &Environment,
    resolved: &Resolved,
    generation: &Generation,
    pin: Option<&PinnedBackup>,
    distrusted: &[OldSecret],
) -> Result<Vec<Resource>, DesiredError> {
    let mut assembly = Assembly {
        environment,
        resolved,
        generation,
        made: Vec::new(),
    };
    assembly.secrets()?;
    assembly.delivery()?;
    if let Some(pin) = pin {
        assembly.seed(pin)?;
    }
    assembly.checks(pin)?;
    if let Some(pin) = pin {
        assembly.distrust(distrusted)?;
        assembly.mark()?;
        assembly.first_backup(pin)?;
    }
    assembly.made.sort_by(|a, b| a.address.cmp(&b.address));
    Ok(assembly.made)
}

impl Assembly<'_> {
    fn add(
        &mut self,
        address: &str,
        spec: &impl Serialize,
        depends_on: BTreeSet<Address>,
        path: &[&str],
    ) -> Result<(), DesiredError> {
        let address: Address = address.parse()?;
        let spec = serde_json::to_value(spec).map_err(|source| DesiredError::Json {
            address: address.to_string(),
            source,
        })?;
        self.made.push(Resource {
            address,
            spec,
            depends_on,
            origin: Some(self.environment.origin(path)),
        });
        Ok(())
    }

    fn field(&self, name: &str, field: &str) -> SecretField {
        SecretField {
            mount: self.resolved.vault.mount.clone(),
            path: self.environment.secret_path(self.generation, name),
            field: field.to_owned(),
        }
    }

    fn secrets(&mut self) -> Result<(), DesiredError> {
        for (name, generator) in &self.environment.document.secrets {
            let spec = Secret {
                mount: self.resolved.vault.mount.clone(),
                path: self.environment.secret_path(self.generation, name),
                generator: generator.clone(),
            };
            self.add(
                &format!("vault.secret.{name}"),
                &spec,
                BTreeSet::new(),
                &["secrets", name],
            )?;
        }
        Ok(())
    }

    fn delivery(&mut self) -> Result<(), DesiredError> {
        let environment = self.environment;
        let (Some(overlay), Some(namespace)) = (
            &environment.document.what.overlay,
            environment.namespace(self.generation),
        ) else {
            return Ok(());
        };
        if let Some(secret) = &overlay.secret {
            let fields: BTreeMap<String, SecretField> = secret
                .data
                .iter()
                .map(|(key, SecretValue { secret, field })| {
                    (key.clone(), self.field(secret, field))
                })
                .collect();
            let depends = secret
                .data
                .values()
                .map(|value| format!("vault.secret.{}", value.secret).parse())
                .collect::<Result<_, _>>()?;
            let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret.name, "namespace": namespace}, "type": "Opaque"});
            self.add(
                &format!("kubernetes.Secret.{namespace}/{}", secret.name),
                &Object {
                    object,
                    secrets: fields,
                },
                depends,
                &["what", "overlay", "secret"],
            )?;
        }
        if let Some(seed) = &environment.document.seed {
            let object = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rebuild-seed", "namespace": namespace},
                "data": {
                    "bucket": self.bucket(&seed.bucket)?, "key": seed.key, "environment": environment.name(), "generation": self.generation,
                },
            });
            let spec = Object {
                object,
                secrets: BTreeMap::new(),
            };
            self.add(
                &format!("kubernetes.ConfigMap.{namespace}/rebuild-seed"),
                &spec,
                BTreeSet::new(),
                &["seed"],
            )?;
        }
        Ok(())
    }

    fn bucket(&self, name: &str) -> Result<Late<String>, DesiredError> {
        Ok(Late::Unknown(Unknown {
            unknown: format!("s3.bucket.{name}/name").parse()?,
        }))
    }

    fn seed(&mut self, pin: &PinnedBackup) -> Result<(), DesiredError> {
        let Some(seed) = &self.environment.document.seed else {
            return Ok(());
        };
        if seed.strategy != Strategy::Object {
            return Err(DesiredError::Strategy(
                format!("{:?}", seed.strategy).to_lowercase(),
            ));
        }
        let key = self.field(&seed.encrypt_with, "value");
        let spec = SeedObject {
            bucket: self.bucket(&seed.bucket)?,
            key: seed.key.clone(),
            encrypt_with: key.clone(),
            sha256: pin.sha256.clone(),
            over: None,
        };
        let secret: Address = format!("vault.secret.{}", seed.encrypt_with).parse()?;
        self.add(
            "seed.object.chain",
            &spec,
            BTreeSet::from([secret]),
            &["seed"],
        )?;
        let spec = SeedCheck {
            bucket: self.bucket(&seed.bucket)?,
            key: seed.key.clone(),
            decrypt_with: key,
            head: pin.head.clone(),
            blocks: pin.blocks,
        };
        self.add(
            "check.seed.chain",
            &spec,
            BTreeSet::from(["seed.object.chain".parse()?]),
            &["seed"],
        )
    }

    fn checks(&mut self, pin: Option<&PinnedBackup>) -> Result<(), DesiredError> {
        let validation = &self.environment.document.validation;
        let namespace = self.environment.namespace(self.generation);
        let mut first = BTreeSet::new();
        if let (Some(workloads), Some(namespace)) = (&validation.workloads, &namespace) {
            let spec = Workload {
                namespace: namespace.clone(),
                deadline: workloads.deadline.seconds(),
            };
            self.add(
                "check.workload.all",
                &spec,
                BTreeSet::new(),
                &["validation", "workloads"],
            )?;
            first.insert("check.workload.all".parse()?);
        }
        for (index, check) in validation.http.iter().enumerate() {
            let mut depends = first.clone();
            if let Some(header) = &check.header {
                depends.insert(format!("vault.secret.{}", header.secret).parse()?);
            }
            let spec = Http {
                url: self.text(&check.name, &check.url, pin)?,
                status: check.status,
                header: check.header.as_ref().map(|header| SecretHeader {
                    name: header.name.clone(),
                    from: self.field(&header.secret, &header.field),
                }),
                expect: self.expected(&check.name, &check.expect, pin)?,
                deadline: check.deadline.seconds(),
            };
            self.add(
                &format!("check.http.{}", check.name),
                &spec,
                depends,
                &["validation", "http", &index.to_string()],
            )?;
        }
        Ok(())
    }

    /// What is expected, with the pinned backup filled in; without one nothing is compared yet.
    fn expected(
        &self,
        check: &str,
        wanted: &[Expectation],
        pin: Option<&PinnedBackup>,
    ) -> Result<Vec<Expectation>, DesiredError> {
        let rendered = wanted.iter().map(|wanted| {
            let equals = match (&wanted.equals, pin) {
                (Value::String(template), Some(_)) => {
                    Value::String(self.text(check, template, pin)?)
                }
                (other, _) => other.clone(),
            };
            Ok(Expectation {
                pointer: wanted.pointer.clone(),
                equals,
            })
        });
        rendered.collect()
    }

    fn text(
        &self,
        check: &str,
        template: &str,
        pin: Option<&PinnedBackup>,
    ) -> Result<String, DesiredError> {
        let mut context = Context::new();
        if let Some(pin) = pin {
            context.insert("backup", pin);
        }
        context.insert("environment", self.environment.name());
        context.insert("generation", self.generation);
        context.insert(
            "namespace",
            &self
                .environment
                .namespace(self.generation)
                .unwrap_or_default(),
        );
        if let Some(standin) = &self.resolved.standin {
            context.insert("sandbox", &json!({ "standin": standin }));
        }
        let failed = |error: tera::Error| {
            let why = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string);
            DesiredError::Check {
                check: check.to_owned(),
                why,
            }
        };
        let mut tera = Tera::default();
        // Tera's own would read the process's environment.
        tera.register_function("get_env", |_: &std::collections::HashMap<String, Value>| {
            Err(tera::Error::msg(
                "checks can't read the process's environment",
            ))
        });
        tera.add_raw_template("check", template).map_err(failed)?;
        tera.render("check", &context).map_err(failed)
    }

    /// That no credential of older generations opens anything of this one: each is compared with the one in its place and tried where
    /// its successor is used.
    fn distrust(&mut self, old: &[OldSecret]) -> Result<(), DesiredError> {
        let environment = self.environment;
        let document = &environment.document;
        for OldSecret { generation, name } in old {
            let former = |field: &str| SecretField {
                mount: self.resolved.vault.mount.clone(),
                path: environment.secret_path(generation, name),
                field: field.to_owned(),
            };
            let Some(generator) = document.secrets.get(name) else {
                continue;
            };
            let field = secret_part(generator);
            let spec = Rotated {
                old: former(field),
                new: self.field(name, field),
            };
            let successor: Address = format!("vault.secret.{name}").parse()?;
            let place = ["secrets", name];
            self.add(
                &format!("check.rotated.{generation}-{name}"),
                &spec,
                BTreeSet::from([successor.clone()]),
                &place,
            )?;
            for check in &document.validation.http {
                let Some(header) = check
                    .header
                    .as_ref()
                    .filter(|header| header.secret == *name)
                else {
                    continue;
                };
                let spec = Refused {
                    url: self.text(&check.name, &check.url, None)?,
                    header: SecretHeader {
                        name: header.name.clone(),
                        from: former(&header.field),
                    },
                    deadline: check.deadline.seconds(),
                };
                // While nobody serves, everybody is refused: what the new credential opens must answer first.
                let depends = format!("check.http.{}", check.name).parse()?;
                self.add(
                    &format!("check.refused.{generation}-{}", check.name),
                    &spec,
                    BTreeSet::from([successor.clone(), depends]),
                    &place,
                )?;
            }
            if let Some(seed) = document
                .seed
                .as_ref()
                .filter(|seed| seed.encrypt_with == *name)
            {
                let spec = Sealed {
                    bucket: self.bucket(&seed.bucket)?,
                    key: seed.key.clone(),
                    decrypt_with: former("value"),
                };
                self.add(
                    &format!("check.sealed.{generation}-chain"),
                    &spec,
                    BTreeSet::from(["seed.object.chain".parse()?]),
                    &place,
                )?;
            }
        }
        Ok(())
    }

    fn first_backup(&mut self, pin: &PinnedBackup) -> Result<(), DesiredError> {
        let document = &self.environment.document;
        let (Some(first), Some(_), Some(namespace)) = (
            &document.backups.first,
            &document.seed,
            self.environment.namespace(self.generation),
        ) else {
            return Ok(());
        };
        let cron_job: Address =
            format!("kubernetes.batch/CronJob.{namespace}/{}", first.cron_job).parse()?;
        let spec = BackupJob {
            namespace,
            cron_job: first.cron_job.clone(),
            deadline: first.deadline.seconds(),
            sha256: pin.sha256.clone(),
            head: pin.head.clone(),
            blocks: pin.blocks,
        };
        self.add(
            "backup.job.first",
            &spec,
            BTreeSet::from([cron_job]),
            &["backups", "first"],
        )
    }

    fn mark(&mut self) -> Result<(), DesiredError> {
        let Some(seed) = &self.environment.document.seed else {
            return Ok(());
        };
        let checks = self
            .made
            .iter()
            .filter(|resource| resource.address.provider() == "check")
            .map(|resource| resource.address.clone())
            .collect();
        let spec = GenerationMark {
            bucket: self.bucket(&seed.bucket)?,
            state: "validated".to_owned(),
        };
        self.add("s3.generation.state", &spec, checks, &["seed", "bucket"])
    }
}
