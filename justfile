# Development recipes; `just` lists them. `.ci/run` has all checks that a change must pass.

_list:
    @just --list --unsorted

# Checks formatting, lints and runs the fast tests. Run it before a commit.
check: fmt-check lint test

# Runs unit, integration and documentation tests. Requires no agent programs.
test:
    cargo test --lib --bins --test it
    cargo test --doc

# Runs the whole suite, including the real agent programs against a mock model service.
e2e:
    ./scripts/test.sh

# Regenerates docs/openapi.json and docs/events.schema.json.
openapi:
    UPDATE_DOCS=1 cargo test --lib openapi

# Regenerates the parts of the clients that derive from docs/openapi.json.
clients:
    ./clients/generate.sh

# Tests a running server against docs/openapi.json (requires python3; installs schemathesis).
api:
    cargo build
    ./scripts/test-api.sh

# Kills the server under load and during streams, by default 200 times each (about an hour); `just soak --short` takes a minute.
soak kills="200":
    ./scripts/soak.sh {{ kills }}

# Formats the code.
fmt:
    cargo fmt --all

# Checks the formatting.
fmt-check:
    cargo fmt --all --check

# Runs clippy as in CI.
lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# Builds the code documentation and opens it in a browser.
doc:
    cargo doc --no-deps --document-private-items --open

# Checks licenses, banned crates and sources of the dependencies (requires cargo-deny).
deny:
    cargo deny check bans licenses sources

# Checks the dependencies for security advisories (requires cargo-deny and network access).
advisories:
    cargo deny check advisories

# Measures which code the unit and integration tests run (requires cargo-llvm-cov), as HTML in target/llvm-cov.
coverage:
    cargo llvm-cov --locked --lib --bins --test it --html

# Builds the documentation site into target/docs-site and checks its links.
site:
    ./scripts/test-docs.sh

# Lints Dockerfiles, shell scripts, workflows and forms.
lint-packaging:
    ./scripts/test-packaging.sh

# Records the animation of the READMEs again.
animation:
    cargo build
    ./scripts/animation.py target/debug/openrunner

# Checks spelling (requires typos).
spell:
    typos

# Runs the built-in demo agent through a real server; requires no agent programs.
demo prompt="create hello.py":
    cargo run --release -- demo "{{ prompt }}"

# Records the agent programs in target/agents again on the mock model service, and shows how they differ from tests/transcripts.
record-agents *args:
    python3 scripts/record_agents {{ args }}

# Benchmarks the published build, about 20 minutes: `just bench`, `just bench flood_1 --passes 1`, `just bench --list`.
bench *args:
    cargo run --release --package openrunner-bench -- {{ args }}

# Runs the benchmark and fails if a goal that was reached before is missed.
bench-check *args:
    cargo run --release --package openrunner-bench -- --check bench/goals.json {{ args }}

# Runs the fuzz targets (parsers, line splitter, event frames) for FUZZ_SECONDS each, by default 60.
fuzz *targets:
    ./scripts/fuzz.sh {{ targets }}
