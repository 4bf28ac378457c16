//! What fake-gcs-server does not know, or never says: recorded answers and injected faults. Everything else is tested against it,
//! in `tests/live`.

use std::time::Duration;

use google_cloud_auth::credentials::user_account;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::OnceCell;

use super::*;
use crate::download::provider_error;
use crate::faults::{Faults, Reply, Request, Stored};
use crate::keeping::{BucketLock, HeldFor};
use crate::retry::Retry;

fn gcs(faults: &Faults) -> Gcs {
    let settings = GcsSettings {
        bucket: "backups".to_owned(),
        endpoint: Some(faults.url.clone()),
    };
    let mut gcs = Gcs::connect(&settings).expect("settings");
    gcs.policy = Policy {
        range: 1000,
        retry: Retry {
            attempts: 3,
            pause: Duration::from_millis(1),
            longest: Duration::from_millis(2),
        },
        ..Policy::default()
    };
    gcs
}

fn object(generation: &str) -> Value {
    json!({"name": "b/one", "generation": generation, "size": "2500", "timeCreated": "2026-11-01T00:00:00.5Z", "etag": "CAE="})
}

fn answer(body: &Value) -> Reply {
    Reply::new(200, body.to_string()).with("content-type", "application/json")
}

fn refusal(status: u16, reason: &str) -> Reply {
    let body =
        json!({"error": {"code": status, "message": "as told", "errors": [{"reason": reason}]}});
    Reply::new(status, body.to_string())
}

/// The object as `alt=media` gives it.
fn media(stored: &Stored, request: &Request) -> Reply {
    let mut reply = stored.answer(request).with("x-goog-generation", "7");
    reply
        .headers
        .retain(|(name, _)| *name != "x-amz-version-id");
    reply
}

/// Answers the object with `more` fields, and the bucket.
async fn held(more: Value, bucket: Reply) -> (Lock, usize) {
    let faults = Faults::start(move |_, request| {
        if request.target.starts_with("/storage/v1/b/backups?") {
            return bucket.clone();
        }
        let mut object = object("7");
        let fields = object.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("fields").clone());
        answer(&object)
    })
    .await;
    let found = gcs(&faults).look("b/one", Some("7")).await;
    let (object, lock) = found.expect("an answer").expect("an object");
    assert_eq!((object.size, object.latest), (2500, true));
    let seen = faults.seen();
    assert!(
        seen[0]
            .target
            .starts_with("/storage/v1/b/backups/o/b%2Fone?"),
        "{seen:?}"
    );
    assert_eq!(seen[0].query("generation").as_deref(), Some("7"));
    assert_eq!(
        seen[0].header("authorization"),
        None,
        "another's server gets no credentials"
    );
    (lock, seen.len())
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().expect("a time")
}

#[tokio::test]
async fn how_an_object_is_held() {
    let (soon, later) = ("2026-12-01T00:00:00Z", "2027-12-01T00:00:00Z");
    let open =
        || answer(&json!({"retentionPolicy": {"retentionPeriod": "2592000", "isLocked": false}}));
    let locked =
        || answer(&json!({"retentionPolicy": {"retentionPeriod": "2592000", "isLocked": true}}));
    let none = || answer(&json!({}));
    let own = |mode: &str| json!({"retention": {"mode": mode, "retainUntilTime": later}, "retentionExpirationTime": later});
    // A bucket of 30 days holds an object of 1 November until 1 December.
    let aged = Lock::Compliance(at("2026-12-01T00:00:00.5Z"));
    let cases = [
        (json!({}), none(), Lock::None, 1),
        (json!({"temporaryHold": true}), none(), Lock::Hold, 1),
        (json!({"eventBasedHold": true}), locked(), Lock::Hold, 1),
        (
            json!({"retentionExpirationTime": soon}),
            open(),
            Lock::Governance(at(soon)),
            2,
        ),
        (
            json!({"retentionExpirationTime": soon}),
            locked(),
            Lock::Compliance(at(soon)),
            2,
        ),
        (
            json!({"retentionExpirationTime": soon}),
            refusal(403, "forbidden"),
            Lock::Governance(at(soon)),
            2,
        ),
        (own("Locked"), none(), Lock::Compliance(at(later)), 2),
        (own("Unlocked"), none(), Lock::Governance(at(later)), 2),
        (own("Unlocked"), locked(), aged, 2),
        (own("Locked"), locked(), Lock::Compliance(at(later)), 2),
    ];
    for (more, bucket, lock, requests) in cases {
        assert_eq!(held(more.clone(), bucket).await, (lock, requests), "{more}");
    }
}

