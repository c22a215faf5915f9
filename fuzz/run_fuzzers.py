#!/usr/bin/env python3
"""Runs fuzzers: run_fuzzers.py SECONDS PROGRAMS PLACE TARGET...
   or, to see that it reports what the target `planted` does: run_fuzzers.py --planted PROGRAMS PLACE

A line a target: `ok`, `not ok` or `skip`. Below a `not ok`, as lines that begin with `  | `, is what it takes to find the
failure again without this machine: what failed, the library's part of the stack, and the input.
What a slow machine or one without memory does to a fuzzer is no failure: an input that took too long runs again alone, and
fails if it needs that much processor time; a fuzzer that did not start, or that the system has killed, starts again.
Once CHECK_UNTIL (in seconds since 1970) is near, the rest is skipped.
PROGRAMS is the directory of the fuzzers, PLACE that of corpus/TARGET, found/TARGET and TARGET.log."""

import base64
import gzip
import os
import re
import resource
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LONGEST = 10  # seconds for an input
LIMITS = ["-rss_limit_mb=3000", "-max_len=20000", "-print_final_stats=1"]
STARTS = 3
FRAMES, CHARACTERS, COLUMNS = 14, 4000, 200


class Run:
    """One run of a fuzzer: its exit status, what it said, and the input that it has kept for a failure."""

    def __init__(self, command, log, seconds):
        with open(log, "wb") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
            self.hung = False
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.hung = True
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.status = process.returncode
        with open(log, encoding="utf-8", errors="replace") as text:
            self.said = text.read()
        kept = re.findall(r"Test unit written to (.*)", self.said)
        self.input = kept[-1].strip() if kept and os.path.exists(kept[-1].strip()) else None

    def kind_is(self, kind):
        return self.input is not None and os.path.basename(self.input).startswith(kind + "-")

    @property
    def started(self):
        return self.input is not None or "INITED" in self.said or "Running: " in self.said

    @property
    def counts(self):
        runs = re.findall(r"^stat::number_of_executed_units: *(\d+)", self.said, re.M)
        covered = re.findall(r"\bcov: \d+", self.said)
        return f"{runs[-1] if runs else '?'} runs, {covered[-1] if covered else 'cov: ?'}"


