#!/usr/bin/env python3
"""The links of Markdown files lead somewhere: prints each that does not, as FILE: TARGET.

  check_links.py FILE...

A target is a file beside the page, with or without "#heading", as GitHub makes it. Links to other sites are left out.
"""

import os
import re
import sys

LINK = re.compile(r"\]\(([^()\s]+)\)")


def anchors(path):
    """The anchors of a page's headings."""
    found, in_code = set(), False
    with open(path, encoding="utf-8") as page:
        for line in page:
            if line.startswith("```"):
                in_code = not in_code
            elif line.startswith("#") and not in_code:
                heading = line.lstrip("#").strip().lower()
                found.add(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-"))
    return found


def broken(path):
    with open(path, encoding="utf-8") as page:
        targets = LINK.findall(page.read())
    for target in targets:
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if not os.path.exists(there) or (anchor and anchor not in anchors(there)):
            yield target


def main():
    lines = [f"{path}: {target}" for path in sys.argv[1:] for target in broken(path)]
    print("\n".join(lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
