//! SeaweedFS, in the place of S3, with two users: the environment, and a reader of backups.

use std::path::Path;

use serde_json::json;

use crate::error::Result;
use crate::files;
use crate::http;
use crate::ports::{Port, Ports};
use crate::process::{self, Launch, Process};
use crate::secrets::{AccessKey, Secrets};
use crate::servers::PATIENCE;
use crate::source::SOURCE_BUCKET;

/// A running SeaweedFS.
#[derive(Debug)]
pub(crate) struct SeaweedFs {
    pub(crate) process: Process,
    pub(crate) endpoint: String,
    pub(crate) metrics: String,
}

/// Starts it with its data in `dir`.
pub(crate) async fn start(
    program: &Path,
    dir: &Path,
    ports: &Ports,
    secrets: &Secrets,
) -> Result<SeaweedFs> {
    let data = dir.join("data");
    files::private_dir(&data)?;
    let users = dir.join("s3.json");
    files::write_json(&users, &identities(secrets))?;
    remove_sockets(ports);
    let launch = Launch::new("seaweedfs", program.to_owned(), dir.to_owned())
        .variable("GOMEMLIMIT", "150MiB")
        // Its log goes to its standard error, not to files in the temporary folder.
        .argument("-logtostderr=true")
        .argument("mini")
        .option("-dir", &data)
        .option("-s3.config", &users)
        .argument("-ip=127.0.0.1")
        .argument("-ip.bind=127.0.0.1")
        .argument("-master.telemetry=false")
        .argument("-webdav=false")
        .argument("-admin.ui=false")
        // Otherwise it makes as many volumes as the free disk holds of 1 GiB each, and every bucket takes some.
        .argument("-master.volumeSizeLimitMB=128")
        .argument("-volume.max=1000")
        .argument("-s3.port.iceberg=0")
        .argument("-s3.port.lance=0")
        .argument("-s3.autoCreateBucket=false")
        .argument("-s3.allowDeleteBucketNotEmpty=false");
    let launch = [
        ("-master.port", Port::WeedMaster),
        ("-master.port.grpc", Port::WeedMasterGrpc),
        ("-volume.port", Port::WeedVolume),
        ("-volume.port.grpc", Port::WeedVolumeGrpc),
        ("-filer.port", Port::WeedFiler),
        ("-filer.port.grpc", Port::WeedFilerGrpc),
        ("-s3.port", Port::WeedS3),
        ("-s3.port.grpc", Port::WeedS3Grpc),
        ("-admin.port", Port::WeedAdmin),
        ("-admin.port.grpc", Port::WeedAdminGrpc),
        ("-metricsPort", Port::WeedMetrics),
    ]
    .into_iter()
    .fold(launch, |launch, (flag, port)| {
        launch.option(flag, ports.of(port).to_string())
    });
    let process = process::start(launch).await?;
    let endpoint = format!("http://127.0.0.1:{}", ports.of(Port::WeedS3));
    let client = http::client(None)?;
    let health = format!("{endpoint}/healthz");
    process
        .ready(PATIENCE, || http::answers(&client, &health))
        .await?;
    let metrics = format!("http://127.0.0.1:{}/metrics", ports.of(Port::WeedMetrics));
    Ok(SeaweedFs {
        process,
        endpoint,
        metrics,
    })
}

/// It leaves its sockets in `/tmp` whatever its temporary folder is.
pub(crate) fn remove_sockets(ports: &Ports) {
    for (part, port) in [
        ("admin-grpc", Port::WeedAdminGrpc),
        ("filer", Port::WeedFiler),
        ("filer-grpc", Port::WeedFilerGrpc),
        ("master-grpc", Port::WeedMasterGrpc),
        ("s3", Port::WeedS3),
        ("s3-grpc", Port::WeedS3Grpc),
        ("volume-grpc", Port::WeedVolumeGrpc),
    ] {
        let socket = format!("/tmp/seaweedfs-{part}-{}.sock", ports.of(port));
        // Left behind or not, nobody uses it.
        _ = std::fs::remove_file(socket);
    }
}

fn identities(secrets: &Secrets) -> serde_json::Value {
    let key = |key: &AccessKey| json!([{"accessKey": key.id, "secretKey": key.secret}]);
    json!({"identities": [
        {
            "name": "environment",
            "credentials": key(&secrets.environment),
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "backup-reader",
            "credentials": key(&secrets.reader),
            // Reading includes how long a backup is held under its lock.
            "actions": [
                format!("Read:{SOURCE_BUCKET}"),
                format!("List:{SOURCE_BUCKET}"),
                format!("GetObjectRetention:{SOURCE_BUCKET}"),
                format!("GetObjectLegalHold:{SOURCE_BUCKET}"),
                format!("GetBucketObjectLockConfiguration:{SOURCE_BUCKET}"),
            ],
        },
    ]})
}
