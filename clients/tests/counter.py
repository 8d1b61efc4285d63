"""Agent for the client tests: prints numbered lines as its prompt asks (`lines=300 pause_ms=2`), with text that is hard to split."""

import json
import sys
import time

options = dict(word.split("=") for word in sys.stdin.read().split() if "=" in word)
lines, pause = int(options.get("lines", 10)), int(options.get("pause_ms", 0)) / 1000
# Characters that some readers treat as line ends, multi-byte characters, and text that looks like the protocol.
SUFFIXES = ["", " \u2028 \u0085 \x0b", " \U0001f980 ß", " \r\n\n data: x\n\nid: 7\n", " " + "long " * 200]
for number in range(1, lines + 1):
    print(json.dumps({"type": "delta", "text": f"line {number}{SUFFIXES[number % len(SUFFIXES)]}"}, ensure_ascii=False), flush=True)
    time.sleep(pause)
print(json.dumps({"type": "end", "text": f"{lines} lines"}), flush=True)
