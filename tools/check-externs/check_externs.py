#!/usr/bin/env python3
"""What src/ossl declares by hand of OpenSSL, against OpenSSL's own headers.

  check_externs.py SRC CC [COMPILER OPTIONS...]

SRC is the directory src/ossl. Every function in an `extern "C"` block, every constant that has the name of one of
OpenSSL's, and every #[repr(C)] struct with fields becomes a line of C, which the compiler holds against the headers:
types of arguments and results, callbacks included, values, sizes and offsets. `const` is not compared: it differs
between the versions of OpenSSL, and is no part of the ABI. Each line is compiled such that all wrong ones are found.
Prints case lines; `skip` where the headers are missing. First it shows on planted declarations that it notices each
kind of mistake.
"""

import os
import re
import subprocess
import sys
import tempfile

# C names of types that are called otherwise here, or that openssl-sys calls otherwise.
C_NAMES = {
    "c_char": "char", "c_int": "int", "c_uint": "unsigned int", "c_long": "long", "c_ulong": "unsigned long",
    "c_uchar": "unsigned char", "c_short": "short", "c_ushort": "unsigned short", "c_void": "void", "usize": "size_t",
    "isize": "ptrdiff_t", "u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t", "i32": "int32_t",
    "i64": "int64_t", "tm": "struct tm", "time_t": "time_t", "size_t": "size_t", "ASN1_BOOLEAN": "ASN1_BOOLEAN",
    "BioAddr": "BIO_ADDR", "X509Pubkey": "X509_PUBKEY", "ObjName": "OBJ_NAME", "timeval": "struct timeval",
    "UiMethod": "UI_METHOD", "StoreCtx": "OSSL_STORE_CTX", "StoreInfo": "OSSL_STORE_INFO", "PolicyInfo": "POLICYINFO",
    "PolicyQualifiers": "STACK_OF(POLICYQUALINFO)",
}
# Declared as `*c_void`, because one declaration serves stacks of all types: (function, argument or "result").
UNTYPED = {
    ("OPENSSL_sk_num", 0): "OPENSSL_STACK *",
    ("OPENSSL_sk_value", 0): "OPENSSL_STACK *",
    ("OPENSSL_sk_free", 0): "OPENSSL_STACK *",
    ("OPENSSL_sk_pop", 0): "OPENSSL_STACK *",
    ("OPENSSL_sk_push", 0): "OPENSSL_STACK *",
    ("OPENSSL_sk_new_null", "result"): "OPENSSL_STACK *",
    ("OSSL_LIB_CTX_get0_global_default", "result"): "OSSL_LIB_CTX *",
    ("X509_STORE_CTX_set0_crls", 1): "STACK_OF(X509_CRL) *",
    ("X509_email_free", 0): "STACK_OF(OPENSSL_STRING) *",
    ("X509_get0_reject_objects", "result"): "STACK_OF(ASN1_OBJECT) *",
    ("SSL_CTX_get_ciphers", "result"): "STACK_OF(SSL_CIPHER) *",
    ("SSL_get0_dane", "result"): "SSL_DANE *",
    ("X509_STORE_CTX_set0_dane", 1): "SSL_DANE *",
    ("CERTIFICATEPOLICIES_free", 0): "CERTIFICATEPOLICIES *",
    ("OSSL_STORE_open", 3): "OSSL_STORE_post_process_info_fn",
    ("OSSL_STORE_LOADER_fetch", "result"): "OSSL_STORE_LOADER *",
    ("OSSL_STORE_LOADER_free", 0): "OSSL_STORE_LOADER *",
}
CONSTANT_NAMES = {
    "NID_TLSFEATURE": "NID_tlsfeature",
    "NID_CT_PRECERT_SCTS": "NID_ct_precert_scts",
    "NID_RSASSA_PSS": "NID_rsassaPss",
    "NID_CHACHA20_POLY1305": "NID_chacha20_poly1305",
    "TLSEXT_NAMETYPE_HOST_NAME": "TLSEXT_NAMETYPE_host_name",
    "TLSEXT_TYPE_SERVER_NAME": "TLSEXT_TYPE_server_name",
    "TLSEXT_TYPE_PSK": "TLSEXT_TYPE_psk",
    "BIO_TYPE_DESCRIPTOR_SOURCE_SINK": "(BIO_TYPE_DESCRIPTOR | BIO_TYPE_SOURCE_SINK)",
}
# Constants of OpenSSL 3 that are asked for in all versions, because an older one has nothing of that value.
SINCE_3 = {"ERR_LIB_OSSL_DECODER", "ERR_R_FETCH_FAILED", "ERR_R_UNSUPPORTED", "SSL_R_UNEXPECTED_EOF_WHILE_READING"}
STRUCTS = {"ObjName": {"kind": "type"}, "PolicyInfo": {"policy_id": "policyid"}}
OPENSSL_PREFIXES = re.compile(
    r"^(ERR|X509|OPENSSL|SSL2?|SSL3|TLS1|TLSEXT|DTLS1?|BIO|EVP|NID|OBJ|XN|ASN1|GEN|PKCS\w+|RSA|DH|EC|RAND|BN|CRYPTO)_"
)

