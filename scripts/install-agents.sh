#!/usr/bin/env bash
# Installs the agent programs that OpenRunner drives, at the versions that it is tested with (agents.versions beside this file).
set -euo pipefail

here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
versions=$here/agents.versions
# `openrunner agents install` runs this script, too, from a folder that is gone afterwards.
me=${INSTALL_AGENTS_AS:-$0}

# Exit codes, which scripts/test.sh relies on.
readonly usage_error=2 npm_missing=3 npm_failed=4

usage() {
    cat <<'HELP'
Installs the coding agents that OpenRunner drives, at tested versions.

  scripts/install-agents.sh [--claude-code] [--codex] [--opencode] [--prefix DIR]

  --claude-code   Claude Code
  --codex         OpenAI Codex
  --opencode      OpenCode
                  None of the three: all of them.
  --prefix DIR    Install into DIR, for OpenRunner alone, instead of globally. The programs are then in DIR/bin.
                  The server looks in <data folder>/agents first, or in the folder that OPENRUNNER_AGENTS_DIR names.
  --help          This text.

A program that is there at the right version is left alone, so running this again costs a moment and no network.
Versions are in scripts/agents.versions.

OpenCode by hand, without npm:
  brew install opencode-ai/tap/opencode
  go install github.com/opencode-ai/opencode@latest
Both give the archived Go program of the same name. OpenRunner tells it apart from the npm one by its --help, and drives it in
a simpler way: the whole answer at the end, no tokens on the way.

Exit codes: 0 all is there; 1 something installed does not work; 2 wrong use; 3 npm or node is missing; 4 npm could not install.
HELP
}

say() { printf '%s\n' "$*"; }
fail() {
    local code=$1
    shift
    printf 'install-agents: %s\n' "$@" >&2
    exit "$code"
}

wanted=''
prefix=''
while [ $# -gt 0 ]; do
    case $1 in
    --claude-code) wanted="$wanted claude_code" ;;
    --codex) wanted="$wanted codex" ;;
    --opencode) wanted="$wanted opencode" ;;
    --prefix)
        [ -n "${2-}" ] || fail $usage_error "--prefix needs a folder"
        prefix=$2
        shift
        ;;
    --prefix=?*) prefix=${1#--prefix=} ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) fail $usage_error "unknown argument: $1" "try: $me --help" ;;
    esac
    shift
done
[ -n "$wanted" ] || wanted='claude_code codex opencode'

missing=''
command -v node >/dev/null 2>&1 || missing='node'
command -v npm >/dev/null 2>&1 || missing="${missing:+$missing and }npm"
if [ -n "$missing" ]; then
    fail $npm_missing \
        "$missing cannot be found on PATH. The agents are npm packages." \
        "Install Node.js (20 is what we test with); npm comes with it:" \
        "  Debian, Ubuntu   sudo apt-get install nodejs npm" \
        "  macOS            brew install node" \
        "  anything else    https://nodejs.org/en/download"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ -n "$prefix" ]; then
    mkdir -p -- "$prefix" || fail $npm_failed "cannot create $prefix"
    prefix=$(cd -P -- "$prefix" && pwd)
else
    prefix=$(npm prefix --global --loglevel=error) || fail $npm_failed "npm does not say where it installs to"
    global=yes
fi
packages=$prefix/lib/node_modules

# What the program itself says its version is; empty if it does not answer. It gets a home of its own, since asking OpenCode
# for its version already creates folders there, and no stdin, since an agent that finds one may wait for it.
program_version() {
    HOME=$scratch XDG_CONFIG_HOME='' XDG_DATA_HOME='' XDG_CACHE_HOME='' XDG_STATE_HOME='' \
        "$1" --version </dev/null 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1 || true
}

# Installers of two of the packages put the native program in the place of a stub. npm may be told not to run them, and newer
# releases do not run them unasked, so what is left undone is done here.
finish_install() {
    local package_dir=$1 script
    for script in install.cjs postinstall.mjs; do
        if [ -f "$package_dir/$script" ]; then
            say "  npm did not run its install step; running $script"
            (cd "$package_dir" && node "$script" </dev/null) || true
        fi
    done
}

