#!/usr/bin/env bash
# Fuzzes everything that reads what an agent writes, each target for FUZZ_SECONDS (60). With names of targets: only those.
# Seeds come from the recordings in tests/transcripts; what a run finds is kept in target/fuzz/corpus for the next one.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
PATH=$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH
fuzz_version=0.13.2
seconds=${FUZZ_SECONDS:-60}

# A folder of its own: the tool is no part of the machine, and stays between runs where target/ does.
if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $fuzz_version" ]; then
    env -u CARGO_TARGET_DIR cargo install --quiet --locked --root target/tools "cargo-fuzz@$fuzz_version"
fi

# The instrumentation is not stable; the pinned toolchain has it all the same.
export RUSTC_BOOTSTRAP=1
# The same dependencies as the program's.
cp Cargo.lock fuzz/Cargo.lock
# Without a sanitizer: there is no unsafe code to sanitize, and it is quicker by half.
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
