# Tools for building and testing the clients; sourced from the root of the repository. The functions exit with 4 if pip or npm could not
# install something; scripts/test.sh then skips the clients.
# shellcheck shell=bash

. scripts/tools.sh
venv=$target/clients/python
npm_dir=$target/clients/typescript

# Installs the Python tools and libraries.
install_python_tools() { install_python_packages clients/python/requirements.txt "$venv"; }

# Copies the TypeScript client and installs its dependencies there, so that npm writes nothing into the source tree.
install_typescript_tools() {
    mkdir -p "$npm_dir"
    rm -rf -- "${npm_dir:?}/src" "$npm_dir/test" "$npm_dir/dist" "$npm_dir/dist-test"
    if ! cmp -s clients/typescript/package-lock.json "$npm_dir/installed.json"; then
        rm -rf -- "$npm_dir/node_modules"
        cp clients/typescript/package.json clients/typescript/package-lock.json clients/typescript/.npmrc "$npm_dir"
        (cd "$npm_dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null) || exit 4
        cp clients/typescript/package-lock.json "$npm_dir/installed.json"
    fi
    cp -r clients/typescript/. "$npm_dir"
}
