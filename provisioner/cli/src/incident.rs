//! Incidents of an environment: which generations are not trusted any more. Kept in the control bucket, so that everybody who rebuilds
//! the environment knows of them, and never changed once written.

use executor::provider::{Error, ErrorKind};
use jiff::Timestamp;
use planner::Generation;
use provider_object_store::Store;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Incidents of one environment that are read.
const MOST: usize = 1000;
/// Bytes a record may have.
const LARGEST: u64 = 1 << 20;

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// [`id`] of the time it began.
    pub id: String,
    /// The environment.
    pub environment: String,
    /// When it began, or was noticed.
    pub began: Timestamp,
    /// When it was written down.
    pub declared: Timestamp,
    /// The generations that are not trusted any more, oldest first.
    pub generations: Vec<Generation>,
    /// Who wrote it down.
    pub by: String,
}

/// What an incident of this time is called: one of a second is the same one.
pub fn id(began: Timestamp) -> String {
    began.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Every incident of an environment, oldest first.
pub async fn all(control: &Store, environment: &str) -> Result<Vec<Declared>, Failure> {
    let prefix = folder(environment);
    let listed = control
        .list(&prefix, MOST)
        .await
        .map_err(|error| unknown(environment, &error))?;
    let mut found = Vec::new();
    for object in listed.iter().filter(|object| object.latest) {
        let read = control
            .read(&object.key, LARGEST)
            .await
            .map_err(|error| unknown(environment, &error))?;
        if let Some((bytes, _)) = read {
            found.push(serde_json::from_slice(&bytes).map_err(|error| {
                Failure::of(
                    format!("`s3://{}/{}` is no incident", control.bucket(), object.key),
                    &error,
                )
                .hint("restore an older version of the object; until then nothing is decided about old generations")
            })?);
        }
    }
    found.sort_by(|a: &Declared, b: &Declared| (a.began, &a.id).cmp(&(b.began, &b.id)));
    Ok(found)
}

/// Writes an incident down. One that is there already stays as it is and is returned.
pub async fn declare(control: &Store, incident: Declared) -> Result<Declared, Failure> {
    let key = format!("{}{}.json", folder(&incident.environment), incident.id);
    let unwritten = |error: &dyn std::error::Error| {
        Failure::of("the incident can't be written down", error)
            .hint("the control bucket must be writable: `rebuild doctor` says who we are there")
    };
    let text = serde_json::to_vec_pretty(&incident).map_err(|error| unwritten(&error))?;
    match control.replace(&key, text, None).await {
        Ok(_) => Ok(incident),
        Err(error) if error.kind == ErrorKind::Conflict => {
            let read = control
                .read(&key, LARGEST)
                .await
                .map_err(|error| unwritten(&error))?;
            let (bytes, _) = read.ok_or_else(|| unwritten(&error))?;
            serde_json::from_slice(&bytes).map_err(|error| unwritten(&error))
        }
        Err(error) => Err(unwritten(&error)),
    }
}

/// The incident that a generation is named in.
pub fn of_generation<'a>(
    incidents: &'a [Declared],
    generation: &Generation,
) -> Option<&'a Declared> {
    incidents
        .iter()
        .find(|incident| incident.generations.contains(generation))
}

fn folder(environment: &str) -> String {
    format!("{environment}/incidents/")
}

fn unknown(environment: &str, error: &Error) -> Failure {
    Failure::of(
        format!("what incidents `{environment}` had can't be told"),
        error,
    )
    .hint("the control bucket must be readable: `rebuild doctor` says who we are there")
}

/// The generations that are not trusted any more, once the incident of this time is written down; those of other incidents are none the
/// better for it.
pub async fn old(
    control: &Store,
    environment: &str,
    began: Timestamp,
) -> Result<Option<Vec<Generation>>, Failure> {
    let incidents = all(control, environment).await?;
    if !incidents.iter().any(|incident| incident.id == id(began)) {
        return Ok(None);
    }
    let mut old: Vec<Generation> = incidents
        .into_iter()
        .flat_map(|incident| incident.generations)
        .collect();
    old.sort();
    old.dedup();
    Ok(Some(old))
}
