#!/usr/bin/env python3
"""Our two ends against other libraries' tools, in both directions: OpenSSL's, curl, Python's ssl, GnuTLS's; with RSA,
ECDSA and Ed25519 certificates, over TLS 1.2 and 1.3 and DTLS 1.2, with and without
client certificates.

  interop.py PREFIX    PREFIX_client and PREFIX_server are our ends, by their paths; BGLSSL_TEST_PKI names the certificates
"""

import concurrent.futures
import os
import re
import socket
import sys
import threading

from interop_tools import SECONDS, Missing, Running, await_listener, expect, free_port, report, run, tool

PROGRAMS = sys.argv[1]
NAME = os.path.basename(PROGRAMS)
PKI = os.environ["BGLSSL_TEST_PKI"]
CA = f"{PKI}/root.pem"
KINDS = {"rsa": "good-rsa", "ecdsa": "good", "ed25519": "good-ed25519"}
CLIENTS = {"rsa": "client-rsa", "ecdsa": "client", "ed25519": "client-ed25519"}
VERSIONS = {"1.2": "tlsv1_2", "1.3": "tlsv1_3"}
PROTOCOLS = {**VERSIONS, "DTLS 1.2": "dtls"}
GNUTLS_PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS{}"


def pair(name):
    return f"{PKI}/{name}.pem", f"{PKI}/{name}.key"


# ---- our client, their server ----


def our_client(port, version, certificate="-", host="localhost", ca=CA):
    cert, key = pair(certificate) if certificate != "-" else ("-", "-")
    return run(f"{PROGRAMS}_client", host, str(port), PROTOCOLS[version], ca, cert, key)


def name_of(version):
    return "DTLSv1.2" if version == "DTLS 1.2" else f"TLSv{version}"


def check_our_client(port, version, server_name, reply, certificate="-"):
    status, output = our_client(port, version, certificate)
    expect(status == 0, "our client failed", output)
    expect(f"protocol {name_of(version)}\n" in output, "wrong version", output)
    expect(f"peer {server_name}\n" in output, "wrong certificate", output)
    expect(re.search(reply, output), "wrong reply", output)


