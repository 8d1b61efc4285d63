# Functions shared by the parts of scripts/test.sh; sourced from the root of the repository.
# shellcheck shell=bash

target=${CARGO_TARGET_DIR:-$PWD/target}

# Usage: install_python_packages FILE DIRECTORY. Creates a virtual environment with the versions pinned in FILE, unless it is up to date.
# Exits with 4 if that fails; scripts/test.sh then skips the part.
install_python_packages() {
    local requirements=$PWD/$1 directory=$2
    cmp -s "$requirements" "$directory/installed.txt" && return
    rm -rf -- "$directory"
    mkdir -p "$(dirname -- "$directory")"
    { python3 -m venv "$directory" && "$directory/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"; } || exit 4
    cp "$requirements" "$directory/installed.txt"
}

# Usage: start_server [NAME=VALUE...]. Starts a server with these settings until the script exits. It finds no agent programs, so only `demo`
# is available. Sets $url to its address.
start_server() {
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
    # Read by the scripts that start a server.
    # shellcheck disable=SC2034
    url=http://$address
}

# A scratch directory, deleted on exit.
work=$(mktemp -d)
server=''
clean_up() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
    rm -rf -- "$work"
}
trap clean_up EXIT

# Usage: request CURL-OPTION... URL. Sends a request with a JSON body; fails on an error response.
request() { curl --silent --fail --header 'Content-Type: application/json' "$@"; }

# Usage: json_field NAME. Extracts a string field from a JSON object on stdin.
json_field() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
