#!/usr/bin/env python3
"""Makes the fuzzers' first inputs of the tests' PKI: make_corpus.py PKI CORPUS"""

import os
import re
import sys

pki, corpus = sys.argv[1:]


def put(target, name, data):
    directory = os.path.join(corpus, target)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, f"seed-{name}"), "wb") as file:
        file.write(data)


def numbered(size, content):
    return len(content).to_bytes(size, "big") + content


def extension(kind, content):
    return kind.to_bytes(2, "big") + numbered(2, content)


ENDINGS = {
    "certificates": r"\.(pem|der)$",
    "private_keys": r"\.(key|key\.der)$",
    "pkcs12": r"\.p12$",
    "crls": r"\.(crl|pem|key)$",
}
for file in sorted(os.listdir(pki)):
    path = os.path.join(pki, file)
    if os.path.isfile(path) and os.path.getsize(path) <= 20000:
        with open(path, "rb") as text:
            data = text.read()
        for target, ending in ENDINGS.items():
            if re.search(ending, file):
                put(target, file, data)

for at, name in enumerate(
    ["localhost", "example.com.", "*.example.test", "127.0.0.1", "127.0.0.1.", "::1", "[::1]", "[::1].", "fe80::1%lo",
     "1.2.3.4%lo", "a..b", ".com", "a/b", "a:443", "a@b", "%", "[]", "xn--bcher-kva.example", "b\u00fccher.example",
     "a" * 64 + ".test", "a." * 127, " localhost", "local_host", "0x7f.1", "2130706433", "h2\0http/1.1\0spdy/3"]
):
    put("names", str(at), name.encode())

# A client hello of DTLS 1.2, without a cookie.
body = (b"\xfe\xfd" + bytes(range(32)) + b"\0" + b"\0" + numbered(2, bytes.fromhex("c02bc02f")) + b"\x01\0"
        + numbered(2, extension(10, numbered(2, b"\0\x17")) + extension(13, numbered(2, b"\x04\x03"))))
message = b"\x01" + numbered(3, body)[0:3] + b"\0\0" + b"\0\0\0" + numbered(3, body)[0:3] + body
hello = b"\x16\xfe\xff" + bytes(8) + numbered(2, message)
put("dtls_hello", "hello", hello)
put("dtls_hello", "fragment", hello[:-10])
put("dtls_server", "hello", numbered(2, hello))
put("dtls_server", "two", numbered(2, hello) + numbered(2, hello[:-10]))
put("dtls_server", "alert", numbered(2, b"\x15\xfe\xfd" + bytes(8) + b"\0\x02\x02\x28"))

tls_body = (b"\x03\x03" + bytes(32) + b"\0" + numbered(2, bytes.fromhex("c02b1301")) + b"\x01\0"
            + numbered(2, extension(43, b"\x02\x03\x04") + extension(10, numbered(2, b"\0\x17"))))
tls_hello = b"\x01" + numbered(3, tls_body)
record = b"\x16\x03\x01" + numbered(2, tls_hello)
put("engine", "hello", b"\x01\xff" + record)
put("engine", "hello-asking", b"\x0b\x05" + record)
put("engine", "alert", b"\0\xff\x15\x03\x03\0\x02\x02\x28")
put("engine", "server-hello", b"\0\xff\x16\x03\x03" + numbered(2, b"\x02" + numbered(3, b"\x03\x03" + bytes(32) + b"\0\xc0\x2b\0")))
put("engine_tampered", "nothing", b"\0")
put("engine_tampered", "changes", b"\x01" + bytes([5, 0, 0] * 6) + bytes([0, 128, 1, 1, 200, 0]))
put("engine_tampered", "records", bytes([3]) + bytes([7, 0, 0] * 4) + bytes([3, 0, 0]))
put("client_hello", "name", b"\0localhost")
put("client_hello", "protocols", b"\x01\x02h2\x08http/1.1")
put("client_hello", "both", b"\x06" + extension(16, numbered(2, b"\x02h2")))
put("client_hello", "ticket", b"\x03" + extension(35, bytes(100)))
