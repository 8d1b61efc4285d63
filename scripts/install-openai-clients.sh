#!/usr/bin/env bash
# Installs OpenAI's Python and JavaScript clients into the given directory, for the end-to-end tests. Does nothing if they are up to date.
# Exit code 4: they could not be installed; scripts/test.sh then skips those tests.
set -euo pipefail

directory=${1:?"usage: $0 DIRECTORY"}
here=$(cd "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/openai-clients.txt
npm_package=$(sed -n 's/^# npm: //p' "$requirements")

if cmp -s "$requirements" "$directory/installed.txt"; then
    echo "OpenAI's clients are already installed ($directory)"
    exit 0
fi
rm -rf -- "$directory"
mkdir -p "$directory"
python3 -m venv "$directory/venv" || exit 4
"$directory/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" || exit 4
npm install --prefix "$directory" --no-audit --no-fund --loglevel=error "$npm_package" </dev/null || exit 4
cp "$requirements" "$directory/installed.txt"
