#!/usr/bin/env python3
"""Makes the fuzzers' first inputs of the tests' PKI: make_corpus.py PKI CORPUS"""

import os
import re
import subprocess
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

# The parser of hellos: what follows a byte that says how it comes.
identity = numbered(2, b"a ticket") + bytes(4)
with_psk = numbered(2, extension(43, b"\x02\x03\x04") + extension(41, numbered(2, identity * 2) + numbered(2, b"\x20" + bytes(32))))
psk_body = b"\x03\x03" + bytes(32) + b"\0" + numbered(2, bytes.fromhex("1301")) + b"\x01\0" + with_psk
psk_hello = b"\x01" + numbered(3, psk_body)
put("hello", "plain", b"\0" + tls_hello)
put("hello", "psk", b"\0" + psk_hello)
put("hello", "records", b"\x1e" + record)
put("hello", "datagram", b"\x03" + hello)

# A socket: what it is, how its functions behave, what is done with it.
for what in range(8):
    put("sockets", f"hello-{what}", bytes([what, 3, 100, 30, 200, 12, 0, 0, 255, 12, 0, 5, 0]) + record)
    put("sockets", f"psk-{what}", bytes([what, 0, 0, 255]) + b"\x16\x03\x01" + numbered(2, psk_hello) + bytes([12, 0, 5, 0, 13, 0, 6, 8]))
    put("sockets", f"alert-{what}", bytes([what, 0, 5, 0, 0, 7, 0x15, 3, 3, 0, 2, 2, 40, 5, 0, 9, 0, 11, 0]))
TALK = bytes([4, 40, 5, 40, 20, 0, 21, 0, 12, 100, 13, 100, 16, 30, 20, 0, 17, 0, 13, 200, 12, 200, 16, 70, 17, 70, 20, 0, 21, 0, 12, 99, 13, 99])
for how in range(8):
    put("sockets_tampered", f"talk-{how}", bytes([how, 0, 0, 0, 0]) + TALK)
    put("sockets_tampered", f"moods-{how}", bytes([how, 4, 30, 3, 200, 12, 0, 5, 50, 60, 255, 255, 3, 3, 0, 200, 1]) + TALK)
    put("sockets_tampered", f"changes-{how}", bytes([how, 0, 3, 255, 0, 100, 0, 3, 255, 255, 128]) + TALK)

# Two sockets over datagrams, what is done to what each of them sends, and what they do: messages, their datagrams, an end.
MESSAGES = bytes([4, 20, 5, 30, 22, 0, 23, 0, 10, 0, 13, 0, 4, 5, 4, 6, 22, 0, 13, 0, 13, 0, 5, 9, 23, 0, 12, 0])
for what in range(12):
    change = bytes([what, 128, 5, 40, 21])
    for how in range(2):
        put("datagrams_tampered", f"change-{what}-{how}", bytes([how, 5]) + change + bytes([5]) + change + MESSAGES
            + bytes([0, 0, 22, 0, 1, 0, 23, 0] * 4) + MESSAGES + bytes([18, 40, 22, 0, 13, 0]))

keys = [bytes(range(48)), bytes(range(80)), b"".join(subprocess.run(
    ["base64", "-w0"], input=bytes(range(at, at + size)), capture_output=True, check=True).stdout + b"\n"
    for at, size in enumerate([48, 80, 80]))]
for at, data in enumerate(keys):
    put("ticket_keys", str(at), data)

for at, record in enumerate(["3 1 1 " + "d2" * 32, "2 0 2 " + "aB" * 64, "0 0 0 30820101", "1 1 1 " + "00 " * 32, "3 1 1", "256 1 1 00"]):
    put("tlsa", str(at), record.encode())
put("tlsa", "two", ("3 1 1 " + "d2" * 32 + "\0" + "2 1 1 " + "d3" * 32).encode())

for signer in ["root", "ocsp-responder", "ocsp-pretender"]:
    for subject in ["good", "revoked"]:
        answer = os.path.join(corpus, "answer")
        made = subprocess.run(
            ["openssl", "ocsp", "-index", "ocsp-index.txt", "-CA", "root.pem", "-issuer", "root.pem", "-cert", f"{subject}.pem",
             "-rsigner", f"{signer}.pem", "-rkey", f"{signer}.key", "-ndays", "3650", "-respout", os.path.abspath(answer)],
            cwd=pki, capture_output=True)
        if made.returncode == 0:
            with open(answer, "rb") as file:
                put("ocsp", f"{signer}-{subject}", file.read())
            os.remove(answer)

for at, (how, data) in enumerate([
    (0, b"HTTP/1.1 200 Connection established\r\n\r\n"), (1, b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"a\"\r\n\r\n"),
    (0, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204\n\n\x15\x03\x03\0\x02\x02\x28"), (2, b"\x05\0\x05\0\0\x01\x7f\0\0\x01\0\x01"),
    (10, b"\x05\0"), (13, b"\x05\x02\x01\0\x05\0\0\x03\x01a\0\x01"), (3, b"\x05\x02\x01\x01"), (14, b"\x05\x02\x01\0\x05\x01"),
    (255, b"socks5h://u%41:p@[::1]:99"), (255, b"https://proxy.example"), (255, b"10.0.0.0/8,.example.org:443 *,[::1]")]):
    put("proxies", str(at), bytes([how]) + data)

put("sessions", "nothing", b"\x02\0\0")
for place in range(0, 200, 10):
    put("sessions", f"change-{place}", bytes([1 + place // 10 % 2, 0, place, 255, 0, 1]))

# What two ends demand, which all have by default, and what one of them demands instead.
for place in range(30):
    put("policies", str(place), bytes(30) + bytes([place, 2]))
put("policies", "client-certificates", bytes([0] * 16 + [2] + [0] * 11 + [3, 0]) + bytes([17, 1]))
