#!/usr/bin/env python3
"""An SMTP server (RFC 5321), over TLS, or in the clear until STARTTLS (RFC 3207).

    peer_smtp.py CERTIFICATE KEY tls|starttls|inject

Prints ACCEPT and its port. It takes mail under TLS only, answers with the digest of the message, and takes mail of
100000 bytes at most. With `inject` an answer follows that to STARTTLS in the clear.
"""
import hashlib

from tls_peer import MailSession, is_secure, serve

LIMIT = 100000


class Session(MailSession):
    def handle(self):
        self.say("220 localhost ready")
        while line := self.rfile.readline().decode().strip():
            command = line.split()[0].upper()
            if command == "EHLO":
                self.say("250-localhost", *([] if is_secure(self) else ["250-STARTTLS"]), f"250 SIZE {LIMIT}")
            elif command == "STARTTLS":
                self.start_tls()
            elif command in ("MAIL", "RCPT"):
                self.say("250 fine" if is_secure(self) else "530 must issue STARTTLS first")
            elif command == "DATA":
                self.take_message()
            elif command == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("500 what?")

    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())

    def start_tls(self):
        self.say("220 go ahead", *(["250 injected"] if self.server.mode == "inject" else []))
        self.begin_tls()

    def take_message(self):
        self.say("354 end with a dot")
        text = b""
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            text += line.removeprefix(b".")
        if len(text) > LIMIT:
            self.say("552 too large")
        else:
            self.say("250 " + hashlib.sha256(text).hexdigest())


serve(Session)
