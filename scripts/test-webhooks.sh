#!/usr/bin/env bash
# Delivers a run's events to a receiver that fails twice, and verifies every signature with the reference library of Standard Webhooks.
# Requires the built program, python3 with venv, and PyPI the first time; the library is installed into target/standardwebhooks.
# Exit code 4: it could not be installed.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. scripts/tools.sh
venv=$target/standardwebhooks
install_python_packages scripts/standardwebhooks.txt "$venv"
"$venv/bin/python" scripts/webhook_receiver.py "$target/debug/openrunner"