async fn kept(bucket: Reply) -> Keeping {
    let faults = Faults::start(move |_, _| bucket.clone()).await;
    let kept = gcs(&faults).keeping().await;
    let seen = faults.seen();
    assert!(
        seen[0].target.starts_with("/storage/v1/b/backups?"),
        "{seen:?}"
    );
    kept
}

#[tokio::test]
async fn how_a_bucket_keeps_what_is_put_into_it() {
    let loose = kept(answer(&json!({}))).await;
    assert_eq!(
        (loose.versions, loose.lock, loose.expiry),
        (Ok(false), Ok(BucketLock::default()), Ok(None))
    );
    assert!(
        loose.access_log.is_err(),
        "audit logs may record what usage logs do not"
    );
    let rule = |condition: serde_json::Value| json!({"action": {"type": "Delete"}, "condition": condition});
    let strict = kept(answer(&json!({
        "versioning": {"enabled": true}, "logging": {"logBucket": "logs", "logObjectPrefix": "b"},
        "retentionPolicy": {"retentionPeriod": "2592000", "isLocked": true, "effectiveTime": "2026-01-01T00:00:00Z"},
        "lifecycle": {"rule": [
            rule(json!({"age": 400})), rule(json!({"daysSinceNoncurrentTime": 90})), rule(json!({"age": 1, "isLive": true})),
            {"action": {"type": "SetStorageClass", "storageClass": "ARCHIVE"}, "condition": {"age": 3}},
        ]},
    })))
    .await;
    let expected = Keeping {
        versions: Ok(true),
        lock: Ok(BucketLock {
            on: true,
            default: Some(HeldFor {
                seconds: 2_592_000,
                shortenable: false,
            }),
        }),
        expiry: Ok(Some(90 * 86_400)),
        access_log: Ok(Some("logs".to_owned())),
    };
    assert_eq!(strict, expected);
    let denied = kept(refusal(403, "forbidden")).await;
    assert!(
        denied.versions.is_err() && denied.lock.is_err(),
        "{denied:?}"
    );
}

#[tokio::test]
async fn a_list_goes_through_all_pages_and_sorts_generations() {
    let faults = Faults::start(|count, _| {
        let page = match count {
            0 => json!({"items": [object("3"), object("20")], "nextPageToken": "a+b/="}),
            1 => json!({"nextPageToken": "c"}),
            _ => {
                let mut gone = object("100");
                gone["timeDeleted"] = json!("2026-11-02T00:00:00Z");
                let mut strange = object("5");
                strange["name"] = json!("elsewhere");
                json!({"items": [gone, strange]})
            }
        };
        answer(&page)
    })
    .await;
    let list = gcs(&faults).list("b/", 10).await.expect("a list");
    let found: Vec<_> = list
        .iter()
        .map(|object| (object.version.as_deref().expect("a version"), object.latest))
        .collect();
    assert_eq!(found, [("100", false), ("20", true), ("3", true)]);
    assert_eq!(list[0].modified, Some(at("2026-11-01T00:00:00.5Z")));
    let seen = faults.seen();
    let tokens: Vec<_> = seen
        .iter()
        .map(|request| request.query("pageToken"))
        .collect();
    assert_eq!(
        tokens,
        [None, Some("a+b/=".to_owned()), Some("c".to_owned())]
    );
    for request in seen {
        assert_eq!(request.query("versions").as_deref(), Some("true"));
        assert_eq!(request.query("prefix").as_deref(), Some("b/"));
        assert_eq!(request.query("maxResults").as_deref(), Some("1000"));
    }
}