def openssl_server(kind, version, client=None):
    cert, key = pair(KINDS[kind])
    options = ["-Verify", "2", "-CAfile", CA, "-verify_return_error"] if client else []
    command = [tool("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-rev", *options]
    with Running(*command, f"-tls{version.replace('.', '_')}", "-alpn", "http/1.1") as server:
        port = server.await_text(r"ACCEPT \S+:(\d+)")[1]
        check_our_client(port, version, KINDS[kind], "reply gnip", client or "-")
        if client:
            server.await_text(rf"CN ?= ?{client}\b")


def gnutls_server(kind, version, client=None):
    cert, key = pair(KINDS[kind])
    port = free_port()
    options = ["--require-client-cert", "--verify-client-cert", "--x509cafile", CA] if client else ["--disable-client-cert"]
    command = [tool("gnutls-serv"), "--echo", "--port", str(port), "--x509certfile", cert, "--x509keyfile", key]
    with Running(*command, "--priority", GNUTLS_PRIORITY.format(version), *options) as server:
        await_listener(port, server)
        check_our_client(port, version, KINDS[kind], "reply ping", client or "-")


def python_context(version, server):
    try:
        import ssl
    except ImportError:
        raise Missing("Python's module ssl") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = {
        "1.2": ssl.TLSVersion.TLSv1_2,
        "1.3": ssl.TLSVersion.TLSv1_3,
    }[version]
    context.load_verify_locations(CA)
    return context, ssl


def python_server(kind, version, client=None):
    context, ssl = python_context(version, server=True)
    context.load_cert_chain(*pair(KINDS[kind]))
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
    seen = []

    def serve(listener):
        try:
            plain, _ = listener.accept()
            plain.settimeout(SECONDS)
            with context.wrap_socket(plain, server_side=True) as peer:
                if client:
                    seen.append(str(peer.getpeercert()["subject"]))
                peer.sendall(peer.recv(100).upper())
                seen.append(peer.recv(100))  # b"" is close_notify; anything ruder raises
                peer.unwrap().close()
        except OSError as error:
            seen.append(repr(error))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        check_our_client(listener.getsockname()[1], version, KINDS[kind], "reply PING", client or "-")
        thread.join(SECONDS)
    expect(seen and seen[-1] == b"", "our client's close was not clean", seen)
    expect(not client or client in seen[0], "wrong client certificate", seen)


# ---- our server, their client ----


def our_server(kind, version, client=None):
    cert, key = pair(KINDS[kind])
    server = Running(f"{PROGRAMS}_server", PROTOCOLS[version], CA if client else "-", cert, key)
    return server, server.await_text(r"port (\d+)")[1]


def check_our_server(server, version, client, got):
    status = server.end()
    expect(status == 0, "our server failed", server.output)
    expect(f"protocol {name_of(version)}\n" in server.output, "wrong version", server.output)
    expect(f"peer {client or '-'}\n" in server.output, "wrong client certificate", server.output)
    expect(got in server.output, "wrong text", server.output)


def openssl_client(kind, version, client=None):
    command = [tool("openssl"), "s_client", "-CAfile", CA, "-verify_return_error", "-verify_hostname", "localhost"]
    if client:
        cert, key = pair(client)
        command += ["-cert", cert, "-key", key]
    server, port = our_server(kind, version, client)
    with server:
        command += ["-quiet", f"-tls{version.replace('.', '_')}", "-connect", f"127.0.0.1:{port}"]
        status, output = run(*command, text="ping\n")
        expect(status == 0 and "ping" in output, "openssl s_client failed", output, server.output)
        expect("unexpected eof" not in output, "our server's close was not clean", output)
        check_our_server(server, version, client, "got ping")


def gnutls_client(kind, version, client=None):
    command = [tool("gnutls-cli"), "--x509cafile", CA, "--priority", GNUTLS_PRIORITY.format(version)]
    if client:
        cert, key = pair(client)
        command += ["--x509certfile", cert, "--x509keyfile", key]
    server, port = our_server(kind, version, client)
    with server, Running(*command, "--port", port, "localhost") as peer:
        peer.await_text("Handshake was completed")
        peer.say("ping\n")
        peer.await_text(r"(?m)^ping")
        check_our_server(server, version, client, "got ping")
        peer.await_text("Peer has closed the GnuTLS connection")


def curl_client(kind, version, client=None):
    command = [tool("curl"), "--silent", "--show-error", "--noproxy", "*", "--max-time", str(SECONDS), "--cacert", CA]
    command += [f"--tlsv{version}", "--tls-max", version, "--http1.1"]
    if client:
        cert, key = pair(client)
        command += ["--cert", cert, "--key", key]
    server, port = our_server(kind, version, client)
    with server:
        status, output = run(*command, f"https://localhost:{port}/page")
        expect(status == 0 and output == "pong\n", "curl failed", output, server.output)
        check_our_server(server, version, client, "got GET /page HTTP/1.1")
        expect("alpn http/1.1" in server.output, "no ALPN", server.output)


def python_client(kind, version, client=None):
    context, _ = python_context(version, server=False)
    if client:
        context.load_cert_chain(*pair(client))
    server, port = our_server(kind, version, client)
    with server:
        with socket.create_connection(("127.0.0.1", int(port)), SECONDS) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as peer:
                peer.sendall(b"ping\n")
                got = b""
                while chunk := peer.recv(100):  # b"" is close_notify; anything ruder raises
                    got += chunk
                expect(got == b"ping\n", "wrong reply", got)
                expect(peer.getpeercert()["subject"], "no certificate")
                peer.unwrap()
        check_our_server(server, version, client, "got ping")


# ---- refusals ----


def openssl_server_of_an_untrusted_peer(kind, version, client=None):
    del kind, client
    cert, key = pair("untrusted")
    command = [tool("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-rev"]
    with Running(*command, f"-tls{version.replace('.', '_')}") as server:
        port = server.await_text(r"ACCEPT \S+:(\d+)")[1]
        status, output = our_client(port, version)
        expect(status == 1 and "BGL_SSL_E_VERIFY" in output, "not refused", output)


def openssl_server_of_another_name(kind, version, client=None):
    del client
    cert, key = pair(KINDS[kind])
    command = [tool("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-rev"]
    with Running(*command, f"-tls{version.replace('.', '_')}") as server:
        port = server.await_text(r"ACCEPT \S+:(\d+)")[1]
        status, output = our_client(port, version, host="other.example")
        expect(status == 1 and "BGL_SSL_E_NAME" in output, "not refused", output)


def curl_without_certificate(kind, version, client=None):
    del client
    command = [tool("curl"), "--silent", "--show-error", "--noproxy", "*", "--max-time", str(SECONDS), "--cacert", CA]
    server, port = our_server(kind, version, client="client")
    with server:
        status, output = run(*command, f"https://localhost:{port}/")
        expect(status != 0, "curl got through", output)
        reason = "BGL_SSL_E_VERIFY" if NAME == "interop" else "peer did not return a certificate"
        expect(server.end() == 1 and reason in server.output, "not refused", server.output)


def cases():
    peers = [openssl_server, gnutls_server, python_server, openssl_client, gnutls_client, curl_client, python_client]
    for peer in peers:
        for version in VERSIONS:
            for kind in KINDS:
                yield f"{peer.__name__}_{kind}_tls_{version}", peer, (kind, version)
            for kind, client in CLIENTS.items():
                yield f"{peer.__name__}_tls_{version}_with_{kind}_client_certificate", peer, ("ecdsa", version, client)
    for peer in (dtls_openssl_server, dtls_gnutls_server, dtls_openssl_client, dtls_gnutls_client):
        for kind in KINDS if NAME == "interop" else ():
            if kind != "ed25519":  # OpenSSL has no Ed25519 servers in DTLS
                yield f"{peer.__name__}_{kind}", peer, (kind,)
            yield f"{peer.__name__}_with_{kind}_client_certificate", peer, ("ecdsa", CLIENTS[kind])
    for peer in (openssl_server_of_an_untrusted_peer, openssl_server_of_another_name, curl_without_certificate):
        for version in VERSIONS:
            yield f"{peer.__name__}_tls_{version}_is_refused", peer, ("rsa", version)
    for peer in (npn_server, npn_client) if NAME == "interop_engine" else ():
        yield peer.__name__, peer, ("ecdsa", "1.2")


# ---- DTLS ----


def dtls_openssl_server(kind, client=None):
    cert, key = pair(KINDS[kind])
    options = ["-Verify", "2", "-CAfile", CA, "-verify_return_error"] if client else []
    command = [tool("openssl"), "s_server", "-dtls", "-listen", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key]
    with Running(*command, *options, "-alpn", "http/1.1") as server:
        port = server.await_text(r"ACCEPT \S+:(\d+)")[1]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            checked = pool.submit(check_our_client, port, "DTLS 1.2", KINDS[kind], "reply pong", client or "-")
            server.await_text(r"(?m)^ping")
            server.say("pong\n")
            checked.result()
        if client:
            server.await_text(rf"CN ?= ?{client}\b")


def dtls_gnutls_server(kind, client=None):
    cert, key = pair(KINDS[kind])
    port = free_port()
    options = ["--require-client-cert", "--verify-client-cert", "--x509cafile", CA] if client else ["--disable-client-cert"]
    command = [tool("gnutls-serv"), "--udp", "--echo", "--port", str(port), "--x509certfile", cert, "--x509keyfile", key]
    with Running(*command, *options) as server:
        await_listener(port, server, "udp", "07")
        check_our_client(port, "DTLS 1.2", KINDS[kind], "reply ping", client or "-")


def dtls_openssl_client(kind, client=None):
    command = [tool("openssl"), "s_client", "-dtls", "-CAfile", CA, "-verify_return_error", "-verify_hostname", "localhost"]
    if client:
        cert, key = pair(client)
        command += ["-cert", cert, "-key", key]
    server, port = our_server(kind, "DTLS 1.2", client)
    with server, Running(*command, "-quiet", "-connect", f"127.0.0.1:{port}") as peer:
        peer.await_text("verify return:1")
        peer.say("ping\n")
        peer.await_text(r"(?m)^ping")
        expect(peer.end() == 0, "s_client failed", peer.output)
        check_our_server(server, "DTLS 1.2", client, "got ping")


def dtls_gnutls_client(kind, client=None):
    command = [tool("gnutls-cli"), "--udp", "--x509cafile", CA]
    if client:
        cert, key = pair(client)
        command += ["--x509certfile", cert, "--x509keyfile", key]
    server, port = our_server(kind, "DTLS 1.2", client)
    with server, Running(*command, "--port", port, "localhost") as peer:
        peer.await_text("Handshake was completed")
        peer.say("ping\n")
        peer.await_text(r"(?m)^ping")
        check_our_server(server, "DTLS 1.2", client, "got ping")
        peer.await_text("Peer has closed the GnuTLS connection")


# ---- NPN, which only connections without a socket have, for peers without ALPN ----


def npn_server(kind, version):
    cert, key = pair(KINDS[kind])
    command = [tool("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-rev"]
    with Running(*command, f"-tls{version.replace('.', '_')}", "-nextprotoneg", "spdy/3,http/1.1") as server:
        port = server.await_text(r"ACCEPT \S+:(\d+)")[1]
        status, output = our_client(port, version)
        expect(status == 0 and "alpn http/1.1\n" in output, "no protocol", output)


def npn_client(kind, version):
    server, port = our_server(kind, version)
    with server:
        command = [tool("openssl"), "s_client", "-CAfile", CA, "-nextprotoneg", "spdy/3,http/1.1"]
        command += [f"-tls{version.replace('.', '_')}", "-connect", f"127.0.0.1:{port}"]
        status, output = run(*command, text="ping\n")
        expect("Next protocol: (1) http/1.1" in output, "no protocol", output)
        expect("alpn http/1.1\n" in server.await_text(r"(?s).*got ping")[0], "no protocol", server.output)


report(NAME, cases())
