#!/usr/bin/env python3
"""An IMAP server (RFC 3501) with one folder of messages, over TLS, or in the clear until STARTTLS.

    peer_imap.py CERTIFICATE KEY tls|starttls|inject

Prints ACCEPT and its port. The password is "secret". Message 1 is short, message 2 has 300000 bytes. It closes without
close_notify. With `inject` an answer follows that to STARTTLS in the clear.
"""
import re

from tls_peer import MailSession, is_secure, serve

MESSAGES = {
    1: ("Subject: one\r\n\r\n", "short\r\n"),
    2: ("Subject: two\r\n\r\n", "0123456789" * 30000),
}


class Session(MailSession):
    def handle(self):
        self.say("* OK ready")
        while line := self.rfile.readline().decode().strip():
            tag, command, *rest = line.split(" ", 2)
            if command == "UID":
                command, *rest = rest[0].split(" ", 1)
            handler = getattr(self, "do_" + command.lower(), None)
            answer = handler(rest[0] if rest else "") if handler else "BAD what?"
            self.say(f"{tag} {answer or 'OK done'}")
            if command == "STARTTLS":
                self.start_tls()
            elif command == "LOGOUT":
                return

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def start_tls(self):
        if self.server.mode == "inject":
            self.say("* OK injected")
        self.begin_tls()

    def do_noop(self, _):
        pass

    def do_starttls(self, _):
        return "OK go ahead"

    def do_capability(self, _):
        self.say("* CAPABILITY IMAP4rev1" + (" STARTTLS" if not is_secure(self) else ""))

    def do_login(self, arguments):
        if not is_secure(self):
            return "NO not in the clear"
        return "OK welcome" if arguments.endswith('"secret"') else "NO who are you?"

    def do_list(self, _):
        self.say('* LIST (\\NoSelect) "/" "Archive"')
        self.say('* LIST () "/" "INBOX"')

    def do_select(self, _):
        self.say(f"* {len(MESSAGES)} EXISTS")
        self.say("* 0 RECENT")

    def do_fetch(self, arguments):
        if arguments.startswith("1:*"):
            for number in MESSAGES:
                self.say(f"* {number} FETCH (UID {number})")
            return None
        number = int(re.match(r"\d+", arguments).group())
        if number not in MESSAGES:
            return "NO no such message"
        parts = [("HEADER", 0), ("TEXT", 1)]
        literals = [f"BODY[{name}] {{{len(MESSAGES[number][i])}}}\r\n{MESSAGES[number][i]}"
                    for name, i in parts if name in arguments]
        self.say(f"* {number} FETCH (" + " ".join(literals) + ")")
        return None

    def do_logout(self, _):
        self.say("* BYE")


serve(Session)
