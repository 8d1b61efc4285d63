#!/usr/bin/env bash
# Runs the whole test suite after installing its prerequisites: agent programs into target/agents, and, as root on Debian or Ubuntu, missing
# system packages; on other systems it lists them.
#
# The end-to-end tests drive the real agent programs against tests/mock-llm on this machine, with dummy API keys. Without npm they are
# skipped with a message; with CI=true that is an error.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
agents=${OPENRUNNER_TEST_AGENTS:-$target/agents}
# Only the end-to-end tests may find the real agents, regardless of the caller's environment.
unset OPENRUNNER_TEST_AGENTS

heading() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'test.sh: %s\n' "$@" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

heading 'Prerequisites'
if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH=$HOME/.cargo/bin:$PATH
fi
have cargo || fail 'cargo not found; install Rust from https://rustup.rs'
packages=''
have cc || packages="$packages build-essential"
have python3 || packages="$packages python3"
python3 -c 'import ensurepip, venv' 2>/dev/null || packages="$packages python3-venv"
have curl || packages="$packages curl"
have npm || packages="$packages nodejs npm"
have tmux || packages="$packages tmux"
have_postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
have_postgres || packages="$packages postgresql"
have openssl || packages="$packages openssl"
# For tests as root: network namespaces, dropping privileges, and isolating agents.
if [ "$(id -u)" = 0 ] && [ "$(uname)" = Linux ]; then
    PATH=$PATH:/usr/sbin:/sbin
    have setpriv || packages="$packages util-linux"
    have bwrap || packages="$packages bubblewrap"
    have ip || packages="$packages iproute2"
fi
if [ -n "$packages" ]; then
    if have apt-get && [ "$(id -u)" = 0 ]; then
        echo "installing$packages"
        # shellcheck disable=SC2086 # split into words intentionally
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >/dev/null ||
            echo "apt-get could not install all of these packages:$packages"
    else
        echo "missing packages (Debian names):$packages"
    fi
fi
have cc || fail 'cc not found; SQLite and the crypto library are built from C sources'
have python3 || fail 'python3 not found; the mock model service of the end-to-end tests requires it'
have_postgres || fail 'PostgreSQL not found; the tests start one of their own'
have curl || fail 'curl not found; the end-to-end tests run the examples of the documentation, which use it'
if ! have tmux; then
    [ "${CI-}" != true ] || fail 'tmux not found; the terminal tests are required with CI=true'
    echo 'tmux not found: skipping the terminal tests'
fi
have nginx || echo 'nginx not found: skipping the test of the documented reverse proxy'
cargo --version
python3 --version

heading 'Agent programs'
skip_reason=''
status=0
# The three built-in agents, and the presets that tests/e2e/presets.rs drives (about 300 MB).
scripts/install-agents.sh --claude-code --codex --opencode --preset copilot --preset gemini --prefix "$agents" || status=$?
case $status in
0) ;;
3) skip_reason='npm is missing' ;;
4) skip_reason='npm could not install the agent programs' ;;
*) fail 'an installed agent program does not work; see above' ;;
esac
# Hermes is a Python program of about 250 MB, which not every Python can run; tests/e2e/hermes.rs is skipped without it.
scripts/install-agents.sh --preset hermes --prefix "$agents" || echo 'SKIPPED: could not install hermes'
# The adapters' optional dependencies, their own copies of the agents, are omitted: the tests point them to the programs installed above.
install_adapters() {
    local program package version missing='' prefix=$agents/adapters
    while read -r program package version; do
        if ! grep -qs "\"version\": \"$version\"" "$prefix/node_modules/$package/package.json" || [ ! -x "$prefix/node_modules/.bin/$program" ]; then
            missing="$missing $package@$version"
        fi
    done < <(grep -v '^#' scripts/test-agents.versions)
    if [ -z "$missing" ]; then
        echo "the adapters are already installed ($prefix)"
        return 0
    fi
    echo "installing$missing into $prefix"
    mkdir -p "$prefix"
    # shellcheck disable=SC2086 # split into words intentionally
    npm install --prefix "$prefix" --omit=optional --no-audit --no-fund --loglevel=error $missing </dev/null
}
if [ -z "$skip_reason" ] && ! install_adapters; then
    skip_reason='npm could not install the adapters'
fi
if [ -n "$skip_reason" ] && [ "${CI-}" = true ]; then
    fail "$skip_reason; the end-to-end tests are required with CI=true"
fi

heading 'Unit and integration tests'
cargo test --locked --lib --bins --test it
python3 tests/mock-llm/test_mock_llm.py

heading 'Integration tests with PostgreSQL'
# Skipped: tests that look into the database in the data directory.
OPENRUNNER_TEST_STORE=postgres cargo test --locked --test it -- \
    access_changes:: cancellation:: crash:: feed:: idempotency:: identity:: messages:: permissions:: profiles:: quotas:: restart:: runs:: sessions:: \
    spend_limits:: streams:: usage:: webhooks:: \
    --skip an_idempotency_key_expires --skip run_core::

heading 'Soak test, short form'
scripts/soak.sh --short

# Usage: run_part HEADING SCRIPT TOOLS FAILURE. Runs a part of the suite that has its own script. Exit code 4 of the script means that its
# TOOLS could not be installed; any other failure is reported as FAILURE.
run_part() {
    local status=0
    heading "$1"
    "$2" || status=$?
    case $status in
    0) ;;
    4)
        [ "${CI-}" != true ] || fail "could not install $3, which CI=true requires"
        echo "SKIPPED: could not install $3"
        ;;
    *) fail "$4; see above" ;;
    esac
}
run_part 'Packaging' scripts/test-packaging.sh linters 'a linter complains'
run_part 'Documentation site' scripts/test-docs.sh mdBook 'the documentation site has faults'
run_part 'API against its OpenAPI description' scripts/test-api.sh schemathesis 'a response differs from docs/openapi.json'
run_part 'Webhooks against the reference library' scripts/test-webhooks.sh standardwebhooks 'the reference library rejects a delivery'
run_part 'Metrics against the Prometheus parser' scripts/test-metrics.sh prometheus-client 'Prometheus cannot parse /metrics'
run_part 'Python and TypeScript clients' scripts/test-clients.sh 'the tools of the client tests' 'the client tests failed'
OPENRUNNER_TEST_AGENTS=$agents run_part 'Web console in a browser' scripts/test-console.sh 'the tools of the console tests' 'the console tests failed'

heading 'Documentation tests'
cargo test --locked --doc

heading 'End-to-end tests with the real agent programs'
if [ -n "$skip_reason" ]; then
    echo "SKIPPED: $skip_reason. All other tests passed."
    exit 0
fi
clients=$target/openai-clients
if ! scripts/install-openai-clients.sh "$clients"; then
    [ "${CI-}" != true ] || fail "could not install OpenAI's clients, which CI=true requires"
    echo "SKIPPED: could not install OpenAI's clients"
    clients=''
fi
OPENRUNNER_TEST_AGENTS=$agents OPENRUNNER_TEST_OPENAI=$clients cargo test --locked --test e2e

heading 'All tests passed'
