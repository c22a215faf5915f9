#!/usr/bin/env python3
"""What the fuzzers declare of the C API, against src/ffi: the numbers of arguments, and which are pointers and numbers of which
size. A declaration that has stayed behind compiles, links, and passes the wrong arguments.

  check_declarations.py              prints each wrong declaration; exits with 1 if there is one
  check_declarations.py --self-test  shows on planted declarations that it notices what it should
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools/check-externs"))
from check_externs import Declarations, closing, split, without_comments  # noqa: E402

DEFINITION = r'extern\s+"C"\s+fn\s+(bgl_\w+)\s*\('
DECLARATION = r"\bfn\s+(bgl_\w+)\s*\("
NUMBERS = {"c_int": "i32", "c_uint": "u32", "c_uchar": "u8"}
SAME = {"bool", "i32", "u32", "i64", "u64", "u8", "u16", "usize", "c_long"}


def kind(text, aliases):
    """pointer, a number's type, or nothing."""
    text = " ".join((text or "()").split())
    if text == "()":
        return "nothing"
    if text.startswith(("*", "Option", "extern", "unsafe extern")) or re.fullmatch(r"Handle", text):
        return "pointer"
    name = text.split("::")[-1]
    if name in aliases:
        return kind(aliases[name], aliases)
    name = NUMBERS.get(name, name)
    if name not in SAME:
        raise ValueError(f"an unknown type: {text}")
    return name


def signatures(sources, pattern):
    """The kinds of each function's arguments and of its result, by its name."""
    texts = [without_comments(source) for source in sources]
    aliases = {name: value for text in texts for name, value in re.findall(r"\btype\s+(\w+)\s*=\s*([^;]+);", text)}
    for text in texts:
        for found in re.finditer(pattern, text):
            end = closing(text, found.end() - 1, "(", ")")
            arguments = [Declarations.name_and_type(part)[1] for part in split(text[found.end() : end - 1])]
            result = re.match(r"\s*(?:->\s*([^;{]*))?", text[end:]).group(1)
            yield found.group(1), [kind(part, aliases) for part in arguments] + [kind(result, aliases)]


def complaints(api, fuzzers):
    defined = dict(signatures(api, DEFINITION))
    for name, declared in signatures(fuzzers, DECLARATION):
        if defined.get(name) != declared:
            yield f"{name}: declared with {declared}, is {defined.get(name, 'not there')}"


def sources_in(*directories):
    return [path.read_text(encoding="utf-8") for directory in directories for path in sorted((ROOT / directory).rglob("*.rs"))]


PLANTED_API = ['pub type bgl_ssl_status_t = i32; #[unsafe(no_mangle)] pub unsafe extern "C" fn bgl_a('
               "x: *mut bgl_x_t, n: usize, cb: Option<bgl_cb>, // , more: u8\n) -> bgl_ssl_status_t { }"]
PLANTED = {
    "fn bgl_a(x: Handle, n: usize, cb: Option<unsafe extern \"C\" fn(i32, i32)>) -> i32;": True,
    "pub fn bgl_a(x: *const u8, n: usize, cb: *mut c_void) -> c_int;": True,
    "fn bgl_a(x: Handle, n: usize) -> i32;": False,
    "fn bgl_a(x: Handle, n: u32, cb: *mut c_void) -> i32;": False,
    "fn bgl_a(x: Handle, n: usize, cb: *mut c_void) -> i64;": False,
    "fn bgl_a(x: Handle, n: usize, cb: *mut c_void);": False,
    "fn bgl_b(x: Handle);": False,
}


def main():
    if "--self-test" in sys.argv:
        wrong = [text for text, right in PLANTED.items() if right == bool(list(complaints(PLANTED_API, [text])))]
    else:
        wrong = list(complaints(sources_in("src/ffi"), sources_in("fuzz/src", "fuzz/fuzz_targets")))
        if not any(signatures(sources_in("fuzz/src"), DECLARATION)):
            wrong.append("no declaration was found")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
