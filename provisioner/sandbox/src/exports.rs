//! The variables that point `kubectl`, `bao` and `aws` at the sandbox.

use std::fmt;
use std::path::Path;

use crate::endpoints::{Endpoints, PROFILE};

/// One line for a POSIX shell: an `export` when displayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The variable.
    pub name: &'static str,
    /// Its value, as the shell is to read it.
    value: String,
}

impl Export {
    fn text(name: &'static str, value: &str) -> Self {
        let value = quoted(value);
        Self { name, value }
    }

    fn path(name: &'static str, value: &Path) -> Self {
        Self::text(name, &value.to_string_lossy())
    }

    /// The file's content, read by the shell: the secret itself is printed nowhere.
    fn content(name: &'static str, file: &Path) -> Self {
        let value = format!("\"$(cat {})\"", quoted(&file.to_string_lossy()));
        Self { name, value }
    }
}

impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "export {}={}", self.name, self.value)
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

impl Endpoints {
    /// What a shell needs for `kubectl`, `bao` and `aws` to talk to the sandbox.
    #[must_use]
    pub fn env_exports(&self) -> Vec<Export> {
        let mut exports = vec![
            Export::path("KUBECONFIG", &self.kubeconfig),
            Export::path("AWS_CONFIG_FILE", &self.aws_config_file),
            Export::path("AWS_SHARED_CREDENTIALS_FILE", &self.aws_credentials_file),
            Export::text("AWS_PROFILE", PROFILE),
        ];
        // OpenBao's command line reads `BAO_…` first, Vault's only `VAULT_…`.
        for (address, ca, token) in [
            ("VAULT_ADDR", "VAULT_CACERT", "VAULT_TOKEN"),
            ("BAO_ADDR", "BAO_CACERT", "BAO_TOKEN"),
        ] {
            exports.push(Export::text(address, &self.vault.address));
            exports.push(Export::path(ca, &self.vault.ca_file));
            exports.push(Export::content(token, &self.vault.token_file));
        }
        exports.push(Export {
            name: "PATH",
            value: format!("{}:\"$PATH\"", quoted(&self.programs.to_string_lossy())),
        });
        exports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_tokens_left_in_their_file() {
        let export = Export::text("A", "it's $HOME");
        assert_eq!(export.to_string(), r"export A='it'\''s $HOME'");
        let export = Export::content("T", Path::new("/a b/token"));
        assert_eq!(export.to_string(), "export T=\"$(cat '/a b/token')\"");
    }
}
