//! `check.http` and `check.refused`.

use std::time::Duration;

use executor::provider::{Error, ErrorKind, SecretSource};
use planner::kinds::check::{Http, Refused, SecretHeader};
use provider_kubernetes::Kubernetes;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Most of an answer that is read.
const BODY: usize = 1 << 20;
/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two requests.
const PAUSE: Duration = Duration::from_millis(500);
/// Most of a value that is shown.
const SHOWN: usize = 120;

/// A client that follows redirects within one host only: a header with a secret goes nowhere else.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    let policy = Policy::custom(|attempt| {
        let first = attempt.previous().first();
        let same = first.is_some_and(|first| first.origin() == attempt.url().origin());
        if same && attempt.previous().len() < 5 {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    Client::builder()
        .redirect(policy)
        .timeout(TIMEOUT)
        .no_proxy()
        .build()
}

/// Addresses of Services that are asked through the API server: `kubernetes://NAMESPACE/SERVICE:PORT/PATH`.
const SERVICE: &str = "kubernetes://";

/// Who a check asks.
enum Asked<'a> {
    Url(&'a Client),
    Service {
        cluster: &'a Kubernetes,
        /// Namespace, `SERVICE:PORT`, path.
        place: (&'a str, &'a str, String),
    },
}

impl<'a> Asked<'a> {
    fn of(
        what: &str,
        url: &'a str,
        client: &'a Client,
        cluster: Option<&'a Kubernetes>,
    ) -> Result<Self, Error> {
        let Some(rest) = url.strip_prefix(SERVICE) else {
            return Ok(Self::Url(client));
        };
        let invalid = |why: &str| Error::new(ErrorKind::Invalid, what, format!("`{url}`: {why}"));
        let cluster = cluster.ok_or_else(|| invalid("no cluster is given"))?;
        let mut parts = rest.splitn(3, '/');
        let named = |part: Option<&'a str>| {
            part.filter(|part| {
                let fits = |c: char| c.is_ascii_alphanumeric() || "-:".contains(c);
                !part.is_empty() && part.chars().all(fits)
            })
        };
        match (named(parts.next()), named(parts.next())) {
            (Some(namespace), Some(service)) => Ok(Self::Service {
                cluster,
                place: (
                    namespace,
                    service,
                    format!("/{}", parts.next().unwrap_or("")),
                ),
            }),
            _ => Err(invalid("it is not NAMESPACE/SERVICE:PORT/PATH")),
        }
    }

    /// Status and body, or what went wrong.
    async fn answer(
        &self,
        what: &str,
        url: &str,
        header: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Result<(u16, Vec<u8>), String>, Error> {
        let client = match self {
            Self::Url(client) => client,
            Self::Service {
                cluster,
                place: (namespace, service, path),
            } => {
                let asked = cluster.ask_service((namespace, service, path), header, BODY);
                return match tokio::time::timeout(TIMEOUT, asked).await {
                    Ok(Err(error))
                        if matches!(
                            error.kind,
                            ErrorKind::Denied | ErrorKind::Unauthenticated | ErrorKind::Invalid
                        ) =>
                    {
                        Err(error)
                    }
                    Ok(answer) => Ok(answer.map_err(|error| error.why)),
                    Err(_) => Ok(Err(format!("no answer within {} s", TIMEOUT.as_secs()))),
                };
            }
        };
        let mut request = client.get(url);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(answer) => Ok(whole(answer).await),
            Err(error) if error.is_builder() => Err(Error::new(
                ErrorKind::Invalid,
                what,
                format!("`{url}` is no address that can be asked"),
            )),
            Err(error) => Ok(Err(chain(&error.without_url()))),
        }
    }
}

/// Asks until the answer is what is wanted or the deadline is over; then says what was got.
pub(crate) async fn check(
    what: &str,
    client: &Client,
    cluster: Option<&Kubernetes>,
    http: &Http,
    secrets: &dyn SecretSource,
) -> Result<(), Error> {
    let asked = Asked::of(what, &http.url, client, cluster)?;
    let header = match &http.header {
        Some(header) => Some(credential(what, header, secrets).await?),
        None => None,
    };
    let until = Instant::now() + Duration::from_secs(u64::from(http.deadline));
    loop {
        let answer = asked.answer(what, &http.url, header.clone()).await?;
        let problem = match answer.and_then(|(status, body)| judge(status, &body, http)) {
            Ok(()) => return Ok(()),
            Err(problem) => problem,
        };
        if Instant::now() >= until {
            return Err(Error::new(
                ErrorKind::Deadline,
                what,
                format!("{}: {problem}; tried for {} s", http.url, http.deadline),
            ));
        }
        sleep(PAUSE).await;
    }
}

