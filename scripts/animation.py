#!/usr/bin/env python3
"""Makes docs/images/session.svg, the animation in the READMEs.

    scripts/animation.py PROGRAM          records the commands of the README's "Start in 60 seconds" with this openrunner
                                          program into docs/images/session.json, and draws them
    scripts/animation.py --check PROGRAM  records them again, and fails if the animation shows other commands or output

Only times, identifiers, versions and directories may differ.
"""

import html
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDING = ROOT / "docs/images/session.json"
DRAWING = ROOT / "docs/images/session.svg"

# Seconds that the whole session may take on a busy machine.
DEADLINE = 300
# What the recording does instead of waiting for a time that a busy machine may exceed.
UNTIL_STARTED = "until openrunner logs last | grep -q started; do sleep 0.1; done"
# Marks the end of a command's output.
END = "\x1e"

# Layout, in pixels, and the pace of the animation, in seconds.
COLUMN, LINE, MARGIN, TITLE = 7.8, 17, 16, 28
TYPING, LONGEST_PAUSE, HOLD = 0.9, 0.6, 6

STYLES = {
    "1": "font-weight:bold",
    "2": "fill:#8b949e",
    "3": "font-style:italic",
    "31": "fill:#ff7b72",
    "32": "fill:#7ee787",
    "33": "fill:#e3b341",
    "36": "fill:#79c0ff",
}


def commands():
    """The commands of the README, without their comments."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Start in 60 seconds\n")[1].split("\n## ")[0]
    block = section.split("```bash\n")[1].split("```")[0]
    return [re.sub(r"\s+# .*", "", line) for line in block.splitlines()]


def record(program):
    """Runs the commands in one shell. Returns each with its lines of output and the pause before each, in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="openrunner-animation-") as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        project = Path(home) / "project"
        project.mkdir()
        (Path(home) / "bin").mkdir()
        (Path(home) / "bin/openrunner").symlink_to(Path(program).resolve())
        script = "".join(
            command.replace("localhost:3000", address)
            .replace("sleep 2", UNTIL_STARTED)
            .replace("openrunner attach", "openrunner --color always attach")
            + f"\nprintf '{END}'\n"
            for command in commands()
        )
        environment = {
            "HOME": home,
            "PATH": f"{home}/bin:/usr/local/bin:/usr/bin:/bin",
            "OPENRUNNER_ADDR": address,
            "NO_PROXY": "*",
        }
        # The server, which the script leaves in the background, is ended with the shell's process group.
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            session = read(shell, home)
        finally:
            os.killpg(shell.pid, signal.SIGINT)
            shell.wait()
            wait_for_end(shell.pid)
    return session


def wait_for_end(group):
    """Waits until every process of the group has ended, so that nothing writes into its directory any more."""
    for _ in range(DEADLINE * 10):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)


def read(shell, home):
    session, text, last = [], "", time.monotonic()
    waiting = commands()
    lines = []
    selector = selectors.DefaultSelector()
    selector.register(shell.stdout, selectors.EVENT_READ)
    until = time.monotonic() + DEADLINE
    while waiting:
        if not selector.select(until - time.monotonic()):
            raise SystemExit(f"no output of {waiting[0]!r}: {text!r}")
        piece = os.read(shell.stdout.fileno(), 65536).decode(errors="replace")
        if not piece:
            raise SystemExit(f"the shell ended before {waiting[0]!r}: {text!r}")
        text += piece
        while (end := re.search(f"[\n{END}]", text)) and waiting:
            line, mark, text = text[: end.start()], end.group(), text[end.end() :]
            if mark == "\n" or line:
                now = time.monotonic()
                lines.append([round((now - last) * 10) * 100, line.replace(home, "/home/me")])
                last = now
            if mark == END:
                session.append({"command": waiting.pop(0), "output": [line for line in lines if not is_note(line[1])]})
                lines = []
    return session


