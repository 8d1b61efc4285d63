#!/usr/bin/env bash
# Makes the files in this folder anew, from the packages that package-lock.json pins by their hashes. Run by hand, after a version in
# package.json was changed (`npm install --package-lock-only --prefix console/vendor` writes the lock). Needs npm and gzip.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")"
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

cp package.json package-lock.json "$work"
npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null

rm -rf swagger-ui
mkdir swagger-ui
from=$work/node_modules/swagger-ui-dist
cp "$from/LICENSE" "$from/NOTICE" swagger-ui/
# Without name and time, so that the same input gives the same bytes. The last line names a map, which is not served.
for file in swagger-ui.css swagger-ui-bundle.js; do
    sed '/^\/[/*]# sourceMappingURL=/d' "$from/$file" | gzip -9 -n >"swagger-ui/$file.gz"
done
ls -l swagger-ui
