//! Downloads from a fake S3 that injects faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use provider_aws::{Connection, Keys};
use tokio::io::AsyncReadExt;

use super::*;
use crate::faults::{Faults, Reply, Stored, s3_error};
use crate::store::Store;

/// Bytes of a range in these tests.
const RANGE: usize = 1000;

fn policy() -> Policy {
    Policy {
        range: RANGE as u64,
        retry: Retry {
            attempts: 4,
            pause: Duration::from_millis(1),
            longest: Duration::from_millis(2),
        },
        ..Policy::default()
    }
}

async fn store(faults: &Faults) -> Store {
    let keys = Keys {
        id: "id".to_owned(),
        secret: "secret".to_owned().into(),
        session: None,
    };
    let connection = Connection {
        region: "us-east-1".to_owned(),
        endpoint_url: Some(faults.url.clone()),
        keys: Some(keys),
        ..Connection::default()
    };
    let mut store = Store::new(crate::client(&connection.load().await), "backups");
    store.policy = policy();
    store
}

/// What one download brought before it ended, and what it failed with.
struct Outcome {
    bytes: Vec<u8>,
    error: Option<Error>,
}

impl Outcome {
    fn failure(&self) -> &Error {
        self.error.as_ref().expect("an error")
    }
}

async fn outcome(opened: Result<Reader, Error>) -> Outcome {
    let mut bytes = Vec::new();
    let error = match opened {
        Ok(mut reader) => match reader.read_to_end(&mut bytes).await {
            Ok(_) => None,
            Err(error) => {
                let again = reader
                    .read_u8()
                    .await
                    .expect_err("never a clean end after it");
                assert!(provider_error(&again).is_some(), "{again}");
                Some(provider_error(&error).expect("a provider's error").clone())
            }
        },
        Err(error) => Some(error),
    };
    Outcome { bytes, error }
}

async fn download(faults: &Faults, version: Option<&str>, size: usize) -> Outcome {
    outcome(
        store(faults)
            .await
            .download("b/one", version, size as u64)
            .await,
    )
    .await
}

#[tokio::test]
async fn ranges_come_in_order_and_all_of_one_version() {
    let object = Stored::new(4500);
    let stored = object.clone();
    let faults = Faults::start(move |_, request| stored.answer(request)).await;
    let read = download(&faults, Some("v1"), 4500).await;
    assert!(read.error.is_none(), "{:?}", read.error);
    assert!(read.bytes == object.bytes);
    let expected = [
        (0, 999),
        (1000, 1999),
        (2000, 2999),
        (3000, 3999),
        (4000, 4499),
    ];
    assert_eq!(faults.ranges(), expected);
    for request in faults.seen() {
        assert_eq!(
            request.query("versionId").as_deref(),
            Some("v1"),
            "{request:?}"
        );
        assert!(request.target.starts_with("/backups/b/one?"), "{request:?}");
    }
}

#[tokio::test]
async fn small_and_empty_objects_take_one_plain_request() {
    for size in [0, 1, RANGE] {
        let object = Stored::new(size);
        let stored = object.clone();
        let faults = Faults::start(move |_, request| stored.answer(request)).await;
        let read = download(&faults, Some("v1"), size).await;
        assert!(read.error.is_none(), "{:?}", read.error);
        assert!(read.bytes == object.bytes);
        assert_eq!(faults.seen().len(), 1);
        assert_eq!(faults.ranges(), []);
    }
}

#[tokio::test]
async fn a_cut_connection_goes_on_at_the_very_byte() {
    let object = Stored::new(2500);
    let stored = object.clone();
    let faults = Faults::start(move |_, request| {
        let reply = stored.answer(request);
        match request.range() {
            Some((0, _)) => reply.cut(137),
            Some((137, _)) => reply.cut(1),
            Some((2000, _)) => reply.cut(499),
            _ => reply,
        }
    })
    .await;
    let read = download(&faults, Some("v1"), 2500).await;
    assert!(read.error.is_none(), "{:?}", read.error);
    assert!(read.bytes == object.bytes);
    let expected = [
        (0, 999),
        (137, 999),
        (138, 999),
        (1000, 1999),
        (2000, 2499),
        (2499, 2499),
    ];
    assert_eq!(faults.ranges(), expected);
}

#[tokio::test]
async fn a_cut_plain_answer_goes_on_with_a_range() {
    let object = Stored::new(800);
    let stored = object.clone();
    let faults = Faults::start(move |count, request| match count {
        0 => stored.answer(request).cut(300),
        _ => stored.answer(request),
    })
    .await;
    let read = download(&faults, None, 800).await;
    assert!(read.error.is_none(), "{:?}", read.error);
    assert!(read.bytes == object.bytes);
    assert_eq!(faults.ranges(), [(300, 799)]);
    let versions: Vec<_> = faults.seen().iter().map(|r| r.query("versionId")).collect();
    assert_eq!(
        versions,
        [None, Some("v1".to_owned())],
        "the first answer's version"
    );
}

