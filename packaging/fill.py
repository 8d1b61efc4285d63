#!/usr/bin/env python3
"""Fills the packages that download a release with its address and checksums: see RELEASING.md.

    packaging/fill.py --sums SHA256SUMS --url URL --out DIRECTORY

URL is the directory of the archives. Writes install.sh, openrunner.rb (Homebrew), npm/ and python/ into DIRECTORY.
"""

import argparse
import json
import re
import shutil
from pathlib import Path

PACKAGING = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--sums", "--url", "--out"):
        parser.add_argument(option, required=True)
    arguments = parser.parse_args()
    version = re.search(r'^version = "(.*)"', (PACKAGING.parent / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE).group(1)
    sums = {}
    for line in Path(arguments.sums).read_text(encoding="utf-8").splitlines():
        digest, name = line.split()
        if archive := re.fullmatch(rf"openrunner-{re.escape(version)}-(.+)\.tar\.gz", name):
            if not archive.group(1).startswith("image-"):
                sums[archive.group(1)] = digest
    if not sums:
        raise SystemExit(f"{arguments.sums} has no archive of version {version}")
    url, out = arguments.url.rstrip("/"), Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)

    script = (PACKAGING / "install.sh").read_text(encoding="utf-8")
    for name, value in (("release_url", url), ("release_version", version)):
        script, count = re.subn(rf"^{name}=''$", f"{name}='{value}'", script, flags=re.MULTILINE)
        assert count == 1, name
    (out / "install.sh").write_text(script, encoding="utf-8")

    formula = (PACKAGING / "homebrew/openrunner.rb.in").read_text(encoding="utf-8")
    missing = sorted(target for target in set(re.findall(r"@SHA256 (\S+)@", formula)) if target not in sums)
    if missing:
        print(f"no archive for {', '.join(missing)}: the formula is not written")
    else:
        formula = re.sub(r"@SHA256 (\S+)@", lambda found: sums[found.group(1)], formula)
        (out / "openrunner.rb").write_text(formula.replace("@URL@", url).replace("@VERSION@", version), encoding="utf-8")

    release = json.dumps({"version": version, "url": url, "sha256": sums}, indent=2) + "\n"
    for package, place in (("npm", "release.json"), ("python", "src/openrunner_cli/release.json")):
        shutil.copytree(PACKAGING / package, out / package, dirs_exist_ok=True)
        shutil.copy(PACKAGING.parent / "LICENSE", out / package)
        (out / package / place).write_text(release, encoding="utf-8")


if __name__ == "__main__":
    main()
