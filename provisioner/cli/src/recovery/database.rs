//! The scenario `database`.

use std::collections::BTreeSet;

use environment::schema::{DatabaseDump, DatabaseInstance};
use planner::canonical;
use planner::kinds::database::{Chain, Dump, Judge, Rds};
use planner::kinds::seed::SecretField;
use planner::recovery::Recovered;
use planner::{Address, Finding, Generation, Resource, Severity};
use provider_object_store::Archive;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::hints;
use crate::session::{Blueprint, Session};

/// Letters of a digest in a name.
const DIGEST: usize = 8;
/// Seconds until a restored instance must be available.
const DEADLINE: u32 = 3600;

/// The very dump that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Found {
    /// Its bytes.
    pub size: u64,
    /// Its version, where the bucket has versions.
    pub version: Option<String>,
}

/// Looks for the dump, where the environment names one.
pub async fn look(session: &Session) -> Result<Option<Found>, Failure> {
    let Some((store, dump)) = session.dumps() else {
        return Ok(None);
    };
    let found = store
        .look(&dump.key, None)
        .await
        .map_err(|error| hints::of_provider("s3", &error))?;
    let (object, _) = found.ok_or_else(|| {
        Failure::new(format!("there is no dump at `{}`", store.url(&dump.key)))
            .hint("correct `database.dump` in the environment")
    })?;
    Ok(Some(Found {
        size: object.size,
        version: object.version,
    }))
}

/// What has to be done, as the environment says.
pub fn resources(
    blueprint: &Blueprint,
    generation: &Generation,
    found: Option<&Found>,
) -> Result<Recovered, Failure> {
    let environment = &blueprint.environment;
    let missing = || {
        Failure::new(format!(
            "the environment `{}` says of no database how it comes back",
            environment.name()
        ))
        .hint(format!(
            "add `database` with `dump` or `rds` to {}",
            environment.file()
        ))
    };
    let database = environment.document.database.as_ref().ok_or_else(missing)?;
    match (&database.dump, &database.rds) {
        (Some(dump), None) => from_dump(blueprint, generation, dump, found.ok_or_else(missing)?),
        (None, Some(instance)) => from_rds(generation, instance),
        _ => Err(missing()),
    }
}

fn from_dump(
    blueprint: &Blueprint,
    generation: &Generation,
    dump: &DatabaseDump,
    found: &Found,
) -> Result<Recovered, Failure> {
    let digest: String = dump.sha256.chars().take(DIGEST).collect();
    let name = format!("{}_{generation}_{digest}", dump.name).replace('-', "_");
    let password = SecretField {
        mount: blueprint.resolved.vault.mount.clone(),
        path: blueprint
            .environment
            .secret_path(generation, &dump.password),
        field: "value".to_owned(),
    };
    let restored = Dump {
        key: dump.key.clone(),
        version: found.version.clone(),
        size: found.size,
        sha256: dump.sha256.clone(),
        server: dump.server.clone(),
        admin: dump.admin.clone(),
        admin_password: dump.admin_password.clone(),
        name: name.clone(),
        password: password.clone(),
        allow: dump.allow.clone(),
        judged: dump.chain.is_some(),
    };
    let mut recovered = Recovered::default();
    let restored = resource("database.dump.main", &restored)?;
    if let Some(query) = &dump.chain {
        let chain = Chain {
            server: dump.server.clone(),
            name: name.clone(),
            password,
            query: query.clone(),
            head: dump.head.clone(),
            judge: Some(Judge {
                admin: dump.admin.clone(),
                admin_password: dump.admin_password.clone(),
            }),
        };
        let mut chain = resource("database.chain.main", &chain)?;
        chain.depends_on.insert(restored.address.clone());
        recovered.resources.push(chain);
        if dump.head.is_none() {
            recovered.findings.push(finding(
                Severity::Warning,
                "database.unpinned-chain",
                &name,
                "the chain in it is held against nothing: one that was mined anew would pass",
                "give the hash of its last block from where the dump's maker wrote it down, `database.dump.head`",
            ));
        }
    } else {
        recovered.findings.push(finding(
            Severity::Warning,
            "database.unverified",
            &name,
            "what is in its tables is not verified",
            "give a query that reads the chain, `database.dump.chain`",
        ));
    }
    recovered.resources.push(restored);
    recovered.findings.push(finding(
        Severity::Note,
        "database.switch",
        &name,
        "the service goes on with the old database until it is led to this one, with the role of the same name",
        "change its address in the overlay when the restored one is approved, and keep the old one until then",
    ));
    Ok(recovered)
}

fn from_rds(generation: &Generation, instance: &DatabaseInstance) -> Result<Recovered, Failure> {
    let digest = canonical::digest_bytes(format!("{:?}", instance.from).as_bytes());
    let digest: String = digest.chars().take(DIGEST).collect();
    let name = format!("{}-{generation}-{digest}", instance.name);
    let spec = Rds {
        name: name.clone(),
        from: instance.from.clone(),
        class: instance.class.clone(),
        subnet_group: instance.subnet_group.clone(),
        security_groups: instance.security_groups.clone(),
        deadline: DEADLINE,
    };
    Ok(Recovered {
        resources: vec![resource("rds.instance.main", &spec)?],
        findings: vec![
            finding(
                Severity::Warning,
                "database.old-roles",
                &name,
                "a restored instance has the roles and passwords it had then, and its tables are not verified",
                "change the passwords before the service is led to it; after a breach take a dump instead",
            ),
            finding(
                Severity::Note,
                "database.switch",
                &name,
                "the service goes on with the old instance until it is led to the endpoint that the report names",
                "change its address in the overlay when the restored one is approved, and keep the old one until then",
            ),
        ],
    })
}

fn resource(address: &str, spec: &impl Serialize) -> Result<Resource, Failure> {
    let address: Address = address
        .parse()
        .map_err(|error| Failure::of("the database has no address", &error))?;
    let spec = serde_json::to_value(spec)
        .map_err(|error| Failure::of("the database has no JSON form", &error))?;
    Ok(Resource {
        address,
        spec,
        depends_on: BTreeSet::new(),
        origin: None,
    })
}

fn finding(severity: Severity, code: &str, subject: &str, message: &str, hint: &str) -> Finding {
    Finding {
        severity,
        code: code.to_owned(),
        subject: subject.to_owned(),
        message: message.to_owned(),
        hint: hint.to_owned(),
    }
}
