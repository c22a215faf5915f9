#!/usr/bin/env python3
"""Peers of the examples. Prints `port N`, and serves one client; the kind decides how:

    site.py page CERTIFICATE KEY       an HTTPS page, and close_notify
    site.py cut CERTIFICATE KEY        the same page without close_notify
    site.py starttls CERTIFICATE KEY   SMTP that changes to TLS
    site.py backwards                  in plaintext: everything that comes, backwards, once it has ended; any number of clients
"""
import socket
import ssl
import sys
import threading

PAGE = b"HTTP/1.0 200 OK\r\n\r\nit works\n"


def tls_over(connection):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    return context.wrap_socket(connection, server_side=True)


def page(connection, ends=True):
    tls = tls_over(connection)
    assert tls.recv(1000).startswith(b"GET / ")
    tls.sendall(PAGE)
    if ends:
        tls.unwrap()
    tls.close()


def cut(connection):
    page(connection, ends=False)


def starttls(connection):
    connection.sendall(b"220 ready\r\n")
    connection.recv(100)
    connection.sendall(b"250-localhost\r\n250 STARTTLS\r\n")
    connection.recv(100)
    connection.sendall(b"220 go ahead\r\n")
    tls = tls_over(connection)
    assert tls.recv(100) == b"QUIT\r\n"
    tls.sendall(b"221 bye\r\n")
    tls.unwrap()


def backwards(connection):
    received = b""
    while data := connection.recv(65536):
        received += data
    connection.sendall(received[::-1])
    connection.close()


listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
if sys.argv[1] == "backwards":
    while True:
        threading.Thread(target=backwards, args=(listener.accept()[0],), daemon=True).start()
client = listener.accept()[0]
client.settimeout(20)
{"page": page, "cut": cut, "starttls": starttls}[sys.argv[1]](client)
