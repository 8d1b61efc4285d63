#!/usr/bin/env python3
"""Freezes a release for upgrade tests: scripts/freeze.py PROGRAM

Runs the openrunner program PROGRAM on a fresh data directory, lets it do a bit of everything, and writes what a later release has
to find there into tests/fixtures/upgrade/VERSION: the data directory (data.tar.gz), what the API answered (expected.json), and the
definition of the tables (migrations). PROGRAM must be built from the sources around this script.
"""

import gzip
import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests/fixtures/upgrade"

# Of this machine or this moment, or secret: no release needs them of another.
LEFT_OUT = ("jwt.key", "openrunner.lock", "openrunner.db-shm")


class Frozen:
    def __init__(self, program, home):
        self.program, self.home = str(Path(program).resolve()), home
        self.environment = {"HOME": home, "PATH": "/usr/local/bin:/usr/bin:/bin", "OPENRUNNER_DATA_DIR": f"{home}/data", "NO_PROXY": "*"}
        Path(home, "project").mkdir()
        log = open(f"{home}/log", "w+", encoding="utf-8")
        self.server = subprocess.Popen(
            [self.program, "serve"], env=self.environment | {"OPENRUNNER_ADDR": "127.0.0.1:0"}, stderr=log, stdin=subprocess.DEVNULL
        )
        while "openrunner is ready" not in (text := Path(log.name).read_text(encoding="utf-8")):
            if self.server.poll() is not None:
                raise SystemExit(text)
        self.url = "http://" + text.split("openrunner is ready address=")[1].split()[0]
        self.environment["OPENRUNNER_URL"] = self.url

    def command(self, *arguments, text="", may_fail=False):
        done = subprocess.run(
            [self.program, *arguments], env=self.environment, cwd=f"{self.home}/project", input=text, capture_output=True, text=True, check=False
        )
        if done.returncode and not may_fail:
            raise SystemExit(f"{arguments}: {done.stderr}")
        return done.stdout.strip()

    def run(self, *arguments):
        run = self.command("run", "-d", "-a", "demo", *arguments)
        self.command("wait", run, may_fail=True)
        return run

    def get(self, path):
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return answer.read().decode()

    def events(self, run):
        lines = self.get(f"/api/runs/{run}/events").splitlines()
        return [json.loads(line[len("data: ") :]) for line in lines if line.startswith("data: ")]


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory(prefix="openrunner-freeze-") as home:
        frozen = Frozen(sys.argv[1], home)
        try:
            version = frozen.command("--version").split()[1]
            frozen.command("auth", "password", text="admin\nfrozen admin password\n")
            frozen.command("user", "create", "carol", text="frozen password of carol\n")
            frozen.key = frozen.command("key", "create", "--name", "frozen", "--scope", "admin", "--scope", "runs:read", "--scope", "runs:write")
            frozen.command("profile", "set", "careful", "-a", "demo", "-p", "ask", "--description", "Asks before each tool")
            completed = frozen.run("create hello.py, fast", "--label", "part=first")
            session = json.loads(frozen.get(f"/api/runs/{completed}"))["session_id"]
            runs = [
                completed,
                frozen.run("recall, spend 0.5, fast", "--session", session),
                frozen.run("plan, warn, then fail rate_limited, fast"),
            ]
            expected = {
                "version": version,
                "key": frozen.key,
                "session": json.loads(frozen.get(f"/api/sessions/{session}")),
                "runs": [json.loads(frozen.get(f"/api/runs/{run}")) for run in runs],
                "events": [frozen.events(run) for run in runs],
                "changes": frozen.get(f"/api/runs/{completed}/changes.patch"),
            }
        finally:
            frozen.server.send_signal(signal.SIGINT)
            frozen.server.wait()
        directory = FIXTURES / version
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(ROOT / "migrations/sqlite", directory / "migrations")
        (directory / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in sorted(Path(home, "data").rglob("*")):
                if path.name not in LEFT_OUT:
                    entry = archive.gettarinfo(path, arcname=path.relative_to(home))
                    entry.uid = entry.gid = 0
                    entry.uname = entry.gname = ""
                    entry.mtime = 0
                    with open(path, "rb") if entry.isfile() else io.BytesIO() as content:
                        archive.addfile(entry, content)
        (directory / "data.tar.gz").write_bytes(gzip.compress(packed.getvalue(), 9, mtime=0))
        print(directory)


if __name__ == "__main__":
    main()
