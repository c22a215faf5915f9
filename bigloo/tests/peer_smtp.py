#!/usr/bin/env python3
"""An SMTP server (RFC 5321), over TLS, or in the clear until STARTTLS (RFC 3207).

    peer_smtp.py CERTIFICATE KEY tls|starttls|inject

Prints ACCEPT and its port. It takes mail under TLS only, answers with the digest of the message, and takes mail of
100000 bytes at most. With `inject` an answer follows that to STARTTLS in the clear.
"""
import hashlib
import socketserver
import ssl
import sys

LIMIT = 100000


class Session(socketserver.StreamRequestHandler):
    def setup(self):
        self.request.settimeout(60)
        if self.server.mode == "tls":
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self):
        self.say("220 localhost ready")
        while line := self.rfile.readline().decode().strip():
            command = line.split()[0].upper()
            if command == "EHLO":
                self.say("250-localhost", *([] if self.is_secure() else ["250-STARTTLS"]), f"250 SIZE {LIMIT}")
            elif command == "STARTTLS":
                self.start_tls()
            elif command in ("MAIL", "RCPT"):
                self.say("250 fine" if self.is_secure() else "530 must issue STARTTLS first")
            elif command == "DATA":
                self.take_message()
            elif command == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("500 what?")

    def is_secure(self):
        return isinstance(self.request, ssl.SSLSocket)

    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())

    def start_tls(self):
        self.say("220 go ahead", *(["250 injected"] if self.server.mode == "inject" else []))
        self.request = self.connection = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def take_message(self):
        self.say("354 end with a dot")
        text = b""
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            text += line.removeprefix(b".")
        if len(text) > LIMIT:
            self.say("552 too large")
        else:
            self.say("250 " + hashlib.sha256(text).hexdigest())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Session)
server.mode = sys.argv[3]
server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.context.load_cert_chain(sys.argv[1], sys.argv[2])
print("ACCEPT", server.server_address[1], flush=True)
server.serve_forever()
