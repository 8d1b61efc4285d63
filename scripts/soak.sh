#!/usr/bin/env bash
# Soak test: kills the server repeatedly during streams. Each event must arrive exactly once, from the same agent process. Takes about 15
# seconds per round. If the real agents are installed for the tests, each must then survive 20 kills of the server during one answer.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
rounds=${1:-100}

# Usage: run_tests CARGO-TEST-OPTION... FILTER. Fails also if no test matches the filter.
run_tests() {
    cargo test "$@" -- --nocapture | tee /dev/stderr | grep '^test result: ok\. [1-9]' >/dev/null || {
        echo "soak.sh: no test passed: cargo test $*" >&2
        exit 1
    }
}

echo "$rounds rounds with two kills each"
OPENRUNNER_TEST_ROUNDS=$rounds run_tests --features test-support --test it kill_9_and_every_reader

agents=${OPENRUNNER_TEST_AGENTS:-${CARGO_TARGET_DIR:-$PWD/target}/agents}
if [ -d "$agents/bin" ]; then
    OPENRUNNER_TEST_AGENTS=$agents OPENRUNNER_TEST_KILLS=20 run_tests --test e2e an_answer_continues_after_the_server_is_killed
else
    echo "skipped the real agents: not installed in $agents (./scripts/test.sh installs them)"
fi
