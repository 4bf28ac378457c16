//! A fake HTTP server that injects faults: it says whatever a test has it say, breaks off where the test wants, and notes every
//! request. What a real store answers is tested against real servers, in `tests/live`.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn parse(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let target = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self {
            target: target.expect("a request line").to_owned(),
            headers: headers.collect(),
        }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(found, _)| found == name)?;
        Some(&header.1)
    }

    /// The decoded value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(&format!("http://fake{}", self.target)).expect("a target");
        let mut pairs = url.query_pairs();
        pairs
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    }

    /// First and last byte of `Range`.
    pub(crate) fn range(&self) -> Option<(usize, usize)> {
        let (first, last) = self
            .header("range")?
            .strip_prefix("bytes=")
            .and_then(|range| range.split_once('-'))
            .expect("a range");
        Some((first.parse().expect("first"), last.parse().expect("last")))
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// Bytes of the body that are sent; `Content-Length` still speaks of all.
    pub(crate) sent: usize,
    /// Whether the connection then stays open, silent.
    pub(crate) hangs: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            status,
            headers: Vec::new(),
            sent: body.len(),
            body,
            hangs: false,
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(found, _)| *found != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Breaks the connection after so many bytes.
    pub(crate) fn cut(mut self, sent: usize) -> Self {
        self.sent = sent;
        self
    }

    /// Says nothing more after so many bytes.
    pub(crate) fn stall(mut self, sent: usize) -> Self {
        self.sent = sent;
        self.hangs = true;
        self
    }
}

/// An object that is answered as S3 does (GetObject).
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) bytes: Bytes,
    pub(crate) version: Option<&'static str>,
    pub(crate) etag: &'static str,
}

impl Stored {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            bytes: (0..size).map(|n| (n % 251) as u8).collect(),
            version: Some("v1"),
            etag: "\"e1\"",
        }
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        if request
            .header("if-match")
            .is_some_and(|tag| tag != self.etag)
        {
            return s3_error(412, "PreconditionFailed");
        }
        if request
            .query("versionId")
            .is_some_and(|version| Some(version.as_str()) != self.version)
        {
            return s3_error(404, "NoSuchVersion");
        }
        let reply = match request.range() {
            Some((first, last)) => Reply::new(206, self.bytes.slice(first..=last)).with(
                "content-range",
                format!("bytes {first}-{last}/{}", self.bytes.len()),
            ),
            None => Reply::new(200, self.bytes.clone()),
        };
        let reply = reply.with("etag", self.etag);
        match self.version {
            Some(version) => reply.with("x-amz-version-id", version),
            None => reply,
        }
    }
}

/// An error as S3 words it.
pub(crate) fn s3_error(status: u16, code: &str) -> Reply {
    let body = format!("<Error><Code>{code}</Code><Message>as told</Message></Error>");
    Reply::new(status, body).with("content-type", "application/xml")
}

/// The server; it ends with its value.
pub(crate) struct Faults {
    /// `http://127.0.0.1:…`
    pub(crate) url: String,
    seen: watch::Receiver<Vec<Request>>,
    _task: AbortOnDropHandle<()>,
}

impl Faults {
    /// Starts one; `answer` is given each request and how many came before it.
    pub(crate) async fn start(
        mut answer: impl FnMut(usize, &Request) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (noted, seen) = watch::channel(Vec::<Request>::new());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else {
                    continue;
                };
                let reply = answer(noted.borrow().len(), &request);
                noted.send_modify(|noted| noted.push(request));
                connections.spawn(write(stream, reply));
            }
        });
        Self {
            url: format!("http://{address}"),
            seen,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.borrow().clone()
    }

    /// Waits for so many requests.
    pub(crate) async fn saw(&self, count: usize) {
        let mut seen = self.seen.clone();
        let waited = seen.wait_for(|seen| seen.len() >= count).await;
        waited.expect("the server runs");
    }

    /// The `Range` of every request so far, sorted: ranges under way at the same time come in any order.
    pub(crate) fn ranges(&self) -> Vec<(usize, usize)> {
        let mut ranges: Vec<_> = self.seen().iter().filter_map(Request::range).collect();
        ranges.sort_unstable();
        ranges
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let request = Request::parse(&String::from_utf8(head).ok()?);
    // Unread, it would have the kernel reset the connection before the reply is through.
    let length = request.header("content-length").unwrap_or("0");
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(request)
}

/// A client that went away is its own business.
async fn write(mut stream: TcpStream, reply: Reply) {
    let mut head = format!(
        "HTTP/1.1 {} As-Told\r\nconnection: close\r\ncontent-length: {}\r\n",
        reply.status,
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&reply.body[..reply.sent]).await;
    let _ = stream.flush().await;
    if reply.hangs {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}
