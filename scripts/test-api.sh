#!/usr/bin/env bash
# Holds a running server against its own description: thousands of requests, right and wrong, are made of docs/openapi.json, with a key
# and without. None may be answered with a fault of the server, or with anything that is not described. Needs the built program,
# python3 with venv, and PyPI the first time: schemathesis goes into target/schemathesis, nowhere else.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. scripts/tools.sh
venv=$target/schemathesis
python_tools scripts/schemathesis.txt "$venv"

# Folders can be chosen below one that is deleted afterwards; what is asked is soon answered by itself.
password=$(od -An -N16 -tx1 /dev/urandom | tr -d " \n")
mkdir "$work/roots"
serve OPENRUNNER_WORKSPACE_ROOTS="$work/roots" OPENRUNNER_MAX_RUNS=8 OPENRUNNER_PERMISSION_TIMEOUT_SECS=1 OPENRUNNER_ADMIN_PASSWORD="$password"
token=$(call --data "{\"username\":\"admin\",\"password\":\"$password\"}" "$url/api/auth/login" | field token)
# A key, since a logout is among the requests.
key=$(call --header "Authorization: Bearer $token" --data '{"name":"all","scopes":["runs:read","runs:write","admin"]}' "$url/api/keys" | field key)

# The folder is the server's own, so that nothing of a run is left in this one.
run() {
    (cd "$work" && "$venv/bin/schemathesis" --no-color --config-file "$OLDPWD/scripts/schemathesis.toml" run "$url/openapi.json" "$@")
}
echo '-- with a key'
# A key is told 403 of a method that no scope covers, which need not be there.
as_admin=(--exclude-checks unsupported_method --header "Authorization: Bearer $key")
# What could end the key comes last and with ids that are made up; otherwise they are taken from answers, too.
ending=(delete_key delete_user change_user)
# A stream that has no end would be waited for.
run "${as_admin[@]}" "${ending[@]/#/--exclude-operation-id=}" --exclude-operation-id=follow_runs
if ! curl --silent --fail --output /dev/null --header "Authorization: Bearer $key" "$url/api/auth/me"; then
    echo 'test-api.sh: a request has ended the key, so those after it have shown little' >&2
    exit 1
fi
run "${as_admin[@]}" "${ending[@]/#/--include-operation-id=}" --phases examples,coverage,fuzzing
echo '-- without a token'
# What is not open is 401 whatever the method, so that nobody learns from outside what there is.
run --exclude-checks unsupported_method --phases examples,coverage,fuzzing
