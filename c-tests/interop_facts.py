#!/usr/bin/env python3
"""What a connection of ours says and checks, beside what others say and do: keying material and channel bindings of
GnuTLS's and OpenSSL's tools and of Python, staples that gnutls-serv hands over, and a capture that tshark decrypts with
our key log.

  interop_facts.py PREFIX    PREFIX_client and PREFIX_server are our ends; BGLSSL_TEST_PKI names the certificates
"""

import contextlib
import os
import re
import socket
import sys
import tempfile
import time

from interop_tools import SECONDS, Missing, Running, await_listener, expect, free_port, report, run, tool

PROGRAMS = sys.argv[1]
PKI = os.environ["BGLSSL_TEST_PKI"]
CA = f"{PKI}/root.pem"
LABEL = "EXPORTER-interop"
PROTOCOLS = {"1.2": "tlsv1_2", "1.3": "tlsv1_3"}


@contextlib.contextmanager
def our_server(version):
    command = [f"{PROGRAMS}_server", PROTOCOLS[version], "-", f"{PKI}/good.pem", f"{PKI}/good.key"]
    with Running(*command) as server:
        server.port = server.await_text(r"port (\d+)")[1]
        yield server


def told(server, name):
    return server.await_text(rf"(?m)^{name} ([0-9a-f]*)$")[1]


# ---- keying material ----


def openssl_exports_the_same(version):
    with our_server(version) as server:
        _, output = run(tool("openssl"), "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", CA,
                        "-keymatexport", LABEL, "-keymatexportlen", "32", "-ign_eof", text="ping\n")
        theirs = re.search(r"Keying material: ([0-9A-F]+)", output)
        expect(theirs and theirs[1].lower() == told(server, "exported"), "other bytes", output, server.output)


def gnutls_exports_the_same(version):
    with our_server(version) as server:
        command = [tool("gnutls-cli"), "--verbose", "--x509cafile", CA, "--sni-hostname=localhost",
                   "--verify-hostname=localhost", f"--keymatexport={LABEL}", "--keymatexportsize=32"]
        with Running(*command, "--port", server.port, "127.0.0.1") as client:
            client.await_text("Handshake was completed")
            client.say("ping\n")
            client.await_text(r"(?m)^(- Received\[5\]: )?ping")
            theirs = re.search(r"(?i)key material: ([0-9a-f]+)", client.output)
            expect(theirs and theirs[1].lower() == told(server, "exported"), "other bytes", client.output, server.output)
            for name in ("tls-unique", "tls-server-end-point", "tls-exporter"):
                theirs = re.search(rf"'{name}': ([0-9a-f]+|not available)", client.output)
                expect(theirs and theirs[1].replace("not available", "") == told(server, name), f"another {name}",
                       client.output, server.output)


def python_has_the_same_tls_unique():
    try:
        import ssl
    except ImportError:
        raise Missing("Python's module ssl") from None
    context = ssl.create_default_context(cafile=CA)
    with our_server("1.2") as server:
        with socket.create_connection(("127.0.0.1", int(server.port)), SECONDS) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as client:
                client.sendall(b"ping\n")
                client.recv(16)
                theirs = client.get_channel_binding("tls-unique").hex()
        expect(theirs == told(server, "tls-unique"), "another tls-unique", theirs, server.output)


# ---- staples ----


def response(directory, certificate, signer):
    """What the PKI's database says of a certificate, signed by `signer`."""
    path = f"{directory}/response.der"
    status, output = run(
        tool("openssl"), "ocsp", "-index", f"{PKI}/ocsp-index.txt", "-CA", CA, "-issuer", CA, "-cert",
        f"{PKI}/{certificate}.pem", "-rsigner", f"{PKI}/{signer}.pem", "-rkey", f"{PKI}/{signer}.key", "-respout", path,
        "-ndays", "5",
    )
    expect(status == 0, "no response", output)
    return path


def gnutls_staples(certificate, signer, is_accepted, version):
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        command = [tool("gnutls-serv"), "--echo", "--port", str(port), "--disable-client-cert",
                   "--x509certfile", f"{PKI}/{certificate}.pem", "--x509keyfile", f"{PKI}/{certificate}.key",
                   "--ocsp-response", response(directory, certificate, signer), "--ignore-ocsp-response-errors"]
        with Running(*command) as server:
            await_listener(port, server)
            status, output = run(f"{PROGRAMS}_client", "localhost", str(port), PROTOCOLS[version], CA, "-", "-")
            expect((status == 0) == is_accepted, "accepted" if status == 0 else "refused", output)
            expect(is_accepted or "BGL_SSL_E_VERIFY" in output, "refused for another reason", output)


# ---- the key log ----


def tshark_reads_a_capture_with_our_key_log(version):
    tshark = tool("tshark")
    with tempfile.TemporaryDirectory() as directory:
        capture, log = f"{directory}/capture", f"{directory}/keys"
        os.chmod(directory, 0o777)
        os.environ["INTEROP_KEY_LOG"] = log
        with our_server(version) as server:
            with Running(tshark, "-i", "lo", "-f", f"tcp port {server.port}", "-w", capture, "-a", "duration:30"):
                if not comes(capture):
                    raise Missing("the right to capture packets")
                status, output = run(f"{PROGRAMS}_client", "localhost", server.port, PROTOCOLS[version], CA, "-", "-")
                expect(status == 0, "our client failed", output)
                os.environ.pop("INTEROP_KEY_LOG")
                for _ in range(50):
                    _, output = run(tshark, "-r", capture, "-o", f"tls.keylog_file:{log}", "-d",
                                    f"tcp.port=={server.port},tls", "-q", "-z", "follow,tls,ascii,0")
                    if "ping" in output:
                        return
        expect(False, "the text is not there", output)


def comes(path):
    """Whether there is something in the file soon."""
    for _ in range(100):
        if os.path.exists(path) and os.path.getsize(path) > 0:
            return True
        time.sleep(0.1)
    return False


report("interop_facts", [
    *((f"{case.__name__}_tls_{version}", case, (version,))
      for case in (openssl_exports_the_same, gnutls_exports_the_same) for version in PROTOCOLS),
    ("python_has_the_same_tls_unique", python_has_the_same_tls_unique, ()),
    *((f"gnutls_staples_{name}_tls_{version}", gnutls_staples, (certificate, signer, is_accepted, version))
      for version in PROTOCOLS
      for name, certificate, signer, is_accepted in (
          ("a_good_response", "good", "root", True),
          ("a_revocation", "revoked", "root", False),
          ("a_response_of_its_own", "good", "good", False))),
])
# One after the other: the key log is named by the environment.
report("interop_facts", [
    (f"tshark_reads_a_capture_with_our_key_log_tls_{version}", tshark_reads_a_capture_with_our_key_log, (version,))
    for version in PROTOCOLS
], at_a_time=1)
