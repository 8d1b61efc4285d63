#!/usr/bin/env bash
# Tests the clients: that generated files are up to date, that types check, and that the clients work against the built server.
# Requires the built program, python3 with venv, and npm; downloads go to target/clients. Exit code 4: the tools could not be installed.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. clients/tools.sh
install_python_tools
install_typescript_tools
export OPENRUNNER_REPOSITORY=$PWD OPENRUNNER_PROGRAM=$target/debug/openrunner
# A configured proxy cannot reach the test servers.
export NO_PROXY='*' no_proxy='*'

echo '-- generated files'
clients/generate.sh --check

echo '-- Python'
# Installed as users do, so that the tests cover the packaged files.
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
# README.zh-CN.md has the same example; tests/it/docs.rs compares the two.
sed -n '/^```ts$/,/^```$/p' README.md | sed '1d;$d' >"$npm_dir/test/readme.ts"
(
    cd "$npm_dir"
    npm run --silent build
    npm test --silent
)
