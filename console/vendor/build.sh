#!/usr/bin/env bash
# Makes the files in this folder anew, from the packages that package-lock.json pins by their hashes. Run by hand, after a version in
# package.json was changed (`npm install --package-lock-only --prefix console/vendor` writes the lock). Needs npm and gzip. With a folder
# as argument it writes there instead, so that a test can compare.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")"
into=${1:-$PWD}
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

cp package.json package-lock.json entry.js "$work"
npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null

rm -rf "$into/swagger-ui"
mkdir -p "$into/swagger-ui"
from=$work/node_modules/swagger-ui-dist
cp "$from/LICENSE" "$from/NOTICE" "$into/swagger-ui/"
# Without name and time, so that the same input gives the same bytes. The last line names a map, which is not served.
for file in swagger-ui.css swagger-ui-bundle.js; do
    sed '/^\/[/*]# sourceMappingURL=/d' "$from/$file" | gzip -9 -n >"$into/swagger-ui/$file.gz"
done

# The console's one bundle, with the licences of what is in it beside it.
"$work/node_modules/.bin/esbuild" "$work/entry.js" --bundle --format=esm --target=es2022 --minify --legal-comments=none \
    --charset=utf8 --log-level=warning --outfile="$into/vendor.js"
{
    echo 'vendor.js holds parts of these packages, each under its own licence.'
    for package in preact @preact/signals @preact/signals-core htm marked highlight.js diff eventsource-parser; do
        from=$work/node_modules/$package
        printf '\n==== %s %s\n\n' "$package" "$(node -p 'require(process.argv[1]).version' "$from/package.json")"
        licence=$(find "$from" -maxdepth 1 -iname 'licen[sc]e*' | sort | head -n 1)
        if [ -n "$licence" ]; then
            tr -d '\r' <"$licence"
        else
            sed -n 's/^ *"license": "\(.*\)",*$/\1/p' "$from/package.json"
        fi
    done
} >"$into/vendor.LICENSES.txt"
ls -l "$into" "$into/swagger-ui"
