"""Runs the examples of docs/events.md as written."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import ROOT, Server

EXAMPLES = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/events.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("library", ["httpx", "requests"])
def test_the_python_examples_read_all_events(server: Server, library: str, tmp_path: Path) -> None:
    (example,) = (block for block in EXAMPLES if f"import {library}" in block)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    events: Callable[[str, str, str], Iterator[dict[str, Any]]] = runpy.run_path(str(tmp_path / "example.py"))["events"]
    with server.client() as client:
        run = client.run("\u2028 and \u0085", agent_type="demo")
        read = list(events(server.url, run.run_id, server.token()))
    assert read == server.replay(run.run_id) and read[-1]["type"] == "done"
