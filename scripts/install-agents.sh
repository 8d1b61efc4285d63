#!/usr/bin/env bash
# Installs the agent programs that OpenRunner drives, at the tested versions (agents.versions in the same directory).
set -euo pipefail

here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
versions=$here/agents.versions
presets=$here/presets.versions
# The name used in messages: `openrunner agent install` runs a temporary copy of this script.
me=${INSTALL_AGENTS_AS:-$0}

# scripts/test.sh relies on these exit codes.
readonly usage_error=2 npm_missing=3 npm_failed=4

usage() {
    cat <<'HELP'
Installs coding agents for OpenRunner, at tested versions.

Usage: scripts/install-agents.sh [--claude-code] [--codex] [--opencode] [--preset NAME]... [--prefix DIR]

Options:
  --claude-code   Install Claude Code
  --codex         Install OpenAI Codex
  --opencode      Install OpenCode
  --preset NAME   Install an agent that needs no configuration: cline, copilot, gemini, grok, hermes, kilo, pi or qwen
  --prefix DIR    Install into DIR/bin, for OpenRunner only, instead of globally. The server first looks for agents in
                  OPENRUNNER_AGENTS_DIR, by default the `agents` directory in its data directory
  -h, --help      Print this help

Without an agent option, Claude Code, Codex and OpenCode are installed. Agents that are already installed at the tested version are skipped, without
network access. The versions are in scripts/agents.versions and scripts/presets.versions.

OpenCode can also be installed without npm:
  brew install opencode-ai/tap/opencode
  go install github.com/opencode-ai/opencode@latest
Both install the archived Go program of the same name. OpenRunner recognizes it by its --help and drives it in a simpler mode,
which returns the answer at the end without streaming.

Exit codes: 0 installed; 1 an installed program does not work; 2 invalid usage; 3 npm or node not found; 4 npm failed.
HELP
}

say() { printf '%s\n' "$*"; }
fail() {
    local code=$1
    shift
    printf 'install-agents: %s\n' "$@" >&2
    exit "$code"
}

selected=''
selected_presets=''
prefix=''
while [ $# -gt 0 ]; do
    case $1 in
    --claude-code) selected="$selected claude_code" ;;
    --codex) selected="$selected codex" ;;
    --opencode) selected="$selected opencode" ;;
    --preset)
        grep -q "^${2:-?} " "$presets" || fail $usage_error "unknown preset: ${2-}" "for usage, run: $me --help"
        selected_presets="$selected_presets $2"
        shift
        ;;
    --prefix)
        [ -n "${2-}" ] || fail $usage_error "--prefix requires a directory"
        prefix=$2
        shift
        ;;
    --prefix=?*) prefix=${1#--prefix=} ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) fail $usage_error "unknown argument: $1" "for usage, run: $me --help" ;;
    esac
    shift
done
[ -n "$selected$selected_presets" ] || selected='claude_code codex opencode'

missing=''
command -v node >/dev/null 2>&1 || missing='node'
command -v npm >/dev/null 2>&1 || missing="${missing:+$missing and }npm"
if [ -n "$missing" ]; then
    fail $npm_missing \
        "$missing not found in PATH; the agents are npm packages." \
        "Install Node.js with npm (tested with Node.js 20):" \
        "  Debian, Ubuntu   sudo apt-get install nodejs npm" \
        "  macOS            brew install node" \
        "  other systems    https://nodejs.org/en/download"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ -n "$prefix" ]; then
    mkdir -p -- "$prefix" || fail $npm_failed "cannot create $prefix"
    prefix=$(cd -P -- "$prefix" && pwd)
else
    prefix=$(npm prefix --global --loglevel=error) || fail $npm_failed "could not determine npm's global prefix"
    global=yes
fi
packages=$prefix/lib/node_modules

# Prints the version that a program reports, or nothing if it fails. HOME is a scratch directory because even `opencode --version` creates
# directories there; stdin is empty because an agent may wait for input.
program_version() {
    HOME=$scratch XDG_CONFIG_HOME='' XDG_DATA_HOME='' XDG_CACHE_HOME='' XDG_STATE_HOME='' \
        "$1" --version </dev/null 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1 || true
}

# The install scripts of two packages replace a stub with the native program. npm may be configured not to run them, and newer releases
# do not run them by default, so they are run here if necessary.
finish_install() {
    local package_dir=$1 script
    for script in install.cjs postinstall.mjs; do
        if [ -f "$package_dir/$script" ]; then
            say "  npm did not run the package's install script; running $script"
            (cd "$package_dir" && node "$script" </dev/null) || true
        fi
    done
}

