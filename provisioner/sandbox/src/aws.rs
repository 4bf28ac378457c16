//! AWS configuration for the sandbox: profiles whose services go to different servers.

use std::path::{Path, PathBuf};

use crate::REGION;
use crate::endpoints::{PROFILE, READER_PROFILE};
use crate::error::Result;
use crate::files;
use crate::secrets::{AccessKey, Secrets};

/// The services that moto stands for.
const SERVICES: [&str; 6] = [
    "ec2",
    "elastic_load_balancing_v2",
    "iam",
    "rds",
    "route_53",
    "sts",
];

/// Writes the config and the credentials file, and returns their paths.
pub(crate) fn write(
    dir: &Path,
    objects: &str,
    others: &str,
    secrets: &Secrets,
) -> Result<(PathBuf, PathBuf)> {
    files::private_dir(dir)?;
    let mut config = String::new();
    for profile in [PROFILE, READER_PROFILE] {
        config.push_str(&format!(
            "[profile {profile}]\nregion = {REGION}\nservices = {PROFILE}\noutput = json\n\
             s3 =\n  addressing_style = path\n\n"
        ));
    }
    config.push_str(&format!(
        "[services {PROFILE}]\ns3 =\n  endpoint_url = {objects}\n"
    ));
    for service in SERVICES {
        config.push_str(&format!("{service} =\n  endpoint_url = {others}\n"));
    }
    let mut credentials = String::new();
    let keys = [
        (PROFILE, &secrets.environment),
        (READER_PROFILE, &secrets.reader),
    ];
    for (profile, AccessKey { id, secret }) in keys {
        credentials.push_str(&format!(
            "[{profile}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\n"
        ));
    }
    let (config_file, credentials_file) = (dir.join("config"), dir.join("credentials"));
    files::write_private(&config_file, config.as_bytes())?;
    files::write_private(&credentials_file, credentials.as_bytes())?;
    Ok((config_file, credentials_file))
}
