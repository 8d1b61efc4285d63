"""The README's example, run as it is written but for the agent, the folder and the server's address."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support import ROOT, Server


def test_the_example_of_the_readme_works(server: Server, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    shown = blocks[0].replace("http://localhost:3000", server.url).replace("claude_code", "demo").replace("/tmp/test", str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.endswith("\ncompleted\n")
    assert (tmp_path / "hello.py").exists()
