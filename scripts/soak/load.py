"""The load: runs of several kinds, follow-ups in their sessions, readers, answers, cancels and deletions."""

import json
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from client import Unreachable

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# The events that are sent to the receiver.
WEBHOOK_EVENTS = ["run_started", "message", "permission_request", "done"]
# Part of the runs that are read by a client from the first event to the last, across kills.
FOLLOWED = 0.3
DELETES_PER_SEC = 4
WORKERS = 256

KINDS = {
    # kind: (weight, script, metadata)
    "short": (5, "say {tag}\nresult {tag}", {}),
    "flood": (3, "say {tag}\nflood 400\nresult {tag}", {}),
    "slow": (3, "say {tag}\npace 60 40\nresult {tag}", {}),
    "children": (1, "say {tag}\nchildren 2 session orphan\npace 40 40\nresult {tag}", {}),
    "cancelled": (2, "say {tag}\npace 4000 40\nresult {tag}", {}),
    "permission": (2, "say {tag}\npermission Bash\nresult {tag}", {"permission_mode": "ask"}),
    "message": (2, "say {tag}\npace 40 40\nresult first", {}),
}


class Run:
    """A run that the server has acknowledged."""

    def __init__(self, kind, tag, created):
        self.kind, self.tag = kind, tag
        self.id, self.session = created["run_id"], created["session_id"]
        self.interruptible = False
        self.cancel_requested = False
        self.message_accepted = False
        self.deleted = False
        self.delete_attempted = False
        # What a reader received, as lines; None without a reader.
        self.followed = None


class Load:
    """Creates `rate` runs per second until `stop`, then waits for everything it has begun."""

    def __init__(self, client, receiver, rate):
        self.client, self.receiver, self.rate = client, receiver, rate
        self.lock = threading.Lock()
        self.runs = {}
        self.sessions = []
        self.ended = []
        self.counts = {}
        self.faults = []
        self.stopping = threading.Event()
        self.pool = ThreadPoolExecutor(WORKERS)
        self.threads = [threading.Thread(target=self._create_all), threading.Thread(target=self._delete_all)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.pool.shutdown(wait=True)

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def _create_all(self):
        started, number = time.monotonic(), 0
        while not self.stopping.is_set():
            number += 1
            self._submit(self._carry_out, random.choices(list(KINDS), [weight for weight, *_ in KINDS.values()])[0])
            self.stopping.wait(max(0, started + number / self.rate - time.monotonic()))

    def _submit(self, work, *args):
        def guarded():
            try:
                work(*args)
            except Exception as error:  # a fault of this program or of the server: reported, never lost
                with self.lock:
                    self.faults.append(f"{work.__name__}{args}: {error!r}")

        self.pool.submit(guarded)

    def _carry_out(self, kind):
        """Creates a run and does what its kind demands."""
        run = self._create(kind)
        if run is None:
            return
        if random.random() < FOLLOWED or kind == "permission":
            run.followed = []
            self._follow(run)
        elif kind == "cancelled":
            time.sleep(random.random())
            self._cancel(run)
        elif kind == "message":
            self._message(run)
        with self.lock:
            self.ended.append(run)

    def _create(self, kind):
        tag = uuid.uuid4().hex
        _, script, metadata = KINDS[kind]
        metadata = {**metadata, "agent_type": "claude_code", "timeout_secs": 900}
        metadata["webhook"] = {"url": self.receiver.url, "secret": SECRET, "events": WEBHOOK_EVENTS}
        with self.lock:
            follow_up = random.random() < 0.3 and self.sessions
            session = random.choice(self.sessions) if follow_up else None
        if session:
            metadata["session_id"] = session
            metadata["on_busy"] = random.choice(["queue", "queue", "reject", "interrupt"])
        body = {"input": {"text": script.format(tag=tag)}, "metadata": metadata}
        status, answer = self.client.call("POST", "/api/runs", body, key=tag)
        if status == 201:
            run = Run(kind, tag, answer)
            with self.lock:
                if run.id in self.runs:
                    self.faults.append(f"two requests created the same run {run.id}")
                self.runs[run.id] = run
                self.sessions = [*self.sessions[-200:], run.session]
                if session and metadata["on_busy"] == "interrupt":
                    for other in self.runs.values():
                        other.interruptible = other.interruptible or (other.session == session and other is not run)
            self.count("follow-ups created" if session else "sessions created")
            return run
        # A session may be busy, or deleted meanwhile; the queue may be full.
        expected = {409: session is not None, 404: session is not None, 429: True}
        self.count(f"creations refused with {status}")
        if not expected.get(status):
            with self.lock:
                self.faults.append(f"a creation was answered with {status}: {answer}")
        return None

    def _follow(self, run):
        """Reads a run to its end, resuming after each kill. Answers its requests, cancels it, or sends it a message on the way."""
        after, acted = 0, False
        while True:
            try:
                for line in self.client.events(run.id, after):
                    event = json.loads(line)
                    if "seq" not in event:
                        raise RuntimeError(f"a reader of {run.id} got {event}")
                    after = event["seq"]
                    run.followed.append(line)
                    if event["type"] == "permission_request":
                        self._answer(run, event["id"])
                    if event["type"] == "message" and not acted:
                        acted = True
                        if run.kind == "cancelled":
                            self._cancel(run)
                        elif run.kind == "message":
                            self._message(run)
                    if event["type"] == "done":
                        self.count("runs followed to their end")
                        return
            except Unreachable:
                pass
            except KeyError:
                if run.delete_attempted:
                    return
                raise
            time.sleep(0.05)

    def _answer(self, run, request):
        status, answer = self.client.call("POST", f"/api/runs/{run.id}/requests/{request}", {"decision": "allow_once"})
        # 409 and 404: an earlier attempt was carried out, or the run was interrupted.
        if status not in (200, 404, 409):
            raise RuntimeError(f"an answer was answered with {status}: {answer}")
        self.count(f"answers: {status}")

    def _cancel(self, run):
        run.cancel_requested = True
        status, answer = self.client.call("POST", f"/api/runs/{run.id}/cancel")
        if status != 200:
            raise RuntimeError(f"a cancel was answered with {status}: {answer}")
        self.count("cancels")

    def _message(self, run):
        body = {"text": f"say m{run.tag}\nresult second"}
        status, answer = self.client.call("POST", f"/api/runs/{run.id}/messages", body, key=f"message-{run.tag}")
        run.message_accepted = status == 202
        if status not in (202, 409):
            raise RuntimeError(f"a message was answered with {status}: {answer}")
        self.count(f"messages: {status}")

    def _delete_all(self):
        while not self.stopping.wait(1 / DELETES_PER_SEC):
            with self.lock:
                if len(self.ended) < 10:
                    continue
                run = self.ended.pop(random.randrange(len(self.ended)))
            self._submit(self._delete, run)

    def _delete(self, run):
        run.delete_attempted = True
        status, answer = self.client.call("DELETE", f"/api/runs/{run.id}")
        if status == 409:
            # It is still live.
            run.delete_attempted = False
            return
        # 404: an earlier attempt was carried out, but its answer was lost.
        if status not in (204, 404):
            raise RuntimeError(f"a deletion was answered with {status}: {answer}")
        run.deleted = True
        self.count("runs deleted")