#[tokio::test]
async fn progress_resets_the_attempts() {
    let object = Stored::new(1500);
    let stored = object.clone();
    // Far more breaks than attempts, each after a few bytes.
    let faults = Faults::start(move |_, request| stored.answer(request).cut_short(100)).await;
    let read = download(&faults, Some("v1"), 1500).await;
    assert!(read.error.is_none(), "{:?}", read.error);
    assert!(read.bytes == object.bytes);
    assert_eq!(faults.seen().len(), 15);
}

#[tokio::test]
async fn a_stalled_connection_counts_as_broken() {
    let object = Stored::new(2000);
    let stored = object.clone();
    let faults = Faults::start(move |_, request| {
        let reply = stored.answer(request);
        match request.range() {
            Some((1000, _)) => reply.stall(250),
            _ => reply,
        }
    })
    .await;
    let mut store = store(&faults).await;
    store.policy.stall = Duration::from_secs(2);
    let read = outcome(store.download("b/one", Some("v1"), 2000).await).await;
    assert!(read.error.is_none(), "{:?}", read.error);
    assert!(read.bytes == object.bytes);
    assert_eq!(faults.ranges(), [(0, 999), (1000, 1999), (1250, 1999)]);
}

#[tokio::test]
async fn failing_servers_are_asked_again_and_given_up_in_the_end() {
    let object = Stored::new(2000);
    let stored = object.clone();
    let faults = Faults::start(move |count, request| match count {
        0..3 => s3_error(503, "SlowDown"),
        _ => stored.answer(request),
    })
    .await;
    let read = download(&faults, Some("v1"), 2000).await;
    assert!(read.error.is_none(), "{:?}", read.error);
    assert!(read.bytes == object.bytes);

    let stored = object.clone();
    let faults = Faults::start(move |_, request| match request.range() {
        Some((0, _)) => stored.answer(request),
        _ => s3_error(500, "InternalError"),
    })
    .await;
    let read = download(&faults, Some("v1"), 2000).await;
    assert!(read.bytes == object.bytes[..1000]);
    let error = read.failure();
    assert_eq!(error.kind, ErrorKind::Server);
    assert_eq!(
        error.to_string(),
        "GetObject s3://backups/b/one in version v1 from byte 1000: InternalError: as told (the last of 4 attempts)"
    );
    assert_eq!(faults.seen().len(), 5);
}

#[tokio::test]
async fn answers_of_other_bytes_are_never_mixed_in() {
    let object = Stored::new(2000);
    type Change = fn(Reply) -> Reply;
    let wrong: [(Change, &str); 4] = [
        (
            |reply| reply.with("content-range", "bytes 1001-2000/2000"),
            "the answer is of \"bytes 1001-2000/2000\"",
        ),
        (
            |mut reply| {
                reply.headers.retain(|(name, _)| *name != "content-range");
                reply
            },
            "does not say of which bytes",
        ),
        (
            |mut reply| {
                reply.status = 200;
                reply
            },
            "HTTP 200 where 206 was expected",
        ),
        (
            |mut reply| {
                reply.body = reply.body.slice(..999);
                reply.cut(999)
            },
            "999 bytes, and 1000 were asked for",
        ),
    ];
    for (change, why) in wrong {
        let stored = object.clone();
        let faults = Faults::start(move |_, request| match request.range() {
            Some((1000, _)) => change(stored.answer(request)),
            _ => stored.answer(request),
        })
        .await;
        let read = download(&faults, Some("v1"), 2000).await;
        assert!(read.bytes == object.bytes[..1000]);
        assert_eq!(read.failure().kind, ErrorKind::Server, "{}", read.failure());
        assert!(read.failure().why.contains(why), "{}", read.failure());
        assert_eq!(faults.seen().len(), 5, "four attempts at the second range");
    }
}

#[tokio::test]
async fn another_version_or_size_is_a_conflict_at_once() {
    let object = Stored::new(2000);
    let wrong: [(&'static str, &'static str, &str); 2] = [
        ("x-amz-version-id", "v2", "of another one, v2"),
        (
            "content-range",
            "bytes 1000-1999/2001",
            "it has 2001 bytes, not 2000",
        ),
    ];
    for (name, value, why) in wrong {
        let stored = object.clone();
        let faults = Faults::start(move |_, request| match request.range() {
            Some((1000, _)) => stored.answer(request).with(name, value),
            _ => stored.answer(request),
        })
        .await;
        let read = download(&faults, Some("v1"), 2000).await;
        assert!(read.bytes == object.bytes[..1000]);
        assert_eq!(
            read.failure().kind,
            ErrorKind::Conflict,
            "{}",
            read.failure()
        );
        assert!(read.failure().why.contains(why), "{}", read.failure());
        assert_eq!(faults.seen().len(), 2);
    }
    let stored = object.clone();
    let faults = Faults::start(move |_, request| stored.answer(request)).await;
    for size in [900, 1999] {
        let read = download(&faults, Some("v1"), size).await;
        assert_eq!(read.bytes, [0_u8; 0]);
        assert_eq!(
            read.failure().kind,
            ErrorKind::Conflict,
            "{}",
            read.failure()
        );
    }
}

