#!/usr/bin/env bash
# Kills the server in the middle of streams, again and again: every event must be there once, and the agent must be the same. Takes about
# 15 seconds a round.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
rounds=${1:-100}
echo "$rounds rounds, two kills each"
OPENRUNNER_TEST_ROUNDS=$rounds cargo test --features test-support --test it restart::k3_agents_outlive_kill_9 -- --nocapture
