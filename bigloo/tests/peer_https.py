#!/usr/bin/env python3
"""An HTTPS server as Python's http.server makes it: it closes without close_notify.

    peer_https.py CERTIFICATE KEY

Prints ACCEPT and its port, and answers every GET with a page of 100000 bytes.
"""
import http.server
import ssl
import sys

PAGE = b"0123456789" * 10000


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *arguments):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ACCEPT", server.server_port, flush=True)
server.serve_forever()
