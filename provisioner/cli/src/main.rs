//! `rebuild`: brings a lost or breached environment back.

fn main() -> std::process::ExitCode {
    rebuild::main()
}
