//! The applications whose backups can be checked, chosen by the name an environment gives.

mod natlangchain;

use std::str::FromStr;

use crate::content::Content;
use crate::{Error, Options};

/// An application whose backup format is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Application {
    /// NatLangChain's chain file.
    #[default]
    NatLangChain,
}

impl Application {
    /// The name used in environments.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NatLangChain => "natlangchain",
        }
    }

    pub(crate) fn checker(self, options: Options) -> Box<dyn Content> {
        match self {
            Self::NatLangChain => Box::new(natlangchain::Scanner::new(options)),
        }
    }
}

impl FromStr for Application {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "natlangchain" => Ok(Self::NatLangChain),
            _ => Err(Error::UnknownApplication(name.to_owned())),
        }
    }
}
