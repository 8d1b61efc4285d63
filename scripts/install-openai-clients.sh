#!/usr/bin/env bash
# Puts OpenAI's own clients, for Python and for JavaScript, into the folder that is given, for the tests that chat with them. Installs
# nothing that is there already. Exit code 4: they cannot be had here, which test.sh takes for a reason to leave those tests out.
set -euo pipefail

folder=${1:?"usage: $0 FOLDER"}
here=$(cd "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
wanted=$here/openai-clients.txt
javascript=$(sed -n 's/^# npm: //p' "$wanted")

if cmp -s "$wanted" "$folder/installed.txt"; then
    echo "OpenAI's clients are there already ($folder)"
    exit 0
fi
rm -rf -- "$folder"
mkdir -p "$folder"
python3 -m venv "$folder/venv" || exit 4
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" || exit 4
npm install --prefix "$folder" --no-audit --no-fund --loglevel=error "$javascript" </dev/null || exit 4
cp "$wanted" "$folder/installed.txt"
