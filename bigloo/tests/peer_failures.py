#!/usr/bin/env python3
"""A TLS server that says hello to one client, then does what well-behaved servers do not.

    peer_failures.py CERTIFICATE KEY WHAT

Prints ACCEPT and its port, and reads a line before it closes anything. WHAT: `garbage`, bytes that are no TLS; `forged`,
a record that nobody can decrypt; `reset`, the connection is reset; `close`, it is closed without close_notify; `demand`,
the client must have a certificate, so that one that has none is told by an alert after its own handshake (TLS 1.3).
"""
import socket
import ssl
import struct
import sys

certificate, key, what = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
if what == "demand":
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
listener = socket.create_server(("127.0.0.1", 0))
print("ACCEPT", listener.getsockname()[1], flush=True)
connection = listener.accept()[0]
below = connection.dup()
try:
    connection = context.wrap_socket(connection, server_side=True)
    connection.sendall(b"hello")
except ssl.SSLError:
    pass
if what == "garbage":
    below.sendall(b"this is no record of TLS " * 20)
elif what == "forged":
    below.sendall(b"\x17\x03\x03\x00\x60" + b"x" * 96)
elif what == "reset":
    below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
if what in ("reset", "close"):
    sys.stdin.readline()
    connection.close()
    below.close()
    print("CLOSED", flush=True)
# The client ends this.
sys.stdin.read()
