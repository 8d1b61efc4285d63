"""Runs a program again as a recording shows it: the same command, and in a two-way recording the same input at the same points.

The committed recording is the script. Before each of its inputs, the program must have written what it had written then; ids that it chooses
itself are replaced in the input by those of the new run.
"""
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
import json
import uuid

import compare
import recording as files

# Time for an expected message, in seconds. Without it, the input is sent all the same, and the comparison shows the difference.
MESSAGE_TIMEOUT = 25
TAG = "OPENRUNNER_RECORDING"


class Workspace:
    """The directories of one scenario, and the neutral paths that stand for them in recordings."""

    def __init__(self, root, bin_dirs, agent, name, model):
        self.home = os.path.join(root, "home", agent)
        self.dir = os.path.join(root, "ws", agent, name)
        self.root, self.bin_dirs, self.model = root, bin_dirs, model
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        os.makedirs(self.home, exist_ok=True)
        subprocess.run(["git", "init", "-q", self.dir], check=True)

    def neutral(self, text):
        pairs = [(self.dir, "/workspace/project"), (self.home, "/workspace/home"), (self.root, "/workspace")]
        pairs += [(bin_dir, "/workspace/bin") for bin_dir in self.bin_dirs]
        pairs += [(os.path.dirname(bin_dir), "/workspace/install") for bin_dir in self.bin_dirs]
        for path, name in pairs:
            # Claude Code names directories after paths.
            text = text.replace(path, name).replace(re.sub(r"[^A-Za-z0-9]", "-", path), re.sub(r"[^A-Za-z0-9]", "-", name))
        return re.sub(r'("serverName": ?)"[^"]*"', r'\1"host"', text)

    def real(self, text):
        return text.replace("/workspace/project", self.dir).replace("/workspace/home", self.home)


class Process:
    """A running program whose output is collected."""

    def __init__(self, workspace, argv, env, two_way, cwd=None):
        self.tag = uuid.uuid4().hex
        search = os.pathsep.join(workspace.bin_dirs + ["/usr/local/bin", "/usr/bin", "/bin"])
        base = {"PATH": search, "HOME": workspace.home, "LANG": "C.UTF-8", "SHELL": "/bin/bash", "TERM": "dumb", TAG: self.tag}
        env = {name: value for name, value in {**base, **env}.items() if value is not None}
        program = shutil.which(argv[0], path=search)
        if program is None:
            raise FileNotFoundError(argv[0])
        stdin = subprocess.PIPE if two_way else subprocess.DEVNULL
        self.started = time.monotonic()
        self.process = subprocess.Popen([program] + argv[1:], cwd=cwd or workspace.dir, env=env, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True)
        self.changed = threading.Condition()
        self.entries, self.times, self.stdout, self.stderr = [], [], [], []
        self.readers = [threading.Thread(target=self.read, args=pipe, daemon=True)
                        for pipe in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr))]
        for reader in self.readers:
            reader.start()

    def read(self, pipe, lines):
        for line in pipe:
            text = line.decode("utf-8", "replace")
            with self.changed:
                lines.append(line)
                if lines is self.stdout:
                    self.add("out", files.parse(text.rstrip("\n")))
                self.changed.notify_all()

    def add(self, direction, message):
        self.entries.append((direction, message))
        self.times.append(time.monotonic() - self.started)

    def send(self, message):
        text = message if isinstance(message, str) else json.dumps(message)
        with self.changed:
            self.add("in", message)
        try:
            self.process.stdin.write((text + "\n").encode())
            self.process.stdin.flush()
        except OSError:
            pass

    def wait(self, holds, seconds):
        """Waits until `holds()`, or the program has ended and all its output is read. Returns whether it holds."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not holds():
                left = deadline - time.monotonic()
                ended = self.process.poll() is not None and not any(reader.is_alive() for reader in self.readers)
                if left <= 0 or ended:
                    return False
                self.changed.wait(min(left, 0.2))
        return True

    def finish(self, seconds):
        """Waits for the exit, kills the program if it takes longer, and then everything that it has started."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        # What is still on its way through the pipes; children may keep them open.
        for reader in self.readers:
            reader.join(1)
        for pid in tagged(self.tag):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass

    def recorded(self, two_way, workspace):
        entries = [(direction, json.loads(workspace.neutral(json.dumps(message)))) for direction, message in list(self.entries)]
        stderr = workspace.neutral(b"".join(self.stderr).decode("utf-8", "replace"))
        return files.Recording(two_way, entries, stderr, self.process.returncode, list(self.times))


