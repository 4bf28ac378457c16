//! The real `ssh-keygen` signs for us and checks what we sign.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use approval::{
    Approval, Approver, KeyError, Policy, PrivateKey, PublicKeyError, Statement, fingerprint_of,
    sign,
};
use secrecy::SecretString;

use crate::support::*;

fn keygen(folder: &Path, arguments: &[&str], input: &[u8]) -> (bool, Vec<u8>) {
    let mut child = Command::new("ssh-keygen")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ssh-keygen is needed: the package openssh-client");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), output.stdout)
}

#[test]
fn both_ways_with_every_kind_of_key() {
    let kinds = [
        ("ed25519", "256", ""),
        ("ed25519", "256", "correct horse"),
        ("ecdsa", "256", ""),
        ("ecdsa", "384", "correct horse"),
        ("ecdsa", "521", ""),
        ("rsa", "2048", ""),
        ("rsa", "4096", ""),
    ];
    for (kind, bits, passphrase) in kinds {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let made = [
            "-q", "-t", kind, "-b", bits, "-N", passphrase, "-f", "key", "-a", "4",
        ];
        assert!(keygen(folder, &made, b"").0);
        let line = std::fs::read_to_string(folder.join("key.pub")).unwrap();
        let fingerprint = fingerprint_of(&line).unwrap();
        let (_, listed) = keygen(folder, &["-l", "-f", "key.pub"], b"");
        let listed = String::from_utf8(listed).unwrap();
        assert_eq!(listed.split(' ').nth(1), Some(fingerprint.as_str()));

        let mut policy = policy();
        policy.approvers.push(Approver {
            name: "dee".to_owned(),
            key: line.clone(),
        });
        let statement = Statement::new(
            &subject(),
            "dee",
            &fingerprint,
            at("2026-11-28T10:00:00Z"),
            hours(4),
            "“seen”",
        )
        .unwrap();

        if kind != "rsa" {
            we_sign(folder, &policy, &statement, &line, passphrase);
        }

        // It signs, we check.
        let without = ["-p", "-q", "-P", passphrase, "-N", "", "-f", "key"];
        assert!(keygen(folder, &without, b"").0);
        let signing = ["-q", "-Y", "sign", "-n", "rebuild-approval", "-f", "key"];
        let (signed, pem) = keygen(folder, &signing, &statement.bytes());
        assert!(signed);
        let pem = String::from_utf8(pem).unwrap();
        let attached = Approval::attach(statement.clone(), &pem).unwrap();
        // What we store is what it wrote, to the byte.
        assert_eq!(attached.signature, pem);
        let outcome = judge(&policy, &[attached.text().as_bytes()]);
        assert_eq!(outcome.accepted[0].fingerprint, fingerprint);
    }
}

fn we_sign(folder: &Path, policy: &Policy, statement: &Statement, line: &str, passphrase: &str) {
    let private = std::fs::read_to_string(folder.join("key")).unwrap();
    let private = SecretString::from(private);
    let secret = SecretString::from(passphrase);
    let key = PrivateKey::read(&private, Some(&secret)).unwrap();
    if !passphrase.is_empty() {
        let read = |secret| PrivateKey::read(&private, secret).unwrap_err();
        assert_eq!(read(None), KeyError::Encrypted);
        let wrong = SecretString::from("wrong");
        assert_eq!(read(Some(&wrong)), KeyError::Passphrase);
    }
    let approval = sign(statement.clone(), &key).unwrap();
    let outcome = judge(policy, &[approval.text().as_bytes()]);
    assert_eq!(outcome.accepted.len(), 1);
    std::fs::write(folder.join("signers"), format!("dee {line}")).unwrap();
    std::fs::write(folder.join("sig"), &approval.signature).unwrap();
    let check = |namespace: &str, bytes: &[u8]| {
        let arguments = [
            "-Y", "verify", "-f", "signers", "-I", "dee", "-n", namespace, "-s", "sig",
        ];
        keygen(folder, &arguments, bytes).0
    };
    assert!(check("rebuild-approval", &statement.bytes()), "{line}");
    assert!(!check("git", &statement.bytes()));
    assert!(!check("rebuild-approval", b"something else"));
}

#[test]
fn rsa_signs_only_with_ssh_keygen_and_only_when_large() {
    let folder = tempfile::tempdir().unwrap();
    let made = ["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", "key"];
    assert!(keygen(folder.path(), &made, b"").0);
    let line = std::fs::read_to_string(folder.path().join("key.pub")).unwrap();
    assert_eq!(fingerprint_of(&line), Err(PublicKeyError::RsaSize(1024)));
    let private = std::fs::read_to_string(folder.path().join("key")).unwrap();
    let error = PrivateKey::read(&SecretString::from(private), None).unwrap_err();
    assert_eq!(error, KeyError::Unsupported("ssh-rsa".to_owned()));
}

#[test]
fn more_rounds_than_are_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let made = [
        "-q", "-t", "ed25519", "-N", "secret", "-f", "key", "-a", "2",
    ];
    assert!(keygen(folder.path(), &made, b"").0);
    let text = std::fs::read_to_string(folder.path().join("key")).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let mut bytes =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
    // "openssh-key-v1\0", the names of cipher and KDF, the options: a salt of 16 bytes, then the rounds.
    let at = bytes
        .windows(4)
        .position(|window| window == [0, 0, 0, 2])
        .unwrap();
    bytes[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let lines: Vec<&str> = (0..body.len())
        .step_by(70)
        .map(|start| &body[start..body.len().min(start + 70)])
        .collect();
    let text = format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
        lines.join("\n")
    );
    let error = PrivateKey::read(
        &SecretString::from(text),
        Some(&SecretString::from("secret")),
    );
    assert_eq!(error.unwrap_err(), KeyError::Rounds(u32::MAX));
}