PRELUDE = """
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <inttypes.h>
#include <limits.h>
#include <errno.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <pthread.h>
#define const
#include <openssl/opensslv.h>
#include <openssl/ssl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/objects.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#include <openssl/provider.h>
#endif
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/tls1.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
"""


class Unreadable(Exception):
    """Rust that this script does not understand: better reported than passed over."""


def without_comments(source):
    return re.sub(r"//[^\n]*|/\*.*?\*/", " ", source, flags=re.DOTALL)


def closing(text, start, opening="{", end="}"):
    """The place after the brace that closes the one at start."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == opening) - (text[at] == end)
        if depth == 0:
            return at + 1
    raise Unreadable(text[start : start + 60])


def split(text):
    """The parts between commas that are in no brackets."""
    parts, depth, part = [], 0, ""
    for at, letter in enumerate(text):
        if letter in "(<[{":
            depth += 1
        elif letter in ")]}" or (letter == ">" and text[at - 1] != "-"):
            depth -= 1
        if letter == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += letter
    return [part.strip() for part in parts + [part] if part.strip()]


class Headers:
    """Version and features of the OpenSSL whose headers the compiler finds."""

    def __init__(self, compiler):
        text = '#include <openssl/ssl.h>\n@version OPENSSL_VERSION_NUMBER\n#ifdef OPENSSL_NO_NEXTPROTONEG\n@no_npn\n#endif\n'
        run = subprocess.run([*compiler, "-E", "-P", "-x", "c", "-"], input=text, capture_output=True, text=True, check=False)
        self.found = run.returncode == 0
        if self.found:
            value = re.search(r"@version\s*\(?(.*)", run.stdout).group(1)
            numbers = re.sub(r"(?<=[0-9a-fA-F])[uUlL]+", "", value.strip()).replace("\n", " ").rstrip(")")
            self.version = eval_number(numbers)
            self.npn = "@no_npn" not in run.stdout

    def holds(self, condition):
        condition = condition.strip()
        if found := re.fullmatch(r"not\((.*)\)", condition, re.DOTALL):
            return not self.holds(found.group(1))
        if found := re.fullmatch(r"(all|any)\((.*)\)", condition, re.DOTALL):
            return (all if found.group(1) == "all" else any)(self.holds(part) for part in split(found.group(2)))
        if condition == "npn":
            return self.npn
        if condition == "test":
            return False
        if found := re.fullmatch(r"ossl(\d)(\d)(\d)", condition):
            major, minor, patch = (int(digit) for digit in found.groups())
            own = self.version >> 28, self.version >> 20 & 0xFF, self.version >> (4 if self.version >> 28 >= 3 else 12) & 0xFF
            return own >= (major, minor, patch)
        if found := re.fullmatch(r'target_pointer_width\s*=\s*"(\d+)"', condition):
            return int(found.group(1)) == 64
        raise Unreadable(f"cfg({condition})")


def eval_number(text):
    """A constant expression of numbers, in C or Rust: shifts, or, parentheses."""
    text = re.sub(r"(?<=[0-9a-fA-F])_(?=[0-9a-fA-F])", "", text)
    if not re.fullmatch(r"[0-9a-fA-FxX|<+()\s~-]+", text):
        raise Unreadable(text)
    text = re.sub(r"\b0+(?=[1-9]\d*\b)", "", text)
    return eval(text, {"__builtins__": {}})  # pylint: disable=eval-used


def selected(text, headers):
    """The source with the items taken out that the headers' version does not have."""
    while found := re.search(r"#\[cfg\(", text):
        end = closing(text, text.index("(", found.start()), "(", ")")
        condition = text[text.index("(", found.start()) + 1 : end - 1]
        end = text.index("]", end) + 1
        if headers.holds(condition):
            text = text[: found.start()] + text[end:]
            continue
        while more := re.match(r"\s*#\[", text[end:]):
            end = closing(text, end + more.end() - 1, "[", "]")
        semicolon, brace = text.find(";", end), text.find("{", end)
        if semicolon < 0 or -1 < brace < semicolon:
            stop = closing(text, brace)
        else:
            stop = semicolon + 1
        text = text[: found.start()] + text[stop:]
    return text


