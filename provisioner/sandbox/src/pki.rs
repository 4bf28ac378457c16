//! The sandbox's own small certificate authority.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::error::{Error, Result};
use crate::files;

/// A certificate authority whose key lies in the sandbox's folder.
pub(crate) struct Authority {
    /// Its certificate's file.
    pub path: PathBuf,
    /// Its certificate (PEM).
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A server's certificate and key, in files.
pub(crate) struct Leaf {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

fn failed(what: &str) -> impl FnOnce(rcgen::Error) -> Error {
    let what = what.to_owned();
    move |source| Error::Pki { what, source }
}

impl Authority {
    /// Reads the authority of this folder, or makes it.
    pub(crate) fn kept(dir: &Path) -> Result<Self> {
        files::private_dir(dir)?;
        let (path, key_path) = (dir.join("ca.crt"), dir.join("ca.key"));
        let params = authority();
        let read = |path: &Path| std::fs::read_to_string(path).map_err(Error::file("read", path));
        if path.exists() {
            let key = KeyPair::from_pem(&read(&key_path)?).map_err(failed("the CA's key"))?;
            return Ok(Self {
                certificate: read(&path)?,
                issuer: Issuer::new(params, key),
                path,
            });
        }
        let key = KeyPair::generate().map_err(failed("the CA's key"))?;
        let certificate = params
            .self_signed(&key)
            .map_err(failed("the CA's certificate"))?
            .pem();
        files::write_private(&key_path, key.serialize_pem().as_bytes())?;
        // The certificate last: where it is, its key is.
        files::write_private(&path, certificate.as_bytes())?;
        Ok(Self {
            path,
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    /// Makes a server's certificate for these names and addresses, `NAME.crt` and `NAME.key`.
    pub(crate) fn issue(&self, dir: &Path, name: &str, hosts: &[&str]) -> Result<Leaf> {
        let what = || format!("the certificate of {name}");
        let key = KeyPair::generate().map_err(failed(&what()))?;
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts).map_err(failed(&what()))?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2049, 1, 1);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(failed(&what()))?;
        let leaf = Leaf {
            certificate: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
        };
        files::write_private(&leaf.certificate, certificate.pem().as_bytes())?;
        files::write_private(&leaf.key, key.serialize_pem().as_bytes())?;
        Ok(leaf)
    }
}

/// Makes a key pair in PEM (PKCS #8 and SubjectPublicKeyInfo) unless it is there: `NAME.key` and `NAME.pub`.
pub(crate) fn key_pair(dir: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
    let (private, public) = (
        dir.join(format!("{name}.key")),
        dir.join(format!("{name}.pub")),
    );
    if !public.exists() {
        let key = KeyPair::generate().map_err(failed(name))?;
        files::write_private(&private, key.serialize_pem().as_bytes())?;
        files::write_private(&public, key.public_key_pem().as_bytes())?;
    }
    Ok((private, public))
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "rebuild sandbox CA");
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2049, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
