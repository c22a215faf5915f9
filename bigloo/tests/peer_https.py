#!/usr/bin/env python3
"""An HTTPS server as Python's http.server makes it: it closes without close_notify.

    peer_https.py CERTIFICATE KEY [CLIENTS-CA | plain]

Prints ACCEPT and its port. What a GET gets depends on the path: see `Handler`; by default a page of 100000 bytes
whose length is not told. A POST gets what it sent. With CLIENTS-CA clients must show a certificate; with `plain`
there is no TLS.
"""
import http.server
import socket
import ssl
import sys
import time
import urllib.parse

PAGE = b"0123456789" * 10000


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name, _, argument = self.path[1:].partition("?")
        getattr(self, "get_" + name.replace("-", "_"), self.get_)(urllib.parse.unquote(argument))
        self.close_connection = name != "keep"

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.head(Content_Length=len(data), Content_Type=self.headers.get("Content-Type", "none"))
        self.wfile.write(data)

    def head(self, status=200, version="HTTP/1.1", **fields):
        self.protocol_version = version
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def end_tls(self):
        """With close_notify; not what http.server does."""
        self.wfile.flush()
        self.connection.unwrap()

    def chunks(self, *chunks):
        for chunk in chunks:
            self.wfile.write(b"%X;name=value\r\n%s\r\n" % (len(chunk), chunk))

    def get_(self, _):
        self.head(version="HTTP/1.0")
        self.wfile.write(PAGE)

    def get_abrupt(self, _):
        """Closes at once: had the client sent anything behind its request, that would be a reset."""
        self.get_(_)
        socket.close(self.connection.detach())

    def get_length(self, _):
        self.head(Content_Length=len(PAGE))
        self.wfile.write(PAGE)

    def get_keep(self, argument):
        """The connection stays open."""
        self.head(Content_Length=len(argument))
        self.wfile.write(argument.encode())

    def get_chunked(self, _):
        self.head(Transfer_Encoding="chunked")
        self.chunks(PAGE[:1], PAGE[1:20000], PAGE[20000:20016], PAGE[20016:])
        self.wfile.write(b"000\r\nTrailer: with a colon\r\n\r\nno part of it")

    def get_range(self, _):
        """Parts, as they are asked for."""
        start = self.start()
        if start >= len(PAGE):
            self.head(416, Content_Length=0)
        else:
            status = 206 if start else 200
            self.head(status, Content_Length=len(PAGE) - start,
                      Content_Range=f"bytes {start}-{len(PAGE) - 1}/{len(PAGE)}")
            self.wfile.write(PAGE[start:])

    def get_range_chunked(self, _):
        start = self.start()
        self.head(206 if start else 200, Transfer_Encoding="chunked",
                  Content_Range=f"bytes {start}-{len(PAGE) - 1}/{len(PAGE)}")
        self.chunks(PAGE[start:])
        self.wfile.write(b"0\r\n\r\n")

    def get_wrong_range(self, _):
        self.head(206 if self.start() else 200, Content_Length=len(PAGE), Content_Range="bytes 1-2/3")
        self.wfile.write(PAGE)

    def start(self):
        return int(self.headers.get("Range", "bytes=0-").partition("=")[2].rstrip("-"))

    def get_hints(self, _):
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        self.get_length(_)

    def get_empty(self, _):
        self.head(204)

    def get_nothing(self, _):
        self.head(Content_Length=0)

    def get_junk(self, _):
        self.head(Content_Length=5)
        self.wfile.write(b"hello, and more than was announced")

    def get_short(self, _):
        self.head(Content_Length=2 * len(PAGE))
        self.wfile.write(PAGE)
        self.end_tls()

    def get_short_chunks(self, _):
        self.head(Transfer_Encoding="chunked")
        self.wfile.write(b"30000\r\n" + PAGE)
        self.end_tls()

    def get_bad_chunks(self, _):
        self.head(Transfer_Encoding="chunked")
        self.chunks(PAGE)
        self.wfile.write(b"-1\r\n" + PAGE)
        self.end_tls()

    def get_slow(self, _):
        """Half of it, and then nothing for a long time."""
        self.head(Content_Length=len(PAGE))
        self.wfile.write(PAGE[:50000])
        self.wfile.flush()
        time.sleep(60)

    def get_silent(self, _):
        time.sleep(60)

    def get_missing(self, _):
        self.head(404, Content_Length=9)
        self.wfile.write(b"not found")

    def get_not_http(self, _):
        self.wfile.write(b"220 this is no HTTP\r\n\r\n")

    def get_request(self, _):
        text = self.requestline + "\n" + "".join(f"{k.lower()}: {v}\n" for k, v in self.headers.items())
        self.head(Content_Length=len(text))
        self.wfile.write(text.encode())

    def get_to(self, argument):
        """CODE,LOCATION"""
        status, _, location = argument.partition(",")
        self.head(int(status), Location=location, Content_Length=0)

    def get_to_nowhere(self, _):
        self.head(302, Content_Length=0)

    def log_message(self, *arguments):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if sys.argv[3:] != ["plain"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        if sys.argv[3:]:
            context.load_verify_locations(sys.argv[3])
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
    # Clients that hang up, or refuse us, are part of the tests.
    server.handle_error = lambda *arguments: None
    print("ACCEPT", server.server_port, flush=True)
    server.serve_forever()


main()
