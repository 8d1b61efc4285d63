#!/usr/bin/env bash
# Writes what the clients have of docs/openapi.json anew: the Python client's models and plain calls, the TypeScript client's types.
# With --check it writes nothing and fails if a file is not what would be written. Needs python3 with venv and npm; what they fetch goes
# into target/clients, nowhere else. 4: it cannot be fetched here.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. clients/tools.sh
client_tools
typescript_tools

document=$work/openapi.json
# Refusals are thrown as errors of one form, whatever the call, so their many shapes are left out.
"$venv/bin/python" - docs/openapi.json >"$document" <<'PYTHON'
import json, sys

document = json.load(open(sys.argv[1], encoding="utf-8"))
for item in document["paths"].values():
    for operation in item.values():
        operation["responses"] = {status: answer for status, answer in operation["responses"].items() if status[0] == "2"}
del document["components"]["responses"]
json.dump(document, sys.stdout)
PYTHON

# Types that only name fields, so that what a later server adds passes through. Formats such as u-int64 are warned of; they are plain integers.
PYTHONWARNINGS=ignore "$venv/bin/datamodel-codegen" --input "$document" --input-file-type openapi --output "$work/models.py" \
    --output-model-type typing.TypedDict --target-python-version 3.10 --enum-field-as-literal all --no-use-closed-typed-dict \
    --use-union-operator --use-standard-collections --use-schema-description --use-inline-field-description --disable-timestamp \
    --custom-file-header '"""The shapes of requests, answers and events, generated from docs/openapi.json. Changes belong there."""' \
    --formatters builtin
"$venv/bin/python" clients/python/generate_calls.py "$document" >"$work/_calls.py"
"$venv/bin/ruff" format --quiet --config clients/python/pyproject.toml "$work"
{
    echo '// The shapes of requests, answers and events, generated from docs/openapi.json by openapi-typescript. Changes belong there.'
    (cd "$npm_folder" && npx --no-install openapi-typescript --default-non-nullable=false "$document") | sed '1,/\*\//d'
} >"$work/schema.ts"

python=clients/python/src/openrunner typescript=clients/typescript/src
if [ "${1-}" = --check ]; then
    if ! diff -u "$python/models.py" "$work/models.py" || ! diff -u "$python/_calls.py" "$work/_calls.py" ||
        ! diff -u "$typescript/schema.ts" "$work/schema.ts"; then
        echo 'generate.sh: docs/openapi.json has changed: run clients/generate.sh' >&2
        exit 1
    fi
else
    cp "$work/models.py" "$work/_calls.py" "$python"
    cp "$work/schema.ts" "$typescript"
fi