/// The header with its value from Vault.
async fn credential(
    what: &str,
    header: &SecretHeader,
    secrets: &dyn SecretSource,
) -> Result<(HeaderName, HeaderValue), Error> {
    let from = &header.from;
    let value = secrets.read(&from.mount, &from.path, &from.field).await?;
    let invalid = |why: &str| {
        Error::new(
            ErrorKind::Invalid,
            what,
            format!("header `{}`: {why}", header.name),
        )
    };
    let name = HeaderName::from_bytes(header.name.as_bytes())
        .map_err(|_| invalid("it is no header name"))?;
    let mut value = HeaderValue::from_str(value.expose_secret())
        .map_err(|_| invalid("its value can't stand in a header"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// What servers answer to a credential that they do not take (RFC 9110 sections 15.5.2 and 15.5.4).
const REFUSALS: [u16; 2] = [401, 403];

/// Asks with an old credential until it is refused or the deadline is over, and returns the status; nothing for one that is gone.
pub(crate) async fn refused(
    what: &str,
    client: &Client,
    cluster: Option<&Kubernetes>,
    wanted: &Refused,
    secrets: &dyn SecretSource,
) -> Result<Option<u16>, Error> {
    let asked = Asked::of(what, &wanted.url, client, cluster)?;
    let header = match credential(what, &wanted.header, secrets).await {
        Ok(header) => header,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let until = Instant::now() + Duration::from_secs(u64::from(wanted.deadline));
    loop {
        let problem = match asked
            .answer(what, &wanted.url, Some(header.clone()))
            .await?
        {
            Ok((status, _)) if REFUSALS.contains(&status) => return Ok(Some(status)),
            Ok((status, _)) => format!("the old credential is answered {status}, not refused"),
            Err(problem) => problem,
        };
        if Instant::now() >= until {
            return Err(Error::new(
                ErrorKind::Deadline,
                what,
                format!("{}: {problem}; tried for {} s", wanted.url, wanted.deadline),
            ));
        }
        sleep(PAUSE).await;
    }
}

async fn whole(mut answer: Response) -> Result<(u16, Vec<u8>), String> {
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while let Some(piece) = answer
        .chunk()
        .await
        .map_err(|error| chain(&error.without_url()))?
    {
        body.extend_from_slice(&piece);
        if body.len() > BODY {
            return Err(format!("the answer is longer than {BODY} bytes"));
        }
    }
    Ok((status, body))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn judge(got: u16, body: &[u8], http: &Http) -> Result<(), String> {
    if got != http.status {
        return Err(format!("status is {got}, wanted {}", http.status));
    }
    if http.expect.is_empty() {
        return Ok(());
    }
    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    for wanted in &http.expect {
        let got = value.pointer(&wanted.pointer);
        if !got.is_some_and(|got| same(got, &wanted.equals)) {
            let got = got.map_or_else(
                || "nothing".to_owned(),
                |got| got.to_string().chars().take(SHOWN).collect(),
            );
            return Err(format!(
                "`{}` is {got}, wanted {}",
                wanted.pointer, wanted.equals
            ));
        }
    }
    Ok(())
}

/// Equal, with numbers by value: they keep the text they were written in.
fn same(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (Value::Number(got), Value::Number(wanted)) => {
            got == wanted
                || got
                    .as_i64()
                    .zip(wanted.as_i64())
                    .is_some_and(|(a, b)| a == b)
                || got
                    .as_f64()
                    .zip(wanted.as_f64())
                    .is_some_and(|(a, b)| a == b)
        }
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len()
                && got
                    .iter()
                    .zip(wanted)
                    .all(|(got, wanted)| same(got, wanted))
        }
        (Value::Object(got), Value::Object(wanted)) => {
            got.len() == wanted.len()
                && got
                    .iter()
                    .all(|(name, got)| wanted.get(name).is_some_and(|wanted| same(got, wanted)))
        }
        _ => got == wanted,
    }
}
