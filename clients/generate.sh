#!/usr/bin/env bash
# Regenerates the parts of the clients that derive from docs/openapi.json: the Python client's models and calls, the TypeScript client's types.
# With --check it changes nothing and fails if a file is out of date. Requires python3 with venv, and npm; downloads go to target/clients.
# Exit code 4: the tools could not be installed.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. clients/tools.sh
install_python_tools
install_typescript_tools

document=$work/openapi.json
# All error responses become one exception type, so their schemas are dropped.
"$venv/bin/python" - docs/openapi.json >"$document" <<'PYTHON'
import json, sys

document = json.load(open(sys.argv[1], encoding="utf-8"))
for item in document["paths"].values():
    for operation in item.values():
        operation["responses"] = {status: response for status, response in operation["responses"].items() if status[0] == "2"}
del document["components"]["responses"]
json.dump(document, sys.stdout)
PYTHON

# TypedDicts do not validate, so fields added by newer servers pass through. The suppressed warnings concern formats such as u-int64.
PYTHONWARNINGS=ignore "$venv/bin/datamodel-codegen" --input "$document" --input-file-type openapi --output "$work/models.py" \
    --output-model-type typing.TypedDict --target-python-version 3.10 --enum-field-as-literal all --no-use-closed-typed-dict \
    --use-union-operator --use-standard-collections --use-schema-description --use-inline-field-description --disable-timestamp \
    --custom-file-header '"""Types of requests, responses and events, generated from docs/openapi.json. Do not edit."""' \
    --formatters builtin
"$venv/bin/python" clients/python/generate_calls.py "$document" >"$work/_calls.py"
"$venv/bin/ruff" format --quiet --no-cache --config clients/python/pyproject.toml "$work"
{
    echo '// Types of requests, responses and events, generated from docs/openapi.json by openapi-typescript. Do not edit.'
    (cd "$npm_dir" && npx --no-install openapi-typescript "$document") | sed '1,/\*\//d'
} >"$work/schema.ts"

python=clients/python/src/openrunner typescript=clients/typescript/src
if [ "${1-}" = --check ]; then
    if ! diff -u "$python/models.py" "$work/models.py" || ! diff -u "$python/_calls.py" "$work/_calls.py" ||
        ! diff -u "$typescript/schema.ts" "$work/schema.ts"; then
        echo 'generate.sh: generated files are out of date; run clients/generate.sh' >&2
        exit 1
    fi
else
    cp "$work/models.py" "$work/_calls.py" "$python"
    cp "$work/schema.ts" "$typescript"
fi
