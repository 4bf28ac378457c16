//! That old identifiers are found in new texts, and only those.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use planner::Severity;
use planner::taint::IdentifierKind::{self, *};
use planner::taint::{
    Allowed, Content, Identifier, OldInventory, Outcome, Taint, TaintError, Text, report, terraform,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn old(identifiers: &[(IdentifierKind, &str)]) -> OldInventory {
    OldInventory {
        identifiers: identifiers
            .iter()
            .map(|(kind, value)| Identifier {
                kind: *kind,
                value: (*value).to_owned(),
                origin: "terraform aws_instance.web: id".to_owned(),
            })
            .collect(),
    }
}

fn bytes(taint: &Taint, text: &[u8]) -> Outcome {
    taint.check([Text {
        subject: "ec2.instance.web",
        path: "spec.user_data",
        content: Content::Bytes(text),
    }])
}

fn found(kind: IdentifierKind, value: &str, text: &[u8]) -> bool {
    let outcome = bytes(&Taint::new(&old(&[(kind, value)]), &[]).unwrap(), text);
    assert!(
        outcome
            .findings
            .iter()
            .all(|finding| finding.code == "taint.old-reference")
    );
    !outcome.hits.is_empty()
}

const ROLE: &str = "arn:aws:iam::111122223333:role/web";
const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[test]
fn boundaries() {
    let rows: &[(IdentifierKind, &str, &str, bool)] = &[
        (Id, "i-0abc12345", "i-0abc12345", true),
        (Id, "i-0abc12345", "id=i-0abc12345,x", true),
        (Id, "i-0abc12345", "backup-of-i-0abc12345-2026", true),
        (Id, "i-0abc12345", "i-0abc123456", false),
        (Id, "i-0abc12345", "xi-0abc12345", false),
        (Id, "i-0abc12345", "I-0ABC12345", false),
        (Id, "sg-0a1b2c3d", "[\"sg-0a1b2c3d\"]", true),
        (Id, "20261124-7f3a", "production-20261124-7f3a-api", true),
        (Arn, ROLE, "\"arn:aws:iam::111122223333:role/web\"", true),
        (Arn, ROLE, "arn:aws:iam::111122223333:role/web-2", false),
        (Arn, ROLE, "see arn:aws:iam::111122223333:role/web.", true),
        (Arn, "arn:aws:s3:::logs-x", "arn:aws:s3:::logs-x/*", true),
        (
            Arn,
            "arn:aws:s3:::logs-x",
            "arn:aws:s3:::logs-x.more",
            false,
        ),
        (Address, "203.0.113.7", "https://203.0.113.7:8443/x", true),
        (Address, "203.0.113.7", "203.0.113.7/32", true),
        (Address, "203.0.113.7", "to 203.0.113.7.", true),
        (Address, "203.0.113.7", "db:203.0.113.7", true),
        (Address, "203.0.113.7", "203.0.113.70", false),
        (Address, "203.0.113.7", "1203.0.113.7", false),
        (Address, "203.0.113.7", "203.0.113.7.1", false),
        (Address, "203.0.113.7", "203.0.113.0/24", false),
        (Address, "203.0.113.7", "::ffff:203.0.113.7", true),
        (Address, "203.0.113.7", "::ffff:cb00:7107", true),
        (
            Address,
            "203.0.113.7",
            "ec2-203-0-113-7.compute-1.amazonaws.com",
            true,
        ),
        (Address, "10.0.1.5", "ip-10-0-1-5.ec2.internal", true),
        (Address, "10.0.1.5", "ip-10-0-1-56.ec2.internal", false),
        (Address, "10.0.1.5", "10.0.1.0/24", false),
        (Address, "2001:db8::1", "[2001:0db8:0:0::1]:443", true),
        (Address, "2001:db8::1", "http=2001:DB8:0:0:0:0:0:1", true),
        (Address, "2001:db8::1", "ad:2001:db8::1", true),
        (Address, "2001:db8::1", "2001:db8::/32", false),
        (Address, "2001:db8::1", "2001:db8::12", false),
        (Cidr, "198.51.100.0/24", "allow 198.51.100.0/24;", true),
        (Cidr, "198.51.100.0/24", "198.51.100.0/241", false),
        (Cidr, "10.0.0.0/16", "10.0.0.0/16", false),
        (Name, "prod-key", "key_name: prod-key", true),
        (Name, "prod-key", "/root/prod-key.pem", true),
        (Name, "prod-key", "prod-key-2", false),
        (Name, "prod-key", "my-prod-key", false),
        (Name, "default", "default", false),
        (Name, "web", "web", false),
        (
            Key,
            "AKIAIOSFODNN7EXAMPLE",
            "export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
            true,
        ),
        (Key, "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLES", false),
        (
            Fingerprint,
            "SHA256:fe85JkIjo8VPe+XqXJGH5Mau1EMFdK1OdKvJUFicyA8",
            "256 SHA256:fe85JkIjo8VPe+XqXJGH5Mau1EMFdK1OdKvJUFicyA8 x",
            true,
        ),
        (
            Fingerprint,
            "1f:51:ae:28:bf:89:e9:d8:1f:25:5d:37:2d:7d:b8:ca",
            "1F:51:AE:28:BF:89:E9:D8:1F:25:5D:37:2D:7D:B8:CA",
            true,
        ),
        (
            Digest,
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "app@sha256:9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            true,
        ),
        (
            Digest,
            HEX,
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a080",
            false,
        ),
        (
            Account,
            "111122223333",
            "111122223333.dkr.ecr.eu-central-1.amazonaws.com/app",
            true,
        ),
        (
            Account,
            "111122223333",
            "arn:aws:iam::111122223333:root",
            true,
        ),
        (Account, "111122223333", "1111-2222-3333", true),
        (Account, "111122223333", "0.111122223333", false),
        (Account, "111122223333", "a111122223333f", false),
        (Account, "111122223333", "1111222233334", false),
        (
            Host,
            "db.old.example.com",
            "postgres://u@DB.old.example.com:5432/x",
            true,
        ),
        (Host, "old.example.com", "api.old.example.com", true),
        (Host, "old.example.com", "old.example.com.", true),
        (Host, "old.example.com", "old.example.com.evil.org", false),
        (Host, "old.example.com", "bold.example.com", false),
        (Host, "localhost", "localhost", false),
    ];
    for (kind, value, text, expected) in rows {
        assert_eq!(
            found(*kind, value, text.as_bytes()),
            *expected,
            "{kind} {value} in {text}"
        );
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As `base64` writes it, in an indented block.
fn wrapped(bytes: &[u8], indent: &str) -> String {
    let text = STANDARD.encode(bytes);
    let lines: Vec<String> = (0..text.len())
        .step_by(76)
        .map(|at| format!("{indent}{}\n", &text[at..text.len().min(at + 76)]))
        .collect();
    lines.concat()
}

#[test]
fn encodings_are_undone() {
    let long = format!(
        "#cloud-config\n{}\nid: i-0abc12345\n{}",
        "# a comment\n".repeat(20),
        "# more\n".repeat(20)
    );
    let user_data = long.as_bytes();
    let zipped = gzip(user_data);
    let multipart = format!(
        "--=====boundary-of-some-length\nContent-Transfer-Encoding: base64\n\n{}\n--=====boundary-of-some-length--",
        wrapped(user_data, "")
    );
    let policy = json!({"Resource": "x\u{e9}/i-0abc12345"})
        .to_string()
        .replace('/', "\\/")
        .replace("i-0", "\\u0069-0");
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("plain", user_data.to_vec()),
        ("base64", STANDARD.encode(user_data).into_bytes()),
        ("URL-safe", URL_SAFE_NO_PAD.encode(user_data).into_bytes()),
        ("gzip", zipped.clone()),
        ("base64 of gzip", STANDARD.encode(&zipped).into_bytes()),
        (
            "gzip of base64 of gzip",
            gzip(STANDARD.encode(&zipped).as_bytes()),
        ),
        (
            "in a block",
            format!(
                "write_files:\n- encoding: gz+b64\n  content: |\n{}  path: /x\n",
                wrapped(&zipped, "    ")
            )
            .into_bytes(),
        ),
        ("in a mail", multipart.clone().into_bytes()),
        ("a mail in base64", STANDARD.encode(&multipart).into_bytes()),
        ("JSON in a string", policy.clone().into_bytes()),
        (
            "JSON in JSON in a string",
            Value::from(policy).to_string().into_bytes(),
        ),
        (
            "percent",
            b"%7B%22id%22%3A%22%69%2D0abc12345%22%7D".to_vec(),
        ),
        (
            "after a name",
            format!("DATA={}", STANDARD.encode("the id is i-0abc12345")).into_bytes(),
        ),
        (
            "binary",
            STANDARD
                .encode([&b"\0\x01\xff\xfe"[..], b" i-0abc12345 \0\xf0"].concat())
                .into_bytes(),
        ),
        ("cut off", zipped[..zipped.len() - 9].to_vec()),
    ];
    for (name, text) in rows {
        assert!(found(Id, "i-0abc12345", &text), "{name}");
        assert!(!found(Id, "i-0abc12346", &text), "{name}");
    }
}

#[test]
fn findings_say_where_and_allowances_why() {
    let old = old(&[(Id, "sg-0a1b2c3d"), (Account, "111122223333")]);
    let spec = json!({
        "user_data": STANDARD.encode(gzip(b"curl http://x/sg-0a1b2c3d sg-0a1b2c3d")),
        "ingress": [{"groups": ["sg-0a1b2c3d"]}],
        "sg-0a1b2c3d": 111122223333_u64,
    });
    let text = || Text {
        subject: "ec2.instance.web",
        path: "spec",
        content: Content::Json(&spec),
    };
    let outcome = Taint::new(&old, &[]).unwrap().check([text()]);
    let messages: Vec<&str> = outcome
        .findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "its `spec.ingress[0].groups[0]` refers to the old id `sg-0a1b2c3d` (terraform aws_instance.web: id)",
            "its `spec.sg-0a1b2c3d` refers to the old id `sg-0a1b2c3d` (terraform aws_instance.web: id)",
            "its `spec.sg-0a1b2c3d` refers to the old account `111122223333` (terraform aws_instance.web: id)",
            "its `spec.user_data (base64, gzip)` refers to the old id `sg-0a1b2c3d` (terraform aws_instance.web: id)",
        ]
    );
    assert!(outcome.findings.iter().all(
        |finding| finding.severity == Severity::Error && finding.subject == "ec2.instance.web"
    ));
    assert_eq!(outcome.hits[3].count, 2);

    let allow = |kind, reason: &str| Allowed {
        kind,
        value: "111122223333".to_owned(),
        reason: reason.to_owned(),
    };
    for (kind, left) in [(None, 3), (Some(Account), 3), (Some(Id), 4)] {
        let outcome = Taint::new(&old, &[allow(kind, "the account is kept")])
            .unwrap()
            .check([text()]);
        assert_eq!(
            (outcome.findings.len(), outcome.allowed.len()),
            (left, 4 - left)
        );
        assert!(
            outcome
                .allowed
                .iter()
                .all(|allowed| allowed.reason == "the account is kept")
        );
    }
    let error = Taint::new(&old, &[allow(None, " ")]).unwrap_err();
    assert_eq!(error, TaintError::NoReason("111122223333".to_owned()));
}

