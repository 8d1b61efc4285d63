# What the parts of the test command have in common; sourced by them from the root of the repository.
# shellcheck shell=bash

target=${CARGO_TARGET_DIR:-$PWD/target}

# Installs Python packages into a folder of their own: `python_tools FILE FOLDER` for the versions that FILE pins. What is there already is
# kept. Leaves with 4 if it cannot be done here, which test.sh takes for a reason to leave the part out.
python_tools() {
    local wanted=$PWD/$1 folder=$2
    cmp -s "$wanted" "$folder/installed.txt" && return
    rm -rf -- "$folder"
    mkdir -p "$(dirname -- "$folder")"
    { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"; } || exit 4
    cp "$wanted" "$folder/installed.txt"
}

# Starts a server of its own, with the settings that are given (`NAME=VALUE`), until this script ends: no agent program can be found, so
# only `demo` works. Afterwards $url is where it listens, and $work a folder that is deleted at the end.
serve() {
    mkdir -p "$work/home" "$work/bin"
    env -i PATH="$work/bin" HOME="$work/home" OPENRUNNER_ADDR=127.0.0.1:0 OPENRUNNER_DATA_DIR="$work/data" \
        OPENRUNNER_AGENTS_DIR="$work/agents" "$@" "$target/debug/openrunner" serve >"$work/log" 2>&1 &
    server=$!
    local address=''
    for _ in $(seq 100); do
        address=$(sed -n 's/.*openrunner is ready address=\([^ ]*\).*/\1/p' "$work/log")
        [ -z "$address" ] || break
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    if [ -z "$address" ]; then
        cat "$work/log" >&2
        echo "$0: the server did not start" >&2
        exit 1
    fi
    url=http://$address
}

work=$(mktemp -d)
server=''
finish() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
    rm -rf -- "$work"
}
trap finish EXIT

# A request with a JSON body, which must be answered well: `call CURL-OPTION... URL`.
call() { curl --silent --fail --header 'Content-Type: application/json' "$@"; }

# The text of a field in one JSON object.
field() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
