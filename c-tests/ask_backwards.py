#!/usr/bin/env python3
"""A client that writes 3 MB over TLS, ends its half with close_notify, and then reads the answer, which must be the question
backwards. Python's sockets cannot end one half alone, so the TLS is over memory.

    ask_backwards.py CA PORT"""
import os
import socket
import ssl
import sys

context = ssl.create_default_context(cafile=sys.argv[1])
data = os.urandom(3000000)
plain = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
plain.settimeout(30)
outgoing, incoming = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")


def complete(call):
    while True:
        try:
            return call()
        except ssl.SSLWantReadError:
            plain.sendall(outgoing.read())
            incoming.write(plain.recv(65536))


complete(tls.do_handshake)
for at in range(0, len(data), 16384):
    tls.write(data[at:at + 16384])
    plain.sendall(outgoing.read())
try:
    tls.unwrap()
except ssl.SSLWantReadError:
    pass
plain.sendall(outgoing.read())
answer = b""
while len(answer) < len(data):
    try:
        answer += tls.read(65536)
    except ssl.SSLWantReadError:
        received = plain.recv(65536)
        if not received:
            break
        incoming.write(received)
    except ssl.SSLError:
        break
sys.exit(0 if answer == data[::-1] else f"the answer is not the question backwards: {len(answer)} bytes")
