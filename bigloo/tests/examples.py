#!/usr/bin/env python3
"""Compiles and runs the programs of examples/, one case a call: examples.py BIGLOO LIBRARY CASE. `--list` names
them, `--list threadless` those that need no threads."""
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
PKI = pathlib.Path(os.environ.get("BGLSSL_TEST_PKI", "."))
LIMIT = 30


class Programs:
    def __init__(self, bigloo, library, directory):
        self.bigloo, self.library, self.directory = bigloo, library, directory
        self.running = []

    def compile(self, name):
        program = self.directory / name
        # The compiler leaves what it makes beside the source.
        shutil.copy(EXAMPLES / f"{name}.scm", self.directory)
        subprocess.run([self.bigloo, "-q", "-L", self.library, f"{name}.scm", "-o", str(program)],
                       check=True, cwd=self.directory, timeout=240, stdin=subprocess.DEVNULL)
        return str(program)

    def start(self, *command, **options):
        """A server that says which port it listens on."""
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                   **{"stdin": subprocess.DEVNULL, **options})
        self.running.append(process)
        return process, process.stdout.readline().split()[-1]

    def stop(self):
        for process in self.running:
            process.kill()


def output(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT,
                          **({} if "input" in options else {"stdin": subprocess.DEVNULL}), **options).stdout


def expect(text, part):
    if part not in text:
        sys.exit(f"{part!r} is not in {text!r}")


def pki(name):
    return str(PKI / name)


def manual(programs):
    server = programs.compile("manual-server")
    client = programs.compile("manual-client")
    _, port = programs.start(server, "0", pki("good.pem"), pki("good.key"))
    expect(output(client, "localhost", port, pki("root.pem")), "string\nabc\n")


def https(programs):
    server = programs.compile("https-server")
    client = programs.compile("https-get")
    _, port = programs.start(server, "0", pki("good.pem"), pki("good.key"))
    expect(output(client, "localhost", port, "/page", pki("root.pem")), "You asked: GET /page HTTP/1.1")
    # A client that says nothing holds up nobody.
    with socket.create_connection(("localhost", int(port))):
        expect(output(client, "localhost", port, "/page", pki("root.pem")), "You asked: GET /page HTTP/1.1")
    if shutil.which("curl"):
        expect(output("curl", "-sS", "--cacert", pki("root.pem"), f"https://localhost:{port}/x"), "GET /x")
    refused = subprocess.run([client, "localhost", port, "/", pki("root2.pem")], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL)
    expect(refused.stderr, f"localhost:{port}: ")
    if refused.returncode != 1:
        sys.exit("an unknown CA was trusted")


def proxy(programs):
    server = programs.compile("https-server")
    client = programs.compile("https-through-proxy")
    _, port = programs.start(server, "0", pki("good.pem"), pki("good.key"))
    peer, proxy_port = programs.start(sys.executable, str(HERE / "peer_proxy.py"), "0")
    url = f"http://me:secret@127.0.0.1:{proxy_port}"
    expect(output(client, url, "localhost", port, pki("root.pem")), "You asked: GET / HTTP/1.0")
    expect(peer.stdout.readline(), f"CONNECT localhost:{port} HTTP/1.1")
    refused = subprocess.run([client, url, "refuse"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             timeout=LIMIT, stdin=subprocess.DEVNULL)
    expect(refused.stderr, "403 Not to this one")
    if refused.returncode != 1 or "secret" in refused.stderr:
        sys.exit("the refusal was told badly")


def chat(programs):
    program = programs.compile("chat")
    server, port = programs.start(program, "listen", "0", pki("good.pem"), pki("good.key"), stdin=subprocess.PIPE)
    server.stdin.write("from the one\n")
    server.stdin.flush()
    client = subprocess.Popen([program, "connect", "localhost", port, pki("root.pem")], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    programs.running.append(client)
    client.stdin.write("from the other\n")
    client.stdin.flush()
    expect(server.stdout.readline(), "from the other")
    server.stdin.close()
    client.stdin.close()
    expect(client.stdout.read(), "from the one")
    if client.wait(LIMIT) or server.wait(LIMIT):
        sys.exit("the chat ended badly")


def mail_server(listener, inject):
    connection, _ = listener.accept()
    connection.settimeout(LIMIT)
    lines = connection.makefile("rw", newline="")

    def talk(reply):
        line = lines.readline()
        lines.write(reply)
        lines.flush()
        return line

    lines.write("220 ready\r\n")
    lines.flush()
    talk("250-here\r\n250 STARTTLS\r\n")
    talk("220 go ahead\r\n" + ("250 injected\r\n" if inject else ""))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki("good.pem"), pki("good.key"))
    try:
        with context.wrap_socket(connection, server_side=True) as secure:
            lines = secure.makefile("rw", newline="")
            talk("250-here\r\n250 AUTH PLAIN\r\n")
            talk("221 bye\r\n")
    except OSError:
        pass


def starttls(programs):
    program = programs.compile("starttls-mail")
    for inject in False, True:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=mail_server, args=(listener, inject), daemon=True).start()
            result = subprocess.run([program, "localhost", str(listener.getsockname()[1]), pki("root.pem")],
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT,
                                    stdin=subprocess.DEVNULL)
            expect(result.stdout, "plaintext" if inject else "AUTH PLAIN")