def is_note(line):
    """Notices depend on the machine, for example on how it can isolate agents."""
    return re.match(r"(\x1b\[[0-9;]*m)* *note\b", line) is not None


def comparable(session):
    """What has to be the same in every recording."""
    shown = []
    for entry in session:
        text = "\n".join(line for _, line in entry["output"])
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        text = re.sub(r"run_[0-9a-f]{32}", "RUN", text)
        text = re.sub(r"\b\d+\.\d+\.\d+\b", "VERSION", text)
        text = re.sub(r"\b\d+(\.\d+)? (ms|s|min|h)\b( \d+ (s|min)\b)*", "TIME", text)
        text = re.sub(r'"uptime":\d+', '"uptime":N', text)
        shown.append((entry["command"], text))
    return shown


def spans(line):
    """The line as SVG text, with the terminal's colors as classes."""
    # Parts of one style are one element: the agent's words arrive one by one.
    parts, active = [], []
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if code := re.fullmatch(r"\x1b\[([0-9;]*)m", part):
            for number in code.group(1).split(";"):
                active = active + [number] if number in STYLES else []
        elif part and parts and parts[-1][0] == active:
            parts[-1][1] += part
        elif part:
            parts.append([active, part])
    out = ""
    for styles, text in parts:
        text = html.escape(text, quote=False)
        classes = " ".join(f"s{number}" for number in styles)
        out += f'<tspan class="{classes}">{text}</tspan>' if classes else text
    return out


def draw(session):
    """The animation: each line appears at its time, and the whole begins again."""
    rows, clock = [], 0.4
    for entry in session:
        rows.append((clock, f'<tspan class="s32">$</tspan> <tspan class="s1">{html.escape(entry["command"], quote=False)}</tspan>'))
        clock += TYPING
        for pause, line in entry["output"]:
            clock += min(pause / 1000, LONGEST_PAUSE)
            rows.append((clock, spans(line)))
    total = clock + HOLD
    width = round(MARGIN * 2 + COLUMN * 107)
    height = TITLE + MARGIN + LINE * len(rows)
    style = [f".s{number}{{{rule}}}" for number, rule in STYLES.items()]
    text = []
    for number, (at, row) in enumerate(rows):
        share = round(at / total * 100, 2)
        style.append(f"@keyframes k{number}{{0%,{share}%{{opacity:0}}{share + 0.01:.2f}%,100%{{opacity:1}}}}")
        style.append(f"#l{number}{{animation:k{number} {total:.1f}s infinite}}")
        text.append(f'<text id="l{number}" x="{MARGIN}" y="{TITLE + LINE * (number + 1)}" xml:space="preserve">{row}</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="Terminal session">',
            "<style>",
            "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#e6edf3;white-space:pre}",
            *style,
            "@media (prefers-reduced-motion:reduce){text{animation:none!important}}",
            "</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
            *(f'<circle cx="{MARGIN + 4 + 18 * n}" cy="16" r="5" fill="{color}"/>' for n, color in enumerate(["#ff5f57", "#febc2e", "#28c840"])),
            *text,
            "</svg>",
            "",
        ]
    )


def main():
    check, arguments = sys.argv[1:2] == ["--check"], [word for word in sys.argv[1:] if word != "--check"]
    if len(arguments) != 1:
        raise SystemExit(__doc__)
    session = record(arguments[0])
    if not check:
        RECORDING.write_text(json.dumps(session, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        DRAWING.write_text(draw(session), encoding="utf-8")
        return
    recorded = json.loads(RECORDING.read_text(encoding="utf-8"))
    for old, new in zip(comparable(recorded), comparable(session), strict=True):
        if old != new:
            raise SystemExit(f"docs/images/session.json is not current; run scripts/animation.py PROGRAM.\nrecorded: {old}\nnow: {new}")
    if DRAWING.read_text(encoding="utf-8") != draw(recorded):
        raise SystemExit("docs/images/session.svg is not what is drawn from session.json; run scripts/animation.py PROGRAM")


if __name__ == "__main__":
    main()