#[tokio::test]
async fn lists_without_end_or_of_too_much_are_refused() {
    let many = Faults::start(|_, _| answer(&json!({"items": [object("1"), object("2")]}))).await;
    let same = Faults::start(|_, _| answer(&json!({"nextPageToken": "same"}))).await;
    let empty =
        Faults::start(|count, _| answer(&json!({"nextPageToken": count.to_string()}))).await;
    let large = Faults::start(|_, _| Reply::new(200, vec![b' '; (8 << 20) + 1])).await;
    let no_json = Faults::start(|_, _| Reply::new(200, "<html>")).await;
    let no_number = Faults::start(|_, _| answer(&json!({"items": [object("one")]}))).await;
    for (faults, kind, why) in [
        (many, ErrorKind::Invalid, "more than 1 object versions"),
        (same, ErrorKind::Server, "without end"),
        (empty, ErrorKind::Server, "without end"),
        (large, ErrorKind::Invalid, "more than 8388608 bytes"),
        (no_json, ErrorKind::Server, "not what it should be"),
        (
            no_number,
            ErrorKind::Server,
            "generation of b/one is \"one\"",
        ),
    ] {
        let error = gcs(&faults).list("b/", 1).await.expect_err(why);
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.why.contains(why), "{error}");
        assert!(error.what.contains("gs://backups/b/"), "{error}");
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_again_and_what_may_not_is_told() {
    let faults = Faults::start(|count, _| match count {
        0 => refusal(503, "backendError"),
        1 => refusal(429, "rateLimitExceeded"),
        _ => answer(&object("7")),
    })
    .await;
    let found = gcs(&faults).look("b/one", None).await.expect("an answer");
    assert_eq!(found.expect("an object").0.version.as_deref(), Some("7"));

    for (status, reason, kind, requests) in [
        (401, "authError", ErrorKind::Unauthenticated, 1),
        (403, "forbidden", ErrorKind::Denied, 1),
        (302, "", ErrorKind::Invalid, 1),
        (500, "backendError", ErrorKind::Server, 3),
    ] {
        let faults = Faults::start(move |_, _| refusal(status, reason)).await;
        let error = gcs(&faults).look("b/one", None).await.expect_err("refused");
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.why.contains("as told"), "{error}");
        assert_eq!(faults.seen().len(), requests, "{status}");
    }
    let faults = Faults::start(|_, _| refusal(404, "notFound")).await;
    assert_eq!(
        gcs(&faults).look("b/one", None).await.expect("an answer"),
        None
    );
    let error = gcs(&faults).list("", 1).await.expect_err("no bucket");
    assert_eq!(error.kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_answer_of_another_generation_is_refused() {
    let faults = Faults::start(|_, _| answer(&object("8"))).await;
    let error = gcs(&faults)
        .look("b/one", Some("7"))
        .await
        .expect_err("another");
    assert_eq!(error.kind, ErrorKind::Server);
    let stored = Stored::new(2500);
    let faults = Faults::start(move |_, request| media(&stored, request)).await;
    let error = gcs(&faults).open("b/one", Some("6"), 2500).await;
    assert_eq!(error.err().expect("another").kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn ranges_are_of_one_generation_and_go_on_at_the_very_byte() {
    let stored = Stored::new(2500);
    let bytes = stored.bytes.clone();
    let faults = Faults::start(move |_, request| {
        let reply = media(&stored, request);
        match request.range() {
            Some((1000, _)) => reply.cut(137),
            _ => reply,
        }
    })
    .await;
    let mut reader = gcs(&faults).open("b/one", None, 2500).await.expect("open");
    let mut read = Vec::new();
    reader.read_to_end(&mut read).await.expect("all of it");
    assert!(read == bytes);
    assert_eq!(
        faults.ranges(),
        [(0, 999), (1000, 1999), (1137, 1999), (2000, 2499)]
    );
    for (count, request) in faults.seen().iter().enumerate() {
        let generation = (count > 0).then(|| "7".to_owned());
        assert_eq!(request.query("generation"), generation, "{request:?}");
        assert_eq!(request.query("alt").as_deref(), Some("media"));
        assert_eq!(request.header("accept-encoding"), Some("gzip"));
    }
}

#[tokio::test]
async fn an_object_deleted_meanwhile_is_unavailable() {
    let stored = Stored::new(2500);
    let faults = Faults::start(move |_, request| match request.range() {
        Some((0, _)) => media(&stored, request),
        _ => refusal(404, "notFound"),
    })
    .await;
    let mut reader = gcs(&faults)
        .open("b/one", Some("7"), 2500)
        .await
        .expect("open");
    let error = reader.read_to_end(&mut Vec::new()).await.expect_err("gone");
    let error = provider_error(&error).expect("a provider's error");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "objects.get gs://backups/b/one in version 7 from byte 1000: HTTP 404: notFound: as told"
    );
}

/// As the service answers for an object stored with `Content-Encoding: gzip`: compressed to who accepts that, else without a length.
#[tokio::test]
async fn what_is_stored_compressed_comes_compressed() {
    let stored = Stored::new(500);
    let bytes = stored.bytes.clone();
    let faults = Faults::start(move |_, request| {
        media(&stored, request)
            .with("x-goog-stored-content-encoding", "gzip")
            .with("content-encoding", "gzip")
    })
    .await;
    let mut reader = gcs(&faults)
        .open("b/one", Some("7"), 500)
        .await
        .expect("open");
    let mut read = Vec::new();
    reader.read_to_end(&mut read).await.expect("as stored");
    assert!(read == bytes);

    let stored = Stored::new(500);
    let faults = Faults::start(move |_, request| {
        media(&stored, request).with("x-goog-stored-content-encoding", "gzip")
    })
    .await;
    let error = gcs(&faults).open("b/one", Some("7"), 500).await;
    let error = error.err().expect("decompressed on its way");
    assert_eq!(error.kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_small_object_is_read_whole_or_not_at_all() {
    let stored = Stored::new(2500);
    let bytes = stored.bytes.clone();
    let faults = Faults::start(move |_, request| match request.query("alt") {
        Some(_) => media(&stored, request),
        None => answer(&object("7")),
    })
    .await;
    let gcs = gcs(&faults);
    let read = gcs.read("b/one", 2500).await.expect("an answer");
    assert!(read.expect("an object") == bytes);
    let before = faults.seen().len();
    let error = gcs.read("b/one", 2499).await.expect_err("too large");
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(
        faults.seen().len(),
        before + 1,
        "none of its bytes were asked for"
    );
}

/// The credentials of a user whose tokens this server gives out.
fn with_credentials(mut gcs: Gcs, faults: &Faults) -> Gcs {
    let user = json!({"type": "authorized_user", "client_id": "id", "client_secret": "hush", "refresh_token": "hush-hush",
        "quota_project_id": "payer"});
    let credentials = user_account::Builder::new(user)
        .with_token_uri(format!("{}/token", faults.url))
        .build()
        .expect("credentials");
    let api = Arc::get_mut(&mut gcs.api).expect("nobody else has it");
    api.credentials = Some(OnceCell::new_with(Some(credentials)));
    gcs
}

#[tokio::test]
async fn requests_carry_a_token_and_a_refused_one_is_told() {
    let stored = Stored::new(2500);
    let faults = Faults::start(move |_, request| match request.query("alt") {
        _ if request.target == "/token" => {
            answer(&json!({"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}))
        }
        Some(_) => media(&stored, request),
        None => answer(&object("7")),
    })
    .await;
    let gcs = with_credentials(gcs(&faults), &faults);
    let read = gcs.read("b/one", 2500).await.expect("an answer");
    assert!(read.is_some());
    let seen = faults.seen();
    let asked = seen.iter().filter(|request| request.target != "/token");
    for request in asked.clone() {
        assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
        assert_eq!(request.header("x-goog-user-project"), Some("payer"));
    }
    assert_eq!((seen.len(), asked.count()), (5, 4), "one token for all");

    let faults = Faults::start(|_, _| Reply::new(400, r#"{"error": "invalid_grant"}"#)).await;
    let gcs = with_credentials(super::tests::gcs(&faults), &faults);
    let error = gcs.look("b/one", None).await.expect_err("no token");
    assert_eq!(error.kind, ErrorKind::Unauthenticated, "{error}");
    assert!(error.why.contains("invalid_grant"), "{error}");
    assert!(!error.to_string().contains("hush"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_not() {
    for (bucket, endpoint) in [
        ("", None),
        ("ab", None),
        ("UPPER", None),
        ("a/../b", None),
        ("backups", Some("nonsense")),
        ("backups", Some("ftp://127.0.0.1")),
        ("backups", Some("http://user:word@127.0.0.1")),
        ("backups", Some("http://127.0.0.1/?query")),
    ] {
        let settings = GcsSettings {
            bucket: bucket.to_owned(),
            endpoint: endpoint.map(str::to_owned),
        };
        let error = Gcs::connect(&settings).err().expect(bucket);
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(!error.to_string().contains("word"), "{error}");
    }
    let faults = Faults::start(|_, _| refusal(404, "notFound")).await;
    let gcs = gcs(&faults);
    for (key, version) in [
        ("..", None),
        ("", None),
        ("b/one", Some("7&x=y")),
        ("b/one", Some("")),
    ] {
        let error = gcs.look(key, version).await.expect_err(key);
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        let error = gcs.open(key, version, 1).await.err().expect(key);
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    }
    assert_eq!(faults.seen().len(), 0);
    let odd = "b/a b?c#d%2F../é+&=";
    assert_eq!(gcs.look(odd, None).await.expect("an answer"), None);
    let target = &faults.seen()[0].target;
    let path = target.split('?').next().expect("a path");
    assert_eq!(
        path,
        "/storage/v1/b/backups/o/b%2Fa%20b%3Fc%23d%252F..%2F%C3%A9+&="
    );
}
