#!/usr/bin/env python3
"""Each export has a mention in a C test, a doc comment in the header that says what it returns, and a Scheme use or a
recorded reason: check_coverage.py HEADER-DIR ABI-DIR SCHEME-DIR

abi/no-scheme.txt has a line `NAME reason` for each export that Scheme does without."""

import collections
import pathlib
import re
import sys

here = pathlib.Path(__file__).parent
headers, abi, scheme = (pathlib.Path(argument) for argument in sys.argv[1:])


def names_in(files):
    return {name for file in files for name in re.findall(r"\bbgl_\w+", file.read_text(errors="replace"))}


def lines_of(path):
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def declarations(text):
    """The name, result type and doc comment of each function that the header declares."""
    pattern = r"(?P<comment>/\*\*(?:(?!\*/).)*\*/)?\s*(?P<result>[A-Za-z][\w ]*?[ *]+)(?P<name>bgl_\w+)\s*\("
    for match in re.finditer(pattern, text, re.S):
        yield match["name"], match["result"].strip(), match["comment"] or ""


def verdict(name, problems):
    return f"not ok {name}: {' '.join(sorted(problems))}" if problems else f"ok {name}"


def main():
    exports = set(lines_of(abi / "symbols.txt"))
    text = "\n".join(header.read_text() for header in sorted(headers.glob("*.h")))
    tested = names_in(here.glob("t_*.c"))
    declared = {name: (result, comment) for name, result, comment in declarations(text)}
    used = names_in(file for file in scheme.rglob("*") if file.suffix in {".scm", ".sch", ".c", ".h", ".init"})
    reason_lines = [line.partition(" ")[::2] for line in lines_of(abi / "no-scheme.txt")]
    reasons = dict(reason_lines)
    times = collections.Counter(name for name, _ in reason_lines)

    undocumented = {name for name in exports if len(declared.get(name, ("", ""))[1]) < 20}
    says_nothing_of_result = {
        name
        for name, (result, comment) in declared.items()
        if name in exports - undocumented and result != "void" and not re.search(r"return|give|answer|tell", comment, re.I)
    }
    print(verdict("there_are_exports", set() if exports else {"abi/symbols.txt is empty"}))
    print(verdict("each_export_has_a_test", exports - tested))
    print(verdict("each_export_is_declared_with_a_comment", undocumented))
    print(verdict("each_comment_says_what_is_returned", says_nothing_of_result))
    print(verdict("each_declared_function_is_exported", set(declared) - exports))
    print(verdict("each_export_has_a_scheme_use_or_a_reason", exports - used - set(reasons)))
    print(verdict("each_reason_for_no_scheme_use_is_for_an_export", set(reasons) - exports))
    print(verdict("no_export_has_two_reasons_for_no_scheme_use", {name for name in times if times[name] > 1}))
    print(verdict("each_reason_for_no_scheme_use_is_given", {n for n, reason in reasons.items() if not reason.strip()}))


main()
