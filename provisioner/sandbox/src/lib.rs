//! Installs and runs the real servers of the sandbox environment.
