#!/usr/bin/env bash
# Has a run's events sent to a receiver that fails twice and checks every signature with the reference library of Standard Webhooks.
# Needs the built program, python3 with venv, and PyPI the first time: the library goes into target/standardwebhooks, nowhere else.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
venv=$target/standardwebhooks
wanted=$PWD/scripts/standardwebhooks.txt

if ! cmp -s "$wanted" "$venv/installed.txt"; then
    rm -rf -- "$venv"
    # 4: it cannot be installed here, which test.sh takes for a reason to leave this out.
    { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"; } || exit 4
    cp "$wanted" "$venv/installed.txt"
fi
exec "$venv/bin/python" scripts/webhook_receiver.py "$target/debug/openrunner"
