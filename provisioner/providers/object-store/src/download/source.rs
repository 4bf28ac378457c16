//! What a store is asked for, and how its answer is held against that.

use std::fmt;
use std::io;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use executor::provider::{Error, ErrorKind};
use futures::stream::BoxStream;

/// One stored object, of which ranges can be asked.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// The call and its object: `GetObject s3://BUCKET/KEY`.
    fn what(&self) -> String;

    /// Sends one request, once. Whether the answer fits is not its concern.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the object is not there, [`ErrorKind::Conflict`] when another stands in its place.
    async fn get(&self, ask: &Ask) -> Result<Answer, Error>;
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Which bytes; `None` for all, in a request without `Range`.
    pub(crate) range: Option<Range<u64>>,
    /// Of what.
    pub(crate) pin: Pin,
}

impl Ask {
    /// The value of the header `Range` (RFC 9110, 14.1.2).
    pub(crate) fn range_header(&self) -> Option<String> {
        let range = self.range.as_ref()?;
        Some(format!(
            "bytes={}-{}",
            range.start,
            range.end.saturating_sub(1)
        ))
    }
}

/// What keeps two requests at the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    /// Nothing yet.
    Latest,
    /// A version id.
    Version(String),
    /// An entity tag as it was sent, for `If-Match`.
    Etag(String),
}

impl Pin {
    /// The pin of every request after the first.
    pub(super) fn settled(&self, answer: &Answer) -> Result<Self, Error> {
        match (self, &answer.version, &answer.etag) {
            (Self::Latest, Some(version), _) => Ok(Self::Version(version.clone())),
            (Self::Latest, None, Some(etag)) => Ok(Self::Etag(etag.clone())),
            (Self::Latest, None, None) => Err(invalid(
                "the answer names neither a version nor an entity tag, so later ones could be of another object",
            )),
            (pin, _, _) => Ok(pin.clone()),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, " in version {version}"),
            Self::Etag(etag) => write!(f, " with entity tag {etag}"),
            Self::Latest => Ok(()),
        }
    }
}

/// What came before the bytes, and the bytes.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// `Content-Range`.
    pub(crate) content_range: Option<String>,
    /// `Content-Length`.
    pub(crate) length: Option<u64>,
    /// Version id, where the store keeps versions.
    pub(crate) version: Option<String>,
    /// Entity tag, with its quotes.
    pub(crate) etag: Option<String>,
    /// The bytes as they come.
    pub(crate) body: BoxStream<'static, io::Result<Bytes>>,
}

impl Answer {
    /// The answer, if it is one to this request, of an object of `size` bytes.
    pub(super) fn checked(self, ask: &Ask, size: u64) -> Result<Self, Error> {
        self.check_version(&ask.pin)?;
        let (status, wanted) = match &ask.range {
            Some(range) => (206, range.end - range.start),
            None => (200, size),
        };
        if self.status != status {
            return Err(server(format!(
                "HTTP {} where {status} was expected",
                self.status
            )));
        }
        if let Some(range) = &ask.range {
            self.check_range(range, size)?;
        }
        match self.length {
            Some(length) if length == wanted => Ok(self),
            Some(length) if ask.range.is_none() => Err(other_size(length, size)),
            Some(length) => Err(server(format!(
                "the answer has {length} bytes, and {wanted} were asked for"
            ))),
            None => Err(server("the answer does not say its length".to_owned())),
        }
    }

    fn check_version(&self, pin: &Pin) -> Result<(), Error> {
        let (wanted, found) = match pin {
            Pin::Latest => return Ok(()),
            Pin::Version(version) => (version, &self.version),
            Pin::Etag(etag) => (etag, &self.etag),
        };
        match found {
            Some(found) if found == wanted => Ok(()),
            Some(found) => Err(conflict(format!("the answer is of another one, {found}"))),
            None => Err(invalid("the answer does not say of which one it is")),
        }
    }

    fn check_range(&self, range: &Range<u64>, size: u64) -> Result<(), Error> {
        let Some(text) = &self.content_range else {
            return Err(server(
                "the answer does not say of which bytes it is".to_owned(),
            ));
        };
        match content_range(text) {
            Some((_, total)) if total != size => Err(other_size(total, size)),
            Some((found, _)) if found == *range => Ok(()),
            _ => Err(server(format!(
                "the answer is of \"{text}\", and bytes {}-{} were asked for",
                range.start,
                range.end - 1
            ))),
        }
    }
}

/// The range and the whole length of `bytes 0-9/100` (RFC 9110, 14.4).
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let end = last.parse::<u64>().ok()?.checked_add(1)?;
    Some((first.parse().ok()?..end, total.parse().ok()?))
}

fn other_size(found: u64, expected: u64) -> Error {
    conflict(format!("it has {found} bytes, not {expected}"))
}

// The errors get their place from the caller.

fn server(why: String) -> Error {
    Error::new(ErrorKind::Server, "", why)
}

fn conflict(why: String) -> Error {
    Error::new(ErrorKind::Conflict, "", why)
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        for (text, expected) in [
            ("bytes 0-9/100", Some((0..10, 100))),
            ("bytes 5-5/6", Some((5..6, 6))),
            ("bytes */100", None),
            ("bytes 0-9/*", None),
            ("bytes 0-18446744073709551615/1", None),
            ("octets 0-9/100", None),
            ("", None),
        ] {
            assert_eq!(content_range(text), expected, "{text}");
        }
    }
}
