//! moto, in the place of EC2, IAM and STS. Its state is kept in a file by the small program that starts it.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::files;
use crate::http;
use crate::ports::{Port, Ports};
use crate::process::{self, Launch, Process};
use crate::secrets::AccessKey;
use crate::servers::PATIENCE;

const SERVE: &str = include_str!("../../python/moto_serve.py");
/// Imported by it: where moto answers otherwise than AWS.
const CORRECTIONS: &str = include_str!("../../python/moto_corrections.py");

/// A running moto.
#[derive(Debug)]
pub(crate) struct Moto {
    pub(crate) process: Process,
    pub(crate) endpoint: String,
    /// Every request, one a line; written by `moto_serve.py`.
    pub(crate) request_log: PathBuf,
}

/// Starts it with its state in `dir`. With an operator's key it refuses whoever no policy allows what they ask for; the user `operator` may
/// do everything with that key. Without one it takes any credentials.
pub(crate) async fn start(
    python: &Path,
    dir: &Path,
    ports: &Ports,
    operator: Option<&AccessKey>,
) -> Result<Moto> {
    files::private_dir(dir)?;
    files::write_private(&dir.join("moto_corrections.py"), CORRECTIONS.as_bytes())?;
    let serve = dir.join("serve.py");
    files::write_private(&serve, SERVE.as_bytes())?;
    let port = ports.of(Port::Moto);
    let mut launch = Launch::new("moto", python.to_owned(), dir.to_owned())
        .variable("MOTO_ENABLE_AMI_VALIDATION", "true")
        .variable("MOTO_ENABLE_KEYPAIR_VALIDATION", "true")
        .variable("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")
        .variable("MOTO_PORT", port.to_string())
        // `-I`: neither variables nor the working folder decide what Python imports.
        .argument("-I")
        .argument(&serve)
        .argument(port.to_string())
        .argument(dir.join("state.pickle"));
    if let Some(key) = operator {
        let file = dir.join("operator.json");
        files::write_json(&file, key)?;
        launch = launch.argument(file);
    }
    let process = process::start(launch).await?;
    let endpoint = format!("http://127.0.0.1:{port}");
    let client = http::client(None)?;
    let health = format!("{endpoint}/moto-api/data.json");
    process
        .ready(PATIENCE, || http::answers(&client, &health))
        .await?;
    Ok(Moto {
        process,
        endpoint,
        request_log: dir.join("requests.log"),
    })
}
