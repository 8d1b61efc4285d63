#!/usr/bin/env bash
# Makes a release for this machine's platform in target/release-VERSION: the program with its documents in an archive, a software bill of
# materials (CycloneDX, JSON) and checksums of both. With --sbom only the bill of materials.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
PATH=$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH
cyclonedx_version=0.5.9

version=$(cargo metadata --locked --no-deps --format-version 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["packages"][0]["version"])')
platform=$(rustc -vV | sed -n 's/^host: //p')
name=openrunner-$version-$platform
out=target/release-$version
# The moment of the last change, so that the same sources give the same archive.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# A folder of its own: the tool is no part of the machine, and stays between runs where target/ does.
case $(cargo cyclonedx --version 2>/dev/null) in
    *" $cyclonedx_version") ;;
    *) env -u CARGO_TARGET_DIR cargo install --quiet --locked --root target/tools "cargo-cyclonedx@$cyclonedx_version" ;;
esac

mkdir -p "$out"

# What is built into the program on this platform, and not what only its tests need. The tool writes beside Cargo.toml.
bill_name=openrunner-sbom
cargo cyclonedx --format json --spec-version 1.5 --target "$platform" --no-build-deps --override-filename "$bill_name"
mv "$bill_name.json" "$out/$name.cdx.json"
if [ "${1:-}" = --sbom ]; then
    printf '%s\n' "$out/$name.cdx.json"
    exit
fi

cargo build --locked --release --bin openrunner
rm -rf "${out:?}/$name"
mkdir "$out/$name"
cp -R target/release/openrunner LICENSE README.md README.zh-CN.md CHANGELOG.md SECURITY.md docs "$out/$name"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$out" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
rm -r "${out:?}/$name"
(cd "$out" && sha256sum "$name.tar.gz" "$name.cdx.json" >SHA256SUMS)
printf '%s\n' "$out/$name.tar.gz" "$out/$name.cdx.json" "$out/SHA256SUMS"
