//! What moto does not do, against recorded answers: pages, changes that take their time, batches that somebody was faster than.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use executor::provider::{ErrorKind, Provider};
use provider_route53::Route53;

use super::ONE;
use super::support::{changes, config, ensure, scope, spec};

const NAME: &str = "api.wire.example";

/// Answers by what was asked before; keeps every request as `METHOD PATH`, and bodies.
fn server(
    answer: impl Fn(&str, usize) -> (u16, String) + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut seen, mut piece) = (Vec::new(), [0_u8; 4096]);
            let text = loop {
                let count = stream.read(&mut piece).unwrap();
                seen.extend_from_slice(&piece[..count]);
                let text = String::from_utf8_lossy(&seen).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head
                    .to_lowercase()
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                    .unwrap_or(0);
                if body.len() >= length {
                    break text;
                }
            };
            let line = text.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
            let mut kept = kept.lock().unwrap();
            let (status, body) = answer(&text, kept.iter().filter(|one| *one == line).count());
            kept.push(line.to_owned());
            if let Some((_, body)) = text
                .split_once("\r\n\r\n")
                .filter(|(_, body)| !body.is_empty())
            {
                kept.push(body.to_owned());
            }
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    (endpoint, asked)
}

async fn provider(endpoint: &str) -> Route53 {
    Route53::new(&config(endpoint).await).patience(Duration::from_secs(2))
}

fn listed(sets: &str, next: &str) -> String {
    let truncated = !next.is_empty();
    format!(
        "<ListResourceRecordSetsResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ResourceRecordSets>{sets}</ResourceRecordSets>\
         <IsTruncated>{truncated}</IsTruncated>{next}<MaxItems>300</MaxItems></ListResourceRecordSetsResponse>"
    )
}

fn set(name: &str, kind: &str, ttl: i64, value: &str) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}.</Name><Type>{kind}</Type><TTL>{ttl}</TTL><ResourceRecords><ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
    )
}

fn status(tag: &str, status: &str) -> String {
    format!(
        "<{tag}Response xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeInfo><Id>/change/C1</Id><Status>{status}</Status>\
         <SubmittedAt>2026-11-28T00:00:00Z</SubmittedAt></ChangeInfo></{tag}Response>"
    )
}

fn refused(code: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    )
}

fn owner() -> String {
    "\"heritage=rebuild\" \"environment=demo\" \"generation=0\" \"address=route53.record.api\""
        .to_owned()
}

#[tokio::test]
async fn every_page_of_a_zone_is_read() {
    let (endpoint, asked) = server(|text, _| {
        let first = !text.contains("name=");
        let page = if first {
            let next = format!(
                "<NextRecordName>{NAME}.</NextRecordName><NextRecordType>A</NextRecordType>"
            );
            listed(
                &set(&format!("_rebuild-a.{NAME}"), "TXT", 300, &owner()),
                &next,
            )
        } else {
            listed(&set(NAME, "A", 60, "192.0.2.1"), "")
        };
        (200, page)
    });
    let provider = provider(&endpoint).await;
    let found = provider.observe(&scope("Z1", NAME, "A")).await.unwrap();
    assert_eq!(found.objects.len(), 1, "{found:?}");
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2, "one list for a zone: {asked:?}");
    assert!(
        asked[1].contains(&format!("name={NAME}.")) && asked[1].contains("type=A"),
        "{asked:?}"
    );
}

/// Answers as Route 53 does while a change spreads: `pending` times not yet.
fn spreading(pending: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let written: Mutex<Option<String>> = Mutex::default();
    server(move |text, before| {
        let mut written = written.lock().unwrap();
        if text.starts_with("POST") {
            let lines = changes(text);
            let set = |line: &String| {
                let words: Vec<&str> = line.splitn(5, ' ').collect();
                set(words[1], words[2], words[3].parse().unwrap(), words[4])
            };
            *written = Some(lines.iter().map(set).collect());
            (200, status("ChangeResourceRecordSets", "PENDING"))
        } else if text.starts_with("GET /2013-04-01/change/") {
            match before {
                0 => (400, refused("Throttling")),
                before if before < pending => (200, status("GetChange", "PENDING")),
                _ => (200, status("GetChange", "INSYNC")),
            }
        } else {
            let sets = written.clone().unwrap_or_default();
            // From the name on that was asked for, as Route 53 lists.
            let from = if text.contains("name=_rebuild") || sets.is_empty() {
                sets.find("<ResourceRecordSet><Name>_").unwrap_or(0)
            } else {
                0
            };
            (200, listed(&sets[from..], ""))
        }
    })
}

#[tokio::test]
async fn a_change_is_awaited_and_read_back() {
    let (endpoint, asked) = spreading(3);
    let provider = provider(&endpoint).await;
    ensure(&provider, ONE, spec("Z1", NAME, "192.0.2.1"))
        .await
        .unwrap();
    let asked = asked.lock().unwrap();
    let waits = asked
        .iter()
        .filter(|line| line.as_str() == "GET /2013-04-01/change/C1")
        .count();
    assert_eq!(waits, 4, "{asked:#?}");
    assert!(
        asked.last().unwrap().contains("rrset"),
        "read back at the end: {asked:#?}"
    );
}

#[tokio::test]
async fn a_change_that_never_spreads_ends_at_the_deadline() {
    let (endpoint, _) = spreading(usize::MAX);
    let provider = provider(&endpoint).await;
    let error = ensure(&provider, ONE, spec("Z1", NAME, "192.0.2.1"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline, "{error}");
}

#[tokio::test]
async fn who_was_faster_wins() {
    let (endpoint, _) = server(|text, _| match text.starts_with("POST") {
        true => (400, refused("InvalidChangeBatch")),
        false => (200, listed("", "")),
    });
    let provider = provider(&endpoint).await;
    let error = ensure(&provider, ONE, spec("Z1", NAME, "192.0.2.1"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
}