install_one() {
    local agent=$1 program=$2 package=$3 version=$4
    local path=$prefix/bin/$program
    if [ -x "$path" ] && [ "$(program_version "$path")" = "$version" ]; then
        say "$agent: $version is already installed ($path)"
        return 0
    fi
    say "$agent: installing $package@$version into $prefix"
    # With an explicit version, npm does not fall back to an old release if this Node.js is older than the package requires; the programs
    # are native and do not need it.
    if ! npm install --global --prefix "$prefix" --include=optional --no-audit --no-fund --loglevel=error \
        "$package@$version" </dev/null >"$scratch/npm.log" 2>&1; then
        sed 's/^/  npm: /' "$scratch/npm.log" >&2
        if grep -q EACCES "$scratch/npm.log"; then
            fail $npm_failed "no permission to write to $prefix." \
                "Install for OpenRunner only:  $me --prefix \"$agents_dir\""
        fi
        fail $npm_failed "npm could not install $package@$version; see its output above. Is this machine online?"
    fi
    if [ "$(program_version "$path")" != "$version" ]; then
        finish_install "$packages/$package"
    fi
    if [ "$(program_version "$path")" != "$version" ]; then
        "$path" --version </dev/null 2>&1 | head -n 5 | sed 's/^/  /' >&2 || true
        fail 1 "$path is installed but does not report version $version." \
            "The package may not support this system ($(uname -sm))."
    fi
    say "$agent: $version installed ($path)"
}

# Installs a preset. Its program is not run: some need a login or seconds to print their version.
install_preset() {
    local agent=$1 program=$2 registry=$3 packages=$4
    local path=$prefix/bin/$program marker=$prefix/lib/.openrunner-$agent list
    if [ -x "$path" ] && [ "$(cat "$marker" 2>/dev/null)" = "$packages" ]; then
        say "$agent: $packages is already installed ($path)"
        return 0
    fi
    say "$agent: installing $packages into $prefix"
    case $registry in
    npm)
        IFS=, read -r -a list <<<"$packages"
        npm install --global --prefix "$prefix" --include=optional --no-audit --no-fund --loglevel=error "${list[@]}" </dev/null
        ;;
    pip)
        IFS=';' read -r -a list <<<"$packages"
        python3 -m venv "$prefix/lib/$agent" && "$prefix/lib/$agent/bin/pip" install --quiet --disable-pip-version-check "${list[@]}" </dev/null &&
            mkdir -p "$prefix/bin" && ln -sf "../lib/$agent/bin/$program" "$path"
        ;;
    esac >"$scratch/install.log" 2>&1 || {
        sed 's/^/  /' "$scratch/install.log" >&2
        fail $npm_failed "$packages could not be installed; see the output above. Is this machine online?"
    }
    [ -x "$path" ] || fail 1 "$packages is installed, but $path does not exist." "The package may not support this system ($(uname -sm))."
    mkdir -p "$prefix/lib" && printf '%s\n' "$packages" >"$marker"
    say "$agent: installed ($path)"
}

print_login() {
    case $1 in
    claude_code) say "  Claude Code   claude auth login        or set ANTHROPIC_API_KEY" ;;
    codex) say "  Codex         codex login              or: printenv OPENAI_API_KEY | codex login --with-api-key" ;;
    opencode) say "  OpenCode      opencode auth login      or set your provider's API key, such as OPENAI_API_KEY" ;;
    esac
}

# The server's default agents directory.
if [ "$(uname -s)" = Darwin ]; then
    data_dir="$HOME/Library/Application Support/openrunner"
else
    data_dir=${XDG_DATA_HOME:-$HOME/.local/share}/openrunner
fi
agents_dir=${OPENRUNNER_DATA_DIR:-$data_dir}/agents
while read -r agent program package version; do
    case " $selected " in
    *" $agent "*) install_one "$agent" "$program" "$package" "$version" ;;
    esac
done < <(grep -v '^#' "$versions")
while read -r agent program registry packages; do
    case " $selected_presets " in
    *" $agent "*) install_preset "$agent" "$program" "$registry" "$packages" ;;
    esac
done < <(grep -v '^#' "$presets")

say
say "Next:"
if [ -z "${global-}" ]; then
    case ":$PATH:" in
    *":$prefix/bin:"*) ;;
    *) say "  Add the agents to your PATH:      export PATH=\"$prefix/bin:\$PATH\"" ;;
    esac
    [ "$prefix" = "$agents_dir" ] || [ "$prefix" = "${OPENRUNNER_AGENTS_DIR-}" ] ||
        say "  Point the server to the agents:   export OPENRUNNER_AGENTS_DIR=\"$prefix\""
else
    while read -r agent program package version; do
        case " $selected " in *" $agent "*) ;; *) continue ;; esac
        found=$(command -v "$program" || true)
        if [ -z "$found" ]; then
            say "  The server does not find $program because $prefix/bin is not in PATH:  export PATH=\"$prefix/bin:\$PATH\""
        elif [ "$found" != "$prefix/bin/$program" ]; then
            say "  Note: the server uses $found, which precedes $prefix/bin/$program in PATH"
        fi
    done < <(grep -v '^#' "$versions")
fi
say "Log in to each agent once, as the user that runs the server:"
for agent in claude_code codex opencode; do
    case " $selected " in *" $agent "*) print_login "$agent" ;; esac
done
[ -z "$selected_presets" ] || say "  How to log in to$selected_presets is in docs/agents.md and in: openrunner agent ls"
say "Then check what the server finds:  curl http://localhost:3000/health/agents"
