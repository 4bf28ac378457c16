//! Making a secret's value.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use planner::kinds::vault::{Encoding, Generator};
use rcgen::{CertificateParams, DnType, KeyPair};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Where randomness comes from.
pub trait Entropy {
    /// Fills `out` with random bytes.
    ///
    /// # Errors
    /// When there are none.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), GenerateError>;
}

/// The operating system's generator.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), GenerateError> {
        getrandom::fill(out).map_err(|error| GenerateError::Random(error.to_string()))
    }
}

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
    /// The declaration asks for what can't be.
    #[error("{0}")]
    Declaration(String),
    /// A key or certificate could not be encoded.
    #[error("the key can't be made: {0}")]
    Key(String),
}

/// A fresh value: its secret fields, and what of it everybody may know.
pub struct Generated {
    /// Fields as they stand in Vault.
    pub fields: BTreeMap<&'static str, Zeroizing<String>>,
    /// Outputs: `public-key` (OpenSSH line), `certificate` (SHA-256 of its DER, hex).
    pub public: BTreeMap<&'static str, String>,
}

impl std::fmt::Debug for Generated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generated")
            .field("fields", &self.fields.keys())
            .field("public", &self.public)
            .finish()
    }
}

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";
const SYMBOLS: &[u8] = b"!#%+,-.:=@^_~";

/// Makes a value as declared. `now` dates certificates.
///
/// # Errors
/// When the declaration is out of its bounds or the system has no randomness.
pub fn generate(
    generator: &Generator,
    entropy: &mut dyn Entropy,
    now: Timestamp,
) -> Result<Generated, GenerateError> {
    match generator {
        Generator::Random { bytes, encoding } => {
            bounded("bytes", *bytes, 16, 1024)?;
            let mut raw = Zeroizing::new(vec![0_u8; usize::from(*bytes)]);
            entropy.fill(&mut raw)?;
            Ok(value(match encoding {
                Encoding::Hex => hex::encode(&*raw),
                Encoding::Base64 => STANDARD.encode(&*raw),
                Encoding::Base64url => URL_SAFE_NO_PAD.encode(&*raw),
            }))
        }
        Generator::Password {
            length,
            lower,
            upper,
            digits,
            symbols,
        } => {
            bounded("length", *length, 12, 1024)?;
            let classes = [
                (LOWER, *lower),
                (UPPER, *upper),
                (DIGITS, *digits),
                (SYMBOLS, *symbols),
            ];
            Ok(value(password(usize::from(*length), &classes, entropy)?))
        }
        Generator::Uuid => {
            let mut raw = Zeroizing::new([0_u8; 16]);
            entropy.fill(&mut *raw)?;
            Ok(value(
                uuid::Builder::from_random_bytes(*raw)
                    .into_uuid()
                    .to_string(),
            ))
        }
        Generator::Ed25519 => ed25519(entropy),
        Generator::Tls {
            common_name,
            names,
            days,
        } => tls(common_name, names, *days, now),
    }
}

fn value(text: String) -> Generated {
    Generated {
        fields: BTreeMap::from([("value", Zeroizing::new(text))]),
        public: BTreeMap::new(),
    }
}

fn bounded(what: &str, value: u16, least: u16, most: u16) -> Result<(), GenerateError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(GenerateError::Declaration(format!(
        "{what} is {value}, and must be {least} to {most}"
    )))
}

/// The minima of each class first, the rest from every class asked for, then shuffled.
fn password(
    length: usize,
    classes: &[(&[u8], u16)],
    entropy: &mut dyn Entropy,
) -> Result<String, GenerateError> {
    let least: usize = classes.iter().map(|(_, least)| usize::from(*least)).sum();
    if least > length {
        return Err(GenerateError::Declaration(format!(
            "the classes ask for {least} characters, and the password has {length}"
        )));
    }
    let alphabet: Vec<u8> = classes
        .iter()
        .filter(|(_, least)| *least > 0)
        .flat_map(|(set, _)| set.iter().copied())
        .collect();
    if alphabet.is_empty() {
        return Err(GenerateError::Declaration(
            "no class of characters is asked for".to_owned(),
        ));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for (set, least) in classes {
        for _ in 0..*least {
            text.push(set[below(set.len(), entropy)?]);
        }
    }
    while text.len() < length {
        text.push(alphabet[below(alphabet.len(), entropy)?]);
    }
    for index in (1..text.len()).rev() {
        let other = below(index + 1, entropy)?;
        text.swap(index, other);
    }
    Ok(text.iter().map(|byte| char::from(*byte)).collect())
}

/// A number below `bound`, every one as likely: what would favour small ones is drawn again.
fn below(bound: usize, entropy: &mut dyn Entropy) -> Result<usize, GenerateError> {
    let bound = u32::try_from(bound).map_err(|error| GenerateError::Key(error.to_string()))?;
    let usable = u32::MAX - u32::MAX % bound;
    loop {
        let mut raw = [0_u8; 4];
        entropy.fill(&mut raw)?;
        let drawn = u32::from_le_bytes(raw);
        if drawn < usable {
            return Ok((drawn % bound) as usize);
        }
    }
}

fn ed25519(entropy: &mut dyn Entropy) -> Result<Generated, GenerateError> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    entropy.fill(&mut *seed)?;
    let key = SigningKey::from_bytes(&seed);
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| GenerateError::Key(error.to_string()))?;
    // RFC 8709 §4: two strings, each after its length.
    let mut blob = Vec::with_capacity(51);
    for part in [b"ssh-ed25519".as_slice(), key.verifying_key().as_bytes()] {
        blob.extend_from_slice(&(part.len() as u32).to_be_bytes());
        blob.extend_from_slice(part);
    }
    let line = format!("ssh-ed25519 {}", STANDARD.encode(blob));
    Ok(Generated {
        fields: BTreeMap::from([
            ("private-key", Zeroizing::new(pem.to_string())),
            ("public-key", Zeroizing::new(line.clone())),
        ]),
        public: BTreeMap::from([("public-key", line)]),
    })
}

