#!/usr/bin/env python3
"""The layers of src/: no module imports one of a layer above its own, and no modules import one another in a circle.

  check_layers.py [SRC]        the check: prints case lines and a count
  check_layers.py --graph      prints every import, one a line: MODULE -> MODULE
  check_layers.py --self-test  shows on planted sources that the check notices what it should

A module is a file: src/socket/datagram.rs is `socket::datagram`. An import is a `use`, or a path in the code that
begins with `crate::`, `super::` or `self::`; those of unit tests do not count, and neither does the `mod` by which
a file contains another.
"""

import os
import re
import sys
import tempfile

# The layers, the lowest first. A name stands for its module and everything below it, unless a longer name says
# otherwise. A module may import what is in its own layer or in a lower one.
LAYERS = [
    ("system calls", ["posix"]),
    ("errors, limits and bytes", ["byte_queue", "error", "last_error", "net::deadline", "text", "types"]),
    ("OpenSSL", ["ossl"]),
    ("values", ["alpn", "hello", "hostname", "hosts", "pki", "protocol", "replaceable", "supports", "trace"]),
    ("algorithms and addresses", ["crypto", "net"]),
    ("settings", ["config", "session", "verify"]),
    ("transports", ["transport"]),
    ("connections", ["socket", "engine"]),
    ("servers", ["server"]),
    ("the C API", ["ffi"]),
]

# Imports that break the rules today. This list only shrinks: an entry that is not needed any more is an error.
EXCEPTIONS = set()


def without_text(source):
    """The source without comments, and with empty strings and characters."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\'\\\n])\'', re.DOTALL
    )
    return pattern.sub(lambda found: " " if found.group().startswith("/") else '""', source)


def expand(tree):
    """The paths of a use tree, as lists of names."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        return [[name.strip() for name in re.sub(r"\s+as\s+\w+$", "", tree).split("::") if name.strip()]]
    prefix = [name.strip() for name in tree[:brace].split("::") if name.strip()]
    parts, depth, start = [], 0, brace + 1
    for at in range(brace + 1, len(tree)):
        letter = tree[at]
        if depth == 0 and letter in ",}":
            parts.append(tree[start:at])
            start = at + 1
            if letter == "}":
                break
        depth += (letter == "{") - (letter == "}")
    return [prefix + path for part in parts if part.strip() for path in expand(part)]


TOKEN = re.compile(
    r"#\[cfg\(test\)\]\s*(?:mod\s+\w+\s*\{|fn\b|use\b[^;]*;|(?=\S))|\bpub\s*\(\s*(?:in\s+)?[\w:\s]*\)"
    r"|\bmod\s+(?P<inline>\w+)\s*\{|\buse\s+(?P<use>[^;]*);|(?<![\w:])(?P<path>(?:crate|super|self)(?:\s*::\s*\w+)+)|[{}]"
)


def paths_of(source):
    """The paths that a file names, each with how many inline modules are around it."""
    text = without_text(source)
    inline = []  # the depths at which inline modules began
    depth, at = 0, 0
    while found := TOKEN.search(text, at):
        at = found.end()
        token = found.group()
        if token.startswith("#[cfg(test)]"):
            if token.endswith("{"):
                level = 1
                while level and at < len(text):
                    level += (text[at] == "{") - (text[at] == "}")
                    at += 1
        elif token == "{":
            depth += 1
        elif token == "}":
            depth -= 1
            if inline and inline[-1] == depth:
                inline.pop()
        elif found["inline"]:
            inline.append(depth)
            depth += 1
        elif found["use"]:
            yield from ((path, len(inline)) for path in expand(found["use"]))
        elif found["path"]:
            yield re.split(r"\s*::\s*", found["path"]), len(inline)


def modules_of(src):
    modules = {}
    for directory, _, files in os.walk(src):
        for file in files:
            if file.endswith(".rs"):
                path = os.path.relpath(os.path.join(directory, file), src)
                names = path[: -len(".rs")].split(os.sep)
                if names[-1] in ("mod", "lib"):
                    names.pop()
                modules["::".join(names)] = os.path.join(directory, file)
    return modules


def imports_of(src):
    """All pairs (module, imported module)."""
    modules = modules_of(src)
    found = set()
    for module, file in modules.items():
        if not module:
            continue  # lib.rs is the map, not a module of a layer
        with open(file, encoding="utf-8") as text:
            source = text.read()
        for path, inline in paths_of(source):
            here = module.split("::") + ["(inline)"] * inline
            names = list(path)
            if names[0] == "crate":
                base, names = [], names[1:]
            elif names[0] in ("super", "self"):
                base = here
                while names and names[0] in ("super", "self"):
                    if names.pop(0) == "super":
                        base = base[:-1]
            elif "::".join(here[: len(module.split("::"))] + names[:1]) in modules:
                base = module.split("::")  # a child, named directly
            else:
                continue
            full = [name for name in base + names if name != "(inline)"]
            while full and "::".join(full) not in modules:
                full.pop()
            target = "::".join(full)
            if target and target != module:
                found.add((module, target))
    return modules, found


def layer_of(module, layers):
    best = None
    for number, (_, names) in enumerate(layers):
        for name in names:
            if module == name or module.startswith(name + "::"):
                if best is None or len(name) > best[1]:
                    best = (number, len(name))
    return None if best is None else best[0]


