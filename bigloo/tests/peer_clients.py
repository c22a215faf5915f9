#!/usr/bin/env python3
"""The clients of a busy HTTPS server: good ones, and beside them those that any server meets.

    peer_clients.py PORT CA SILENT HALF GOOD

SILENT clients connect and say nothing; HALF of them complete the handshake, send half a request and wait, or send half a
hello. One thread goes on connecting and leaving in the midst of things, with and without a reset. Meanwhile GOOD clients,
four at a time, each get a page. Prints how many of them got all of it; the others stay until then.
"""
import concurrent.futures
import socket
import ssl
import struct
import sys
import threading

port, ca, silent, half, good = int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
context = ssl.create_default_context(cafile=ca)
REQUEST = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"


def connect():
    return socket.create_connection(("127.0.0.1", port), 30)


def secure():
    return context.wrap_socket(connect(), server_hostname="localhost")


def hello():
    """What a client sends first."""
    to_server = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), to_server, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return to_server.read()


def start_something(kind):
    if kind < 4:
        connection = connect()
        connection.sendall((b"", hello(), hello()[:60], REQUEST)[kind])
    else:
        connection = secure()
        connection.sendall((b"", REQUEST[:7], REQUEST)[kind - 4])
    return connection


def leave_early(done):
    turn = 0
    while not done.is_set():
        try:
            connection = start_something(turn % 7)
            if turn % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        except OSError:
            pass
        turn += 1


def page(_):
    with secure() as connection:
        connection.sendall(REQUEST)
        text = b""
        try:
            while more := connection.recv(65536):
                text += more
        except ssl.SSLEOFError:
            pass
        return text.endswith(b"the end\n")


stay = [connect() for _ in range(silent)]
for number in range(half):
    stay.append(start_something(5 if number % 2 else 2))
done = threading.Event()
early = threading.Thread(target=leave_early, args=(done,))
early.start()
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    served = sum(pool.map(page, range(good)))
done.set()
early.join()
print(served, "served", flush=True)
