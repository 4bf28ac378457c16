//! What an environment allows to be taken from elsewhere.

use url::{Host, Url};

use crate::error::{Error, Result};

/// Beginnings of URLs. A URL is allowed if one of them has its scheme, host and port and a path that its own path is or
/// is below. Without any nothing is allowed.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    prefixes: Vec<Url>,
}

impl Allowed {
    /// Reads the beginnings.
    ///
    /// # Errors
    /// [`Error::Malformed`] if one is no `https` URL, names a user or has a query.
    pub fn new<T: AsRef<str>>(prefixes: impl IntoIterator<Item = T>) -> Result<Allowed> {
        let mut allowed = Allowed::default();
        for prefix in prefixes {
            let prefix = prefix.as_ref();
            let malformed = |reason: String| Error::Malformed {
                what: prefix.to_owned(),
                reason,
            };
            let url = fetchable(prefix).map_err(malformed)?;
            if url.query().is_some() || url.fragment().is_some() {
                return Err(malformed("a beginning of URLs has no query".to_owned()));
            }
            allowed.prefixes.push(url);
        }
        Ok(allowed)
    }

    /// The URL, if it may be fetched.
    ///
    /// # Errors
    /// [`Error::Refused`] if it may not, or is of a kind that never may.
    pub fn check(&self, text: &str) -> Result<Url> {
        let refused = |reason: String| Error::Refused {
            what: text.to_owned(),
            reason,
        };
        let url = fetchable(text).map_err(refused)?;
        if self.prefixes.iter().any(|prefix| begins(prefix, &url)) {
            return Ok(url);
        }
        Err(refused(
            "the environment's `what.overlay.remotes` has no beginning of it".to_owned(),
        ))
    }
}

/// Reads a URL of a kind that can be fetched.
fn fetchable(text: &str) -> std::result::Result<Url, String> {
    let scheme = text
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("https" | "http") => {}
        Some("oci") => return Err("registries of containers are not read; name the chart's repository by https".to_owned()),
        Some("file") => return Err("a repository on this machine is on no other; make its files part of the project".to_owned()),
        _ => return Err("only https is fetched: it needs no key of a person, and says who answers; write its https URL".to_owned()),
    }
    let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it names a user; what is fetched is open to everybody".to_owned());
    }
    let here = matches!(url.host(), Some(Host::Ipv4(address)) if address.is_loopback());
    if url.scheme() != "https" && !here {
        return Err("only https says who answers".to_owned());
    }
    // A server might read these as a way out of what is allowed.
    let path = url.path().to_ascii_lowercase();
    if path.contains("%2e") || path.contains("%2f") || path.contains("%5c") {
        return Err("its path has an escaped dot, slash or backslash".to_owned());
    }
    Ok(url)
}

fn begins(prefix: &Url, url: &Url) -> bool {
    let folder = prefix.path().trim_end_matches('/');
    prefix.scheme() == url.scheme()
        && prefix.host() == url.host()
        && prefix.port_or_known_default() == url.port_or_known_default()
        && url
            .path()
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_parts_of_a_path_count() {
        let allowed = Allowed::new(["https://github.com/ORG/", "http://127.0.0.1:8080"]).unwrap();
        for url in [
            "https://github.com/ORG/a//b?ref=v1",
            "https://github.com:443/ORG",
            "http://127.0.0.1:8080/anything",
        ] {
            assert!(allowed.check(url).is_ok(), "{url}");
        }
        for url in [
            "https://github.com/ORGANISATION/a",
            "https://github.com/ORG/../other/a",
            "https://github.com/ORG/%2e%2e/other",
            "https://github.com/ORG/..%2fother",
            "https://github.com.example.org/ORG/a",
            "https://github.com@example.org/ORG/a",
            "https://user@github.com/ORG/a",
            "http://github.com/ORG/a",
            "https://github.com:444/ORG/a",
            "http://127.0.0.1:8081/a",
            "git@github.com:ORG/a",
            "ssh://git@github.com/ORG/a",
            "file:///ORG/a",
            "oci://github.com/ORG/a",
        ] {
            assert!(
                matches!(allowed.check(url), Err(Error::Refused { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn without_a_list_nothing_is_allowed() {
        assert!(Allowed::default().check("https://github.com/a/b").is_err());
    }

    #[test]
    fn the_list_has_urls_only() {
        for text in [
            "github.com/ORG",
            "http://example.org/",
            "https://x/?a",
            "https://u@x/",
        ] {
            assert!(Allowed::new([text]).is_err(), "{text}");
        }
    }
}
