#!/usr/bin/env bash
# Checks and tests the console: types, lint, unit tests, and what people do in it, in a browser against the built program. What
# `cargo build` makes reads the console's files from here; what `cargo test` makes has them inside, as a release does. Needs npm and Chromium;
# as root on Debian or Ubuntu it installs the latter. What npm fetches goes into target/console, and a link to it beside this folder.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
work=$target/console
# 4: it cannot be installed here, which test.sh takes for a reason to leave this out.
command -v npm >/dev/null || {
    echo 'not on this machine: npm'
    exit 4
}
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
if [ ! -x "$CHROMIUM" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'installing chromium'
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >/dev/null || exit 4
fi
[ -x "$CHROMIUM" ] || {
    echo "not on this machine: chromium ($CHROMIUM)"
    exit 4
}
mkdir -p "$work"
if ! cmp -s console/package-lock.json "$work/installed.json"; then
    cp console/package.json console/package-lock.json console/.npmrc "$work"
    npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null || exit 4
    cp console/package-lock.json "$work/installed.json"
fi
# Where tools look for packages, from the console's files upwards.
ln -sfn "$work/node_modules" node_modules

echo '-- types'
node_modules/.bin/tsc --project console
echo '-- lint'
(cd console && ../node_modules/.bin/eslint .)
echo '-- unit'
node --test console/tests/unit/*.test.js
echo '-- in a browser'
# One file at a time: what is measured should have the machine to itself.
[ $# -gt 0 ] || set -- console/tests/browser/*.test.js
node --test --test-concurrency=1 "$@"
