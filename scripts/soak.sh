#!/usr/bin/env bash
# Soak test: kills the server repeatedly during streams. Each event must arrive exactly once, from the same agent process. Takes about 15
# seconds per round. If the real agents are installed for the tests, each must then survive 20 kills of the server during one answer.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
rounds=${1:-100}
echo "$rounds rounds with two kills each"
OPENRUNNER_TEST_ROUNDS=$rounds cargo test --features test-support --test it restart::k3_agents_outlive_kill_9 -- --nocapture

agents=${OPENRUNNER_TEST_AGENTS:-${CARGO_TARGET_DIR:-$PWD/target}/agents}
if [ -d "$agents/bin" ]; then
    OPENRUNNER_TEST_AGENTS=$agents OPENRUNNER_TEST_KILLS=20 cargo test --test e2e an_answer_goes_on_over_the_servers_death
else
    echo "skipped the real agents: not installed in $agents (./scripts/test.sh installs them)"
fi
