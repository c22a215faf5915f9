#!/usr/bin/env python3
"""Checks every C name that the Scheme sources use against the headers: it is declared, takes as many arguments, and
these and its result are of the kind that the Scheme declaration says. Needs no Bigloo.

    check_names.py HEADER... -- SCHEME-FILE...

Prints `ok` or `not ok` for each, and the count."""

import pathlib
import re
import sys

# What a Scheme type may stand for in C. A `void *` in C takes any pointer.
KINDS = {
    "int": {"int", "uint"},
    "long": {"int", "long", "size"},
    "llong": {"int", "long", "llong", "size", "ullong"},
    "bool": {"bool"},
    "string": {"text", "pointer"},
    "void*": {"pointer", "text", "bytes"},
    "obj": {"obj", "pointer"},
    "bstring": {"obj", "text"},
    "void": {"void"},
}


def kind_of(c_type):
    """The kind of a C type, without its argument's name."""
    c_type = re.sub(r"\bconst\b|\bstruct\b", " ", c_type)
    c_type = re.sub(r"\s+", " ", c_type).strip()
    stars = c_type.count("*")
    base = c_type.replace("*", "").strip()
    if stars == 1 and base == "char":
        return "text"
    if stars:
        return "pointer"
    return {
        "int": "int", "int32_t": "int", "uint32_t": "uint", "bgl_ssl_status_t": "int", "long": "long", "size_t": "size",
        "uintptr_t": "size", "BGL_LONGLONG_T": "llong", "int64_t": "llong", "uint64_t": "ullong", "bool": "bool", "bool_t": "bool",
        "void": "void", "obj_t": "obj",
    }.get(base, base)


def split_arguments(text):
    """The arguments between two parentheses, at the top level only."""
    arguments, depth, current = [], 0, ""
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            arguments.append(current)
            current = ""
        else:
            current += character
    arguments.append(current)
    return [argument.strip() for argument in arguments if argument.strip() not in ("", "void")]


def argument_type(argument):
    """`const char *name` -> `const char *`; a type alone stays what it is."""
    match = re.fullmatch(r"(.*[\s*])(\w+)", argument)
    known = {"int", "long", "bool", "void", "size_t", "int64_t", "uint64_t", "int32_t", "obj_t", "char"}
    return match[1] if match and match[2] not in known and not match[2].endswith("_t") else argument


def declarations(headers):
    """name -> (kind of the result, kinds of the arguments), and the macros' names."""
    functions, macros = {}, set()
    for header in headers:
        text = pathlib.Path(header).read_text()
        macros.update(re.findall(r"^\s*#\s*define\s+(\w+)", text, re.M))
        text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
        text = re.sub(r"^\s*#.*$", " ", text, flags=re.M)
        text = text.replace('extern "C" {', " ")
        text = re.sub(r"\{[^{}]*\}", ";", text)
        for statement in text.split(";"):
            match = re.search(r"([\w\s*]*?[\s*])(bg\w+)\s*\((.*)\)\s*$", statement, re.S)
            if match and "typedef" not in match[1]:
                result = re.sub(r"\b(extern|static|inline)\b", " ", match[1])
                arguments = [kind_of(argument_type(a)) for a in split_arguments(match[3])]
                functions[match[2]] = (kind_of(result), arguments)
    return functions, macros


USE = re.compile(r'\(macro\s+\$[^\s:()]+::([^\s()]+)\s*(?:\(([^()]*)\))?\s*"([^"]+)"\)')


def uses(files):
    """(file, C text, result type, argument types or None) for each foreign name of the Scheme sources."""
    for file in files:
        text = re.sub(r";[^\n]*", "", pathlib.Path(file).read_text())
        for result, arguments, c_text in USE.findall(text):
            function = re.search(rf'"{re.escape(c_text)}"', text)
            has_arguments = re.search(rf'::{re.escape(result)}\s*\([^()]*\)\s*"{re.escape(c_text)}"', text)
            types = [a.lstrip(":") for a in arguments.split()] if function and has_arguments else None
            yield file, c_text, result, types


def scheme_kinds(name, aliases):
    return KINDS.get(aliases.get(name, name))


def problem(c_text, result, arguments, functions, macros, aliases):
    cast = re.match(r"\((void|char) \*\)", c_text)
    name = c_text[cast.end():] if cast else c_text
    if not name:
        return None
    # What Bigloo's own header defines.
    if name.startswith("BGL_") and not name.startswith("BGL_SSL_"):
        return None
    if arguments is None:
        return None if name in macros or name.startswith("AF_") else "no such macro in the headers"
    if name in macros:
        return None
    if name in ("string_to_bstring", "string_to_bstring_len"):
        return None
    if name not in functions:
        return "not declared in the headers"
    c_result, c_arguments = functions[name]
    if len(arguments) != len(c_arguments):
        return f"takes {len(c_arguments)} arguments, not {len(arguments)}"
    for i, (scheme, c) in enumerate(zip(arguments, c_arguments), 1):
        kinds = scheme_kinds(scheme, aliases)
        if kinds is None:
            return f"argument {i}: unknown Scheme type {scheme}"
        if c not in kinds:
            return f"argument {i} is {c} in C, {scheme} in Scheme"
    kinds = scheme_kinds(result, aliases)
    if kinds is None:
        return f"unknown Scheme type {result}"
    if not cast and result != "void" and c_result not in kinds:
        return f"returns {c_result} in C, {result} in Scheme"
    return None


def main():
    split = sys.argv.index("--")
    headers, files = sys.argv[1:split], sys.argv[split + 1:]
    functions, macros = declarations(headers)
    aliases = {}
    for file in files:
        for alias, _ in re.findall(r'\(type\s+(\$[\w-]+)\s+(\S+)\s+"void \*"\)', pathlib.Path(file).read_text()):
            aliases[alias] = "void*"
    passed = failed = 0
    for file, c_text, result, arguments in uses(files):
        why = problem(c_text, result, arguments, functions, macros, aliases)
        if why:
            failed += 1
            print(f"not ok {pathlib.Path(file).name}: {c_text}: {why}")
        else:
            passed += 1
    # Nothing found would mean that nothing was checked.
    if passed < 50 or len(functions) < 100:
        failed += 1
        print(f"not ok: only {passed} uses and {len(functions)} declarations were found")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
