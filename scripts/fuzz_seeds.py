#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets from the recordings: fuzz_seeds.py FOLDER.

A seed is one byte that chooses the protocol, as the target reads it, and then the lines that the program wrote. Recordings are too long
for quick mutations as they are, so each is also given in windows of a few lines.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Longer ones say nothing new to a parser.
MAX = 32 * 1024
WINDOW = 6

# Target, folder of recordings, beginning of their names, choice: see fuzz/fuzz_targets.
SOURCES = [
    ("claude_code", "claude_code", "", None),
    ("codex", "codex", "", None),
    ("opencode", "acp", "opencode", 0),
    ("opencode", "opencode", "", 1),
    ("configured", "acp", "", 0),
    ("configured", "configured", "text", 1),
    ("configured", "configured", "jsonl", 2),
]


def recordings(folder, prefix):
    """Name, whether it is two-way, and the program's lines."""
    for path in sorted((ROOT / "tests/transcripts" / folder).glob(f"{prefix}*.jsonl")):
        name, kind, _ = path.name.rsplit(".", 2)
        lines = path.read_bytes().splitlines()
        if kind == "dialog":
            entries = [json.loads(line) for line in lines if line]
            said = [entry for entry in entries if entry["dir"] != "in"]
            lines = [(json.dumps(entry["msg"]) if "msg" in entry else entry.get("raw", "")).encode() for entry in said]
        yield name, kind == "dialog", lines


def write(folder, name, data):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data[:MAX])


def main():
    out = pathlib.Path(sys.argv[1])
    for target, folder, prefix, fixed in SOURCES:
        for name, two_way, lines in recordings(folder, prefix):
            choice = fixed if fixed is not None else (0 if two_way else 1)
            whole = bytes([choice]) + b"\n".join(lines)
            write(out / target, f"{folder}-{name}", whole)
            for start in range(0, len(lines), WINDOW):
                window = b"\n".join(lines[start : start + WINDOW])
                # Between the lines somebody answers, says something and interrupts.
                write(out / target, f"{folder}-{name}-{start}", bytes([choice]) + window + b"\n\x01\x00\n\x04more\n\x06")
            write(out / "lines", f"{folder}-{name}", b"\x40\x07" + b"\n".join(lines)[:2048])
    # Each event as the contract shows it, without the number and time that the log adds.
    text = (ROOT / "docs/events.md").read_text()
    for number, block in enumerate(text.split("```json\n")[1:]):
        event = json.loads(block.split("```")[0])
        event = {field: value for field, value in event.items() if field not in ("seq", "ts")}
        write(out / "frames", f"event-{number}", b"0123-4567-\n" + json.dumps(event).encode() + b"\n0123-89")
    write(out / "demo", "output", b'\0{"type":"text","text":"x"}\n{"type":"result"}\n')


if __name__ == "__main__":
    main()
