//! Keys in the forms they come in.

use approval::{KeyError, PrivateKey, PublicKeyError, Statement, fingerprint_of, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};

use crate::support::*;

#[test]
fn public_keys() {
    let signing = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let raw = signing.verifying_key().to_bytes();
    let bare = format!("ed25519:{}", STANDARD.encode(raw));
    let line = key(1).public_line();
    assert_eq!(fingerprint_of(&bare).unwrap(), key(1).fingerprint());
    assert_eq!(
        fingerprint_of(&format!("{line} ada@laptop\n")).unwrap(),
        key(1).fingerprint()
    );
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCjA";
    for (text, wanted) in [
        ("", PublicKeyError::Malformed),
        ("ssh-ed25519", PublicKeyError::Malformed),
        (rsa, PublicKeyError::Malformed),
        (
            &format!("ed25519:{}", STANDARD.encode([0; 31])),
            PublicKeyError::Malformed,
        ),
        (
            &format!("ed25519:{}", STANDARD.encode([0; 32])),
            PublicKeyError::Weak,
        ),
        (&"x".repeat(1 << 20), PublicKeyError::Malformed),
    ] {
        assert_eq!(fingerprint_of(text), Err(wanted), "{text:.40}");
    }
}

#[test]
fn fingerprints_have_one_spelling() {
    let good = key(1).fingerprint();
    assert_eq!(good.as_str().parse(), Ok(good.clone()));
    for text in [
        "",
        "SHA256:",
        "MD5:00",
        &good.as_str()[7..],
        &format!("{good}="),
    ] {
        assert!(text.parse::<approval::Fingerprint>().is_err(), "{text}");
    }
}

#[test]
fn pkcs8_keys_sign_and_damaged_ones_do_not() {
    let pem = ed25519_dalek::SigningKey::from_bytes(&[1; 32])
        .to_pkcs8_pem(ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF)
        .unwrap();
    let read = PrivateKey::read(&SecretString::from(pem.as_str()), None).unwrap();
    assert_eq!(read.fingerprint(), key(1).fingerprint());
    let approval = sign(statement("ada", 1), &read).unwrap();
    assert_eq!(
        judge(&policy(), &[approval.text().as_bytes()])
            .accepted
            .len(),
        1
    );
    assert!(!format!("{read:?}").contains("0101"));
    for text in [
        String::new(),
        pem.replacen("MF", "MG", 1),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----".to_owned(),
    ] {
        let error = PrivateKey::read(&SecretString::from(text.as_str()), None).unwrap_err();
        assert_eq!(error, KeyError::Malformed, "{text}");
    }
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    let error = PrivateKey::read(&SecretString::from(encrypted), None).unwrap_err();
    assert!(matches!(error, KeyError::Unsupported(_)));
    let large = SecretString::from("x".repeat(65 << 10));
    assert!(matches!(
        PrivateKey::read(&large, None),
        Err(KeyError::TooLarge(_))
    ));
}

/// A hardware token in software (OpenSSH `PROTOCOL.u2f`).
#[test]
fn hardware_tokens_count_only_when_touched() {
    let token = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let public = Ed25519PublicKey(token.verifying_key().to_bytes());
    let data = KeyData::SkEd25519(SkEd25519::new(public, "ssh:"));
    let line = ssh_key::PublicKey::from(data.clone()).to_string();
    let fingerprint = fingerprint_of(&line).unwrap();
    let statement = Statement::new(&subject(), "sky", &fingerprint, now(), hours(1), "").unwrap();
    let signature = |flags: u8| {
        let message =
            SshSig::signed_data("rebuild-approval", HashAlg::Sha512, &statement.bytes()).unwrap();
        let mut signed = Sha256::digest(b"ssh:").to_vec();
        let trailer = [flags, 0, 0, 0, 7];
        signed.extend(trailer);
        signed.extend(Sha256::digest(&message));
        let mut bytes = ed25519_dalek::Signer::sign(&token, &signed)
            .to_bytes()
            .to_vec();
        bytes.extend(trailer);
        let signature = Signature::new(Algorithm::SkEd25519, bytes).unwrap();
        SshSig::new(data.clone(), "rebuild-approval", HashAlg::Sha512, signature)
            .unwrap()
            .to_pem(LineEnding::LF)
            .unwrap()
    };
    let mut policy = policy();
    policy.approvers[0] = approval::Approver {
        name: "sky".to_owned(),
        key: line,
    };
    let approval = approval::Approval::attach(statement.clone(), &signature(1)).unwrap();
    assert_eq!(
        judge(&policy, &[approval.text().as_bytes()]).accepted.len(),
        1
    );
    let untouched = approval::Approval {
        signature: signature(0),
        statement: statement.clone(),
    };
    assert_eq!(
        codes(&judge(&policy, &[untouched.text().as_bytes()])),
        ["not-touched"]
    );
    assert_eq!(
        approval::Approval::attach(statement.clone(), &signature(0)).unwrap_err(),
        approval::SignError::NotTouched
    );
}
