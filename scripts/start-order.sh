#!/usr/bin/env bash
# Writes packaging/start-order.ld anew: which functions a start of the server runs, for the linker to put side by side. Needs valgrind,
# curl and a program whose functions have names still:
#   CARGO_PROFILE_RELEASE_STRIP=none cargo build --release --locked --bin openrunner && ./scripts/start-order.sh
set -euo pipefail
cd "$(dirname "$0")/.."

program=target/release/openrunner
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
export HOME=$work OPENRUNNER_DATA_DIR=$work/data OPENRUNNER_ADDR=127.0.0.1:28931

# The first start makes the database, the second is what most starts are. Both are asked whether they are well, as every server is.
ask=(curl --silent --fail --output /dev/null --retry 30 --retry-delay 1 --retry-connrefused "http://$OPENRUNNER_ADDR/health")
for tool in "" "valgrind --tool=callgrind --demangle=no --callgrind-out-file=$work/calls"; do
    # shellcheck disable=SC2086 # words on purpose
    timeout --signal=INT 60 $tool "$program" serve &
    "${ask[@]}"
    kill -INT $!
    wait $! || true
done

nm "$program" | awk '$2 ~ /[tTwW]/ { print $3 }' | sort -u >"$work/ours"
sed -nE "s/^c?fn=\([0-9]+\) ([A-Za-z_][A-Za-z0-9_.\$]*).*/\1/p" "$work/calls" | sort -u >"$work/called"
{
    echo '/* The functions that a start of the server runs, side by side: see docs/performance.md. Written by scripts/start-order.sh. */'
    echo 'SECTIONS { .text.start : {'
    # The hash at a name's end is another with every change.
    comm -12 "$work/ours" "$work/called" | sed -E 's/17h[0-9a-f]{16}E.*$/17h*/; s/.*/*(.text.&)/' | sort -u
    echo '} }'
    echo 'INSERT BEFORE .text;'
} >packaging/start-order.ld
