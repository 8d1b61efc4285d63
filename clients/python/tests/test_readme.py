"""Runs the README's example as written, except for the agent, the directory and the server's address."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support import ROOT, Server


def test_the_readme_example_works(server: Server, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (example,) = (block for block in blocks if "from openrunner import" in block)
    adapted = example.replace("http://localhost:3000", server.url).replace("claude_code", "demo").replace("/tmp/test", str(tmp_path))
    process = subprocess.run([sys.executable, "-c", adapted], capture_output=True, text=True, timeout=60, check=True)
    assert process.stdout.endswith("\ncompleted\n")
    assert (tmp_path / "hello.py").exists()