def circles(edges):
    """The sets of modules that import one another, directly or through others (Tarjan's components)."""
    following = {}
    for start, end in sorted(edges):
        following.setdefault(start, []).append(end)
        following.setdefault(end, [])
    index, low, stack, result = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in following[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                result.append(sorted(component))

    sys.setrecursionlimit(10000)
    for node in list(following):
        if node not in index:
            visit(node)
    return result


def problems(src, layers, exceptions):
    """Pairs of a case's name and what is wrong."""
    modules, edges = imports_of(src)
    names = [layer for layer, _ in layers]
    rank = {module: layer_of(module, layers) for module in modules if module}

    def is_upward(edge):
        return None not in (rank[edge[0]], rank[edge[1]]) and rank[edge[1]] > rank[edge[0]]

    for module in sorted(module for module in rank if rank[module] is None):
        yield "every_module_has_a_layer", f"{module} is in none of LAYERS in scripts/check_layers.py"
    for start, end in sorted(edges - set(exceptions)):
        if is_upward((start, end)):
            yield "imports_go_down", f"{start} ({names[rank[start]]}) imports {end} ({names[rank[end]]})"
    for circle in circles(edges - set(exceptions)):
        inside = [f"{a} -> {b}" for a, b in sorted(edges) if a in circle and b in circle]
        yield "no_circles", "; ".join(inside)
    for edge in sorted(exceptions):
        others = edges - (set(exceptions) - {edge})
        circular = any(edge[0] in circle and edge[1] in circle for circle in circles(others))
        if edge not in edges or not (is_upward(edge) or circular):
            yield "exceptions_are_needed", f"{edge[0]} -> {edge[1]} breaks no rule any more: take it off EXCEPTIONS"


CASES = ["every_module_has_a_layer", "imports_go_down", "no_circles", "exceptions_are_needed"]


def report(lines):
    failed = 0
    for line in lines:
        print(line)
        failed += line.startswith("not ok")
    print(f"{len(lines) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def check(src):
    found = {}
    for case, what in problems(src, LAYERS, set(EXCEPTIONS)):
        found.setdefault(case, []).append(what)
    return [f"not ok {case}: {'; '.join(found[case])}" if case in found else f"ok {case}" for case in CASES]


PLANTED = {
    "an import of a layer above": ({"low.rs": "use crate::high::Thing;"}, "imports_go_down"),
    "a nested import of a layer above": ({"low.rs": "use std::io;\nuse crate::{high::{self, Thing}};"}, "imports_go_down"),
    "a path in the code": ({"low.rs": "fn f() { crate::high::f(); }"}, "imports_go_down"),
    "a path after super": ({"low/x.rs": "fn f() { super::super::high::f(); }"}, "imports_go_down"),
    "a path inside an inline module": ({"low.rs": "mod m { use super::super::high; }"}, "imports_go_down"),
    "two files in a circle": ({"high.rs": "use crate::high::x::X;", "high/x.rs": "use super::Y;"}, "no_circles"),
    "three files in a circle": (
        {"high/a.rs": "use super::b;", "high/b.rs": "use super::c;", "high/c.rs": "use crate::high::a;"}, "no_circles"),
    "a module without a layer": ({"new.rs": ""}, "every_module_has_a_layer"),
    "an exception without an import": ({"low/x.rs": "use super::z;", "low/z.rs": ""}, "exceptions_are_needed"),
    "nothing: imports downwards": ({"high.rs": "use crate::low::Thing; use std::fmt;"}, None),
    "nothing: comments, texts, tests": (
        {"low.rs": "// use crate::high;\n/* crate::high::f */ const A: &str = \"crate::high\";\n"
                   "const B: char = '\"'; pub(in crate::high) fn g() {}\n"
                   "#[cfg(test)]\nmod tests { use crate::high::Thing; fn f() { { } } }"}, None),
    "nothing: a module that contains another": ({"high.rs": "mod x;", "high/x.rs": "use super::Y;"}, None),
}


def self_test():
    layers = [("low", ["low"]), ("high", ["high"])]
    lines = []
    for name, (files, expected) in PLANTED.items():
        with tempfile.TemporaryDirectory() as src:
            for file, text in {"lib.rs": "", "low.rs": "", "high.rs": "", **files}.items():
                path = os.path.join(src, file)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as out:
                    out.write(text)
            exceptions = {("low::x", "low::y")} if expected == "exceptions_are_needed" else set()
            seen = sorted({case for case, _ in problems(src, layers, exceptions)})
        case = "notices_" + re.sub(r"\W+", "_", name)
        right = [expected] if expected else []
        lines.append(f"ok {case}" if seen == right else f"not ok {case}: {seen} instead of {right}")
    return lines


def main():
    arguments = sys.argv[1:]
    default = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
    if arguments[:1] == ["--graph"]:
        for start, end in sorted(imports_of(default)[1]):
            print(f"{start} -> {end}")
        return 0
    if arguments[:1] == ["--self-test"]:
        return report(self_test())
    src = arguments[0] if arguments else default
    return report(self_test() + check(src))


if __name__ == "__main__":
    sys.exit(main())
