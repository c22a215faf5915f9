#!/usr/bin/env python3
"""Sessions of a server of ours (interop_sessions.c): resumed by the clients of others, and passed between us and other
servers that have the same keys: nginx and haproxy.

  interop_sessions.py PROGRAM    BGLSSL_TEST_PKI names the certificates
"""

import base64
import contextlib
import hashlib
import os
import pathlib
import re
import ssl
import sys
import tempfile

from interop_tools import Running, await_listener, expect, free_port, haproxy, nginx, nss_database, report, run, tool

PROGRAM = sys.argv[1]
PKI = os.environ["BGLSSL_TEST_PKI"]
CA = f"{PKI}/root.pem"
CERT, KEY = f"{PKI}/good.pem", f"{PKI}/good.key"
PROTOCOLS = {"1.2": "tlsv1_2", "1.3": "tlsv1_3", "dtls": "dtls"}
REQUEST = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"


@contextlib.contextmanager
def our_server(version, mode="tickets", *shared):
    with Running(PROGRAM, PROTOCOLS[version], CERT, KEY, mode, *shared) as server:
        server.port = int(server.await_text(r"port (\d+)")[1])
        yield server


# ---- clients ----


def s_client(port, version, *options):
    option = "-dtls1_2" if version == "dtls" else f"-tls{version.replace('.', '_')}"
    status, output = run(
        tool("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-CAfile", CA, option,
        "-ign_eof", *options, text=REQUEST,
    )
    expect("200 OK" in output, "no answer", output)
    return output


def openssl_resumes(version, mode):
    with our_server(version, mode) as server, tempfile.TemporaryDirectory() as directory:
        session = f"{directory}/session"
        first = s_client(server.port, version, "-sess_out", session)
        expect("resumed 0" in first and "New, " in first, "the first connection", first)
        second = s_client(server.port, version, "-sess_in", session)
        expect("resumed 1" in second and "Reused, " in second, "the second connection", second)


def gnutls_resumes(version, mode):
    options = ["--udp"] if version == "dtls" else [f"--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}", "--waitresumption"]
    with our_server(version, mode) as server:
        command = [tool("gnutls-cli"), "--resume", "--x509cafile", CA, "--sni-hostname=localhost"]
        command += ["--verify-hostname=localhost", *options, "--port", str(server.port), "127.0.0.1"]
        with Running(*command) as client:
            client.await_text("This is a resumed session")
            client.say(REQUEST)
            client.await_text("resumed 1")


def nss_resumes(version, mode):
    client = tool("strsclnt")
    with our_server(version, mode) as server, nss_database(CA) as database:
        options = ["-V", f"tls{version}:tls{version}", "-a", "localhost", "-c", "30", "-t", "2"]
        options += ["-u"] if mode == "tickets" else []
        _, output = run(client, "-d", database, "-p", str(server.port), *options, "127.0.0.1")
        kind = "stateless resumes" if mode == "tickets" or version == "1.3" else "cache hits"
        expect(re.search(rf"\b2\d {kind}", output), "not all were resumed", output)


# ---- servers with our keys ----


@contextlib.contextmanager
def nginx_with_keys(version, keys):
    port = free_port()
    with nginx(f"""
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {CERT}; ssl_certificate_key {KEY}; ssl_protocols TLSv{version};
        ssl_session_ticket_key {keys};
        location / {{ return 200 "resumed $ssl_session_reused\\n"; }}
    """) as server:
        await_listener(port, server)
        yield port


@contextlib.contextmanager
def haproxy_with_keys(version, keys):
    port = free_port()
    with tempfile.NamedTemporaryFile(suffix=".pem") as both:
        pathlib.Path(both.name).write_text(pathlib.Path(CERT).read_text() + pathlib.Path(KEY).read_text())
        with haproxy(f"""
frontend front
    bind 127.0.0.1:{port} ssl crt {both.name} ssl-min-ver TLSv{version} ssl-max-ver TLSv{version} tls-ticket-keys {keys}
    http-request return status 200 content-type text/plain lf-string "resumed %[ssl_fc_is_resumed]"
""", port):
            yield port


def nginx_s_context():
    with open(CERT) as file:
        der = ssl.PEM_cert_to_DER_cert(re.search(r"-----BEGIN.*?END CERTIFICATE-----", file.read(), re.S)[0])
    return hashlib.sha1(b"HTTP" + hashlib.sha1(der).digest()).hexdigest()


def pass_between(other, version, context, content):
    """What each of the two servers begins, the other resumes."""
    with tempfile.TemporaryDirectory() as directory:
        keys, session = f"{directory}/keys", f"{directory}/session"
        pathlib.Path(keys).write_bytes(content)
        with other(version, keys) as their_port, our_server(version, "tickets", context, keys) as ours:
            for name, begins, resumes in (("ours", ours.port, their_port), ("theirs", their_port, ours.port)):
                first = s_client(begins, version, "-sess_out", session)
                expect("New, " in first, "the first connection", first)
                second = s_client(resumes, version, "-sess_in", session)
                expect("Reused, " in second, f"a session of {name}", second)


def nginx_and_we_resume_one_another_s_sessions(version, length):
    pass_between(nginx_with_keys, version, nginx_s_context(), os.urandom(length))


def haproxy_and_we_resume_one_another_s_sessions(version, length):
    lines = b"".join(base64.b64encode(os.urandom(length)) + b"\n" for _ in range(3))
    pass_between(haproxy_with_keys, version, b"haproxy".hex(), lines)


def cases():
    for case in (openssl_resumes, gnutls_resumes):
        for version in PROTOCOLS:
            for mode in ("tickets", "cache"):
                yield case, (version, mode)
    for version in ("1.2", "1.3"):
        for mode in ("tickets", "cache"):
            yield nss_resumes, (version, mode)
        for length in (48, 80):
            yield nginx_and_we_resume_one_another_s_sessions, (version, length)
            yield haproxy_and_we_resume_one_another_s_sessions, (version, length)


report("interop_sessions", [
    (f"{case.__name__}_{'_'.join(map(str, arguments))}", case, arguments) for case, arguments in cases()
])
