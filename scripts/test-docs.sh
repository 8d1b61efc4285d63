#!/usr/bin/env bash
# Builds the documentation site into target/docs-site and checks its links. Exit code 4: mdBook could not be installed.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
mdbook_version=0.5.4
PATH=$target/tools/bin:$HOME/.cargo/bin:$PATH
if [ "$(mdbook --version 2>/dev/null)" != "mdbook v$mdbook_version" ]; then
    # Installed into target/tools, not globally, and kept with target/ between runs. Without its server and its watcher it has few dependencies.
    env -u CARGO_TARGET_DIR cargo install --quiet --locked --no-default-features --features search --root "$target/tools" "mdbook@$mdbook_version" || exit 4
fi
python3 scripts/docs_site.py "$target/docs-site"
