#!/usr/bin/env python3
"""Our client, which resumes by itself (interop_resuming.c), and the servers of others: OpenSSL's, GnuTLS's and NSS's tools,
and nginx.

  interop_resuming.py PROGRAM    BGLSSL_TEST_PKI names the certificates
"""

import contextlib
import os
import pathlib
import sys
import tempfile

from interop_tools import Running, await_listener, expect, free_port, report, run, tool

PROGRAM = sys.argv[1]
PKI = os.environ["BGLSSL_TEST_PKI"]
CA = f"{PKI}/root.pem"
CERT, KEY = f"{PKI}/good.pem", f"{PKI}/good.key"
PROTOCOLS = {"1.2": "tlsv1_2", "1.3": "tlsv1_3", "dtls": "dtls"}
TIMES = 8


def check_client(port, version, resumed=TIMES - 1):
    status, output = run(PROGRAM, str(port), PROTOCOLS[version], CA, str(TIMES))
    expect(status == 0, "the client fails", output)
    kinds = [line.split()[0] for line in output.splitlines() if line.split()[:1] in (["full"], ["resumed"])]
    expect(len(kinds) == TIMES and kinds[0] == "full", "the first is no full handshake", output)
    expect(kinds.count("resumed") == resumed, f"not {resumed} resumed", output)


# ---- servers ----


@contextlib.contextmanager
def openssl(version, *options):
    port = free_port()
    command = [tool("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-cert", CERT, "-key", KEY]
    with Running(*command, f"-tls{version.replace('.', '_')}", "-www", *options) as server:
        await_listener(port, server)
        yield port


@contextlib.contextmanager
def gnutls(version):
    port = free_port()
    command = [tool("gnutls-serv"), "--x509certfile", CERT, "--x509keyfile", KEY, "--port", str(port)]
    command += ["--udp", "--echo"] if version == "dtls" else ["--http", f"--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}"]
    with Running(*command) as server:
        await_listener(port, server, *(("udp", "07") if version == "dtls" else ()))
        yield port


@contextlib.contextmanager
def nss(version):
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        pathlib.Path(f"{directory}/pw").write_text("\n")
        for command in (
            [tool("openssl"), "pkcs12", "-export", "-in", CERT, "-inkey", KEY, "-name", "good", "-passout", "pass:",
             "-out", f"{directory}/good.p12"],
            [tool("certutil"), "-N", "--empty-password", "-d", f"sql:{directory}"],
            [tool("pk12util"), "-i", f"{directory}/good.p12", "-W", "", "-d", f"sql:{directory}"],
        ):
            status, output = run(*command)
            expect(status == 0, command[0], output)
        command = [tool("selfserv"), "-d", f"sql:{directory}", "-n", "good", "-p", str(port), "-u"]
        with Running(*command, "-V", f"tls{version}:tls{version}") as server:
            await_listener(port, server)
            yield port


@contextlib.contextmanager
def nginx(version, *lines):
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        configuration = pathlib.Path(directory) / "nginx.conf"
        configuration.write_text(f"""
daemon off; master_process off; pid {directory}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/1; proxy_temp_path {directory}/2; fastcgi_temp_path {directory}/3;
    uwsgi_temp_path {directory}/4; scgi_temp_path {directory}/5;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {CERT}; ssl_certificate_key {KEY}; ssl_protocols TLSv{version};
        {' '.join(lines)}
        location / {{ return 200 "resumed $ssl_session_reused\\n"; }}
    }}
}}
""")
        with Running(tool("nginx"), "-e", "stderr", "-c", str(configuration)) as server:
            await_listener(port, server)
            yield port


# ---- cases ----


def resumes_with(server, version, *options):
    with server(version, *options) as port:
        check_client(port, version)


def resumes_nothing_with(server, version, *options):
    with server(version, *options) as port:
        check_client(port, version, 0)


# The control: curl does it, too.
def curl_resumes_with_nginx():
    with nginx("1.3") as port:
        url = f"https://localhost:{port}/"
        status, output = run(
            tool("curl"), "--silent", "--noproxy", "*", "--cacert", CA, "--resolve", f"localhost:{port}:127.0.0.1",
            "--header", "Connection: close", url, url,
        )
        expect(status == 0 and "resumed r" in output, "curl does not resume", output)


cases = [("curl_resumes_with_nginx", curl_resumes_with_nginx, ())]
for tls in ("1.2", "1.3"):
    cases += [
        (f"resumes_with_openssl_{tls}", resumes_with, (openssl, tls)),
        (f"resumes_with_openssl_without_tickets_{tls}", resumes_with, (openssl, tls, "-no_ticket")),
        (f"resumes_with_gnutls_{tls}", resumes_with, (gnutls, tls)),
        (f"resumes_with_nss_{tls}", resumes_with, (nss, tls)),
        (f"resumes_with_nginx_{tls}", resumes_with, (nginx, tls)),
        (f"resumes_nothing_with_nginx_{tls}_without_sessions", resumes_nothing_with,
         (nginx, tls, "ssl_session_tickets off;", "ssl_session_cache off;")),
    ]
cases += [
    ("resumes_with_openssl_and_one_ticket_at_a_time", resumes_with, (openssl, "1.3", "-num_tickets", "1")),
    ("resumes_nothing_with_openssl_and_no_tickets", resumes_nothing_with, (openssl, "1.3", "-num_tickets", "0")),
    ("resumes_with_gnutls_over_datagrams", resumes_with, (gnutls, "dtls")),
]

report("interop_resuming", cases)
