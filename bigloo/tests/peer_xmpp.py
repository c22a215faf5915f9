#!/usr/bin/env python3
"""An XMPP server (RFC 6120) that wants STARTTLS: as much of it as a client needs to log in and to chat.

    peer_xmpp.py CERTIFICATE KEY [inject]

Prints ACCEPT and its port. A message comes back from "echo@localhost"; after one whose body is "bye" the stream ends,
with close_notify, after one whose body is "cut" without. With `inject` something follows <proceed/> in the clear.
"""
import re
import socketserver

from tls_peer import is_secure, serve

HEADER = "<?xml version='1.0'?><stream:stream from='localhost' id='1' version='1.0' xmlns='jabber:client' " \
         "xmlns:stream='http://etherx.jabber.org/streams'>"
STANZA = re.compile(r"<stream:stream[^>]*>|</stream:stream>|<starttls[^>]*/>|<presence[^>]*/>|"
                    r"<(iq|message|presence)\b.*?</\1>|<iq[^>]*/>", re.DOTALL)


def attribute(stanza, name):
    found = re.search(rf"\b{name}=['\"]([^'\"]*)", stanza)
    return found.group(1) if found else ""


class Session(socketserver.BaseRequestHandler):
    def handle(self):
        self.text = ""
        self.request.settimeout(60)
        while stanza := self.next():
            if stanza.startswith("<stream:stream"):
                self.greet()
            elif stanza.startswith("<starttls"):
                self.start_tls()
            elif stanza.startswith("<iq"):
                self.answer(stanza)
            elif stanza.startswith("<message"):
                if not self.echo(stanza):
                    return

    def send(self, text):
        self.request.sendall(text.encode())

    def next(self):
        while not (found := STANZA.search(self.text)):
            data = self.request.recv(4096)
            if not data:
                return None
            self.text += data.decode()
        self.text = self.text[found.end():]
        return found.group()

    def greet(self):
        feature = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>" if is_secure(self) else \
            "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
        self.send(HEADER + f"<stream:features>{feature}</stream:features>")

    def start_tls(self):
        self.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                  + ("<message from='nobody'><body>injected</body></message>" if self.server.mode == "inject" else ""))
        self.request = self.server.context.wrap_socket(self.request, server_side=True)

    def answer(self, stanza):
        name = attribute(stanza, "id")
        if "jabber:iq:auth" in stanza and "<password>wrong</password>" in stanza:
            self.send(f"<iq type='error' id='{name}'/>")
        elif "jabber:iq:roster" in stanza and attribute(stanza, "type") == "get":
            self.send(f"<iq type='result' id='{name}'><query xmlns='jabber:iq:roster'>"
                      "<item jid='echo@localhost' name='Echo' subscription='both'><group>all</group></item>"
                      "</query></iq>")
        else:
            self.send(f"<iq type='result' id='{name}'/>")

    def echo(self, stanza):
        """False if it was the last one."""
        body = re.search(r"<body>(.*?)</body>", stanza, re.DOTALL).group(1)
        if body in ("bye", "cut"):
            self.send("</stream:stream>")
            if body == "bye":
                self.request.unwrap()
            return False
        self.send(f"<message from='echo@localhost' type='chat'><body>{body}</body></message>")
        return True


serve(Session)
