#!/usr/bin/env bash
# Checks and tests the console: types, lint, unit tests, and browser tests against the built server. A server built by `cargo build` reads the
# console's files from the sources; one built by `cargo test` embeds them, as a release does. Needs npm and Chromium; as root on Debian or
# Ubuntu it installs Chromium. npm packages go to target/console, with a link to them in the repository's root.
# Arguments: the browser test files to run; all by default.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
work=$target/console
# Exit code 4: a tool is missing and cannot be installed. test.sh then skips this script.
command -v npm >/dev/null || {
    echo 'not installed: npm'
    exit 4
}
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
if [ ! -x "$CHROMIUM" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'installing chromium'
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >/dev/null || exit 4
fi
[ -x "$CHROMIUM" ] || {
    echo "not installed: chromium ($CHROMIUM)"
    exit 4
}
mkdir -p "$work"
if ! cmp -s console/package-lock.json "$work/installed.json"; then
    cp console/package.json console/package-lock.json console/.npmrc "$work"
    npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null || exit 4
    cp console/package-lock.json "$work/installed.json"
fi
# Tools resolve packages from the console's files upwards.
ln -sfn "$work/node_modules" node_modules

echo '-- types'
node_modules/.bin/tsc --project console
echo '-- lint'
(cd console && ../node_modules/.bin/eslint .)
echo '-- unit'
node --test console/tests/unit/*.test.js
echo '-- in a browser'
# One file at a time, because the tests measure performance.
[ $# -gt 0 ] || set -- console/tests/browser/*.test.js
node --test --test-concurrency=1 "$@"
