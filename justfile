# Recipes for people. `just` alone lists them; `.ci/run` is what a change must pass.

_list:
    @just --list --unsorted

# Formatting, lints and the fast tests: run it before a commit.
check: fmt-check lint test

# Unit and integration tests, and the documentation's examples; no agent program is needed.
test:
    cargo test --lib --bins --test it
    cargo test --doc

# The whole suite, with the real agent programs against the scripted model service.
e2e:
    ./scripts/test.sh

# Writes docs/openapi.json and docs/events.schema.json anew.
openapi:
    UPDATE_DOCS=1 cargo test --lib openapi

# Writes what the clients have of docs/openapi.json anew.
clients:
    ./clients/generate.sh

# Holds a running server against docs/openapi.json (needs python3; fetches schemathesis).
api:
    cargo build
    ./scripts/test-api.sh

# Kills the server in the middle of streams 200 times; about half an hour.
soak rounds="100":
    ./scripts/soak.sh {{ rounds }}

# Formats the code.
fmt:
    cargo fmt --all

# Tells whether the code is formatted.
fmt-check:
    cargo fmt --all --check

# Lints, as strict as in CI.
lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# The code's documentation, opened in a browser.
doc:
    cargo doc --no-deps --document-private-items --open

# Licences, banned crates and sources of the dependencies (needs cargo-deny).
deny:
    cargo deny check bans licenses sources

# Known vulnerabilities of the dependencies (needs cargo-deny and the network).
advisories:
    cargo deny check advisories

# Spelling (needs typos).
spell:
    typos

# The built-in agent through the real server path: nothing else is needed.
demo prompt="create hello.py":
    cargo run --release -- demo "{{ prompt }}"

# Measures the release build against the floor (about 20 minutes): `just bench`, `just bench flood_1 --passes 1`, `just bench --list`.
bench *args:
    cargo run --release --package openrunner-bench -- {{ args }}

# The same, and fails if a goal that was reached before is missed.
bench-check *args:
    cargo run --release --package openrunner-bench -- --check bench/goals.json {{ args }}

# Fuzzes every parser, the line splitter and the writer of events, a minute each (FUZZ_SECONDS).
fuzz *targets:
    ./scripts/fuzz.sh {{ targets }}
