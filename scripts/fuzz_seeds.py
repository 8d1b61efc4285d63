#!/usr/bin/env python3
"""Creates seeds for the fuzz targets from the recordings. Usage: fuzz_seeds.py DIRECTORY

A seed is one byte that selects the protocol, followed by the lines that the program wrote. Whole recordings are too long for fast mutation,
so each is also split into windows of a few lines.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Maximum size of a seed in bytes; longer ones add no coverage.
MAX_SIZE = 32 * 1024
WINDOW_LINES = 6

# Target, directory of recordings, file name prefix, protocol selector (see fuzz/fuzz_targets; None: 0 for two-way, 1 for one-shot).
SOURCES = [
    ("claude_code", "claude_code", "", None),
    ("codex", "codex", "", None),
    ("opencode", "acp", "opencode", 0),
    ("opencode", "opencode", "", 1),
    ("configured", "acp", "", 0),
    ("configured", "configured", "text", 1),
    ("configured", "configured", "jsonl", 2),
]


def recordings(directory, prefix):
    """Yields the name of each recording, whether it is two-way, and the lines that the program wrote."""
    for path in sorted((ROOT / "tests/transcripts" / directory).glob(f"{prefix}*.jsonl")):
        name, kind, _ = path.name.rsplit(".", 2)
        lines = path.read_bytes().splitlines()
        if kind == "dialog":
            entries = [json.loads(line) for line in lines if line]
            output = [entry for entry in entries if entry["dir"] != "in"]
            lines = [(json.dumps(entry["msg"]) if "msg" in entry else entry.get("raw", "")).encode() for entry in output]
        yield name, kind == "dialog", lines


def write_seed(directory, name, data):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(data[:MAX_SIZE])


def main():
    out = pathlib.Path(sys.argv[1])
    for target, directory, prefix, fixed_selector in SOURCES:
        for name, two_way, lines in recordings(directory, prefix):
            selector = fixed_selector if fixed_selector is not None else (0 if two_way else 1)
            write_seed(out / target, f"{directory}-{name}", bytes([selector]) + b"\n".join(lines))
            for start in range(0, len(lines), WINDOW_LINES):
                window = b"\n".join(lines[start : start + WINDOW_LINES])
                # User actions: allow the first request, send a message, interrupt.
                write_seed(out / target, f"{directory}-{name}-{start}", bytes([selector]) + window + b"\n\x01\x00\n\x04more\n\x06")
            write_seed(out / "lines", f"{directory}-{name}", b"\x40\x07" + b"\n".join(lines)[:2048])
    # The example events of docs/events.md, without the sequence number and time, which the log adds.
    text = (ROOT / "docs/events.md").read_text()
    for number, block in enumerate(text.split("```json\n")[1:]):
        event = json.loads(block.split("```")[0])
        event = {field: value for field, value in event.items() if field not in ("seq", "ts")}
        write_seed(out / "frames", f"event-{number}", b"0123-4567-\n" + json.dumps(event).encode() + b"\n0123-89")
    # The example rules of docs/permissions.md, and patterns beyond each bound.
    examples = re.findall(r"^\| `(\{.*\})` \|", (ROOT / "docs/permissions.md").read_text(), re.MULTILINE)
    write_seed(out / "rules", "examples", "\n".join(examples).encode())
    hostile = ["{" * 200 + "}" * 200, "{" * 1000, "?" * 1025, "{" + "a," * 64 + "}", "[!a]" * 256, "*a" * 512, "**/{a,[{],\\\\{}/é"]
    for number, pattern in enumerate(hostile):
        write_seed(out / "rules", f"bound-{number}", b"p" + pattern.encode() + b"\nt" + pattern.encode())
    heads = [
        "CONNECT a.example:443\nhost: a.example:443",
        "GET http://a.example/x?y\nhost: a.example",
        "POST /model/v1/messages?beta=true\nhost: 127.0.0.1:3128",
        "GET /model/%2e%2e/x\nhost: localhost:3128",
        "GET /git/a.example/x.git/info/refs?service=git-upload-pack\nhost: [::1]:3128\ncontent-length: 3",
    ]
    for number, head in enumerate(heads):
        write_seed(out / "egress", f"head-{number}", head.encode())
    write_seed(out / "demo", "output", b'\0{"type":"text","text":"x"}\n{"type":"result"}\n')


if __name__ == "__main__":
    main()
