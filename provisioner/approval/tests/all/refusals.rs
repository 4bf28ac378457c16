//! One row for each reason to refuse.

use approval::{
    Approval, Authority, BreakGlass, MOST, PolicyError, SignError, Statement, Submitted, sign,
    verify,
};
use ssh_key::{HashAlg, LineEnding, SshSig};

use crate::support::*;

fn resigned(change: impl FnOnce(&mut Statement)) -> String {
    let mut statement = statement("ada", 1);
    change(&mut statement);
    sign(statement, &key(1)).unwrap().text()
}

fn tampered(change: impl FnOnce(&mut Approval)) -> String {
    let mut approval = signed("ada", 1);
    change(&mut approval);
    approval.text()
}

/// What ssh-keygen would make with another namespace or key.
fn foreign(namespace: &str, seed: u8) -> String {
    let key = ssh_key::PrivateKey::new(
        ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]).into(),
        "",
    )
    .unwrap();
    let bytes = statement("ada", 1).bytes();
    key.sign(namespace, HashAlg::Sha256, &bytes)
        .unwrap()
        .to_pem(LineEnding::LF)
        .unwrap()
}

#[test]
fn each_reason_to_refuse() {
    let text = signed("ada", 1).text();
    let raw = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let rows: Vec<(&str, String)> = vec![
        ("expired", resigned(|s| s.expires_at = now())),
        (
            "expired",
            resigned(|s| s.signed_at = at("2026-11-28T03:00:00Z")),
        ),
        (
            "expired",
            resigned(|s| {
                s.signed_at = at("2026-11-27T10:00:00Z");
                s.expires_at = at("2036-11-27T10:00:00Z");
            }),
        ),
        (
            "not-yet-valid",
            resigned(|s| s.signed_at = at("2026-11-28T12:05:01Z")),
        ),
        ("other-plan", resigned(|s| s.plan = "0".repeat(64))),
        (
            "other-environment",
            resigned(|s| s.environment = "staging".to_owned()),
        ),
        (
            "other-generation",
            resigned(|s| s.generation = "20261128-0000".to_owned()),
        ),
        (
            "other-scenario",
            resigned(|s| s.scenario = "drill".to_owned()),
        ),
        ("signature", tampered(|a| a.statement.comment.push('!'))),
        (
            "signature",
            tampered(|a| a.statement.expires_at = at("2026-11-28T15:00:00Z")),
        ),
        ("signature", tampered(|a| a.statement.plan = "1".repeat(64))),
        ("namespace", tampered(|a| a.signature = foreign("git", 1))),
        (
            "other-key",
            tampered(|a| a.signature = foreign("rebuild-approval", 2)),
        ),
        (
            "unknown-approver",
            sign(statement("eve", 1), &key(1)).unwrap().text(),
        ),
        ("unknown-approver", signed("Ada", 1).text()),
        ("not-their-key", signed("ada", 2).text()),
        ("not-their-key", signed("ada", 9).text()),
        ("revoked-key", signed("cyd", 3).text()),
        ("revoked-key", signed("cyd", 7).text()),
        ("unknown-format", raw("\"format\":1", "\"format\":2")),
        ("unknown-format", raw("\"format\":1", "\"format\":\"1\"")),
        ("unknown-format", "{}".to_owned()),
        ("malformed", raw("\"format\":1", "\"format\":1,\"more\":0")),
        ("malformed", raw("{\"signature", "{ \"signature")),
        ("malformed", format!("{text}\n")),
        ("malformed", text.trim_end().to_owned()),
        ("malformed", raw("ada", "a\\u0064a")),
        (
            "malformed",
            raw(
                "-----BEGIN SSH SIGNATURE-----",
                "-----BEGIN SSH  SIGNATURE-----",
            ),
        ),
        ("malformed", String::new()),
        ("malformed", "[".repeat(9000)),
        (
            "malformed",
            tampered(|a| a.statement.comment = "\u{1b}[2J".to_owned()),
        ),
        (
            "malformed",
            tampered(|a| a.statement.expires_at = a.statement.signed_at),
        ),
        ("too-large", format!("{text}{}", " ".repeat(16 << 10))),
    ];
    let mut policy = policy();
    policy.revoked = vec![key(3).fingerprint(), key(7).fingerprint()];
    for (code, text) in rows {
        let outcome = judge(&policy, &[text.as_bytes()]);
        assert_eq!(codes(&outcome), [code], "{text}");
        assert!(outcome.accepted.is_empty() && !outcome.enough, "{text}");
    }
}

#[test]
fn two_people_are_enough_and_one_with_two_keys_is_not() {
    let [ada, again, bea] =
        [signed("ada", 1), signed("ada", 4), signed("bea", 2)].map(|a| a.text());
    let outcome = judge(&policy(), &[ada.as_bytes(), bea.as_bytes()]);
    assert!(outcome.enough && outcome.refused.is_empty());
    assert_eq!(outcome.accepted[0].who, "ada");
    assert_eq!(outcome.accepted[0].valid_until, at("2026-11-28T14:00:00Z"));
    for second in [&ada, &again] {
        let outcome = judge(&policy(), &[ada.as_bytes(), second.as_bytes()]);
        assert_eq!(codes(&outcome), ["same-approver"]);
        assert_eq!((outcome.accepted.len(), outcome.enough), (1, false));
    }
    // A bad one before it does not use the name up.
    let bad = resigned(|s| s.expires_at = now());
    let outcome = judge(
        &policy(),
        &[bad.as_bytes(), again.as_bytes(), bea.as_bytes()],
    );
    assert!(outcome.enough);
    let json = serde_json::to_value(&outcome).unwrap();
    assert_eq!(json["refused"][0]["why"]["code"], "expired");
    assert_eq!(json["refused"][0]["who"], "ada");
}

