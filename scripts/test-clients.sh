#!/usr/bin/env bash
# Tests the clients of clients/: that what is generated is what docs/openapi.json gives, that the types hold, and what they do against the
# built server. Needs the built program, python3 with venv, npm, and their registries the first time: what they fetch goes into
# target/clients, nowhere else. 4: it could not be fetched, which test.sh takes for a reason to leave this out.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. clients/tools.sh
client_tools
typescript_tools
export OPENRUNNER_REPOSITORY=$PWD OPENRUNNER_PROGRAM=$target/debug/openrunner
# A proxy of this machine has no way to the server.
export NO_PROXY='*' no_proxy='*'

echo '-- what is generated'
clients/generate.sh --check

echo '-- Python'
# Installed as anybody would, so that the package is tested with what it brings.
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall "$OPENRUNNER_REPOSITORY/clients/python"
(
    cd clients/python
    export RUFF_NO_CACHE=true
    "$venv/bin/ruff" format --check --quiet .
    "$venv/bin/ruff" check --quiet .
    MYPYPATH=src:tests "$venv/bin/mypy" --cache-dir "$target/clients/mypy"
    "$venv/bin/pytest" --quiet -p no:cacheprovider
)

echo '-- TypeScript'
# Only what is shown in both readmes, which a test of the documents compares.
sed -n '/^```ts$/,/^```$/p' README.md | sed '1d;$d' >"$npm_folder/test/readme.ts"
(
    cd "$npm_folder"
    npm run --silent build
    npm test --silent
)
