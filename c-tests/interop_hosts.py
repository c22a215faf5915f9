#!/usr/bin/env python3
"""A server of ours with many names (interop_hosts.c), and the clients of others: curl, GnuTLS's, OpenSSL's and NSS's
tools, nginx and haproxy.

  interop_hosts.py PROGRAM    BGLSSL_TEST_PKI names the certificates
"""

import contextlib
import os
import re
import sys
import tempfile

from interop_tools import Running, await_listener, expect, free_port, haproxy, nginx, nss_database, report, run, tool

PROGRAM = sys.argv[1]
PKI = os.environ["BGLSSL_TEST_PKI"]
CA = f"{PKI}/root.pem"
CLIENT = ["--cert", f"{PKI}/client.pem", "--key", f"{PKI}/client.key"]
REQUEST = "GET / HTTP/1.0\r\nHost: {}\r\n\r\n"


@contextlib.contextmanager
def our_server():
    with Running(PROGRAM, PKI) as server:
        yield int(server.await_text(r"port (\d+)")[1])


# ---- curl ----


def curl(port, name, *options):
    return run(
        tool("curl"), "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--cacert", CA,
        "--resolve", f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/", *options,
    )


def curl_gets_each_host():
    with our_server() as port:
        for name in ("b.test", "x.wild.test"):
            status, output = curl(port, name)
            expect(status == 0 and f"host {name}\n" in output, "no page", output)
        status, output = curl(port, "a.test", *CLIENT)
        expect(status == 0 and "peer client\n" in output, "no page for a client with a certificate", output)


def curl_is_refused():
    with our_server() as port:
        status, output = curl(port, "unknown.test")
        expect(status == 35, "an unknown host is served", output)
        status, output = curl(port, "a.test")
        expect(status != 0 and "host" not in output.splitlines(), "no certificate was demanded", output)
        status, output = curl(port, "b.test")
        expect(status == 0, "afterwards nothing is served", output)


def curl_asks_one_host_for_another():
    with our_server() as port:
        status, output = curl(port, "b.test", "--header", "Host: a.test", "--write-out", "%{http_code}")
        expect(status == 0 and output.endswith("421"), "a host with client certificates answers", output)


# ---- OpenSSL ----


def s_client(port, name, *options):
    which = ["-servername", name] if name else ["-noservername"]
    return run(
        tool("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", CA, *which, "-ign_eof", *options,
        text=REQUEST.format(name),
    )


def openssl_without_a_name_is_refused():
    with our_server() as port:
        _, output = s_client(port, None)
        expect("unrecognized name" in output, "no alert", output)


def a_session_of_another_host_is_not_resumed(version):
    with our_server() as port, tempfile.TemporaryDirectory() as directory:
        session = f"{directory}/session"
        _, output = s_client(port, "b.test", version, "-sess_out", session)
        expect("host b.test" in output, "no session", output)
        _, output = s_client(port, "b.test", version, "-sess_in", session)
        expect("resumed 1" in output, "its own host does not resume it", output)
        _, output = s_client(port, "a.test", version, "-sess_in", session)
        expect("host a.test" not in output, "it opens a host with client certificates", output)
        _, output = s_client(port, "x.wild.test", version, "-sess_in", session)
        expect("resumed 0" in output, "another host resumes it", output)


# ---- GnuTLS ----


def gnutls_gets_a_host():
    with our_server() as port:
        command = [tool("gnutls-cli"), "--x509cafile", CA, "--sni-hostname=b.test", "--verify-hostname=b.test"]
        with Running(*command, "--port", str(port), "127.0.0.1") as client:
            client.await_text("Handshake was completed")
            client.say(REQUEST.format("b.test"))
            client.await_text("host b.test")


# ---- NSS ----


def nss_gets_each_host():
    client = tool("tstclnt")
    with our_server() as port, nss_database(CA) as database:
        for name in ("b.test", "x.wild.test"):
            with Running(client, "-h", "127.0.0.1", "-p", str(port), "-d", database, "-a", name) as nss:
                nss.say(REQUEST.format(name))
                nss.await_text(f"host {name}")


def nss_makes_many_connections():
    client = tool("strsclnt")
    with our_server() as port, nss_database(CA) as database:
        _, output = run(client, "-d", database, "-p", str(port), "-c", "60", "-t", "4", "-a", "b.test", "127.0.0.1")
        expect(re.search(r"\b5\d stateless resumes", output), "not all were resumed", output)


# ---- proxies, whose clients connect to us ----


def fetch(port):
    status, output = run(tool("curl"), "--silent", "--show-error", "--noproxy", "*", "--max-time", "20",
                         "-H", "Host: b.test", f"http://127.0.0.1:{port}/")
    expect(status == 0, "curl failed", output)
    return output


def nginx_resumes():
    front = free_port()
    with our_server() as port, nginx(f"""
        listen 127.0.0.1:{front};
        location / {{
            proxy_pass https://127.0.0.1:{port};
            proxy_set_header Host b.test;
            proxy_ssl_server_name on; proxy_ssl_name b.test;
            proxy_ssl_verify on; proxy_ssl_trusted_certificate {CA}; proxy_ssl_session_reuse on;
        }}
    """) as proxy:
        await_listener(front, proxy)
        first, second = fetch(front), fetch(front)
        expect("host b.test" in first and "resumed 0" in first, "the first connection", first)
        expect("resumed 1" in second, "the second connection", second)


def haproxy_gets_a_host():
    front = free_port()
    with our_server() as port, haproxy(f"""
listen front
    bind 127.0.0.1:{front}
    server ours 127.0.0.1:{port} ssl verify required ca-file {CA} sni str(b.test) verifyhost b.test
""", front):
        for _ in range(3):
            page = fetch(front)
            expect("host b.test" in page, "no page", page)
        expect(re.search("resumed 1", page), "the third connection is not resumed", page)


CASES = [
    curl_gets_each_host,
    curl_is_refused,
    curl_asks_one_host_for_another,
    openssl_without_a_name_is_refused,
    gnutls_gets_a_host,
    nss_gets_each_host,
    nss_makes_many_connections,
    nginx_resumes,
    haproxy_gets_a_host,
]

report("interop_hosts", [
    *((case.__name__, case, ()) for case in CASES),
    *((f"a_session_of_another_host_is_not_resumed{version.replace('-', '_')}",
       a_session_of_another_host_is_not_resumed, (version,)) for version in ("-tls1_2", "-tls1_3")),
])
