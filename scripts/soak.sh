#!/usr/bin/env bash
# Soak tests. They kill the server repeatedly; nothing may be lost, duplicated or left behind.
#
#   1. under load: runs, follow-ups, webhooks, answers, messages, cancels and deletions (scripts/soak)
#   2. during streams: each reader gets each event once, from the same agent process
#   3. if the real agents are installed for the tests: each survives 20 kills of the server during one answer
#
# Usage: scripts/soak.sh [KILLS]   with an optimized server, by default 200 kills; about an hour
#        scripts/soak.sh --short   with the debug build of the tests, 6 kills, without the real agents; less than a minute after the build.
#                                  Part of scripts/test.sh
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
if [ "${1-}" = --short ]; then
    profile=debug kills=6 rate=4 max_runs=8 rounds=2 agents=''
else
    profile=release kills=${1:-200} rate=20 max_runs=24 rounds=100 agents=${OPENRUNNER_TEST_AGENTS:-$target/agents}
fi

# Usage: run_tests CARGO-TEST-OPTION... FILTER. Fails also if no test matches the filter.
run_tests() {
    cargo test --locked "$@" -- --nocapture | tee /dev/stderr | grep '^test result: ok\. [1-9]' >/dev/null || {
        echo "soak.sh: no test passed: cargo test $*" >&2
        exit 1
    }
}

echo "-- $kills kills under load, $rate runs created per second"
# Builds the programs with the features of the tests, so that nothing is built twice.
cargo test --locked --no-run --test it
if [ "$profile" = release ]; then
    cargo build --locked --release --bin openrunner
fi
python3 scripts/soak --server "$target/$profile/openrunner" --agent "$target/debug/fake_agent" --kills "$kills" --rate "$rate" --max-runs "$max_runs"

echo "-- $rounds rounds with two kills each during streams"
OPENRUNNER_TEST_ROUNDS=$rounds run_tests --test it kill_9_and_every_reader

if [ -n "$agents" ] && [ -d "$agents/bin" ]; then
    echo '-- real agents, 20 kills each'
    OPENRUNNER_TEST_AGENTS=$agents OPENRUNNER_TEST_KILLS=20 run_tests --test e2e an_answer_continues_after_the_server_is_killed
elif [ -n "$agents" ]; then
    echo "skipped the real agents: not installed in $agents (./scripts/test.sh installs them)"
fi
