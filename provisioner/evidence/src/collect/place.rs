//! A place that evidence comes from, and where it puts what it finds.

use std::fmt::Display;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc::Sender;

use crate::Source;

/// Bytes of one piece; a larger one is noted as missing.
pub const LARGEST_PIECE: usize = 64 << 20;
/// How the reason begins when something is collected by somebody else.
pub(crate) const ELSEWHERE: &str = "collected elsewhere: ";
/// Characters of one part of a name.
const LONGEST_PART: usize = 150;

/// What was found under a name, or why nothing was.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Missing(String),
}

/// One thing that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub name: String,
    pub source: Source,
    pub collected_at: Timestamp,
    pub content: Content,
}

/// A place that evidence comes from.
///
/// # Guarantees asked of an implementation
/// It reads only, unless its constructor was told otherwise. It puts every answer on the shelf as soon as it has it, since it may be cut
/// short. No secret value is ever in what it puts there.
#[async_trait]
pub trait Collector: Send + Sync {
    /// What the place is called: `iam`. Names of its pieces begin with it.
    fn name(&self) -> &'static str;

    /// Generations of the environment that left marks here.
    ///
    /// # Errors
    /// Why it can't be told.
    async fn generations(&self) -> Result<Vec<String>, String>;

    /// Puts everything it can read on the shelf, and says of the rest why it is missing.
    async fn collect(&self, shelf: &Shelf);
}

/// Where a place puts what it finds. Pieces are written while it goes on.
#[derive(Debug)]
pub struct Shelf {
    place: &'static str,
    at: usize,
    pieces: Sender<(usize, Piece)>,
}

impl Shelf {
    pub(crate) fn new(place: &'static str, at: usize, pieces: Sender<(usize, Piece)>) -> Self {
        Self { place, at, pieces }
    }

    /// Keeps a value as JSON under `PLACE/NAME.json`. `call` is the request it answers, `service` what answered.
    pub async fn put(&self, name: &str, call: &str, service: &str, value: &impl Serialize) {
        match serde_json::to_vec_pretty(value) {
            Ok(bytes) => {
                self.answer(&format!("{name}.json"), call, service, bytes)
                    .await;
            }
            Err(error) => {
                let why = format!("it has no JSON form: {error}");
                self.missing(name, call, service, &why).await;
            }
        }
    }

    /// Keeps an answer as the service gave it, under `PLACE/NAME`. It must be one that has no secret value in it.
    pub async fn answer(&self, name: &str, call: &str, service: &str, bytes: Vec<u8>) {
        let content = if bytes.len() > LARGEST_PIECE {
            let size = bytes.len();
            Content::Missing(format!("it has {size} bytes, more than {LARGEST_PIECE}"))
        } else {
            Content::Bytes(bytes)
        };
        self.push(name, call, service, content).await;
    }

    /// Says that something could not be read, under `PLACE/NAME`.
    pub async fn missing(&self, name: &str, call: &str, service: &str, why: &impl Display) {
        // In one line: services answer in several.
        let why = why
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        self.push(name, call, service, Content::Missing(why)).await;
    }

    /// Says that something is not this tool's to collect, and where it is: missing, but no failure.
    pub async fn elsewhere(&self, name: &str, call: &str, service: &str, place: &str) {
        self.missing(name, call, service, &format!("{ELSEWHERE}{place}"))
            .await;
    }

    /// A value, or why there is none.
    pub async fn keep<E: Display>(
        &self,
        name: &str,
        call: &str,
        service: &str,
        answer: Result<impl Serialize, E>,
    ) {
        match answer {
            Ok(value) => self.put(name, call, service, &value).await,
            Err(error) => self.missing(name, call, service, &error).await,
        }
    }

    async fn push(&self, name: &str, call: &str, service: &str, content: Content) {
        let piece = Piece {
            name: format!("{}/{name}", self.place),
            source: Source {
                call: call.to_owned(),
                service: service.to_owned(),
            },
            collected_at: Timestamp::now(),
            content,
        };
        // Whoever reads the other end is gone only when the bundle can't be written any more, and says so itself.
        let _ = self.pieces.send((self.at, piece)).await;
    }
}

/// A text as one part of a piece's name: what can't stand there is written as `~` and hex digits; what is too long is cut, with a hash.
#[must_use]
pub fn part(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"._@=+,:-".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("~{byte:02x}"));
        }
    }
    if out.is_empty() || out.bytes().all(|byte| byte == b'.') {
        return out.replace('.', "~2e") + "~";
    }
    if out.len() > LONGEST_PART {
        use sha2::{Digest as _, Sha256};
        let hash = hex::encode(Sha256::digest(text.as_bytes()));
        out.truncate(LONGEST_PART - 18);
        out.push_str("~~");
        out.extend(hash.chars().take(16));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_names_are_names() {
        assert_eq!(part("api-1.2"), "api-1.2");
        assert_eq!(part("a/b c~"), "a~2fb~20c~7e");
        for odd in ["", ".", "..", "ä/../../x", &"x/".repeat(500)] {
            let name = format!("place/{}.json", part(odd));
            assert_eq!(crate::name::check(&name), Ok(()), "{name}");
        }
        assert_ne!(
            part(&format!("{}a", "x".repeat(400))),
            part(&format!("{}b", "x".repeat(400)))
        );
    }
}
