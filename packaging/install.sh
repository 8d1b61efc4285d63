#!/bin/sh
# Installs OpenRunner from a release archive, or uninstalls it. See install.sh --help.
set -eu

usage() {
    cat <<'HELP'
Installs OpenRunner from a release archive.

Usage:
  install.sh                          Install from the unpacked archive that contains this script
  install.sh --from FILE|URL          Install from an archive; SHA256SUMS must be in the same directory
  install.sh --version VERSION        Install the archive for this machine from OPENRUNNER_RELEASES (directory or URL)
  curl -fsSL URL/install.sh | sh      Install the release that published this script; also with options: … | sh -s -- --prefix DIR
  install.sh --uninstall              Remove the installed files; keeps data, settings and agents

Options:
  --prefix DIR    Install into DIR/bin and DIR/share (default: /usr/local for root, else ~/.local)
  --sha256 HEX    Expected checksum of the archive, instead of SHA256SUMS
  -h, --help      Print this help

The program is replaced atomically; a running server keeps using the old one until it is restarted.
Exit codes: 0 success; 1 failed, nothing was changed; 2 invalid usage; 3 checksum mismatch.
HELP
}

# The release that published this script, filled in by packaging/fill.py: the URL of its archives, and its version.
release_url=''
release_version=''

me=install.sh
say() { printf '%s: %s\n' "$me" "$*"; }
fail() {
    printf '%s: %s\n' "$me" "$2" >&2
    exit "$1"
}

from='' prefix='' version='' sha256='' uninstall=''
while [ $# -gt 0 ]; do
    case $1 in
    --from | --prefix | --version | --sha256)
        [ $# -ge 2 ] && [ -n "$2" ] || fail 2 "$1 requires a value"
        case $1 in
        --from) from=$2 ;;
        --prefix) prefix=$2 ;;
        --version) version=$2 ;;
        --sha256) sha256=$2 ;;
        esac
        shift
        ;;
    --uninstall) uninstall=yes ;;
    --help | -h)
        usage
        exit
        ;;
    *) fail 2 "unknown option: $1 (see --help)" ;;
    esac
    shift
done
if [ -z "$prefix" ]; then
    if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=${HOME:?}/.local; fi
