#!/usr/bin/env python3
"""Runs test programs, shows what is not fine, and adds up their lines.

A test program prints a line a case: `ok NAME`, `not ok NAME: why` or `skip NAME: what it misses`. A program that
crashes, hangs, prints no case, or exits with a failure that none of its lines explains counts as a failed case itself.
What a program with failures says besides, and its standard error, are kept below its `not ok` lines, as lines that begin
with `  | `. The last line of the whole is `N passed, M failed, K skipped`.

  run_tests.py [-j N] [--timeout SECONDS] [--label TEXT] [--results FILE] [--wrap COMMAND]
               [--arguments TEXT] [--patient] PROGRAM...
  run_tests.py --total FILE...      adds up what earlier runs have put into --results files
  run_tests.py --which TEXT SOURCE...   prints the programs of the sources that have cases whose names contain the text
"""

import argparse
import concurrent.futures
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

KINDS = {"ok ": "passed", "not ok ": "failed", "skip ": "skipped"}
REASON = "  | "


def kind_of(line):
    return next((kind for start, kind in KINDS.items() if line.startswith(start)), None)


def run(program, arguments, wrap, seconds):
    """The program's case lines, with one more where the program itself failed, and what else it said."""
    name = os.path.basename(program)
    command = [*shlex.split(wrap), os.path.abspath(program), *shlex.split(arguments)]
    # Files, not pipes: a left-over process that holds a pipe open must not keep us waiting.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        out.seek(0)
        err.seek(0)
        said = out.read().decode(errors="replace").splitlines()
        lines = [line for line in said if kind_of(line)]
        noise = [line for line in said if not kind_of(line)][-20:] + err.read().decode(errors="replace").splitlines()[-60:]
    if code is None:
        lines.append(f"not ok {name}: not done after {seconds} seconds")
    elif code < 0:
        lines.append(f"not ok {name}: killed by {signal.Signals(-code).name}")
    elif code and not any(line.startswith("not ok ") for line in lines):
        lines.append(f"not ok {name}: exit status {code}")
    elif not lines:
        lines.append(f"not ok {name}: printed no case")
    return lines, noise


def name_of(line):
    return next(line[len(start):].split(":")[0] for start in KINDS if line.startswith(start))


def run_patiently(program, arguments, wrap, seconds):
    """As run; but a case one of whose checks failed has a second try, alone. Sanitizers and valgrind slow programs down
    by a factor that nobody knows, and so break deadlines that hold without them. What they themselves find ends a case
    with an exit status or a signal, and has no second try; nor has a leaked descriptor."""
    lines, noise = run(program, arguments, wrap, seconds)
    cases = [
        line
        for line in lines
        if line.startswith("not ok ")
        and name_of(line) != os.path.basename(program)
        and not any(final in line for final in (": exit status ", ": killed by ", " descriptors open at the end"))
    ]
    for line in cases:
        name = name_of(line)
        again, _ = run(program, name, wrap, seconds)
        if f"ok {name}" in again and not any(other.startswith("not ok ") for other in again):
            print(f"  second try: {os.path.basename(program)}: {line[len('not ok '):]}", flush=True)
            lines[lines.index(line)] = f"ok {name}"
    return lines, noise


def timed(function):
    def run_timed(*arguments):
        start = time.monotonic()
        return (*function(*arguments), time.monotonic() - start)

    return run_timed


def programs_with(text, sources):
    """The programs that have a case whose name contains the text, as far as their sources tell: cases of tables are named
    after the table and their row."""
    for source in sources:
        with open(source) as file:
            code = file.read()
        cases = re.findall(r"^TEST\((\w+)\)", code, re.M)
        tables = re.findall(r"^TEST_TABLE\((\w+),", code, re.M)
        in_tables = any(text in table or text.startswith(table) for table in tables) or (tables and f'"{text}' in code)
        if in_tables or any(text in case for case in cases):
            yield os.path.splitext(os.path.basename(source))[0]


def sum_of(lines):
    counts = dict.fromkeys(KINDS.values(), 0)
    for line in lines:
        counts[kind_of(line)] += 1
    return counts


def as_text(counts):
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def main():
    options = argparse.ArgumentParser()
    options.add_argument("-j", type=int, default=2)
    options.add_argument("--timeout", type=float, default=300)
    options.add_argument("--label", default="", help="put before each case's name")
    options.add_argument("--results", help="a file to which the case lines are written")
    options.add_argument("--wrap", default="", help="a command to run each program under")
    options.add_argument("--arguments", default="", help="what each program is called with")
    options.add_argument("--patient", action="store_true", help="give cases that fail a second try")
    options.add_argument("--total", action="store_true")
    options.add_argument("--which")
    options.add_argument("files", nargs="+")
    chosen = options.parse_args()

    if chosen.which:
        print(*programs_with(chosen.which, chosen.files))
        return

    lines = []
    texts = []
    if chosen.total:
        for path in chosen.files:
            with open(path) as file:
                lines += [line.rstrip("\n") for line in file]
        for line in lines:
            if line.startswith(("not ok ", REASON)):
                print(line)
        lines = [line for line in lines if kind_of(line)]
    else:
        with concurrent.futures.ThreadPoolExecutor(chosen.j) as pool:
            one = timed(run_patiently if chosen.patient else run)
            runs = pool.map(lambda program: one(program, chosen.arguments, chosen.wrap, chosen.timeout), chosen.files)
            for program, (found, noise, seconds) in zip(chosen.files, runs):
                if chosen.label:
                    for start in KINDS:
                        found = [
                            f"{start}{chosen.label}: {line[len(start):]}" if line.startswith(start) else line
                            for line in found
                        ]
                print(f"{os.path.basename(program)}: {as_text(sum_of(found))} ({seconds:.1f} s)", flush=True)
                skips, bad = ([line for line in found if line.startswith(start)] for start in ("skip ", "not ok "))
                reasons = [REASON + line for line in noise] if bad else []
                for line in skips + bad:
                    print(f"  {line}", flush=True)
                for line in reasons:
                    print(line, flush=True)
                lines += found
                texts += [line for line in found if line not in bad] + bad + reasons
        if chosen.results:
            with open(chosen.results, "w") as file:
                file.writelines(line + "\n" for line in texts)
    counts = sum_of(lines)
    print(as_text(counts))
    sys.exit(1 if counts["failed"] or not counts["passed"] + counts["skipped"] else 0)


main()
