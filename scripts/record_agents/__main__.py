#!/usr/bin/env python3
"""Records the agent programs again and shows how they differ from tests/transcripts.

    python3 scripts/record_agents [--agents DIR] [--agent NAME]... [--only PATTERNS] [--update] [--slow] [--list]

The real programs run against tests/mock-llm on this machine, with fake keys and a home directory of their own. A recording is compared by
kinds of messages, fields, order and exit code; `--update` replaces those that differ. Exit code 1: some differ.
"""
import argparse
import collections
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import compare
import drive
import programs
import recording as files

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
TRANSCRIPTS = os.path.join(REPOSITORY, "tests", "transcripts")
# Scenarios whose time limit is longer are recorded only with --slow, in seconds.
SLOW = 200


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--agents", default=os.path.join(REPOSITORY, "target", "agents"), help="--prefix of scripts/install-agents.sh (default: target/agents)")
    parser.add_argument("--agent", action="append", choices=[*programs.NATIVE, "acp"], help="only this directory of recordings")
    parser.add_argument("--only", default="*", help="only recordings with these names; patterns, separated by commas")
    parser.add_argument("--update", action="store_true", help="replace recordings that differ")
    parser.add_argument("--slow", action="store_true", help="also those that take minutes")
    parser.add_argument("--list", action="store_true", help="list the recordings that can be recorded again")
    options = parser.parse_args()

    with open(os.path.join(TRANSCRIPTS, "commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    chosen = [scenario for agent in options.agent or [*programs.NATIVE, "acp"] for scenario in scenarios(agent, commands, options)]
    if options.list:
        print("\n".join(f"{agent}/{name}" for agent, name in chosen))
        return 0
    bin_dirs = [os.path.join(os.path.abspath(options.agents), "bin")]
    # Not below /tmp: Codex warns about a home directory there.
    root = tempfile.mkdtemp(prefix="openrunner-record-", dir="/var/tmp")
    mock, model = start_model(root)
    differ, missing, counts = [], set(), collections.Counter()
    try:
        for agent, name in chosen:
            drive.reset_model(model)
            workspace = drive.Workspace(root, bin_dirs, agent, name, model)
            old = files.load(os.path.join(TRANSCRIPTS, agent), name)
            try:
                new, stdout = record(workspace, agent, name, commands, old, model)
            except FileNotFoundError as error:
                missing.add(str(error))
                continue
            lines = compare.differences(old, new)
            print(f"{'differs' if lines else 'same   '}  {agent}/{name}", flush=True)
            print("".join(f"           {line}\n" for line in lines), end="", flush=True)
            counts.update(set(lines))
            if lines:
                differ.append(f"{agent}/{name}")
                if options.update:
                    files.save(os.path.join(TRANSCRIPTS, agent), name, new, stdout)
    finally:
        mock.terminate()
        mock.wait()
        shutil.rmtree(root, ignore_errors=True)
    for line, count in counts.most_common():
        if count > 1:
            print(f"in {count} recordings: {line.strip()}")
    for program in sorted(missing):
        print(f"skipped: {program} is not installed in {bin_dirs[0]}")
    print(f"{len(differ)} of {len(chosen)} recordings differ" + (", and were replaced; review them with git diff, and update the snapshots"
                                                                if differ and options.update else ""))
    return 1 if differ else 0


def scenarios(agent, commands, options):
    """The recordings of a directory that can be recorded again. Those made by hand or over several processes have no command."""
    for name in files.names(os.path.join(TRANSCRIPTS, agent)):
        command = programs.acp_program(name) if agent == "acp" else commands[agent].get(name)
        if command is None or not any(fnmatch.fnmatch(name, pattern) for pattern in options.only.split(",")):
            continue
        if agent != "acp" and command.get("limit", 0) > SLOW and not options.slow:
            continue
        if agent != "acp" or starts_a_session(files.load(os.path.join(TRANSCRIPTS, agent), name)):
            yield agent, name


def starts_a_session(recording):
    """Whether a dialog needs no session of an earlier process."""
    methods = [message.get("method") for direction, message in recording.entries if direction == "in" and isinstance(message, dict)]
    first = next((method for method in methods if method in ("session/new", "session/load", "session/resume")), "session/new")
    return first == "session/new"


def record(workspace, agent, name, commands, old, model):
    if agent == "acp":
        argv, environment = programs.acp_program(name)
        env = environment(workspace.home, model)
        if name.endswith("not_logged_in"):
            env = {}
    else:
        argv, env = commands[agent][name]["argv"], programs.NATIVE[agent](workspace.home, model)
    if not old.two_way:
        return drive.one_way(workspace, commands[agent][name], env)
    if agent != "acp":
        env.update(commands[agent][name].get("env", {}))
    argv = [element.replace("{model}", model) for element in argv]
    return drive.two_way(workspace, argv, env, old, name), ""


def start_model(root):
    port_file = os.path.join(root, "port")
    script = os.path.join(REPOSITORY, "tests", "mock-llm", "mock_llm.py")
    mock = subprocess.Popen([sys.executable, script, "--port", "0", "--port-file", port_file], stdout=subprocess.DEVNULL)
    while not (os.path.exists(port_file) and os.path.getsize(port_file)):
        if mock.poll() is not None:
            raise SystemExit("the model service does not start")
        time.sleep(0.05)
    with open(port_file, encoding="utf-8") as file:
        return mock, f"http://127.0.0.1:{file.read().strip()}"


if __name__ == "__main__":
    sys.exit(main())