fi
case $prefix in
/*) ;;
*) prefix=$(pwd)/$prefix ;;
esac
list=$prefix/share/openrunner/installed

if [ -n "$uninstall" ]; then
    [ -f "$list" ] || fail 1 "no installation by this script found in $prefix"
    while IFS= read -r file; do
        # Never removes files outside of the prefix, even if the list is damaged.
        case $file in
        /* | *..* | '') fail 1 "$list is damaged" ;;
        esac
        rm -f "$prefix/$file"
    done <"$list"
    rm -f "$list"
    rmdir "$prefix/share/openrunner" 2>/dev/null || true
    say "uninstalled from $prefix; data, settings and agents were kept"
    exit
fi

# Prints the targets that run on this machine, in order of preference.
supported_targets() {
    system=$(uname -s)
    machine=$(uname -m)
    case $machine in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    *) fail 1 "no release for processor $machine; build from source instead" ;;
    esac
    case $system in
    Linux) echo "$machine-unknown-linux-musl $machine-unknown-linux-gnu" ;;
    Darwin) echo "$machine-apple-darwin" ;;
    *) fail 1 "no release for $system; build from source instead" ;;
    esac
}

# Usage: fetch FILE|URL DESTINATION. Fails silently if the source does not exist.
fetch() {
    case $1 in
    *://*)
        if command -v curl >/dev/null 2>&1; then
            curl --fail --silent --location --output "$2" "$1"
        elif command -v wget >/dev/null 2>&1; then
            wget -q -O "$2" "$1"
        else
            fail 1 'curl or wget is required to download an archive'
        fi
        ;;
    *) cp "$1" "$2" 2>/dev/null ;;
    esac
}

sha256_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 "$1" | cut -d ' ' -f 1
    else
        fail 1 'sha256sum or shasum is required to verify an archive'
    fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

here=$(cd -P -- "$(dirname -- "$0")" && pwd)
# Downloaded alone or read from a pipe, rather than unpacked with a program: installs its own release.
if [ -z "$from$version" ] && [ -n "$release_version" ] && [ ! -e "$here/completions/openrunner.bash" ]; then
    version=$release_version
fi
if [ -n "$from" ] || [ -n "$version" ]; then
    archive=$work/archive.tar.gz
    if [ -n "$from" ]; then
        fetch "$from" "$archive" || fail 1 "could not fetch $from"
    else
        base=${OPENRUNNER_RELEASES:-}
        if [ -z "$base" ] && [ "$version" = "$release_version" ]; then base=$release_url; fi
        [ -n "$base" ] || fail 2 '--version requires OPENRUNNER_RELEASES, the directory or URL of the releases; or use --from'
        targets=$(supported_targets)
        for target in $targets; do
            from=${base%/}/openrunner-$version-$target.tar.gz
            fetch "$from" "$archive" && break
            from=''
        done
        [ -n "$from" ] || fail 1 "openrunner-$version not found at $base for any of: $targets"
    fi
    if [ -z "$sha256" ]; then
        fetch "${from%/*}/SHA256SUMS" "$work/SHA256SUMS" || { [ "${from#*/}" = "$from" ] && fetch SHA256SUMS "$work/SHA256SUMS"; } ||
            fail 1 "no SHA256SUMS next to $from; pass the expected checksum with --sha256"
        sha256=$(sed -n "s|^\\([0-9a-f]\\{64\\}\\)  *\\**${from##*/}\$|\\1|p" "$work/SHA256SUMS")
        [ -n "$sha256" ] || fail 3 "SHA256SUMS has no entry for ${from##*/}"
    fi
    actual=$(sha256_of "$archive")
    [ "$actual" = "$sha256" ] || fail 3 "checksum mismatch of $from: expected $sha256, got $actual"
    (cd "$work" && tar -xzf archive.tar.gz) || fail 1 "could not unpack $from"
    tree=$(find "$work" -mindepth 1 -maxdepth 1 -type d -name 'openrunner-*')
else
    tree=$here
fi
[ -x "$tree/openrunner" ] || fail 1 "no program found in ${from:-$here}; pass an archive with --from FILE"
"$tree/openrunner" --version >"$work/version" 2>&1 || fail 1 "the program does not run on this machine: $(head -n 1 "$work/version")"

mkdir -p "$prefix/share/openrunner" || fail 1 "cannot write to $prefix; choose another --prefix, or run as root"
: >"$work/list"

# Usage: install_file SOURCE DESTINATION MODE. Installs a file atomically.
install_file() {
    mkdir -p "$(dirname "$prefix/$2")"
    if ! { cp "$tree/$1" "$prefix/$2.new$$" && chmod "$3" "$prefix/$2.new$$" && mv -f "$prefix/$2.new$$" "$prefix/$2"; }; then
        rm -f "$prefix/$2.new$$"
        fail 1 "cannot write $prefix/$2"
    fi
    echo "$2" >>"$work/list"
}

install_file man/openrunner.1 share/man/man1/openrunner.1 644
install_file completions/openrunner.bash share/bash-completion/completions/openrunner 644
install_file completions/_openrunner share/zsh/site-functions/_openrunner 644
install_file completions/openrunner.fish share/fish/vendor_completions.d/openrunner.fish 644
install_file LICENSE share/doc/openrunner/LICENSE 644
install_file packaging/systemd/openrunner.service share/doc/openrunner/openrunner.service 644
install_file packaging/systemd/openrunner.socket share/doc/openrunner/openrunner.socket 644
# The program is last, so that it is never installed without its other files.
install_file openrunner bin/openrunner 755
cp "$work/list" "$list.new$$" && mv -f "$list.new$$" "$list"

say "installed $(cat "$work/version") into $prefix/bin"
case :$PATH: in
*":$prefix/bin:"*) ;;
*) say "add $prefix/bin to your PATH" ;;
esac
