#!/usr/bin/env bash
# Runs the whole test suite, and first gets what it needs: the agent programs go into target/agents, nowhere else.
# As root on Debian or Ubuntu it also installs missing system packages; elsewhere it names them.
#
# The end-to-end part drives the real agent programs against tests/mock-llm on this machine, with made-up keys. Without npm it is
# left out and said so; with CI=true that is an error.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
agents=${OPENRUNNER_TEST_AGENTS:-$target/agents}
# The suite decides which agents are found, not the shell that it is started from.
unset OPENRUNNER_TEST_AGENTS

heading() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'test.sh: %s\n' "$@" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

heading 'What the tests need'
if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH=$HOME/.cargo/bin:$PATH
fi
have cargo || fail 'cargo cannot be found. Install Rust from https://rustup.rs and run this again.'
packages=''
have cc || packages="$packages build-essential"
have python3 || packages="$packages python3"
python3 -c 'import ensurepip, venv' 2>/dev/null || packages="$packages python3-venv"
have curl || packages="$packages curl"
have npm || packages="$packages nodejs npm"
have tmux || packages="$packages tmux"
# For a second network, which only root can make, and for giving up what only root can do.
if [ "$(id -u)" = 0 ] && [ "$(uname)" = Linux ]; then
    PATH=$PATH:/usr/sbin:/sbin
    have setpriv || packages="$packages util-linux"
    have ip || packages="$packages iproute2"
fi
if [ -n "$packages" ]; then
    if have apt-get && [ "$(id -u)" = 0 ]; then
        echo "installing$packages"
        # shellcheck disable=SC2086 # a list of words
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >/dev/null ||
            echo "apt-get could not install all of:$packages"
    else
        echo "not on this machine:$packages (Debian's names)"
    fi
fi
have cc || fail 'no C compiler (cc): SQLite and the crypto library are built from C.'
have python3 || fail 'no python3: the scripted model service of the end-to-end tests is written in it.'
have curl || fail 'no curl: the end-to-end tests follow the documents, which use it.'
if ! have tmux; then
    [ "${CI-}" != true ] || fail 'no tmux, and with CI=true the command line must be tested in a terminal.'
    echo 'no tmux: the tests of the command line in a terminal are left out'
fi
have nginx || echo 'no nginx: the test of the documented reverse proxy is left out'
cargo --version
python3 --version

heading 'Agent programs'
left_out=''
status=0
scripts/install-agents.sh --prefix "$agents" || status=$?
case $status in
0) ;;
3) left_out='npm is missing' ;;
4) left_out='npm could not install the agent programs' ;;
*) fail 'an agent program was installed but does not work; see above' ;;
esac
# The adapters would bring a copy of each agent, which is left out: the tests give them the programs from above.
install_adapters() {
    local program package version wanted='' prefix=$agents/adapters
    while read -r program package version; do
        if ! grep -qs "\"version\": \"$version\"" "$prefix/node_modules/$package/package.json" || [ ! -x "$prefix/node_modules/.bin/$program" ]; then
            wanted="$wanted $package@$version"
        fi
    done < <(grep -v '^#' scripts/test-agents.versions)
    if [ -z "$wanted" ]; then
        echo "the adapters are there already ($prefix)"
        return 0
    fi
    echo "installing$wanted into $prefix"
    mkdir -p "$prefix"
    # shellcheck disable=SC2086 # a list of words
    npm install --prefix "$prefix" --omit=optional --no-audit --no-fund --loglevel=error $wanted </dev/null
}
if [ -z "$left_out" ] && ! install_adapters; then
    left_out='npm could not install the adapters'
fi
if [ -n "$left_out" ] && [ "${CI-}" = true ]; then
    fail "$left_out, and with CI=true the end-to-end tests must run."
fi

heading 'Unit and integration tests'
cargo test --locked --lib --bins --test it

# A part of the suite with a script of its own: heading, script, what the script installs for it, and what a failure means. The script
# exits with 4 where that cannot be installed.
part() {
    local status=0
    heading "$1"
    "$2" || status=$?
    case $status in
    0) ;;
    4)
        [ "${CI-}" != true ] || fail "$3 could not be installed, and with CI=true it must be there."
        echo "SKIPPED: $3 could not be installed."
        ;;
    *) fail "$4; see above" ;;
    esac
}
part 'The API against its own description' scripts/test-api.sh schemathesis 'an answer is not what docs/openapi.json says'
part 'Webhooks against the reference library' scripts/test-webhooks.sh standardwebhooks 'what is sent is not what the library takes'
part 'The metrics, read by a parser of Prometheus' scripts/test-metrics.sh prometheus-client '/metrics is not what Prometheus reads'
part 'The clients for Python and TypeScript' scripts/test-clients.sh 'what the clients need' 'a client is not as it should be'
OPENRUNNER_TEST_AGENTS=$agents part 'The console, in a browser' scripts/test-console.sh 'what the console is tested with' 'the console is not as it should be'

heading 'Examples in the documentation'
cargo test --locked --doc

heading 'End to end, with the real agent programs'
if [ -n "$left_out" ]; then
    echo "SKIPPED: $left_out. Everything else was tested."
    exit 0
fi
clients=$target/openai-clients
if ! scripts/install-openai-clients.sh "$clients"; then
    [ "${CI-}" != true ] || fail "OpenAI's clients could not be installed, and with CI=true they must be tested."
    echo "SKIPPED: OpenAI's clients could not be installed."
    clients=''
fi
OPENRUNNER_TEST_AGENTS=$agents OPENRUNNER_TEST_OPENAI=$clients cargo test --locked --test e2e

heading 'All tests passed'
