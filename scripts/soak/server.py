"""The server under test: started, killed, and started again on the same data directory."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

# Appends the id of the run to a file when an agent is started, to show that no prompt is carried out twice.
AGENT = """#!/bin/sh
case "$1" in --version|auth|--child|--resume-script) ;; *) echo "$ORN_RUN" >>'{starts}';; esac
exec '{agent}' "$@"
"""
START_TIMEOUT_SECS = 120


class Server:
    """A server process and its successors, in the directory `work`."""

    def __init__(self, program, agent, work, max_runs):
        self.program, self.work = program, pathlib.Path(work)
        self.data, self.starts, self.log = self.work / "data", self.work / "agent" / "starts", self.work / "server.log"
        agents = self.work / "agents" / "bin"
        agents.mkdir(parents=True)
        (self.work / "home").mkdir()
        self.starts.parent.mkdir()
        self.starts.touch()
        (agents / "claude").write_text(AGENT.format(starts=self.starts, agent=agent))
        (agents / "claude").chmod(0o755)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.work / "home"),
            "OPENRUNNER_ADDR": f"127.0.0.1:{self.port}",
            "OPENRUNNER_DATA_DIR": str(self.data),
            "OPENRUNNER_AGENTS_DIR": str(agents.parent),
            "OPENRUNNER_MAX_RUNS": str(max_runs),
            "OPENRUNNER_STOP_GRACE_SECS": "1",
            "OPENRUNNER_EXIT_GRACE_SECS": "1",
            "OPENRUNNER_REQUESTS_PER_MINUTE": "1000000",
            "OPENRUNNER_LOGINS_PER_MINUTE": "1000000",
            "OPENRUNNER_WEBHOOK_ALLOW": "127.0.0.1",
            "OPENRUNNER_WEBHOOK_RETRY_SECS": ",".join(["1"] * 60),
            # Isolated agents have a `/tmp` of their own, and may see of this one what they need.
            "OPENRUNNER_AGENT_PATHS": f"{agents.parent}:{self.starts.parent}:{agent}",
            "OPENRUNNER_LOG": "info,openrunner::api::request_log=warn",
        }
        self.process = None
        self.faults = []

    def start(self):
        """Starts the server and waits until it is ready. Returns the seconds that took."""
        started = time.monotonic()
        self.process = subprocess.Popen([self.program, "serve"], env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        ready = threading.Event()
        threading.Thread(target=self._copy_log, args=(self.process.stderr, ready), daemon=True).start()
        if not ready.wait(START_TIMEOUT_SECS) or self.process.poll() is not None:
            raise RuntimeError(f"the server did not start; see {self.log}")
        return time.monotonic() - started

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        if code != 0:
            self.faults.append(f"the server exited with {code} after SIGTERM")

    def _copy_log(self, stderr, ready):
        with open(self.log, "ab") as log:
            for line in stderr:
                log.write(line)
                log.flush()
                if b"openrunner is ready address=" in line:
                    ready.set()
                if re.search(rb" ERROR |panicked", line):
                    self.faults.append(f"in the log: {line.decode(errors='replace').strip()}")
        # The process has ended; `start` must not wait for the time limit.
        ready.set()

    def started_runs(self):
        """The run ids of all agents that were started, one per start."""
        return self.starts.read_text().split()

    def processes(self):
        """The living processes of runs and their shims, as (pid, description)."""
        found = []
        data = os.fsencode(self.data)
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == self.process.pid:
                continue
            try:
                command, environ = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            except OSError:
                continue
            # Zombies have neither.
            if data in command or (b"ORN_RUN=" in environ and os.fsencode(self.work) in environ):
                found.append((int(entry.name), command.replace(b"\0", b" ").decode(errors="replace")))
        return found