fn tls(
    common_name: &str,
    names: &[String],
    days: u16,
    now: Timestamp,
) -> Result<Generated, GenerateError> {
    bounded("days", days, 1, 825)?;
    let fail = |error: rcgen::Error| GenerateError::Key(error.to_string());
    let names = if names.is_empty() {
        vec![common_name.to_owned()]
    } else {
        names.to_vec()
    };
    if let Some(bad) = names
        .iter()
        .find(|name| name.parse::<IpAddr>().is_err() && !dns(name))
    {
        return Err(GenerateError::Declaration(format!(
            "`{bad}` is neither a DNS name nor an address"
        )));
    }
    let mut params = CertificateParams::new(names).map_err(fail)?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    // A day of grace for clocks that are behind.
    let (from, until) = (day(now, -1)?, day(now, i64::from(days))?);
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    let key = KeyPair::generate().map_err(fail)?;
    let certificate = params.self_signed(&key).map_err(fail)?;
    let fingerprint = hex::encode(Sha256::digest(certificate.der()));
    Ok(Generated {
        fields: BTreeMap::from([
            ("private-key", Zeroizing::new(key.serialize_pem())),
            ("certificate", Zeroizing::new(certificate.pem())),
        ]),
        public: BTreeMap::from([("certificate", fingerprint)]),
    })
}

fn dns(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

/// Year, month and day so many days from now.
fn day(now: Timestamp, days: i64) -> Result<(i32, u8, u8), GenerateError> {
    let at = now
        .checked_add(SignedDuration::from_hours(days * 24))
        .map_err(|error| GenerateError::Key(error.to_string()))?;
    let date = TimeZone::UTC.to_datetime(at).date();
    let small =
        |part: i8| u8::try_from(part).map_err(|error| GenerateError::Key(error.to_string()));
    Ok((
        i32::from(date.year()),
        small(date.month())?,
        small(date.day())?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(generator: &Generator) -> Generated {
        generate(generator, &mut SystemEntropy, Timestamp::now()).unwrap()
    }

    fn text(generated: &Generated) -> &str {
        &generated.fields["value"]
    }

    #[test]
    fn random_bytes_have_their_length_and_differ() {
        for (encoding, length) in [
            (Encoding::Hex, 64),
            (Encoding::Base64, 44),
            (Encoding::Base64url, 43),
        ] {
            let generator = Generator::Random {
                bytes: 32,
                encoding,
            };
            let (a, b) = (made(&generator), made(&generator));
            assert_eq!(text(&a).len(), length);
            assert_ne!(text(&a), text(&b));
        }
    }

    #[test]
    fn passwords_keep_their_minima() {
        let generator = Generator::Password {
            length: 12,
            lower: 3,
            upper: 3,
            digits: 3,
            symbols: 3,
        };
        for _ in 0..200 {
            let generated = made(&generator);
            let text = text(&generated);
            assert_eq!(text.len(), 12);
            for set in [LOWER, UPPER, DIGITS, SYMBOLS] {
                assert_eq!(text.bytes().filter(|b| set.contains(b)).count(), 3);
            }
        }
        let without = made(&Generator::Password {
            length: 1000,
            lower: 1,
            upper: 1,
            digits: 1,
            symbols: 0,
        });
        assert!(text(&without).bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    /// Gives what it is told to.
    struct Told(Vec<u32>);

    impl Entropy for Told {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), GenerateError> {
            out.copy_from_slice(&self.0.remove(0).to_le_bytes());
            Ok(())
        }
    }

    #[test]
    fn a_choice_is_not_biased_to_the_first() {
        // 2³² is 10 × 429,496,729 + 6: the last numbers are drawn again.
        assert_eq!(
            below(10, &mut Told(vec![u32::MAX, u32::MAX - 1, 13])).unwrap(),
            3
        );
    }

    #[test]
    fn keys_and_certificates() {
        let pair = made(&Generator::Ed25519);
        assert!(pair.fields["private-key"].starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(pair.public["public-key"].starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"));
        let tls = made(&Generator::Tls {
            common_name: "api".to_owned(),
            names: vec!["api.example".to_owned(), "127.0.0.1".to_owned()],
            days: 90,
        });
        assert!(tls.fields["certificate"].starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(tls.public["certificate"].len(), 64);
        assert!(!format!("{tls:?}").contains("PRIVATE"));
    }

    #[test]
    fn declarations_out_of_bounds() {
        for generator in [
            Generator::Random {
                bytes: 8,
                encoding: Encoding::Hex,
            },
            Generator::Password {
                length: 12,
                lower: 13,
                upper: 0,
                digits: 0,
                symbols: 0,
            },
            Generator::Password {
                length: 12,
                lower: 0,
                upper: 0,
                digits: 0,
                symbols: 0,
            },
            Generator::Tls {
                common_name: "a".to_owned(),
                names: Vec::new(),
                days: 826,
            },
            Generator::Tls {
                common_name: "a".to_owned(),
                names: vec!["a b".to_owned()],
                days: 1,
            },
        ] {
            assert!(
                generate(&generator, &mut SystemEntropy, Timestamp::now()).is_err(),
                "{generator:?}"
            );
        }
    }
}