class Declarations:
    def __init__(self, sources, headers):
        self.functions, self.constants, self.structs, self.aliases = [], [], [], {}
        texts = [selected(without_comments(source), headers) for source in sources]
        for text in texts:
            for found in re.finditer(r"\btype\s+(\w+)\s*=\s*([^;]+);", text):
                self.aliases[found.group(1)] = found.group(2).strip()
        for text in texts:
            for found in re.finditer(r'\bextern\s+"C"\s*\{', text):
                self.read_block(text[found.end() : closing(text, found.end() - 1) - 1])
            for found in re.finditer(r"\bconst\s+([A-Z]\w*)\s*:\s*([\w:]+)\s*=\s*([^;]+);", text):
                self.read_constant(*found.groups())
            for found in re.finditer(r"#\[repr\(C\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?struct\s+(\w+)\s*\{", text):
                fields = split(text[found.end() : closing(text, found.end() - 1) - 1])
                self.structs.append((found.group(1), [self.name_and_type(field) for field in fields]))

    def read_constant(self, name, kind, value):
        if not OPENSSL_PREFIXES.match(name):
            return
        known = dict((constant, number) for constant, _, number in self.constants)
        value = re.sub(r"\b[A-Z][A-Z0-9_]+\b", lambda word: str(known.get(word.group(), word.group())), value)
        value = re.sub(r"\bas\s+\w+", "", value)
        try:
            self.constants.append((name, kind, eval_number(value.strip())))
        except Unreadable as why:
            raise Unreadable(f"the value of {name}: {why}") from why

    @staticmethod
    def name_and_type(text):
        text = re.sub(r"^(?:#\[[^\]]*\]\s*)*", "", text.strip())
        text = re.sub(r"^pub(\s*\([^)]*\))?\s+", "", text)
        name, _, kind = text.partition(":")
        return name.strip(), kind.strip()

    def read_block(self, block):
        for item in re.split(r";", block):
            item = item.strip()
            if not item:
                continue
            found = re.fullmatch(
                r"(?P<attributes>(?:#\[[^\]]*\]\s*)*)(?:pub(?:\([^)]*\))?\s+)?(?:safe\s+|unsafe\s+)?fn\s+(?P<name>\w+)\s*"
                r"\((?P<arguments>.*)\)\s*(?:->\s*(?P<result>.*))?",
                item, re.DOTALL,
            )
            if not found:
                raise Unreadable(item)
            link = re.search(r'link_name\s*=\s*"(\w+)"', found["attributes"])
            arguments = [self.name_and_type(part)[1] for part in split(found["arguments"])]
            self.functions.append((link.group(1) if link else found["name"], arguments, found["result"]))

    def declare(self, kind, inner):
        """The C declaration of `inner` with the Rust type."""
        kind = " ".join((kind or "()").split())
        if kind == "()":
            return f"void {inner}"
        if found := re.fullmatch(r"\*\s*(?:mut|const)\s+(.*)", kind):
            return self.declare(found.group(1), f"*{inner}")
        if found := re.fullmatch(r"Option\s*<(.*)>", kind):
            return self.declare(found.group(1), inner)
        if found := re.fullmatch(r'(?:unsafe )?extern "C" fn\s*(\(.*)', kind):
            end = closing(found.group(1), 0, "(", ")")
            arguments, rest = found.group(1)[1 : end - 1], found.group(1)[end:].strip()
            arguments = [re.sub(r"^\w+\s*:(?!:)\s*", "", part) for part in split(arguments)]
            listed = ", ".join(self.declare(part, "") for part in arguments) or "void"
            return self.declare(rest.removeprefix("->").strip() or "()", f"(*{inner})({listed})")
        name = kind.split("::")[-1].strip()
        if name in C_NAMES:
            return f"{C_NAMES[name]} {inner}"
        if name in self.aliases:
            return self.declare(self.aliases[name], inner)
        if name.startswith("stack_st_"):
            return f"struct {name} {inner}"
        if re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            return f"{name} {inner}"
        raise Unreadable(kind)

    def lines(self, headers):
        """Pairs of a case's name and its line of C."""
        for name, arguments, result in self.functions:
            listed = ", ".join(
                UNTYPED.get((name, at)) or self.declare(kind, "") for at, kind in enumerate(arguments)
            ) or "void"
            pointer = f"(*check_{name})({listed})"
            untyped = UNTYPED.get((name, "result"))
            declared = f"{untyped} {pointer}" if untyped else self.declare(result, pointer)
            # A macro of this name leads to another symbol than the one that Rust links to.
            yield f"function_{name}", f"#undef {name}", f"{declared} = {name};"
        for name, _, value in self.constants:
            if name in SINCE_3 and headers.version < 0x30000000:
                continue
            c_name = CONSTANT_NAMES.get(name, name)
            yield f"constant_{name}", "", f'_Static_assert(({value}LL) == (long long)({c_name}), "is not {value}");'
        for name, fields in self.structs:
            fields = [field for field in fields if not field[0].startswith("_")]
            if not fields:
                continue
            c_name = C_NAMES.get(name, name)
            rust = " ".join(self.declare(kind, field) + ";" for field, kind in fields)
            checks = [f"_Static_assert(sizeof(struct rust_{name}) == sizeof({c_name}), \"size of {name}\");"]
            for field, _ in fields:
                c_field = STRUCTS.get(name, {}).get(field, field)
                checks.append(f"_Static_assert(offsetof(struct rust_{name}, {field}) == offsetof({c_name}, {c_field}), \"offset of {field}\");")
                checks.append(f"_Static_assert(__builtin_types_compatible_p(__typeof__(((struct rust_{name} *)0)->{field}), "
                              f"__typeof__((({c_name} *)0)->{c_field})), \"type of {field}\");")
            yield f"struct_{name}", "", f"struct rust_{name} {{ {rust} }}; " + " ".join(checks)


