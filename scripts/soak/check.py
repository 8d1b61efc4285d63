"""The checks after the load: nothing is lost, duplicated or left behind."""

import collections
import json
import pathlib
import sqlite3
import time

# Far longer than the last runs and deliveries take.
DRAIN_SECS = 900
# A server that dies between recording the launch of an agent and its start leaves a run that must not be started again.
LAUNCHING = "the server died while it launched the agent"
LIVE = "queued,starting,running,waiting,stopping"


def wait_for_drain(client, path, report):
    """Waits until all runs have ended and all their webhooks are delivered. Returns the violations."""
    deadline, shown = time.monotonic() + DRAIN_SECS, 0
    while True:
        live, webhooks = client.list(f"/api/runs?status={LIVE}"), count(path, "SELECT count(*) FROM webhooks WHERE status = 'active'")
        if not live and not webhooks:
            return []
        if time.monotonic() > deadline:
            runs = [f"{run['run_id']} ({run['status']})" for run in live[:20]]
            return [f"after {DRAIN_SECS} s {len(live)} runs are live: {runs}; {webhooks} webhooks are active"]
        if time.monotonic() > shown + 10:
            report(f"waiting for {len(live)} runs and {webhooks} webhooks")
            shown = time.monotonic()
        time.sleep(0.5)