install_one() {
    local agent=$1 program=$2 package=$3 version=$4
    local path=$prefix/bin/$program
    if [ -x "$path" ] && [ "$(program_version "$path")" = "$version" ]; then
        say "$agent: $version is there already ($path)"
        return 0
    fi
    say "$agent: installing $package@$version into $prefix"
    # The version is named because npm otherwise takes an old release when this Node.js is older than the package asks for,
    # although the programs are native and do not need it.
    if ! npm install --global --prefix "$prefix" --include=optional --no-audit --no-fund --loglevel=error \
        "$package@$version" </dev/null >"$scratch/npm.log" 2>&1; then
        sed 's/^/  npm: /' "$scratch/npm.log" >&2
        if grep -q EACCES "$scratch/npm.log"; then
            fail $npm_failed "no right to write below $prefix." \
                "Give OpenRunner a place of its own:  $me --prefix \"$private_place\""
        fi
        fail $npm_failed "npm could not install $package@$version. Its words are above; is this machine online?"
    fi
    if [ "$(program_version "$path")" != "$version" ]; then
        finish_install "$packages/$package"
    fi
    if [ "$(program_version "$path")" != "$version" ]; then
        "$path" --version </dev/null 2>&1 | head -n 5 | sed 's/^/  /' >&2 || true
        fail 1 "$path was installed, but does not answer --version with $version." \
            "This system ($(uname -sm)) may not be one that the package has a program for."
    fi
    say "$agent: $version installed ($path)"
}

log_in() {
    case $1 in
    claude_code) say "  Claude Code   claude auth login        or set ANTHROPIC_API_KEY" ;;
    codex) say "  Codex         codex login              or: printenv OPENAI_API_KEY | codex login --with-api-key" ;;
    opencode) say "  OpenCode      opencode auth login      or set the key of your provider, such as OPENAI_API_KEY" ;;
    esac
}

# The folder that the server looks in first, unless it is told another.
if [ "$(uname -s)" = Darwin ]; then
    data_folder="$HOME/Library/Application Support/openrunner"
else
    data_folder=${XDG_DATA_HOME:-$HOME/.local/share}/openrunner
fi
private_place=${OPENRUNNER_DATA_DIR:-$data_folder}/agents
while read -r agent program package version; do
    case " $wanted " in
    *" $agent "*) install_one "$agent" "$program" "$package" "$version" ;;
    esac
done < <(grep -v '^#' "$versions")

say
say "Next:"
if [ -z "${global-}" ]; then
    case ":$PATH:" in
    *":$prefix/bin:"*) ;;
    *) say "  to call them by name yourself:  export PATH=\"$prefix/bin:\$PATH\"" ;;
    esac
    [ "$prefix" = "$private_place" ] || [ "$prefix" = "${OPENRUNNER_AGENTS_DIR-}" ] ||
        say "  so that the server finds them:  export OPENRUNNER_AGENTS_DIR=\"$prefix\""
else
    while read -r agent program package version; do
        case " $wanted " in *" $agent "*) ;; *) continue ;; esac
        found=$(command -v "$program" || true)
        if [ -z "$found" ]; then
            say "  $prefix/bin is not on your PATH, so the server does not find $program:  export PATH=\"$prefix/bin:\$PATH\""
        elif [ "$found" != "$prefix/bin/$program" ]; then
            say "  note: $found comes before $prefix/bin/$program on your PATH, and the server uses the first"
        fi
    done < <(grep -v '^#' "$versions")
fi
say "Log in once to each agent that you want to use, as the user that runs the server:"
for agent in claude_code codex opencode; do
    case " $wanted " in *" $agent "*) log_in "$agent" ;; esac
done
say "Then ask the server what it found:  curl http://localhost:3000/health/agents"
