#!/usr/bin/env python3
"""The declarations in the SYNOPSIS sections of the manual pages, as the headers have them.

  synopses.py check      prints a case line for each page, and a count
  synopses.py write      corrects the pages, and the names of arguments in their texts
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"\.Ft (?P<type>[^\n]+)\n(?:\.Fo (?P<many>\w+)\n(?P<arguments>(?:\.Fa [^\n]+\n)*)\.Fc|\.Fn (?P<one>\w+)(?P<inline>[^\n]*))\n")


def tidy(text):
    return re.sub(r"\*\s+", "*", re.sub(r"\s+", " ", text)).strip()


def declarations():
    """name -> (type of the result, arguments)"""
    found = {}
    for header in sorted((ROOT / "include/bglssl").glob("*.h")):
        text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", header.read_text(), flags=re.S)
        for result, name, arguments in re.findall(r"^((?:const )?\w+ \**)(bgl_\w+)\(([^;{]*)\);", text, re.M):
            parts = [tidy(part) for part in arguments.split(",")]
            found[name] = (tidy(result), [] if parts == ["void"] else parts)
    return found


def quoted(text):
    return f'"{text}"' if " " in text else text


def block(name, declared):
    result, arguments = declared[name]
    head = f".Ft {quoted(result)}\n"
    line = f".Fn {name} {quoted(arguments[0]) if arguments else 'void'}\n"
    if len(arguments) < 2 and len(line) <= 80:
        return head + line
    return head + f".Fo {name}\n" + "".join(f".Fa {quoted(argument)}\n" for argument in arguments) + ".Fc\n"


def name_of(argument):
    return re.search(r"(\w+)\W*$", argument)[1]


def corrected(page, declared):
    before, mark, rest = page.partition(".Sh SYNOPSIS\n")
    synopsis, mark2, after = rest.partition(".Sh DESCRIPTION\n")
    renamed, kept = {}, set()

    def correct(match):
        name = match["many"] or match["one"]
        if name not in declared:
            return match[0]
        old = re.findall(r'\.Fa "?([^"\n]+)"?', match["arguments"] or "")
        old += re.findall(r'"([^"]+)"|(?<!\S)(\w+)', match["inline"] or "") and [
            a or b for a, b in re.findall(r'"([^"]+)"|(?<!\S)(\w+)', match["inline"])
        ]
        new = declared[name][1]
        if len(old) == len(new):
            for a, b in zip(old, new):
                renamed.setdefault(name_of(a), set()).add(name_of(b))
        kept.update(name_of(argument) for argument in new)
        return block(name, declared)

    synopsis = BLOCK.sub(correct, synopsis)
    for old, new in renamed.items():
        if len(new) == 1 and old not in kept:
            after = re.sub(rf"^(\.Fa \*?){old}\b", rf"\g<1>{next(iter(new))}", after, flags=re.M)
    return before + mark + synopsis + mark2 + after


def main():
    declared = declarations()
    failed = 0
    pages = sorted((ROOT / "man").glob("*.3"))
    for path in pages:
        page = path.read_text()
        right = corrected(page, declared)
        synopsis = page.partition(".Sh SYNOPSIS\n")[2].partition(".Sh DESCRIPTION\n")[0]
        unread = set(re.findall(r"^\.F[on] (\w+)", synopsis, re.M)) - {m["many"] or m["one"] for m in BLOCK.finditer(synopsis)}
        if sys.argv[1:] == ["write"]:
            path.write_text(right)
        elif unread:
            failed += 1
            print(f"not ok the synopsis of {path.name} is that of the headers: no .Ft before {' '.join(sorted(unread))}")
        elif page == right:
            print(f"ok the synopsis of {path.name} is that of the headers")
        else:
            failed += 1
            wrong = [a for a, b in zip(page.splitlines(), right.splitlines()) if a != b]
            print(f"not ok the synopsis of {path.name} is that of the headers: {wrong[0]} (scripts/synopses.py write)")
    print(f"{len(pages) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