def count(path, sql):
    """The number that a query of the database returns. The server may be running."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
    try:
        return database.execute(sql).fetchone()[0]
    finally:
        database.close()


def check_runs(client, load):
    """Each acknowledged run exists once, has ended as it had to, and has the same complete log for every reader."""
    faults = []
    listed = {run["run_id"]: run for run in client.list("/api/runs")}
    expected = {run.id for run in load.runs.values() if not run.deleted}
    faults += [f"the acknowledged run {run} is lost" for run in expected - listed.keys()]
    faults += [f"{run} is listed, but {'was deleted' if run in load.runs else 'was never acknowledged'}" for run in listed.keys() - expected]
    logs, statuses = {}, collections.Counter()
    for run in load.runs.values():
        if run.deleted:
            if client.call("GET", f"/api/runs/{run.id}")[0] != 404:
                faults.append(f"the deleted run {run.id} can be read")
            continue
        if run.id not in listed:
            continue
        first, second = list(client.events(run.id)), list(client.events(run.id))
        if first != second:
            faults.append(f"two replays of {run.id} differ")
        if run.followed is not None and run.followed != first:
            faults.append(f"a reader of {run.id} got {len(run.followed)} events, which differ from its log of {len(first)}")
        events = [json.loads(line) for line in first]
        logs[run.id] = {event["seq"]: event for event in events if "seq" in event}
        faults += check_log(run, listed[run.id], events)
        statuses[listed[run.id]["status"]] += 1
    return faults, logs, statuses


def check_log(run, row, events):
    seqs = [event.get("seq") for event in events]
    if seqs != list(range(1, row["last_seq"] + 1)):
        return [f"the log of {run.id} is not numbered from 1 to {row['last_seq']}: {seqs}"]
    types = [event["type"] for event in events]
    if types.count("done") != 1 or types[-1] != "done":
        return [f"the log of {run.id} has {types.count('done')} `done` events, and ends with {types[-1]}"]
    done = events[-1]
    if done["status"] != row["status"]:
        return [f"{run.id} is {row['status']}, but its log ends with {done['status']}"]
    if row["status"] == "cancelled":
        return [] if run.cancel_requested or run.interruptible else [f"{run.id} ({run.kind}) was cancelled without a request"]
    if row.get("cause") == "node_lost" and LAUNCHING in row["message"]:
        return []
    if row["status"] != "completed":
        return [f"{run.id} ({run.kind}) ended as {row['status']}, {row.get('cause')}: {row.get('message')}"]
    faults = []
    for tag in [run.tag, f"m{run.tag}"] if run.message_accepted else [run.tag]:
        count = sum(event["type"] == "message" and event.get("content") == tag for event in events)
        if count != 1:
            faults.append(f"{run.id} ({run.kind}) wrote {tag} {count} times")
    if run.kind == "flood":
        tokens = [event["content"].strip() for event in events if event["type"] == "token"][1:]
        if tokens != [str(number) for number in range(1, 401)]:
            faults.append(f"{run.id} lost or repeated tokens: {len(tokens)} of 400")
    if types.count("permission_resolved") != types.count("permission_request"):
        faults.append(f"{run.id} has {types.count('permission_request')} requests and {types.count('permission_resolved')} answers")
    return faults


def check_webhooks(load, receiver, logs, subscribed):
    """Each event that a webhook subscribed to was delivered, in order, always under the same id, and nothing else was."""
    faults = []
    ids, first = {}, collections.defaultdict(list)
    for message, data in receiver.accepted:
        event = (data["run_id"], data["seq"])
        if ids.setdefault(event, message) != message:
            faults.append(f"{event} was delivered as {ids[event]} and as {message}")
        elif event[1] not in first[event[0]]:
            first[event[0]].append(event[1])
        if data["run_id"] not in load.runs:
            faults.append(f"a webhook about {data['run_id']} was sent, which was never acknowledged")
        stored = logs.get(data["run_id"])
        if stored is not None:
            sent = {key: value for key, value in data.items() if key != "run_id" and (key != "session_id" or key in stored.get(data["seq"], {}))}
            if stored.get(data["seq"]) != sent:
                faults.append(f"{event} was delivered with another content than that of the log")
    if len(set(ids.values())) != len(ids):
        faults.append("two events were delivered with the same id")
    missing = 0
    for run, log in logs.items():
        wanted = [seq for seq, event in sorted(log.items()) if event["type"] in subscribed]
        if sorted(first[run]) != wanted:
            missing += len(set(wanted) - set(first[run]))
            faults.append(f"webhooks of {run} ({load.runs[run].kind}): sent {sorted(first[run])} of {wanted}")
        elif first[run] != wanted:
            faults.append(f"webhooks of {run} were sent in the order {first[run]}")
    return faults, len(ids), missing


def check_sessions(client, load, data):
    """No directory is left over or missing."""
    faults = []
    sessions = {session["session_id"]: session for session in client.list("/api/sessions")}
    used = {run.session for run in load.runs.values() if not run.deleted}
    faults += [f"session {session} is missing, although it has a run" for session in used - sessions.keys()]
    faults += [f"session {session} has no run" for session in sessions.keys() - used]
    wanted = {pathlib.Path(session["working_dir"]).name for session in sessions.values()}
    # Removal follows the answer of a deletion.
    for _ in range(100):
        found = {entry.name for entry in (data / "workspaces").iterdir()}
        outputs = {entry.name for entry in (data / "runs").iterdir()}
        deleted = outputs - {run.id for run in load.runs.values() if not run.deleted}
        if found == wanted and not deleted:
            break
        time.sleep(0.1)
    faults += [f"orphaned directory workspaces/{name}" for name in found - wanted]
    faults += [f"the working directory workspaces/{name} of a session is missing" for name in wanted - found]
    faults += [f"orphaned directory runs/{name}" for name in deleted]
    return faults


def check_starts(load, server):
    """No agent was started twice for one run."""
    starts = collections.Counter(server.started_runs())
    faults = [f"the agent of {run} was started {count} times" for run, count in starts.items() if count > 1]
    return faults + [f"an agent was started for {run}, which was never acknowledged" for run in starts.keys() - load.runs.keys()]


def check_processes(server):
    """No process of a run is left. Shims may still be exiting."""
    for _ in range(100):
        left = server.processes()
        if not left:
            return []
        time.sleep(0.1)
    return [f"process {pid} is left: {command}" for pid, command in left]


def check_database(path):
    """The database is sound and has no rows that belong to nothing."""
    faults = []
    result = count(path, "PRAGMA integrity_check(1)")
    if result != "ok":
        faults.append(f"the database is damaged: {result}")
    orphans = {
        "chunks of deleted runs": "SELECT count(*) FROM event_chunks WHERE run_id NOT IN (SELECT id FROM runs)",
        "sessions without runs": "SELECT count(*) FROM sessions WHERE id NOT IN (SELECT session_id FROM runs)",
        "unfinished removals": "SELECT count(*) FROM pending_removals",
        "unfinished runs": "SELECT count(*) FROM runs WHERE ended_at IS NULL",
        "unfinished webhooks": "SELECT count(*) FROM webhooks WHERE status = 'active'",
        "webhooks given up": "SELECT count(*) FROM webhooks WHERE status = 'abandoned'",
    }
    for what, sql in orphans.items():
        if number := count(path, sql):
            faults.append(f"{what}: {number}")
    return faults
