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

# Write the exported schema again
schema:
    cargo run -- schema > schema.graphql.new
    mv schema.graphql.new schema.graphql

# The documentation of the code, with ARCHITECTURE.md in front
doc *flags:
    cargo doc --workspace --no-deps --lib {{flags}}

# Lines of the code, the median and the largest file
sizes:
    .ci/sizes

# Licences, sources and advisories of the dependencies
deny:
    cargo deny check
