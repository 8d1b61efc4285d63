#!/usr/bin/env bash
# Lints what only other machines run: Dockerfiles, shell scripts, workflows, forms, and the configurations of tools. tests/it/packaging.rs
# runs the scripts themselves. Exit code 4: the linters could not be installed.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. scripts/tools.sh
install_python_packages scripts/lint.txt "$target/lint"
PATH=$target/lint/bin:$PATH
# The schemas are part of the linter.
schema() { check-jsonschema --quiet --builtin-schema "vendor.$1" "${@:2}"; }

echo '-- Dockerfiles'
hadolint Dockerfile .devcontainer/Dockerfile
echo '-- shell scripts'
shellcheck --severity=warning --external-sources packaging/*.sh packaging/docker/*.sh scripts/*.sh .ci/run clients/*.sh
echo '-- workflows and forms'
zizmor --offline --quiet .github
schema github-workflows .github/workflows/*.yml
schema github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
schema github-issue-config .github/ISSUE_TEMPLATE/config.yml
schema renovate renovate.json
echo '-- documented Compose file'
sed -n '/^services:/,/^```/p' docs/recipes.md | sed '$d' >"$work/compose.yaml"
schema compose-spec "$work/compose.yaml"
