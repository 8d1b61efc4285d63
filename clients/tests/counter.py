"""An agent for the clients' tests: writes as many numbered lines as its prompt says, `lines=300 pause_ms=2`, in pieces that are hard to cut."""

import json
import sys
import time

asked = dict(word.split("=") for word in sys.stdin.read().split() if "=" in word)
lines, pause = int(asked.get("lines", 10)), int(asked.get("pause_ms", 0)) / 1000
# What other readers of lines take for the end of one, what takes several bytes, and what looks like the protocol.
SPICE = ["", " \u2028 \u0085 \x0b", " \U0001f980 ß", " \r\n\n data: x\n\nid: 7\n", " " + "long " * 200]
for number in range(1, lines + 1):
    print(json.dumps({"type": "delta", "text": f"line {number}{SPICE[number % len(SPICE)]}"}, ensure_ascii=False), flush=True)
    time.sleep(pause)
print(json.dumps({"type": "end", "text": f"{lines} lines"}), flush=True)
