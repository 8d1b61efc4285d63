#!/usr/bin/env bash
# Holds a running server against its own description: thousands of requests, right and wrong, are made of docs/openapi.json, with a key
# and without. None may be answered with a fault of the server, or with anything that is not described. Needs the built program,
# python3 with venv, and PyPI the first time: schemathesis goes into target/schemathesis, nowhere else.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
venv=$target/schemathesis
wanted=$PWD/scripts/schemathesis.txt

if ! cmp -s "$wanted" "$venv/installed.txt"; then
    rm -rf -- "$venv"
    # 4: it cannot be installed here, which test.sh takes for a reason to leave this out.
    { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"; } || exit 4
    cp "$wanted" "$venv/installed.txt"
fi

# A server of its own: no agent program can be found, so only `demo` works; folders can be chosen below one that is deleted afterwards;
# what is asked is soon answered by itself.
work=$(mktemp -d)
password=$(od -An -N16 -tx1 /dev/urandom | tr -d " \n")
mkdir "$work/home" "$work/bin" "$work/roots"
env -i PATH="$work/bin" HOME="$work/home" \
    OPENRUNNER_ADDR=127.0.0.1:0 OPENRUNNER_DATA_DIR="$work/data" OPENRUNNER_AGENTS_DIR="$work/agents" \
    OPENRUNNER_WORKSPACE_ROOTS="$work/roots" OPENRUNNER_MAX_RUNS=8 OPENRUNNER_PERMISSION_TIMEOUT_SECS=1 \
    OPENRUNNER_ADMIN_PASSWORD="$password" \
    "$target/debug/openrunner" serve >"$work/log" 2>&1 &
server=$!
finish() {
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    rm -rf -- "$work"
}
trap finish EXIT

address=''
for _ in $(seq 100); do
    address=$(sed -n 's/.*openrunner is ready address=\([^ ]*\).*/\1/p' "$work/log")
    [ -z "$address" ] || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if [ -z "$address" ]; then
    cat "$work/log" >&2
    echo 'test-api.sh: the server did not start' >&2
    exit 1
fi
url=http://$address
post() { curl --silent --fail --header 'Content-Type: application/json' "$@"; }
field() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
token=$(post --data "{\"username\":\"admin\",\"password\":\"$password\"}" "$url/api/auth/login" | field token)
# A key, since a logout is among the requests.
key=$(post --header "Authorization: Bearer $token" --data '{"name":"all","scopes":["runs:read","runs:write","admin"]}' "$url/api/keys" | field key)

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
