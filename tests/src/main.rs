//! The binary under test.

fn main() -> std::process::ExitCode {
    rebuild::main()
}