def needs(command, log, longest):
    """The processor time, in seconds, that the command takes alone; None if it ends badly or never."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = Run(command, log, 20 * longest + 60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return None if run.status != 0 else used


def reason(said):
    """In one line, what failed."""
    for pattern in (r"panicked at (\S+:\d+):\d+:\n(.*)", r"ERROR: (?:libFuzzer|\w+Sanitizer): (.*)"):
        if found := re.search(pattern, said):
            return " ".join(part.replace(ROOT + "/", "") for part in found.groups() if part)[:200]
    last = [line for line in said.splitlines() if line.strip()]
    return last[-1][:200] if last else "it said nothing"


def own_frames(said):
    """The first frames of each stack that are in this source tree."""
    for line in said.splitlines():
        found = re.match(r"\s+#(\d+) 0x[0-9a-f]+ in (.*?) " + re.escape(ROOT) + r"/(\S+)", line)
        if found and "/build/" not in found.group(3):
            yield f"#{found.group(1)} {found.group(2)[:110]} {found.group(3)}"


def as_text(path):
    """The input, in lines of base64 and a first one that says how to read them."""
    with open(path, "rb") as file:
        content = file.read()
    name, way, text = os.path.basename(path), "base64 -d", base64.b64encode(content).decode()
    if len(text) > CHARACTERS:
        way, text = "base64 -d | gunzip", base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
    if len(text) > CHARACTERS:
        yield f"{name}: {len(content)} bytes, too long to be printed"
        return
    yield f"{name}: {len(content)} bytes; {way}:"
    for at in range(0, max(len(text), 1), COLUMNS):
        yield text[at : at + COLUMNS]


def fail(target, run, log, why):
    print(f"not ok {target}: {why}; see {log}")
    lines = list(dict.fromkeys(own_frames(run.said)))[:FRAMES]
    lines += re.findall(r"^SUMMARY: .*", run.said, re.M)[-1:]
    lines += re.findall(r"^INFO: (Seed: \d+)", run.said, re.M)
    if run.input:
        lines += as_text(run.input)
    else:
        lines += run.said.splitlines()[-10:]
    for line in lines:
        print(f"  | {line[:300]}")
    return False


def run_target(target, seconds, programs, place, longest=LONGEST, more=()):
    """Runs one; false if it failed."""
    program, log = os.path.join(programs, target), os.path.join(place, f"{target}.log")
    corpus, found = (os.path.join(place, kind, target) for kind in ("corpus", "found"))
    os.makedirs(corpus, exist_ok=True)
    os.makedirs(found, exist_ok=True)
    prefix = []
    for start in range(1, STARTS + 1):
        run = Run(
            [*prefix, program, f"-max_total_time={seconds}", f"-timeout={longest}", *LIMITS, *more,
             f"-artifact_prefix={found}/", corpus],
            log, 3 * seconds + 20 * longest + 120,
        )
        killed = run.status == -signal.SIGKILL and not run.hung
        if run.status == 0 or run.hung or (run.started and not killed):
            break
        # AddressSanitizer wants parts of the address space that a random layout may have given away.
        prefix = ["setarch", "-R"]
    if run.status == 0:
        print(f"ok {target} ({run.counts})")
        return True
    if run.hung:
        return fail(target, run, log, "it does not end")
    if killed:
        print(f"skip {target}: the system has killed it {STARTS} times")
        return True
    if run.kind_is("timeout"):
        used = needs([program, f"-timeout={20 * longest}", run.input], log + ".alone", longest)
        if used is not None and used < longest:
            print(f"ok {target} ({run.counts}; an input took {longest} s here, but alone {used:.1f} s of processor time)")
            return True
    return fail(target, run, log, reason(run.said) if run.started else f"it does not start: {reason(run.said)}")


# What the target `planted` does with an input, and what is to be said of it.
PLANTED = {
    "panics": r"not ok planted: fuzz_targets/planted.rs:\d+ a panic; .*cGFuaWNz",
    "overruns": r"not ok planted: heap-buffer-overflow .*fuzz/fuzz_targets/planted.rs.*SUMMARY: AddressSanitizer.*b3ZlcnJ1bnM=",
    "leaks": r"not ok planted: detected memory leaks.*bGVha3M=",
    "spins": r"not ok planted: .*timeout.*c3BpbnM=",
    "sleeps": r"ok planted \(.*an input took 1 s here",
    "starts_badly": r"not ok planted: it does not start",
    "is_killed": r"skip planted: the system has killed it",
    "does_nothing": r"ok planted \(",
}


def check_planted(programs, place):
    """Each planted mistake must be reported so."""
    good = True
    own = [sys.executable, os.path.abspath(__file__), "--one-planted", programs]
    for name, expected in PLANTED.items():
        where = os.path.join(place, "planted", name)
        os.makedirs(os.path.join(where, "corpus/planted"), exist_ok=True)
        with open(os.path.join(where, "corpus/planted/input"), "wb") as file:
            file.write(name.encode())
        environment = {**os.environ, "FUZZ_STARTS_BADLY": "yes"} if name == "starts_badly" else None
        run = subprocess.run([*own, where], capture_output=True, text=True, check=False, env=environment)
        said = run.stdout + run.stderr
        right = re.match(expected, said, re.S) and (run.returncode != 0) == expected.startswith("not ok")
        print(f"ok reports_what_{name}" if right else f"not ok reports_what_{name}")
        if not right:
            print("".join(f"  | {line}\n" for line in said.splitlines()[-30:]), end="")
        good = good and bool(right)
    return good


def main():
    if sys.argv[1] == "--planted":
        return check_planted(*sys.argv[2:])
    if sys.argv[1] == "--one-planted":
        return run_target("planted", 10, *sys.argv[2:], longest=1, more=["-runs=0"])
    seconds, programs, place, *targets = sys.argv[1:]
    good = True
    for target in targets:
        if "CHECK_UNTIL" in os.environ and float(os.environ["CHECK_UNTIL"]) - time.time() < 2 * int(seconds):
            print(f"skip {target}: no time left")
            continue
        good = run_target(target, int(seconds), programs, place) and good
        sys.stdout.flush()
    return good


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
