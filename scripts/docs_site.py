#!/usr/bin/env python3
"""Builds the documentation as a web site with mdBook: scripts/docs_site.py DIRECTORY

The chapters are those of docs/SUMMARY.md. Files that the chapters link to, such as sources and settings, become a part of the site.
Fails if mdBook complains, if a Markdown file in docs/ is not a chapter, or if a link or an anchor of the site leads nowhere.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
SUMMARY = ROOT / "docs/SUMMARY.md"


def links(text):
    """The targets of the links of a Markdown text, outside of code."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    prose = "".join(re.split(r"`[^`\n]*`", text))
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in target and not target.startswith(("#", "mailto:"))]


def stage(source):
    """Copies the chapters and what they link to, in the layout of the repository."""
    chapters = [(SUMMARY.parent / target).resolve() for target in links(SUMMARY.read_text(encoding="utf-8"))]
    forgotten = sorted(set(ROOT.joinpath("docs").rglob("*.md")) - set(chapters) - {SUMMARY})
    if forgotten:
        raise SystemExit("not in docs/SUMMARY.md: " + ", ".join(str(path.relative_to(ROOT)) for path in forgotten))
    for chapter in chapters:
        place = source / chapter.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        text = chapter.read_text(encoding="utf-8")
        # mdBook makes a README the index page of its directory, but leaves links to it as they are.
        place.write_text(re.sub(r"(\]\([^)\s]*)\bREADME\.md\b", r"\1index.md", text), encoding="utf-8")
        for target in links(text):
            linked = (chapter.parent / unquote(target.split("#")[0])).resolve()
            if linked.suffix != ".md" and linked.is_file():
                place = source / linked.relative_to(ROOT)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(linked, place)
    # The summary of the staged book names its chapters from the root.
    summary = re.sub(r"\]\((?!\.\./)", "](docs/", SUMMARY.read_text(encoding="utf-8")).replace("](../", "](")
    (source / "SUMMARY.md").write_text(summary, encoding="utf-8")


class Page(HTMLParser):
    """Collects the targets of links and images, and the anchors, of a page."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.add(attributes.get("id"))
        target = attributes.get("href" if tag == "a" else "src" if tag == "img" else "")
        if target:
            self.targets.append(target)


def broken(site):
    """Links of the pages that lead nowhere."""
    # The print page repeats all others, and the page for errors has links for every place.
    paths = [path for path in site.rglob("*.html") if path.name not in ("print.html", "404.html", "toc.html")]
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in paths}
    for path, page in pages.items():
        for target in page.targets:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            linked = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not linked.exists() or (linked in pages and url.fragment and unquote(url.fragment) not in pages[linked].anchors):
                yield f"{path.relative_to(site)} → {target}"


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    site = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as book:
        source = Path(book) / "src"
        source.mkdir()
        stage(source)
        shutil.copy(ROOT / "docs/book.toml", book)
        shutil.rmtree(site, ignore_errors=True)
        built = subprocess.run(["mdbook", "build", "--dest-dir", str(site), book], capture_output=True, text=True, check=False)
        print(built.stderr, end="")
        if built.returncode or re.search(r"\b(WARN|ERROR)\b", built.stderr):
            raise SystemExit("mdBook complains; see above")
    wrong = sorted(set(broken(site)))
    if wrong:
        raise SystemExit("links that lead nowhere:\n" + "\n".join(wrong))
    print(f"{len(list(site.rglob('*.html')))} pages in {site}")


if __name__ == "__main__":
    main()
