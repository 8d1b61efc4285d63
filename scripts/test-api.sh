#!/usr/bin/env bash
# Tests a running server against docs/openapi.json with schemathesis: thousands of valid and invalid requests, with an API key and without.
# No response may be a 5xx error or differ from its description. Requires the built program, python3 with venv, and PyPI the first time;
# schemathesis is installed into target/schemathesis. Exit code 4: it could not be installed.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. scripts/tools.sh
venv=$target/schemathesis
install_python_packages scripts/schemathesis.txt "$venv"

# Working directories must be below a temporary directory; permission requests expire quickly.
password=$(od -An -N16 -tx1 /dev/urandom | tr -d " \n")
mkdir "$work/roots"
start_server OPENRUNNER_WORKSPACE_ROOTS="$work/roots" OPENRUNNER_MAX_RUNS=8 OPENRUNNER_PERMISSION_TIMEOUT_SECS=1 OPENRUNNER_ADMIN_PASSWORD="$password"
token=$(request --data "{\"username\":\"admin\",\"password\":\"$password\"}" "$url/api/auth/login" | json_field token)
# An API key instead of the login token: a logout is among the requests.
key=$(request --header "Authorization: Bearer $token" --data '{"name":"all","scopes":["runs:read","runs:write","admin"]}' "$url/api/keys" | json_field key)

# Runs in the scratch directory, so that no files are left in the repository.
run() {
    (cd "$work" && "$venv/bin/schemathesis" --no-color --config-file "$OLDPWD/scripts/schemathesis.toml" run "$url/openapi.json" "$@")
}
echo '-- with an API key'
# A key gets 403, not 405, for methods that none of its scopes cover.
as_admin=(--exclude-checks unsupported_method --header "Authorization: Bearer $key")
# Operations that could revoke the key run last, and only with generated ids, not with ids from responses.
revoking=(delete_key delete_user change_user)
# follow_runs is a stream without an end.
run "${as_admin[@]}" "${revoking[@]/#/--exclude-operation-id=}" --exclude-operation-id=follow_runs
if ! curl --silent --fail --output /dev/null --header "Authorization: Bearer $key" "$url/api/auth/me"; then
    echo 'test-api.sh: a request revoked the API key, so later requests were not authenticated' >&2
    exit 1
fi
run "${as_admin[@]}" "${revoking[@]/#/--include-operation-id=}" --phases examples,coverage,fuzzing
echo '-- without a token'
# Protected routes answer 401 for every method, so that anonymous callers cannot probe which routes exist.
run --exclude-checks unsupported_method --phases examples,coverage,fuzzing
