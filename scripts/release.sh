#!/usr/bin/env bash
# Builds a release in target/release-VERSION: an archive with the program, documentation, manual page and shell completions; a software bill
# of materials (CycloneDX JSON); checksums of both; and install.sh, which installs the archive.
#
#   scripts/release.sh                  builds for this machine: a static program (musl) if possible, else one for glibc
#   scripts/release.sh --target TRIPLE  builds for this target
#   scripts/release.sh --binary FILE    packages an existing program, which must run on this machine
#   scripts/release.sh --no-sbom        omits the bill of materials
#   scripts/release.sh --sbom           creates only the bill of materials
#   scripts/release.sh --out DIR        writes to DIR
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
PATH=$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH
cyclonedx_version=0.5.9
# The build directory must be target/, where the program is expected below.
unset CARGO_TARGET_DIR

say() { printf 'release.sh: %s\n' "$*" >&2; }
fail() {
    say "$@"
    exit 1
}

target='' binary='' with_sbom=yes only_sbom='' out=''
while [ $# -gt 0 ]; do
    case $1 in
    --target | --binary | --out)
        [ $# -ge 2 ] || fail "$1 requires a value"
        case $1 in
        --target) target=$2 ;;
        --binary) binary=$2 ;;
        --out) out=$2 ;;
        esac
        shift
        ;;
    --no-sbom) with_sbom='' ;;
    --sbom) only_sbom=yes ;;
    *) fail "unknown option: $1 (options are listed at the top of this file)" ;;
    esac
    shift
done
[ -z "$binary" ] || [ -x "$binary" ] || fail "$binary is not an executable file"

# Prints the reasons why a static program cannot be built for this target, one per line.
static_build_obstacles() {
    local tool=${1%%-*}-linux-musl-gcc
    if ! command -v rustup >/dev/null; then
        [ -d "$(rustc --print sysroot)/lib/rustlib/$1" ] || echo "the standard library for $1 is not installed, and rustup is not available to install it"
    elif ! rustup target list --installed | grep -qx "$1"; then
        timeout 300 rustup target add "$1" >/dev/null 2>&1 || echo "rustup could not install the standard library for $1"
    fi
    if ! command -v "$tool" >/dev/null && ! command -v musl-gcc >/dev/null; then
        echo "no C compiler for musl ($tool or musl-gcc; Debian package musl-tools), which SQLite and the crypto library require"
    fi
}

version=$(cargo metadata --locked --no-deps --format-version 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["packages"][0]["version"])')
host=$(rustc -vV | sed -n 's/^host: //p')
if [ -z "$target" ]; then
    target=$host
    if [ -z "$binary$only_sbom" ] && [ "${host#*-unknown-linux-gnu}" != "$host" ]; then
        static=${host%-gnu}-musl
        obstacles=$(static_build_obstacles "$static")
        if [ -z "$obstacles" ]; then
            target=$static
        else
            say "building for glibc (this machine's version or newer) instead of a static program: ${obstacles//$'\n'/; }"
        fi
    fi
elif [ -z "$binary" ] && [ "${target%-musl}" != "$target" ]; then
    obstacles=$(static_build_obstacles "$target")
    [ -z "$obstacles" ] || fail "cannot build for $target: ${obstacles//$'\n'/; }"
fi
name=openrunner-$version-$target
out=${out:-target/release-$version}
# The time of the last commit, for reproducible archives.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
mkdir -p "$out"
out=$(cd -P -- "$out" && pwd)

if [ -n "$with_sbom" ] || [ -n "$only_sbom" ]; then
    # Installed into target/tools, not globally, and kept with target/ between runs.
    case $(cargo cyclonedx --version 2>/dev/null) in
    *" $cyclonedx_version") ;;
    *) cargo install --quiet --locked --root target/tools "cargo-cyclonedx@$cyclonedx_version" ;;
    esac
    # Lists what is linked into the program for this target, without test and build dependencies. The tool writes next to Cargo.toml.
    sbom=openrunner-sbom
    cargo cyclonedx --format json --spec-version 1.5 --target "$target" --no-build-deps --override-filename "$sbom"
    mv "$sbom.json" "$out/$name.cdx.json"
    if [ -n "$only_sbom" ]; then
        printf '%s\n' "$out/$name.cdx.json"
        exit
    fi
fi

if [ -z "$binary" ]; then
    if [ "${target%-musl}" != "$target" ]; then
        tool=${target%%-*}-linux-musl-gcc
        command -v "$tool" >/dev/null || tool=musl-gcc
        triple=${target//-/_}
        export "CC_$triple=$tool"
    fi
    cargo build --locked --profile dist --bin openrunner --target "$target"
    binary=target/$target/dist/openrunner
fi
[ "$("$binary" --version)" = "openrunner $version" ] || fail "$binary reports version $("$binary" --version), expected openrunner $version"

tree=$out/$name
rm -rf "${tree:?}"
mkdir -p "$tree/man" "$tree/completions"
cp -R "$binary" LICENSE README.md README.zh-CN.md CHANGELOG.md SECURITY.md docs packaging "$tree"
mv "$tree/$(basename -- "$binary")" "$tree/.program"
mv "$tree/.program" "$tree/openrunner"
mv "$tree/packaging/install.sh" "$tree/install.sh"
"$tree/openrunner" man >"$tree/man/openrunner.1"
"$tree/openrunner" completions bash >"$tree/completions/openrunner.bash"
"$tree/openrunner" completions zsh >"$tree/completions/_openrunner"
"$tree/openrunner" completions fish >"$tree/completions/openrunner.fish"
chmod -R u=rwX,go=rX "$tree"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$out" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
rm -r "${tree:?}"
cp packaging/install.sh "$out/install.sh"
files=("$name.tar.gz")
[ -z "$with_sbom" ] || files+=("$name.cdx.json")
(cd "$out" && sha256sum "${files[@]}" >SHA256SUMS)
printf '%s\n' "${files[@]/#/$out/}" "$out/SHA256SUMS" "$out/install.sh"
