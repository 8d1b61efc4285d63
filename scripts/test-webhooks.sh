#!/usr/bin/env bash
# Has a run's events sent to a receiver that fails twice and checks every signature with the reference library of Standard Webhooks.
# Needs the built program, python3 with venv, and PyPI the first time: the library goes into target/standardwebhooks, nowhere else.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. scripts/tools.sh
venv=$target/standardwebhooks
python_tools scripts/standardwebhooks.txt "$venv"
"$venv/bin/python" scripts/webhook_receiver.py "$target/debug/openrunner"