def compile_all(lines, compiler):
    """The compiler's first complaint about each line, by its case."""
    lines = list(lines)
    text, place = PRELUDE, {}
    for case, before, line in lines:
        text += f'{before}\n#line 1 "{case}"\n{line}\n'
        place[case] = line
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "externs.c")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        options = ["-std=gnu11", "-fmax-errors=0", "-Werror=incompatible-pointer-types", "-Werror=int-conversion",
                   "-Werror=implicit-function-declaration", "-Wno-deprecated-declarations", "-fsyntax-only",
                   "-Wno-discarded-qualifiers"]
        if "clang" in compiler[0]:
            options = [option.replace("-fmax-errors", "-ferror-limit") for option in options]
        run = subprocess.run([*compiler, *options, path], capture_output=True, text=True, check=False,
                             env={**os.environ, "LC_ALL": "C"})
    complaints = {}
    for found in re.finditer(r"^([^\s:]+):\d+:(?:\d+:)? (?:fatal )?error: (.*)$", run.stderr, re.MULTILINE):
        complaints.setdefault(found.group(1), found.group(2))
    if run.returncode != 0 and not complaints:
        complaints["compiler"] = run.stderr[-300:].replace("\n", " ")
    return lines, complaints


PLANTED = {
    "nothing_where_all_is_right": ("""
        pub type Cb = unsafe extern "C" fn(*mut SSL, *const c_uchar, c_uint) -> c_int;
        pub const TLS1_2_VERSION: c_int = 0x303;
        unsafe extern "C" { pub fn SSL_has_pending(ssl: *const SSL) -> c_int;
            pub fn SSL_CTX_set_cookie_verify_cb(ctx: *mut SSL_CTX, cb: Option<Cb>); }""", None),
    "a_wrong_constant": ("pub const TLS1_2_VERSION: c_int = 0x302;", "constant_TLS1_2_VERSION"),
    "an_unknown_constant": ("pub const TLS1_9_VERSION: c_int = 0x302;", "constant_TLS1_9_VERSION"),
    "a_wrong_argument": (
        'unsafe extern "C" { pub fn SSL_set_read_ahead(ssl: *mut SSL, yes: c_long); }', "function_SSL_set_read_ahead"),
    "a_missing_argument": (
        'unsafe extern "C" { pub fn SSL_set_read_ahead(ssl: *mut SSL); }', "function_SSL_set_read_ahead"),
    "a_wrong_result": (
        'unsafe extern "C" { pub fn SSL_has_pending(ssl: *const SSL) -> c_long; }', "function_SSL_has_pending"),
    "a_wrong_pointer": (
        'unsafe extern "C" { pub fn SSL_has_pending(ssl: *const SSL_CTX) -> c_int; }', "function_SSL_has_pending"),
    "an_unknown_function": ('unsafe extern "C" { pub fn SSL_has_nothing(ssl: *const SSL) -> c_int; }', "function_SSL_has_nothing"),
    "a_wrong_callback": ("""
        pub type Cb = unsafe extern "C" fn(*mut SSL, *const c_uchar, c_ulong) -> c_int;
        unsafe extern "C" { pub fn SSL_CTX_set_cookie_verify_cb(ctx: *mut SSL_CTX, cb: Option<Cb>); }""",
        "function_SSL_CTX_set_cookie_verify_cb"),
    "a_wrong_struct": (
        "#[repr(C)] pub struct ObjName { pub kind: c_long, pub alias: c_int, pub name: *const c_char, pub data: *const c_char }",
        "struct_ObjName"),
    "a_wrong_declaration_under_cfg": (
        '#[cfg(not(ossl999))] unsafe extern "C" { pub fn SSL_has_pending(ssl: *const SSL) -> c_long; }', "function_SSL_has_pending"),
    "nothing_that_is_for_other_versions": (
        '#[cfg(ossl999)] unsafe extern "C" { pub fn SSL_has_pending(ssl: *const SSL) -> c_long; }', None),
}


def main():
    src, compiler = sys.argv[1], sys.argv[2:]
    headers = Headers(compiler)
    if not headers.found:
        print("skip externs_are_as_in_the_headers: OpenSSL's development files")
        return 0
    for name, (source, expected) in PLANTED.items():
        _, complaints = compile_all(Declarations([source], headers).lines(headers), compiler)
        seen, right = sorted(complaints), [expected] if expected else []
        print(f"ok notices_{name}" if seen == right else f"not ok notices_{name}: {complaints} instead of {right}")
    sources = []
    for directory, _, files in sorted(os.walk(src)):
        for file in sorted(files):
            if file.endswith(".rs"):
                with open(os.path.join(directory, file), encoding="utf-8") as text:
                    sources.append(text.read())
    try:
        lines, complaints = compile_all(Declarations(sources, headers).lines(headers), compiler)
    except Unreadable as why:
        print(f"not ok externs_are_as_in_the_headers: tools/check-externs does not understand: {why}")
        return 0
    for case, _, _ in lines:
        print(f"not ok {case}: {complaints.pop(case)}" if case in complaints else f"ok {case}")
    for place, complaint in complaints.items():
        print(f"not ok externs_compile: {place}: {complaint}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