#[test]
fn a_terraform_state_is_read() {
    let state = json!({
        "version": 4, "terraform_version": "1.9.0",
        "resources": [
            {"mode": "managed", "module": "module.app", "type": "aws_instance", "name": "web", "instances": [{
                "index_key": 0,
                "attributes": {
                    "id": "i-0123456789abcdef0", "ami": "ami-0123456789abcdef0", "private_ip": "10.0.1.5", "public_ip": "203.0.113.7",
                    "ipv6_addresses": ["2001:db8::1"], "public_dns": "ec2-203-0-113-7.compute-1.amazonaws.com", "key_name": "prod-key",
                    "arn": "arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef0",
                    "vpc_security_group_ids": ["sg-0123456789abcdef0"], "user_data": "secret", "password_data": "hunter2hunter2",
                    "network_interface": [{"private_ips": ["10.0.1.6"], "network_interface_id": "eni-0123456789abcdef0"}]
                }}]},
            {"mode": "managed", "type": "aws_vpc", "name": "main", "instances": [{"attributes": {"id": "vpc-0123456789abcdef0", "cidr_block": "10.0.0.0/16", "owner_id": "111122223333"}}]},
            {"mode": "managed", "type": "aws_iam_access_key", "name": "ci", "instances": [{"attributes": {"id": "AKIAIOSFODNN7EXAMPLE", "secret": "wJalrXUtnFEMI"}}]},
            {"mode": "managed", "type": "aws_db_instance", "name": "db", "instances": [{"attributes": {"id": "db-prod", "endpoint": "db-prod.abc.eu-central-1.rds.amazonaws.com:5432"}}]},
            {"mode": "managed", "type": "aws_key_pair", "name": "k", "instances": [{"attributes": {"id": "prod-key", "fingerprint": "1f:51:ae:28:bf:89:e9:d8:1f:25:5d:37:2d:7d:b8:ca"}}]},
            {"mode": "managed", "type": "aws_iam_role_policy_attachment", "name": "a", "instances": [{"attributes": {"policy_arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}}]},
            {"mode": "data", "type": "aws_ami", "name": "ubuntu", "instances": [{"attributes": {"id": "ami-0fffffffffffffff0", "arn": "arn:aws:ec2:eu-central-1::image/ami-0fffffffffffffff0"}}]},
            {"mode": "data", "type": "aws_caller_identity", "name": "me", "instances": [{"attributes": {"account_id": "444455556666", "arn": "arn:aws:iam::444455556666:user/me"}}]}
        ]
    });
    let inventory = terraform::read(state.to_string().as_bytes()).unwrap();
    let mut got: Vec<String> = inventory
        .identifiers
        .iter()
        .map(|known| format!("{:?} {}", known.kind, known.value))
        .collect();
    got.sort_unstable();
    assert_eq!(
        got,
        [
            "Account 111122223333",
            "Account 444455556666",
            "Address 10.0.1.5",
            "Address 10.0.1.6",
            "Address 2001:db8::1",
            "Address 203.0.113.7",
            "Arn arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef0",
            "Cidr 10.0.0.0/16",
            "Fingerprint 1f:51:ae:28:bf:89:e9:d8:1f:25:5d:37:2d:7d:b8:ca",
            "Host db-prod.abc.eu-central-1.rds.amazonaws.com",
            "Host ec2-203-0-113-7.compute-1.amazonaws.com",
            "Id eni-0123456789abcdef0",
            "Id i-0123456789abcdef0",
            "Id sg-0123456789abcdef0",
            "Id vpc-0123456789abcdef0",
            "Key AKIAIOSFODNN7EXAMPLE",
            "Name db-prod",
            "Name prod-key",
        ]
    );
    let origin = |value: &str| {
        inventory
            .identifiers
            .iter()
            .find(|known| known.value == value)
            .unwrap()
            .origin
            .clone()
    };
    assert_eq!(
        origin("10.0.1.6"),
        "terraform module.app.aws_instance.web[0]: private_ips"
    );
    let json = serde_json::to_string(&inventory).unwrap();
    assert!(!json.contains("hunter2") && !json.contains("wJalr") && !json.contains("secret"));
    let taint = Taint::new(&inventory, &[]).unwrap();
    assert_eq!(taint.skipped().len(), 1);
    // A new network may have the old one's range, but no address of an old instance.
    assert!(
        bytes(
            &taint,
            b"10.0.0.0/16 10.0.1.0/24 10.0.1.7 ami-0123456789abcdef0"
        )
        .findings
        .is_empty()
    );
    assert_eq!(bytes(&taint, b"10.0.1.5").hits.len(), 1);

    for (text, start) in [
        ("", "NotJson"),
        ("{}", "Version"),
        ("{\"version\":3}", "Version"),
        ("{\"version\":4}", "Shape"),
        (&"[".repeat(1000), "NotJson"),
        (&format!("[{}0]", "0,".repeat(4_000_000)), "TooMuch"),
    ] {
        let error = terraform::read(text.as_bytes()).unwrap_err();
        assert!(
            format!("{error:?}").starts_with(start),
            "{text:.40}: {error:?}"
        );
    }
    let odd = json!({"version": 4, "resources": [1, {"instances": 7}, {"instances": [{"attributes": [[{"id": null}]]}]}]});
    assert_eq!(
        terraform::read(odd.to_string().as_bytes()).unwrap(),
        OldInventory::default()
    );
}

#[test]
fn a_report_is_read() {
    let text = json!({"plan": {
        "target": {"environment": "production", "generation": "20261124-7f3a", "places": {"account": "111122223333", "region": "eu-central-1"}},
        "steps": [
            {"address": "ec2.vpc.main", "object": "vpc-0abc"},
            {"address": "iam.role.web", "object": "arn:aws:iam::111122223333:role/production-20261124-7f3a-web"},
            {"address": "s3.bucket.data", "object": "production-20261124-7f3a-data"},
            {"address": "kubernetes.apps/Deployment.natlangchain/api", "object": "natlangchain/api"},
            {"address": "ec2.subnet.a"}
        ]}}).to_string();
    let inventory = report::read(text.as_bytes()).unwrap();
    let got: Vec<String> = inventory
        .identifiers
        .iter()
        .map(|known| format!("{:?} {}", known.kind, known.value))
        .collect();
    assert_eq!(
        got,
        [
            "Id 20261124-7f3a",
            "Account 111122223333",
            "Id vpc-0abc",
            "Arn arn:aws:iam::111122223333:role/production-20261124-7f3a-web",
            "Name production-20261124-7f3a-data",
        ]
    );
    assert!(matches!(
        report::read(b"{}"),
        Err(report::ReportError::Shape)
    ));
    assert!(matches!(
        report::read(b"{"),
        Err(report::ReportError::NotJson(_))
    ));
    let mut merged = inventory.clone();
    merged.merge(inventory.clone());
    assert_eq!(merged, inventory);
}

#[test]
fn what_can_not_be_searched_is_an_error() {
    let taint = Taint::new(&old(&[(Id, "i-0abc12345")]), &[]).unwrap();
    let unfinished = |taint: &Taint, text: &[u8]| {
        bytes(taint, text).findings.iter().any(|finding| {
            finding.code == "taint.unfinished" && finding.severity == Severity::Error
        })
    };
    let mut nested = b"and here is i-0abc12345 for you".to_vec();
    for _ in 0..12 {
        nested = STANDARD.encode(nested).into_bytes();
    }
    assert!(unfinished(&taint, &nested));
    let bomb = gzip(&vec![0; 65 << 20]);
    assert!(unfinished(&taint, &bomb));
    // Identifiers made to match everywhere.
    let many: Vec<String> = (4..200).map(|length| "-".repeat(length)).collect();
    let many: Vec<(IdentifierKind, &str)> = many.iter().map(|value| (Id, value.as_str())).collect();
    let overlapping = Taint::new(&old(&many), &[]).unwrap();
    assert!(unfinished(&overlapping, "-".repeat(100_000).as_bytes()));
    // Nothing of that is wrong with long but plain texts.
    let plain = "a line of no interest 10.0.0.1 AAAA/BBBB+CCCC\n".repeat(20_000);
    assert!(bytes(&taint, plain.as_bytes()).findings.is_empty());
    let huge = OldInventory {
        identifiers: vec![Identifier {
            kind: Name,
            value: "x".repeat(33 << 20),
            origin: String::new(),
        }],
    };
    assert_eq!(Taint::new(&huge, &[]).unwrap_err(), TaintError::TooMany);
}

fn identifier() -> impl Strategy<Value = (IdentifierKind, String)> {
    prop_oneof![
        "i-[0-9a-f]{17}".prop_map(|value| (Id, value)),
        "sg-[0-9a-f]{8}".prop_map(|value| (Id, value)),
        "[0-9]{12}".prop_map(|value| (Account, value)),
        "AKIA[A-Z0-9]{16}".prop_map(|value| (Key, value)),
        "[0-9a-f]{64}".prop_map(|value| (Digest, value)),
        "arn:aws:iam::[0-9]{12}:role/[a-z]{5,20}".prop_map(|value| (Arn, value)),
        "[a-z]{4,12}\\.[a-z]{4,12}\\.internal".prop_map(|value| (Host, value)),
        any::<std::net::IpAddr>().prop_map(|ip| (Address, ip.to_string())),
        "key-[a-z]{5,12}-[0-9]{4}".prop_map(|value| (Name, value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_planted_is_found(
        (kind, value) in identifier(),
        others in prop::collection::vec(identifier(), 0..20),
        before in "(\\PC{0,80}[ \"'=,(\n])?",
        after in "([ \"',;)\n]\\PC{0,80})?",
        layers in prop::collection::vec(0..4, 0..4),
    ) {
        let mut all: Vec<(IdentifierKind, &str)> = others.iter().map(|(kind, value)| (*kind, value.as_str())).collect();
        all.push((kind, &value));
        let taint = Taint::new(&old(&all), &[]).unwrap();
        let mut text = format!("{before}{value}{after}").into_bytes();
        for layer in layers {
            text = match layer {
                0 => STANDARD.encode(&text).into_bytes(),
                1 => gzip(&text),
                2 => wrapped(&text, "  ").into_bytes(),
                _ => match String::from_utf8(text) {
                    Ok(text) => json!({"a": [text]}).to_string().into_bytes(),
                    Err(binary) => binary.into_bytes(),
                },
            };
        }
        let outcome = bytes(&taint, &text);
        prop_assert!(outcome.hits.iter().any(|hit| hit.identifier.kind == kind && hit.identifier.value == value), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn random_text_has_none(text in prop::collection::vec(any::<u8>(), 0..2000), words in "[a-z0-9+/=. -]{0,300}") {
        let inventory = old(&[
            (Id, "i-0123456789abcdef0"), (Account, "111122223333"), (Key, "AKIAIOSFODNN7EXAMPLE"), (Digest, HEX),
            (Arn, ROLE), (Host, "db.old.example.com"), (Name, "prod-key-2024"), (Address, "203.0.113.77"),
        ]);
        let taint = Taint::new(&inventory, &[]).unwrap();
        prop_assert!(bytes(&taint, &text).findings.is_empty());
        prop_assert!(bytes(&taint, words.as_bytes()).findings.is_empty());
    }

    #[test]
    fn readers_never_panic(text in "[\\[\\]{}:,\"a-z0-9 ]{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for input in [text.as_bytes(), &bytes] {
            let _ = terraform::read(input);
            let _ = report::read(input);
        }
        let wrapped = format!("{{\"version\":4,\"resources\":[{{\"instances\":[{{\"attributes\":{{\"id\":{}}}}}]}}]}}", Value::from(text));
        prop_assert!(terraform::read(wrapped.as_bytes()).is_ok());
    }
}
