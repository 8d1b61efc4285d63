"""Recordings as files: `NAME.dialog.jsonl` or `NAME.stdout.jsonl`, `NAME.stderr.txt` and `NAME.exit`."""
import json
import os


class Recording:
    """What went in and out of one process. An entry is `("in" | "out", message or text)`; a text is a line that is not JSON."""

    def __init__(self, two_way, entries, stderr, exit_code, times=()):
        self.two_way, self.entries, self.stderr, self.exit_code = two_way, entries, stderr, exit_code
        self.times = list(times) or [0.0] * len(entries)

    def outs(self):
        return [message for direction, message in self.entries if direction == "out"]


def names(directory):
    return sorted(file[: -len(".exit")] for file in os.listdir(directory) if file.endswith(".exit"))


def parse(line):
    """A JSON object, or the text of a line that is none."""
    try:
        message = json.loads(line)
        return message if isinstance(message, dict) else line
    except ValueError:
        return line


def load(directory, name):
    def read(suffix):
        try:
            with open(os.path.join(directory, f"{name}.{suffix}"), encoding="utf-8", errors="replace", newline="\n") as file:
                return file.read()
        except FileNotFoundError:
            return None

    dialog, times = read("dialog.jsonl"), []
    if dialog is not None:
        entries = []
        for line in dialog.split("\n"):
            if line:
                entry = json.loads(line)
                entries.append((entry["dir"], entry["msg"] if "msg" in entry else entry.get("raw", "")))
                times.append(entry.get("t", 0.0))
    else:
        entries = [("out", parse(line)) for line in (read("stdout.jsonl") or "").split("\n") if line]
    return Recording(dialog is not None, entries, read("stderr.txt") or "", int(read("exit")), times)


# Lists that describe the program rather than the run; of each, the first entries are kept.
CATALOGS, KEPT = {"commands", "agents", "models", "skills", "availableCommands", "availableModels"}, 3


def shortened(message):
    if isinstance(message, list):
        return [shortened(each) for each in message]
    if not isinstance(message, dict):
        return message
    return {key: shortened(value[:KEPT] if key in CATALOGS and isinstance(value, list) else value) for key, value in message.items()}


def save(directory, name, recording, stdout):
    """Writes the files of `recording`. `stdout` is the output itself, for one that is not two-way."""
    def write(suffix, text):
        with open(os.path.join(directory, f"{name}.{suffix}"), "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)

    if recording.two_way:
        lines = []
        for time, (direction, message) in zip(recording.times, recording.entries):
            kind = "msg" if isinstance(message, dict) else "raw"
            lines.append(json.dumps({"t": round(time, 3), "dir": direction, kind: shortened(message)}, ensure_ascii=True) + "\n")
        write("dialog.jsonl", "".join(lines))
    else:
        write("stdout.jsonl", stdout)
    # A program that crashes may print its whole minified source.
    stderr = "".join(line if len(line) < 1000 else line[:300] + "...\n" for line in recording.stderr.splitlines(True))
    if stderr:
        write("stderr.txt", stderr)
    elif os.path.exists(os.path.join(directory, f"{name}.stderr.txt")):
        os.remove(os.path.join(directory, f"{name}.stderr.txt"))
    write("exit", f"{recording.exit_code}\n")
