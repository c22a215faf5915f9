#!/usr/bin/env python3
"""A proxy that is reached by TLS and opens tunnels (HTTP CONNECT), and one host behind it that answers in capital letters.

    tunnel.py CERTIFICATE KEY

Prints the ports of both, and serves one client."""
import select
import socket
import ssl
import sys
import threading

context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1], sys.argv[2])
host, proxy = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
print("port", proxy.getsockname()[1])
print("port", host.getsockname()[1])


def answer():
    tls = context.wrap_socket(host.accept()[0], server_side=True)
    received = b""
    while data := tls.recv(65536):
        received += data
    tls.sendall(received.upper())
    tls.unwrap()


threading.Thread(target=answer, daemon=True).start()
tls = context.wrap_socket(proxy.accept()[0], server_side=True)
request = b""
while not request.endswith(b"\r\n\r\n"):
    request += tls.recv(1)
assert request.startswith(b"CONNECT localhost:"), request
upstream = socket.create_connection(("127.0.0.1", host.getsockname()[1]))
tls.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
other = {tls: upstream, upstream: tls}
open_ends = [tls, upstream]
while upstream in open_ends:
    for end in [tls] if tls.pending() else select.select(open_ends, [], [])[0]:
        data = end.recv(65536)
        if data:
            other[end].sendall(data)
            continue
        open_ends.remove(end)
        if end is tls:
            upstream.shutdown(socket.SHUT_WR)
tls.unwrap()
tls.close()
