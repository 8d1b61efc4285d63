"""Compares two recordings of the same scenario by what a parser depends on: kinds of messages, their fields, their order, the exit code.

Ids, times, numbers, texts, paths and versions differ between two recordings of the same program, so values are left out.
"""
import difflib
import re

# Lists that describe the program rather than the run, and are shortened in the recordings; maps with keys of the user or the machine.
CATALOGS = {
    "tools", "slash_commands", "commands", "skills", "agents", "models", "availableModels", "availableCommands", "configOptions", "options", "plugins",
    "mcp_servers", "modelUsage", "output_styles", "available_output_styles", "authMethods", "_meta", "input", "rawInput", "rawOutput", "arguments",
    "metadata", "entries", "env", "changes", "permission_suggestions", "account",
}
ID = re.compile(r"[0-9a-f]{8}|^\d+$|[/:#]")

ESCAPE = re.compile(r"\x1b\[[0-9;]*m|\d{4}-\d\d-\d\dT[0-9:.]+Z ?")


def kind(message):
    """A short name of a message: its type and subtypes, or its method."""
    if not isinstance(message, dict):
        return "text"
    parts = [message[key] for key in ("method", "type", "subtype") if isinstance(message.get(key), str)]
    params = message.get("params") if isinstance(message.get("params"), dict) else message
    for path in (("update", "sessionUpdate"), ("item", "type"), ("event", "type"), ("part", "type"), ("request", "subtype"), ("response", "subtype")):
        value = params
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            parts.append(value)
    if not parts:
        parts = ["error" if "error" in message else "response"]
    if "id" in message and "method" not in message:
        parts.append(str(message["id"])[:8])
    return " ".join(parts)


def fields(message, prefix=""):
    """The paths of all fields, without list positions and without keys that are ids or paths."""
    if isinstance(message, list):
        return {path for item in message for path in fields(item, prefix + "[]")}
    if not isinstance(message, dict):
        return set()
    found = set()
    for key, value in message.items():
        name = "*" if ID.search(key) else key
        found.add(f"{prefix}.{name}")
        if name not in CATALOGS:
            found |= fields(value, f"{prefix}.{name}")
    return found


def shape(recording):
    """The fields that occur in each kind of message."""
    shapes = {}
    for message in recording.outs():
        shapes.setdefault(kind(message), set()).update(fields(message))
    return shapes


def order(recording):
    """The kinds of the messages in their order, each run of the same kind once."""
    kinds = [kind(message) for message in recording.outs()]
    return [each for each, before in zip(kinds, [None] + kinds) if each != before]


def differences(old, new):
    """Readable lines; none if the recordings are equivalent."""
    lines = []
    if old.exit_code != new.exit_code:
        lines.append(f"exit code {old.exit_code} -> {new.exit_code}")
    before, after = shape(old), shape(new)
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            lines.append(f"- {name}")
        elif name not in before:
            lines.append(f"+ {name}: {' '.join(sorted(after[name]))}")
        else:
            gone, added = sorted(before[name] - after[name]), sorted(after[name] - before[name])
            lines += [f"  {name} - {field}" for field in gone] + [f"  {name} + {field}" for field in added]
    before_text, after_text = (ESCAPE.sub("", each.stderr).strip() for each in (old, new))
    if bool(before_text) != bool(after_text):
        lines.append(f"+ stderr: {after_text[:200]!r}" if after_text else f"- stderr: {before_text[:200]!r}")
    if before.keys() == after.keys():
        lines += [line for line in difflib.unified_diff(order(old), order(new), "order", "order", n=1, lineterm="") if not line.startswith(("---", "+++"))][:30]
    return lines
