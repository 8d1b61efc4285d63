#!/usr/bin/env bash
# Makes a release in target/release-VERSION: an archive with the program, its documents, manual page and completions, a software bill of
# materials (CycloneDX, JSON), checksums of both, and install.sh, which installs such an archive.
#
#   scripts/release.sh                  for this machine's processor: a static program (musl) where one can be built, else one for glibc
#   scripts/release.sh --target TRIPLE  for that target, or not at all
#   scripts/release.sh --binary FILE    packs a program that has been built already; it must run on this machine
#   scripts/release.sh --no-sbom        without the bill of materials
#   scripts/release.sh --sbom           the bill of materials alone
#   scripts/release.sh --out DIR        into that folder
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
PATH=$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH
cyclonedx_version=0.5.9
# An operator's setting must not move where cargo builds: the program is looked for below.
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
        [ $# -ge 2 ] || fail "$1 needs a value"
        case $1 in
        --target) target=$2 ;;
        --binary) binary=$2 ;;
        --out) out=$2 ;;
        esac
        shift
        ;;
    --no-sbom) with_sbom='' ;;
    --sbom) only_sbom=yes ;;
    *) fail "unknown option: $1 (the head of this file lists them)" ;;
    esac
    shift
done
[ -z "$binary" ] || [ -x "$binary" ] || fail "$binary is no program"

# Why no static program can be built for this target here; nothing if one can.
why_not_static() {
    local tool=${1%%-*}-linux-musl-gcc
    if ! command -v rustup >/dev/null; then
        [ -d "$(rustc --print sysroot)/lib/rustlib/$1" ] || echo "this Rust has no standard library for $1, and there is no rustup to get it"
    elif ! rustup target list --installed | grep -qx "$1"; then
        timeout 300 rustup target add "$1" >/dev/null 2>&1 || echo "rustup cannot get the standard library for $1: is its server out of reach?"
    fi
    if ! command -v "$tool" >/dev/null && ! command -v musl-gcc >/dev/null; then
        echo "there is no C compiler for musl ($tool or musl-gcc; Debian: musl-tools), which SQLite and the crypto library are built with"
    fi
}

version=$(cargo metadata --locked --no-deps --format-version 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["packages"][0]["version"])')
host=$(rustc -vV | sed -n 's/^host: //p')
if [ -z "$target" ]; then
    target=$host
    if [ -z "$binary$only_sbom" ] && [ "${host#*-unknown-linux-gnu}" != "$host" ]; then
        static=${host%-gnu}-musl
        reasons=$(why_not_static "$static")
        if [ -z "$reasons" ]; then
            target=$static
        else
            say "no static program, but one that needs a glibc as new as this machine's: ${reasons//$'\n'/; }"
        fi
    fi
elif [ -z "$binary" ] && [ "${target%-musl}" != "$target" ]; then
    reasons=$(why_not_static "$target")
    [ -z "$reasons" ] || fail "$target cannot be built here: ${reasons//$'\n'/; }"
fi
name=openrunner-$version-$target
out=${out:-target/release-$version}
# The moment of the last change, so that the same sources give the same archive.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
mkdir -p "$out"
out=$(cd -P -- "$out" && pwd)

if [ -n "$with_sbom" ] || [ -n "$only_sbom" ]; then
    # A folder of its own: the tool is no part of the machine, and stays between runs where target/ does.
    case $(cargo cyclonedx --version 2>/dev/null) in
    *" $cyclonedx_version") ;;
    *) cargo install --quiet --locked --root target/tools "cargo-cyclonedx@$cyclonedx_version" ;;
    esac
    # What is built into the program on this platform, and not what only its tests need. The tool writes beside Cargo.toml.
    bill_name=openrunner-sbom
    cargo cyclonedx --format json --spec-version 1.5 --target "$target" --no-build-deps --override-filename "$bill_name"
    mv "$bill_name.json" "$out/$name.cdx.json"
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
    cargo build --locked --release --bin openrunner --target "$target"
    binary=target/$target/release/openrunner
fi
[ "$("$binary" --version)" = "openrunner $version" ] || fail "$binary says that it is $("$binary" --version), not $version"

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
made=("$name.tar.gz")
[ -z "$with_sbom" ] || made+=("$name.cdx.json")
(cd "$out" && sha256sum "${made[@]}" >SHA256SUMS)
printf '%s\n' "${made[@]/#/$out/}" "$out/SHA256SUMS" "$out/install.sh"
