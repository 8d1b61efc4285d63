#!/bin/sh
# Installs OpenRunner from a release archive, or removes it again. install.sh --help tells how.
set -eu

usage() {
    cat <<'HELP'
Installs OpenRunner from a release archive.

  install.sh                          from the unpacked archive that this file lies in
  install.sh --from FILE|URL          from an archive; its SHA256SUMS must lie beside it
  install.sh --version VERSION        from the folder or address that OPENRUNNER_RELEASES names: the archive for this machine
  install.sh --uninstall              removes what was installed there; data, settings and agents stay

  --prefix DIR    where to: DIR/bin, DIR/share (default: /usr/local for root, else ~/.local)
  --sha256 HEX    what the archive's checksum must be, in the place of SHA256SUMS
  --help          this text

The program is replaced in one step: a server that runs goes on with the old one until it is restarted.
Exit codes: 0 done; 1 it could not be done, and nothing has changed; 2 wrong use; 3 the archive is not what its checksum says.
HELP
}

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
        [ $# -ge 2 ] && [ -n "$2" ] || fail 2 "$1 needs a value"
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
    *) fail 2 "unknown option: $1 (--help lists them)" ;;
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
    [ -f "$list" ] || fail 1 "nothing was installed below $prefix by this script"
    while IFS= read -r file; do
        # Names of ours only, whatever has become of the list.
        case $file in
        /* | *..* | '') fail 1 "$list is damaged" ;;
        esac
        rm -f "$prefix/$file"
    done <"$list"
    rm -f "$list"
    rmdir "$prefix/share/openrunner" 2>/dev/null || true
    say "removed from $prefix; data, settings and agents are where they were"
    exit
fi

# The kinds of program that run on this machine, the best one first.
platforms() {
    system=$(uname -s)
    machine=$(uname -m)
    case $machine in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    *) fail 1 "there is no release for the processor $machine; build it from source" ;;
    esac
    case $system in
    Linux) echo "$machine-unknown-linux-musl $machine-unknown-linux-gnu" ;;
    Darwin) echo "$machine-apple-darwin" ;;
    *) fail 1 "there is no release for $system; build it from source" ;;
    esac
}

# Gets a file or an address into a file. Quiet where it is not there.
get() {
    case $1 in
    *://*)
        if command -v curl >/dev/null 2>&1; then
            curl --fail --silent --location --output "$2" "$1"
        elif command -v wget >/dev/null 2>&1; then
            wget -q -O "$2" "$1"
        else
            fail 1 'curl or wget is needed to fetch an archive'
        fi
        ;;
    *) cp "$1" "$2" 2>/dev/null ;;
    esac
}

digest_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 "$1" | cut -d ' ' -f 1
    else
        fail 1 'sha256sum or shasum is needed to check an archive'
    fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

here=$(cd -P -- "$(dirname -- "$0")" && pwd)
if [ -n "$from" ] || [ -n "$version" ]; then
    archive=$work/archive.tar.gz
    if [ -n "$from" ]; then
        get "$from" "$archive" || fail 1 "cannot get $from"
    else
        base=${OPENRUNNER_RELEASES:-}
        [ -n "$base" ] || fail 2 '--version needs OPENRUNNER_RELEASES, the folder or address where releases are; or name an archive with --from'
        kinds=$(platforms)
        for kind in $kinds; do
            from=${base%/}/openrunner-$version-$kind.tar.gz
            get "$from" "$archive" && break
            from=''
        done
        [ -n "$from" ] || fail 1 "there is no openrunner-$version at $base for any of: $kinds"
    fi
    if [ -z "$sha256" ]; then
        get "${from%/*}/SHA256SUMS" "$work/SHA256SUMS" || { [ "${from#*/}" = "$from" ] && get SHA256SUMS "$work/SHA256SUMS"; } ||
            fail 1 "there is no SHA256SUMS beside $from; say --sha256 with what it must be"
        sha256=$(sed -n "s|^\\([0-9a-f]\\{64\\}\\)  *\\**${from##*/}\$|\\1|p" "$work/SHA256SUMS")
        [ -n "$sha256" ] || fail 3 "SHA256SUMS does not name ${from##*/}"
    fi
    found=$(digest_of "$archive")
    [ "$found" = "$sha256" ] || fail 3 "$from is not what it should be: its SHA-256 is $found, not $sha256"
    (cd "$work" && tar -xzf archive.tar.gz) || fail 1 "$from cannot be unpacked"
    tree=$(find "$work" -mindepth 1 -maxdepth 1 -type d -name 'openrunner-*')
else
    tree=$here
fi
[ -x "$tree/openrunner" ] || fail 1 "there is no program to install in ${from:-$here}; say --from FILE"
"$tree/openrunner" --version >"$work/said" 2>&1 || fail 1 "the program does not run on this machine: $(head -n 1 "$work/said")"

mkdir -p "$prefix/share/openrunner" || fail 1 "cannot write below $prefix; choose another --prefix, or be root"
: >"$work/list"

# A file beside its place, and then in it: nobody ever sees half of one.
put() {
    mkdir -p "$(dirname "$prefix/$2")"
    if ! { cp "$tree/$1" "$prefix/$2.new$$" && chmod "$3" "$prefix/$2.new$$" && mv -f "$prefix/$2.new$$" "$prefix/$2"; }; then
        rm -f "$prefix/$2.new$$"
        fail 1 "cannot write $prefix/$2"
    fi
    echo "$2" >>"$work/list"
}

put man/openrunner.1 share/man/man1/openrunner.1 644
put completions/openrunner.bash share/bash-completion/completions/openrunner 644
put completions/_openrunner share/zsh/site-functions/_openrunner 644
put completions/openrunner.fish share/fish/vendor_completions.d/openrunner.fish 644
put LICENSE share/doc/openrunner/LICENSE 644
put packaging/systemd/openrunner.service share/doc/openrunner/openrunner.service 644
put packaging/systemd/openrunner.socket share/doc/openrunner/openrunner.socket 644
# The program comes last, when everything else is there.
put openrunner bin/openrunner 755
cp "$work/list" "$list.new$$" && mv -f "$list.new$$" "$list"

say "$(cat "$work/said") is in $prefix/bin"
case :$PATH: in
*":$prefix/bin:"*) ;;
*) say "put $prefix/bin on your PATH to use it by its name" ;;
esac
