"""Runs the openrunner program of this package's version, which it downloads and verifies on first use."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import NoReturn


def fail(message: str) -> NoReturn:
    print(f"openrunner-cli: {message}", file=sys.stderr)
    sys.exit(1)


def targets() -> list[str]:
    """The archives that run on this machine, in order of preference."""
    machine = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}.get(platform.machine().lower())
    systems = {"linux": ["unknown-linux-musl", "unknown-linux-gnu"], "darwin": ["apple-darwin"]}.get(sys.platform)
    return [f"{machine}-{system}" for system in systems] if machine and systems else []


def archive(release: dict, target: str) -> bytes:
    directory = os.environ.get("OPENRUNNER_RELEASES") or release["url"]
    source = f"{directory.rstrip('/')}/openrunner-{release['version']}-{target}.tar.gz"
    try:
        if "://" in source:
            with urllib.request.urlopen(source) as answer:
                content = answer.read()
        else:
            content = Path(source).read_bytes()
    except (OSError, urllib.error.URLError) as error:
        fail(f"could not fetch {source}: {error}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != release["sha256"][target]:
        fail(f"checksum mismatch of {source}: expected {release['sha256'][target]}, got {digest}")
    return content


def program() -> Path:
    """The path of the program. Several first uses at once do not disturb each other: each unpacks beside it and renames."""
    release = json.loads((Path(__file__).parent / "release.json").read_text(encoding="utf-8"))
    if not release:
        fail("this package was not made by a release; see RELEASING.md")
    target = next((name for name in targets() if name in release["sha256"]), None)
    if target is None:
        fail(f"there is no release for {sys.platform} on {platform.machine()}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openrunner-cli"
    directory = cache / f"{release['version']}-{target}"
    path = directory / "openrunner"
    if not path.exists():
        content = archive(release, target)
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=cache) as work:
            # Only an archive with the checksum of this package is unpacked. Early versions of Python 3.10 and 3.11 have no filters.
            with tarfile.open(fileobj=io.BytesIO(content)) as unpacked:
                unpacked.extractall(work, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
            try:
                (Path(work) / f"openrunner-{release['version']}-{target}").rename(directory)
            except OSError:
                if not path.exists():
                    raise
    return path


def main() -> NoReturn:
    path = program()
    os.execv(path, [str(path), *sys.argv[1:]])