#[tokio::test]
async fn without_versions_a_replaced_object_is_a_conflict() {
    let before = Stored {
        version: None,
        ..Stored::new(3500)
    };
    let after = Stored {
        bytes: vec![7; 3500].into(),
        etag: "\"e2\"",
        ..before.clone()
    };
    let old = before.clone();
    let faults = Faults::start(move |_, request| match request.range() {
        Some((0..3000, _)) => old.answer(request),
        _ => after.answer(request),
    })
    .await;
    let read = download(&faults, None, 3500).await;
    assert!(read.bytes == before.bytes[..3000]);
    assert_eq!(read.failure().kind, ErrorKind::Conflict);
    assert_eq!(
        read.failure().to_string(),
        "GetObject s3://backups/b/one with entity tag \"e1\" from byte 3000: it was replaced while it was read"
    );
    let tags: Vec<_> = faults
        .seen()
        .iter()
        .map(|request| request.header("if-match").map(str::to_owned))
        .collect();
    let pinned = Some("\"e1\"".to_owned());
    assert_eq!(tags, [None, pinned.clone(), pinned.clone(), pinned]);
}

#[tokio::test]
async fn a_deleted_object_is_unavailable() {
    let faults = Faults::start(|_, _| s3_error(404, "NoSuchKey")).await;
    let read = download(&faults, None, 2000).await;
    assert_eq!(read.failure().kind, ErrorKind::Unavailable);
    assert_eq!(faults.seen().len(), 1, "asking again can't help");

    let object = Stored::new(2000);
    let stored = object.clone();
    let faults = Faults::start(move |_, request| match request.range() {
        Some((0, _)) => stored.answer(request),
        _ => s3_error(404, "NoSuchVersion"),
    })
    .await;
    let read = download(&faults, Some("v1"), 2000).await;
    assert!(read.bytes == object.bytes[..1000]);
    assert_eq!(read.failure().kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_answer_that_names_nothing_to_hold_on_to_is_refused() {
    let stored = Stored {
        version: None,
        ..Stored::new(2000)
    };
    let faults = Faults::start(move |_, request| {
        let mut reply = stored.answer(request);
        reply.headers.retain(|(name, _)| *name != "etag");
        reply
    })
    .await;
    let read = download(&faults, None, 2000).await;
    assert_eq!(
        read.failure().kind,
        ErrorKind::Invalid,
        "{}",
        read.failure()
    );
}

#[tokio::test]
async fn a_thread_without_a_runtime_may_read() {
    let object = Stored::new(5 * RANGE);
    let stored = object.clone();
    let faults = Faults::start(move |_, request| stored.answer(request)).await;
    let opened = store(&faults)
        .await
        .download("b/one", Some("v1"), 5 * RANGE as u64)
        .await;
    let mut reader = opened.expect("it is there");
    let (done, read) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = futures::executor::block_on(reader.read_to_end(&mut bytes));
        let _ = done.send(read.map(|_| bytes));
    });
    let bytes = read.await.expect("no panic").expect("all of it");
    assert!(bytes == object.bytes);
}

/// Ranges are asked for at the same time, and the bound on memory holds: no request is sent for bytes further ahead of the reader than `parallel` ranges.
#[tokio::test]
async fn a_slow_reader_is_not_run_ahead_of() {
    const SIZE: usize = 20 * RANGE;
    let object = Stored::new(SIZE);
    let consumed = Arc::new(AtomicU64::new(0));
    let furthest = Arc::new(AtomicU64::new(0));
    let (stored, read_so_far, ahead) =
        (object.clone(), Arc::clone(&consumed), Arc::clone(&furthest));
    let faults = Faults::start(move |_, request| {
        let (_, last) = request.range().expect("a range");
        let before = read_so_far.load(Ordering::SeqCst);
        ahead.fetch_max(last as u64 + 1 - before, Ordering::SeqCst);
        stored.answer(request)
    })
    .await;
    let mut reader = store(&faults)
        .await
        .download("b/one", Some("v1"), SIZE as u64)
        .await
        .expect("it is there");
    faults.saw(policy().parallel).await;
    let mut piece = [0; 100];
    for expected in object.bytes.chunks(100) {
        reader.read_exact(&mut piece).await.expect("a piece");
        assert_eq!(piece, expected);
        consumed.fetch_add(100, Ordering::SeqCst);
    }
    assert_eq!(reader.read(&mut piece).await.expect("the end"), 0);
    let bound = policy().parallel * RANGE;
    assert_eq!(furthest.load(Ordering::SeqCst), bound as u64);
}

impl Reply {
    /// Cut after so many bytes, if there are more.
    fn cut_short(self, sent: usize) -> Self {
        let sent = sent.min(self.body.len());
        self.cut(sent)
    }
}
