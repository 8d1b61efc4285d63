# What the scripts for the clients need, sourced by them from the root of the repository. Each function leaves with 4 if npm or pip could
# not install, which scripts/test.sh takes for a reason to leave the clients out.
# shellcheck shell=bash

. scripts/tools.sh
venv=$target/clients/python
npm_folder=$target/clients/typescript

# Python's tools and libraries.
client_tools() { python_tools clients/python/requirements.txt "$venv"; }

# A copy of the TypeScript client with its dependencies, so that nothing of npm's comes to stand in the source tree.
typescript_tools() {
    mkdir -p "$npm_folder"
    rm -rf -- "${npm_folder:?}/src" "$npm_folder/test" "$npm_folder/dist"
    if ! cmp -s clients/typescript/package-lock.json "$npm_folder/installed.json"; then
        rm -rf -- "$npm_folder/node_modules"
        cp clients/typescript/package.json clients/typescript/package-lock.json clients/typescript/.npmrc "$npm_folder"
        (cd "$npm_folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null) || exit 4
        cp clients/typescript/package-lock.json "$npm_folder/installed.json"
    fi
    cp -r clients/typescript/. "$npm_folder"
}
