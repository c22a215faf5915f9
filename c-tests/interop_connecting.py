#!/usr/bin/env python3
"""Our clients through others' proxies (tinyproxy, squid, ncat, microsocks, dante, stunnel before another one), and both our
ends over Unix sockets with OpenSSL's and socat's.

  interop_connecting.py PROGRAM    PROGRAM is interop_connecting; BGLSSL_TEST_PKI names the certificates
"""

import contextlib
import os
import re
import sys
import tempfile

from interop_tools import Running, await_listener, configured, expect, free_port, report, run, tool

PROGRAM = sys.argv[1]
PKI = os.environ["BGLSSL_TEST_PKI"]
CA = f"{PKI}/root.pem"
CERT, KEY = f"{PKI}/good.pem", f"{PKI}/good.key"
USER = "me:p%2Ess"


@contextlib.contextmanager
def target():
    """A TLS server that answers each line backwards."""
    with Running(tool("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", CERT, "-key", KEY, "-rev") as server:
        yield server, server.await_text(r"ACCEPT \S+:(\d+)")[1]


def tinyproxy(user=False):
    port = free_port()
    auth = "BasicAuth me p.ss" if user else ""
    return configured([tool("tinyproxy"), "-d", "-c", "FILE"], f"""
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 10
Allow 127.0.0.1
{auth}
""", port)


def squid(tls=False):
    port = free_port()
    listen = f"https_port 127.0.0.1:{port} tls-cert={CERT} tls-key={KEY}" if tls else f"http_port 127.0.0.1:{port}"
    return configured([tool("squid"), "-N", "-d", "1", "-f", "FILE"], f"""
{listen}
http_access allow all
cache deny all
access_log none
cache_log /dev/stderr
pid_filename none
coredump_dir DIRECTORY
shutdown_lifetime 0 seconds
""", port)


@contextlib.contextmanager
def command(port, *words):
    with Running(*words) as process:
        await_listener(port, process)
        yield port


def ncat(user=False, tls=False):
    port = free_port()
    options = ["--proxy-auth", "me:p.ss"] if user else []
    options += ["--ssl", "--ssl-cert", CERT, "--ssl-key", KEY] if tls else []
    return command(port, tool("ncat"), "-l", "-k", "127.0.0.1", str(port), "--proxy-type", "http", *options)


def microsocks(user=False):
    port = free_port()
    options = ["-u", "me", "-P", "p.ss"] if user else []
    return command(port, tool("microsocks"), "-i", "127.0.0.1", "-p", str(port), *options)


def dante():
    port = free_port()
    return configured([tool("danted"), "-f", "FILE"], f"""
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
socksmethod: none
clientmethod: none
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
""", port)


@contextlib.contextmanager
def stunnel():
    port = free_port()
    with tinyproxy(user=True) as behind, configured([tool("stunnel"), "FILE"], f"""
foreground = yes
pid =
[proxy]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{behind}
cert = {CERT}
key = {KEY}
""", port):
        yield port


def through(proxy, scheme, user=""):
    with target() as (_, port), proxy as proxy_port:
        url = f"{scheme}://{user}{'@' if user else ''}localhost:{proxy_port}"
        status, output = run(PROGRAM, "through", url, "localhost", port, CA, CA)
        expect(status == 0 and output.count("reply gnip\n") == 2, "not carried", output)


def goes_through(proxy, scheme, user=False, **options):
    def case():
        if user and proxy is not stunnel:
            options["user"] = True
        through(proxy(**options), scheme, USER if user else "")
    return case


def refuses(proxy, scheme, url_user, words, port=None):
    def case():
        with (proxy() if port else proxy(user=True)) as proxy_port:
            url = f"{scheme}://{url_user}{'@' if url_user else ''}localhost:{proxy_port}"
            status, output = run(PROGRAM, "through", url, "localhost", str(port or 1), CA, CA)
            expect(status == 1 and re.search(words, output), f"not refused by `{words}`", output)
            expect("through the proxy" in output and "wrong" not in output.replace("is wrong", ""), "told badly", output)
    return case


def unix_client():
    with tempfile.TemporaryDirectory() as directory, target() as (_, port):
        path = f"{directory}/socket"
        with Running(tool("socat"), "-d", "-d", f"UNIX-LISTEN:{path},fork", f"TCP:127.0.0.1:{port}") as socat:
            socat.await_text("listening on")
            status, output = run(PROGRAM, "unix", path, "localhost", CA)
            expect(status == 0 and "reply gnip\n" in output, "no answer", output)


def unix_openssl_server():
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/socket"
        with Running(tool("openssl"), "s_server", "-unix", path, "-cert", CERT, "-key", KEY, "-rev") as server:
            server.await_text("ACCEPT")
            status, output = run(PROGRAM, "unix", path, "localhost", CA)
            expect(status == 0 and "reply gnip\n" in output, "no answer", output)


def unix_server():
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/socket"
        with Running(PROGRAM, "listen", path, CERT, KEY) as server:
            server.await_text("listening")
            with Running(tool("openssl"), "s_client", "-unix", path, "-CAfile", CA, "-verify_return_error",
                         "-verify_hostname", "localhost", "-quiet") as client:
                client.say("hello\n")
                client.await_text("hello")
            expect(server.end() == 0, "our server failed", server.output)
        expect(not os.path.exists(path), "the file is still there")


CASES = {
    "tinyproxy": goes_through(tinyproxy, "http"),
    "tinyproxy_with_user": goes_through(tinyproxy, "http", user=True),
    "tinyproxy_refuses_unknown_users": refuses(tinyproxy, "http", "", "407"),
    "tinyproxy_refuses_other_passwords": refuses(tinyproxy, "http", "me:wrong", r"HTTP/1\.\d 40[137]"),
    "tinyproxy_tells_of_closed_ports": refuses(tinyproxy, "http", "", r"it refuses: \"HTTP/1\.", port=1),
    "squid": goes_through(squid, "http"),
    "squid_over_tls": goes_through(squid, "https", tls=True),
    "ncat": goes_through(ncat, "http"),
    "ncat_with_user": goes_through(ncat, "http", user=True),
    "ncat_over_tls": goes_through(ncat, "https", user=True, tls=True),
    "stunnel_before_tinyproxy": goes_through(stunnel, "https", user=True),
    "microsocks": goes_through(microsocks, "socks5"),
    "microsocks_by_name": goes_through(microsocks, "socks5h"),
    "microsocks_with_user": goes_through(microsocks, "socks5h", user=True),
    "microsocks_refuses_unknown_users": refuses(microsocks, "socks5h", "", "it wants a user and a password"),
    "microsocks_refuses_other_passwords": refuses(microsocks, "socks5h", "me:wrong", "password is wrong"),
    "microsocks_tells_of_closed_ports": refuses(microsocks, "socks5h", "", "SOCKS reply 5", port=1),
    "dante": goes_through(dante, "socks5"),
    "dante_by_name": goes_through(dante, "socks5h"),
    "our_client_over_socat_s_socket": unix_client,
    "our_client_over_openssl_s_socket": unix_openssl_server,
    "openssl_s_client_over_our_socket": unix_server,
}

report("interop_connecting", [(name, case, ()) for name, case in CASES.items()])