def nested(programs):
    program = programs.compile("tls-in-tls")
    tunnel, port = programs.start("python3", "-u", str(HERE.parent.parent / "c-tests" / "tunnel.py"), pki("good.pem"),
                                  pki("good.key"))
    host_port = tunnel.stdout.readline().split()[-1]
    expect(output(program, "localhost", port, "localhost", host_port, "inside", pki("root.pem")), "INSIDE\n")


def mutual(programs):
    program = programs.compile("mutual-tls")
    server, port = programs.start(program, "listen", "0", pki("good.pem"), pki("good.key"), pki("root.pem"))
    client = [program, "connect", "localhost", port]
    expect(output(*client, pki("client.pem"), pki("client.key"), pki("root.pem")), "client, you said hello\n")
    untrusted = subprocess.run([*client, pki("client-untrusted.pem"), pki("client-untrusted.key"), pki("root.pem")],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT)
    expect(untrusted.stdout, "alert")
    expect(server.stdout.readline(), "refused: ")
    if untrusted.returncode != 1:
        sys.exit("the untrusted client was served")
    expect(output(*client, pki("client.pem"), pki("client.key"), pki("root.pem")), "client, you said hello\n")


def dtls(programs):
    program = programs.compile("dtls-ping")
    _, port = programs.start(program, "listen", "0", pki("good.pem"), pki("good.key"))
    text = output(program, "localhost", port, "3", pki("root.pem"))
    expect(text, "DTLSv1.2")
    expect(text, "3 sent, ")


def inspect(programs):
    program = programs.compile("inspect-certificate")
    text = output(program, pki("good.pem"))
    expect(text, "CN=good")
    expect(text, "  for: DNS:localhost\n")
    process, port = programs.start(str(HERE / "peer_https.py"), pki("good.pem"), pki("good.key"))
    expect(output(program, "localhost", port, pki("root.pem")), "issued by a CA that is trusted")
    expect(output(program, "localhost", port), "not to be trusted: ")


def download(programs):
    program = programs.compile("https-download")
    process, port = programs.start(str(HERE / "peer_https.py"), pki("good.pem"), pki("good.key"))
    file = programs.directory / "page"
    command = [program, f"https://localhost:{port}/range", str(file), pki("root.pem")]
    page = b"0123456789" * 10000
    expect(output(*command), "100000 bytes, 100000 of them new\n")
    if file.read_bytes() != page:
        sys.exit("another page")
    file.write_bytes(page[:12345])
    expect(output(*command), "100000 bytes, 87655 of them new\n")
    if file.read_bytes() != page:
        sys.exit("the rest does not fit")
    command[1] = f"https://localhost:{port}/missing"
    missing = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT,
                             stdin=subprocess.DEVNULL)
    expect(missing.stderr, "no such file")


CASES = {"manual": manual, "https": https, "proxy": proxy, "chat": chat, "starttls": starttls,
         "nested": nested, "mutual": mutual, "dtls": dtls,
         "inspect": inspect, "download": download}
# Those that need threads.
THREADED = {"https", "proxy", "chat", "mutual", "dtls"}


def main():
    if sys.argv[1] == "--list":
        print("\n".join(case for case in CASES if not (sys.argv[2:] and case in THREADED)))
        return
    bigloo, library, case = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="bglssl-examples-") as directory:
        programs = Programs(bigloo, library, pathlib.Path(directory))
        try:
            CASES[case](programs)
        finally:
            programs.stop()


if __name__ == "__main__":
    main()
