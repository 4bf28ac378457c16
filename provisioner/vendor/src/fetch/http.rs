//! Files behind URLs.

use std::io::Read as _;
use std::time::Instant;

use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;

use super::{CONNECT, SILENCE, USER_AGENT, deadline};
use crate::allowed::Allowed;
use crate::error::{Error, Result, told};
use crate::limits::Limits;

/// Redirects followed for one file.
const REDIRECTS: usize = 5;
const CHUNK: usize = 64 << 10;

/// What a server answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A file.
    File(Vec<u8>),
    /// A page for people, which is how forges answer for a repository.
    Page,
    /// Nothing is there, or nothing that may be followed.
    Nothing(String),
}

/// Gets the file behind a URL, of at most `limit` bytes.
pub(crate) fn get(text: &str, limit: u64, allowed: &Allowed, limits: &Limits) -> Result<Answer> {
    let url = allowed.check(text)?;
    let end = deadline(limits);
    let fetch = |reason: String| Error::Fetch {
        what: text.to_owned(),
        reason,
    };
    let response = client(allowed.clone())
        .and_then(|client| client.get(url).send())
        .map_err(|error| fetch(told(&error.without_url())))?;
    let status = response.status();
    if let Some(to) = response.headers().get(LOCATION) {
        let to = String::from_utf8_lossy(to.as_bytes()).into_owned();
        return Ok(Answer::Nothing(format!(
            "the server answers {status} and sends to '{to}', which is not allowed or goes on for too long"
        )));
    }
    if !status.is_success() {
        return Ok(Answer::Nothing(format!("the server answers {status}")));
    }
    let kind = response.headers().get(CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        return Ok(Answer::Page);
    }
    body(text, response, limit, end).map(Answer::File)
}

/// As [`get`], where anything but a file is an error.
pub(crate) fn file(text: &str, limit: u64, allowed: &Allowed, limits: &Limits) -> Result<Vec<u8>> {
    let reason = match get(text, limit, allowed, limits)? {
        Answer::File(content) => return Ok(content),
        Answer::Page => "the server answers with a page for people".to_owned(),
        Answer::Nothing(reason) => reason,
    };
    Err(Error::Fetch {
        what: text.to_owned(),
        reason,
    })
}

fn client(allowed: Allowed) -> reqwest::Result<Client> {
    // Where a redirect may not be followed its answer is given back as it is.
    let policy = Policy::custom(move |attempt| {
        let same_scheme = attempt
            .previous()
            .first()
            .is_some_and(|first| first.scheme() == attempt.url().scheme());
        let may = same_scheme
            && attempt.previous().len() <= REDIRECTS
            && allowed.check(attempt.url().as_str()).is_ok();
        if may {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT)
        .timeout(SILENCE)
        .referer(false)
        .redirect(policy)
        .build()
}

fn body(what: &str, mut response: Response, limit: u64, end: Instant) -> Result<Vec<u8>> {
    let too_large = || Error::TooLarge {
        what: what.to_owned(),
        reason: format!("it has more than {limit} bytes"),
    };
    let mut content = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        if Instant::now() >= end {
            return Err(Error::Fetch {
                what: what.to_owned(),
                reason: format!("it takes too long; {} bytes came", content.len()),
            });
        }
        let read = response.read(&mut chunk).map_err(|error| Error::Fetch {
            what: what.to_owned(),
            reason: told(&error),
        })?;
        if read == 0 {
            return Ok(content);
        }
        content.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if content.len() as u64 > limit {
            return Err(too_large());
        }
    }
}
