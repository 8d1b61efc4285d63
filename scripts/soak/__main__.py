"""Soak test of the server: kills it many times under load, and then checks that nothing is lost, duplicated or left behind.

The load: runs of a scripted agent, created at a constant rate with idempotency keys; follow-ups in their sessions; readers that resume;
answers, messages, cancels, deletions; a webhook for each run. See `load.py` for the kinds of runs and `check.py` for the checks.

Usage: python3 scripts/soak --server target/release/openrunner --agent target/debug/fake_agent [--kills 200] [--rate 20]
"""

import argparse
import pathlib
import random
import shutil
import sys
import tempfile
import time

import check
from client import Client
from load import WEBHOOK_EVENTS, Load
from receiver import Receiver
from server import Server

# Time between the start of a server and its death.
LIFETIME_SECS = (0.2, 3.0)
# After this time without a kill, as at the end, the server has a steady load.
STEADY_SECS = 3
SHOWN_FAULTS = 50


def main():
    parser = argparse.ArgumentParser(prog="soak", description="Kills a server under load and checks that nothing is lost.")
    parser.add_argument("--server", required=True, type=pathlib.Path, help="the program `openrunner`")
    parser.add_argument("--agent", required=True, type=pathlib.Path, help="the scripted agent `fake_agent`")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20, help="created runs per second")
    parser.add_argument("--max-runs", type=int, default=24, help="concurrent runs")
    parser.add_argument("--keep", action="store_true", help="keep the server's directory")
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="openrunner-soak-")
    faults = ["the soak test itself failed"]
    try:
        faults = soak(options, work)
    finally:
        if faults or options.keep:
            print(f"the server's directory is {work}")
        else:
            shutil.rmtree(work)
    sys.exit(1 if faults else 0)


def soak(options, work):
    started = time.monotonic()

    def report(text):
        print(f"[{time.monotonic() - started:6.0f} s] {text}", flush=True)

    server, receiver = Server(options.server.resolve(), options.agent.resolve(), work, options.max_runs), Receiver()
    server.start()
    client = Client(server.port)
    client.login("user", "user")
    load = Load(client, receiver, options.rate)
    load.start()
    slowest_start = 0
    try:
        for number in range(1, options.kills + 1):
            time.sleep(random.uniform(*LIFETIME_SECS))
            server.kill()
            slowest_start = max(slowest_start, server.start())
            if number % 10 == 0:
                report(f"{number} kills, {len(load.runs)} runs created, {receiver.received} webhooks received")
        time.sleep(STEADY_SECS)
        load.stop()
        report(f"the load has stopped: {len(load.runs)} runs; the slowest start took {slowest_start:.1f} s")
        faults = load.faults + check.wait_for_drain(client, server.data / "openrunner.db", report)
        found, logs, statuses = check.check_runs(client, load)
        faults += found
        found, delivered, missing = check.check_webhooks(load, receiver, logs, WEBHOOK_EVENTS)
        faults += found
        faults += check.check_sessions(client, load, server.data)
        faults += check.check_starts(load, server)
        faults += check.check_processes(server)
    finally:
        load.stopping.set()
        server.stop()
    faults += check.check_database(server.data / "openrunner.db")
    faults += server.faults

    events = sum(len(log) for log in logs.values())
    print(f"kills: {options.kills}\nruns: {len(load.runs)}, of which {sum(run.deleted for run in load.runs.values())} were deleted")
    print(f"ended as: {dict(statuses)}\nevents: {events}\nwebhooks: {delivered} events delivered, {missing} missing, {receiver.received} requests")
    print("\n".join(f"{what}: {count}" for what, count in sorted(load.counts.items())))
    print(f"violations: {len(faults)}")
    for fault in faults[:SHOWN_FAULTS]:
        print(f"  {fault}")
    return faults


if __name__ == "__main__":
    main()
