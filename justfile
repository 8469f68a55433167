# Every recipe is one line over cargo or xtask: people without `just` lose nothing.

default:
    @just --list

# format, rules of the house, lints
check: fmt-check tidy lint

fmt-check:
    cargo fmt --all --check

tidy:
    cargo xtask tidy

lint:
    cargo clippy --workspace --all-targets -- --deny warnings

# all tests but the newcomer's
test:
    cargo nextest run --workspace
    cargo test --workspace --doc

# accept snapshots, write generated documents
bless:
    INSTA_UPDATE=always cargo nextest run --workspace --no-fail-fast
    cargo xtask codegen

# world simulation: just sim --seeds 200, just sim --seed 17
sim *args:
    cargo xtask sim {{args}}

docs:
    RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --document-private-items

deps:
    cargo deny check

# exactly what CI runs
ci:
    .ci/run

hooks:
    git config core.hooksPath .githooks
