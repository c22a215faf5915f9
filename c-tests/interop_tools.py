"""What the tests with other libraries' tools share: their processes, and a case's line."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading

SECONDS = 30


class Failed(Exception):
    pass


class Missing(Exception):
    pass


def tool(name):
    path = shutil.which(name)
    if not path:
        raise Missing(f"the command {name}")
    return path


def expect(condition, what, *outputs):
    if not condition:
        raise Failed(" | ".join([what, *(" ".join(str(o).split()) for o in outputs)]))


class Running:
    """A process whose output is gathered while it runs; killed at the end, whatever happens."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.output = ""
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.gather, daemon=True)
        self.reader.start()

    def gather(self):
        while chunk := self.process.stdout.read1(4096):
            with self.changed:
                self.output += chunk.decode(errors="replace")
                self.changed.notify_all()
        with self.changed:
            self.output += "\n(end)"
            self.changed.notify_all()

    def await_text(self, pattern):
        """The first match of the pattern in the output; fails at its end, or after the time limit."""
        with self.changed:
            done = self.changed.wait_for(
                lambda: re.search(pattern, self.output) or self.output.endswith("(end)"), SECONDS
            )
        found = re.search(pattern, self.output)
        expect(done and found, f"no `{pattern}`", self.output)
        return found

    def say(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def end(self):
        """The exit status of a process that ends by itself."""
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"does not end: {self.output}") from None
        finally:
            self.stop()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(SECONDS)
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None or not self.process.stdin.closed:
            try:
                self.stop()
            except OSError:
                pass


def run(*command, text=""):
    done = subprocess.run(
        command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS
    )
    return done.returncode, done.stdout.decode(errors="replace")


def free_port():
    """For tools that cannot choose a port themselves."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_listener(port, process, transport="tcp", state="0A"):
    """Waits until somebody listens there, without a connection that a one-shot server would take for its client."""
    wanted = f":{port:04X} "
    for _ in range(SECONDS * 20):
        for table in (f"/proc/net/{transport}", f"/proc/net/{transport}6"):
            with open(table) as lines:
                if any(wanted in line.split(None, 2)[1] + " " and line.split()[3] == state for line in lines):
                    return
        expect(process.process.poll() is None, "ended early", process.output)
        try:
            process.process.wait(0.05)
        except subprocess.TimeoutExpired:
            pass
    raise Failed(f"nobody listens: {process.output}")


@contextlib.contextmanager
def nss_database(ca):
    """The name of a database for NSS's tools that trusts a CA."""
    with tempfile.TemporaryDirectory() as directory:
        for command in (["-N", "--empty-password"], ["-A", "-n", "root", "-t", "C,,", "-i", ca]):
            status, output = run(tool("certutil"), "-d", f"sql:{directory}", *command)
            expect(status == 0, "certutil", output)
        yield f"sql:{directory}"


@contextlib.contextmanager
def configured(command, configuration, port):
    """A program with a configuration file, which takes the place of FILE, in a directory, which takes that of DIRECTORY."""
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "configuration"
        file.write_text(configuration.replace("DIRECTORY", directory))
        os.chmod(directory, 0o755)
        with Running(*[str(file) if word == "FILE" else word for word in command]) as process:
            await_listener(port, process)
            yield port


def haproxy(section, port):
    """haproxy with one section, which is bound to the port."""
    return configured([tool("haproxy"), "-db", "-f", "FILE"], f"""
defaults
    mode http
    timeout connect 10s
    timeout client 10s
    timeout server 10s
{section}
""", port)


@contextlib.contextmanager
def nginx(server):
    """nginx with one server block of HTTP."""
    with tempfile.TemporaryDirectory() as directory:
        places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        configuration = f"{directory}/nginx.conf"
        with open(configuration, "w") as file:
            file.write(f"""
daemon off; master_process off; pid {directory}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    {" ".join(f"{place}_temp_path {directory}/{place};" for place in places)}
    server {{ {server} }}
}}
""")
        with Running(tool("nginx"), "-e", "stderr", "-c", configuration) as process:
            yield process


def line_of(prefix, case):
    name, function, arguments = case
    try:
        function(*arguments)
        return f"ok {prefix}_{name}"
    except Missing as missing:
        return f"skip {prefix}_{name}: {missing}"
    except (Failed, OSError, subprocess.TimeoutExpired) as failure:
        return f"not ok {prefix}_{name}: {' '.join(str(failure).split())}"


def report(prefix, cases, at_a_time=None):
    """Runs (name, function, arguments), and prints their lines."""
    # They wait more than they work.
    with concurrent.futures.ThreadPoolExecutor(at_a_time or 2 * (os.cpu_count() or 1)) as pool:
        for line in pool.map(lambda case: line_of(prefix, case), cases):
            print(line, flush=True)
