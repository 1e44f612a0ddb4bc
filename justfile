# Shorthands, for those who have `just`. Nothing needs them: each is one or two commands that work by themselves.

# The list of these
default:
    @just --list

# Serve on SQLite, at http://localhost:8000
run *flags:
    cargo run -- {{flags}}

# All tests, on both databases
test *filter:
    cargo test {{filter}}

# What CI runs
ci:
    .ci/run

# Form and lints
lint:
    cargo fmt --all --check
    cargo clippy --all-targets --locked -- -D warnings

# Write the exported schema anew
schema:
    cargo run -- schema > schema.graphql.new
    mv schema.graphql.new schema.graphql

# Licences, sources and advisories of the dependencies
deny:
    cargo deny check
