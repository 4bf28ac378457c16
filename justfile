# The commands of every day. `just` lists them.

default:
    @just --list

# Everything that must hold before a change lands.
ci:
    bash .ci/run

# All tests, live ones on real servers included.
test:
    cargo test --workspace --locked

# What the pure crates promise, in seconds.
test-fast:
    cargo test --locked -p planner -p approval -p evidence -p manifest -p overlay -p backup -p environment

fmt:
    cargo fmt --all

lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

bench:
    cargo bench --workspace --locked

# A whole rebuild on the sandbox's servers, and the requests of one with nothing to do.
measure:
    cargo build --release --locked
    bash tests/measure.sh

# Outputs of the flake, evaluated against a stub of nixpkgs.
flake:
    bash .ci/flake