def tagged(tag):
    """The processes that have inherited the tag of a recorded program."""
    marker, found = f"{TAG}={tag}".encode(), []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if marker in file.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            pass
    return found


def one_way(workspace, command, env):
    """Runs a command of tests/transcripts/commands.json. Returns the recording and its output."""
    process = Process(workspace, command["argv"], {**env, **command.get("env", {})}, "stdin" in command or "stdin_open" in command, command.get("cwd"))
    if "stdin" in command:
        def feed():
            try:
                process.process.stdin.write(command["stdin"].encode())
                process.process.stdin.close()
            except OSError:
                pass
        threading.Thread(target=feed, daemon=True).start()
    stop = command.get("signal")
    if stop:
        needle = stop["when"].encode()
        if stop["when"] == "model":
            process.wait(lambda: model_was_asked(workspace.model), 60)
        else:
            process.wait(lambda: needle in b"".join(process.stdout) or needle in b"".join(process.stderr), 30)
        # How far it gets until then is a matter of time, as in the recording.
        time.sleep(stop["after"])
        send_signal = os.killpg if stop["to"] == "group" else os.kill
        send_signal(process.process.pid, getattr(signal, stop["name"]))
    process.finish(command.get("limit", 60))
    return process.recorded(False, workspace), workspace.neutral(b"".join(process.stdout).decode("utf-8", "replace"))


def two_way(workspace, argv, env, old, name):
    """Runs a program with the input of the recording `old`. Returns the new recording."""
    process = Process(workspace, argv, env, True)
    ids, pairs = {}, {}
    expected = []
    for direction, message in old.entries:
        if direction == "out":
            expected.append(message)
            continue
        await_like(process, expected)
        learn(ids, pairs, old.outs(), process)
        process.send(substitute(message, ids, workspace))
    await_like(process, old.outs())
    if "sigterm" in name:
        process.process.terminate()
    try:
        process.process.stdin.close()
    except OSError:
        pass
    process.finish(15)
    return process.recorded(True, workspace)


def signature(message):
    """Distinguishes what the recorder had waited for. The text of a delta is the model's, which is scripted."""
    if not isinstance(message, dict):
        return "text"
    text = re.search(r'"(?:text|delta)": ?"([^"\\]{1,60})"', json.dumps(message))
    return compare.kind(message) + (" " + text.group(1) if text else "")


def await_like(process, expected):
    """Waits for as many messages like the last of `expected` as there are in it."""
    if expected:
        wanted = signature(expected[-1])
        count = sum(signature(message) == wanted for message in expected)
        process.wait(lambda: sum(direction == "out" and signature(message) == wanted for direction, message in process.entries) >= count, MESSAGE_TIMEOUT)


def learn(ids, pairs, old_outs, process):
    """Relates strings and numbers of the recording to those at the same position of the same message of the new run."""
    with process.changed:
        new_outs = [message for direction, message in process.entries if direction == "out"]
    for messages, side in ((old_outs, 0), (new_outs, 1)):
        counts = {}
        for message in messages:
            key = compare.kind(message)
            counts[key] = counts.get(key, 0) + 1
            pairs.setdefault((key, counts[key]), [None, None])[side] = message
    for old, new in pairs.values():
        if old is not None and new is not None:
            walk(ids, old, new)


def walk(ids, old, new):
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() & new.keys():
            walk(ids, old[key], new[key])
    elif isinstance(old, list) and isinstance(new, list):
        for one, other in zip(old, new):
            walk(ids, one, other)
    elif isinstance(old, str) and isinstance(new, str) and old != new and len(old) >= 4:
        ids.setdefault(old, new)


def substitute(message, ids, workspace):
    if isinstance(message, dict):
        return {key: substitute(value, ids, workspace) for key, value in message.items()}
    if isinstance(message, list):
        return [substitute(value, ids, workspace) for value in message]
    if isinstance(message, str):
        return ids.get(message) or workspace.real(message)
    return message


def model_was_asked(model):
    with urllib.request.urlopen(f"{model}/__mock/requests") as answer:
        return any(request.get("tools") for request in json.load(answer))


def reset_model(model):
    urllib.request.urlopen(urllib.request.Request(f"{model}/__mock/reset", data=b"{}", method="POST")).close()
