#!/usr/bin/env bash
# Kills the server in the middle of streams, again and again: every event must be there once, and the agent must be the same. Takes about
# 15 seconds a round. Where the real agent programs are installed for the tests, each of them then outlives 20 kills in one answer.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
rounds=${1:-100}
echo "$rounds rounds, two kills each"
OPENRUNNER_TEST_ROUNDS=$rounds cargo test --features test-support --test it restart::k3_agents_outlive_kill_9 -- --nocapture

agents=${OPENRUNNER_TEST_AGENTS:-${CARGO_TARGET_DIR:-$PWD/target}/agents}
if [ -d "$agents/bin" ]; then
    OPENRUNNER_TEST_AGENTS=$agents OPENRUNNER_TEST_KILLS=20 cargo test --test e2e an_answer_goes_on_over_the_servers_death
else
    echo "the real agent programs are not in $agents (./scripts/test.sh puts them there): left out"
fi