#[test]
fn the_policy_caps_the_time_and_the_clock_may_be_a_little_ahead() {
    let late = resigned(|s| {
        s.signed_at = at("2026-11-28T12:05:00Z");
        s.expires_at = at("2036-11-28T12:00:00Z");
    });
    let outcome = judge(&policy(), &[late.as_bytes()]);
    assert_eq!(outcome.accepted[0].valid_until, at("2026-11-28T20:05:00Z"));
}

#[test]
fn only_so_many_are_read() {
    let texts = vec![b"{}".as_slice(); MOST + 1];
    let outcome = judge(&policy(), &texts);
    assert_eq!(outcome.refused.last().unwrap().why.code(), "too-many");
    assert_eq!(outcome.refused.len(), MOST + 1);
}

#[test]
fn policies_that_are_none() {
    type Change = Box<dyn Fn(&mut approval::Policy)>;
    let rows: Vec<(&str, Change)> = vec![
        ("NoneNeeded", Box::new(|p| p.needed = 0)),
        ("Unreachable", Box::new(|p| p.needed = 4)),
        (
            "Unreachable",
            Box::new(|p| {
                p.needed = 3;
                p.revoked = vec![key(3).fingerprint()];
            }),
        ),
        ("NoTime", Box::new(|p| p.valid_for = hours(0))),
        (
            "SameKey",
            Box::new(|p| p.approvers.push(approver("eve", 2))),
        ),
        (
            "SameKey",
            Box::new(|p| p.approvers.push(approver("ada", 1))),
        ),
        ("Alike", Box::new(|p| p.approvers.push(approver("Ada", 9)))),
        (
            "Name",
            Box::new(|p| p.approvers[0].name = " ada".to_owned()),
        ),
        ("Name", Box::new(|p| p.approvers[0].name = String::new())),
        (
            "Key",
            Box::new(|p| p.approvers[0].key = "ssh-ed25519 AAAA".to_owned()),
        ),
        (
            "Key",
            Box::new(|p| p.approvers[0].key = "ed25519:AAAA".to_owned()),
        ),
        (
            "TooMany",
            Box::new(|p| p.approvers = vec![approver("ada", 1); 300]),
        ),
    ];
    for (name, change) in rows {
        let mut policy = policy();
        change(&mut policy);
        let error = policy.check().unwrap_err();
        assert!(
            format!("{error:?}").starts_with(name),
            "{error:?} for {name}"
        );
        let again = verify(&policy, &subject(), &[] as &[Submitted<'_>], now());
        assert_eq!(again, Err::<approval::Outcome, PolicyError>(error));
    }
}

#[test]
fn statements_and_signatures_that_are_not_taken() {
    let other = sign(statement("ada", 1), &key(2)).unwrap_err();
    assert!(matches!(other, SignError::OtherKey { .. }));
    for (name, pem) in [
        ("Malformed", "hello".to_owned()),
        ("Namespace", foreign("git", 1)),
        ("OtherKey", foreign("rebuild-approval", 2)),
    ] {
        let error = Approval::attach(statement("ada", 1), &pem).unwrap_err();
        assert!(format!("{error:?}").starts_with(name), "{error:?}");
    }
    let good = foreign("rebuild-approval", 1).replace('\n', "\r\n");
    let approval = Approval::attach(statement("ada", 1), &good).unwrap();
    assert_eq!(
        judge(&policy(), &[approval.text().as_bytes()])
            .accepted
            .len(),
        1
    );
    assert!(SshSig::from_pem(&approval.signature).is_ok());

    let fingerprint = key(1).fingerprint();
    let new = |name: &str, comment: &str, hours_| {
        Statement::new(
            &subject(),
            name,
            &fingerprint,
            now(),
            hours(hours_),
            comment,
        )
    };
    assert!(new("ada", "", 1).is_ok());
    for (name, comment, hours) in [
        ("", "", 1),
        ("ada", "\n", 1),
        ("ada", "", 0),
        ("ada", "", -1),
    ] {
        assert!(
            new(name, comment, hours).is_err(),
            "{name:?} {comment:?} {hours}"
        );
    }
    assert!(new("ada", &"x".repeat(1001), 1).is_err());
    assert!(new("ada", "", i64::MAX / 3600).is_err());
}

#[test]
fn breaking_the_glass_needs_a_name_and_a_reason() {
    let reason = "both approvers are on a plane";
    let broken = BreakGlass::new("ada", reason, now()).unwrap();
    assert_eq!(
        (broken.who(), broken.reason(), broken.at()),
        ("ada", reason, now())
    );
    for (who, reason) in [
        ("", reason),
        ("ada", "urgent"),
        ("ada", "      short           "),
        ("ada", "a long enough reason\nwith two lines"),
    ] {
        assert!(
            BreakGlass::new(who, reason, now()).is_err(),
            "{who:?} {reason:?}"
        );
    }
    let json = serde_json::to_value(Authority::BreakGlass(broken.clone())).unwrap();
    assert_eq!(json["by"], "break-glass");
    assert_eq!(json["reason"], reason);
    let text = serde_json::to_string(&broken).unwrap();
    assert_eq!(serde_json::from_str::<BreakGlass>(&text).unwrap(), broken);
    let short = text.replace(reason, "short");
    assert!(serde_json::from_str::<BreakGlass>(&short).is_err());
    let outcome = Authority::Approvals(judge(&policy(), &[]));
    assert_eq!(serde_json::to_value(outcome).unwrap()["enough"], false);
}
