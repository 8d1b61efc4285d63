#!/usr/bin/env bash
# Runs the fuzz targets given as arguments, by default all, for FUZZ_SECONDS each (default 60). Seeds come from the recordings in
# tests/transcripts and from docs; the corpus is kept in target/fuzz/corpus between runs.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
PATH=$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH
fuzz_version=0.13.2
seconds=${FUZZ_SECONDS:-60}

# Installed into target/tools, not globally, and kept with target/ between runs.
if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $fuzz_version" ]; then
    env -u CARGO_TARGET_DIR cargo install --quiet --locked --root target/tools "cargo-fuzz@$fuzz_version"
fi

# Allows the unstable instrumentation flags with the pinned stable toolchain.
export RUSTC_BOOTSTRAP=1
# Uses the same dependency versions as the program.
cp Cargo.lock fuzz/Cargo.lock
# No sanitizer: there is no unsafe code, and fuzzing takes half the time.
cargo fuzz build --sanitizer none --target-dir target/fuzz/build

python3 scripts/fuzz_seeds.py target/fuzz/seeds

if [ $# -eq 0 ]; then
    mapfile -t targets < <(cargo fuzz list)
else
    targets=("$@")
fi
for target in "${targets[@]}"; do
    corpus=target/fuzz/corpus/$target seeds=target/fuzz/seeds/$target found=target/fuzz/found/$target
    mkdir -p "$corpus" "$seeds" "$found"
    printf '\n==== %s, %s s\n' "$target" "$seconds"
    cargo fuzz run --sanitizer none --target-dir target/fuzz/build "$target" "$corpus" "$seeds" -- \
        -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$found/" -print_final_stats=1 \
        2>&1 | grep -vE '^#[0-9]+[[:space:]]+(NEW|REDUCE|pulse|RELOAD)'
done
