"""What the servers among the tests' peers have in common: TLS from the beginning or later, and how they are served."""
import socketserver
import ssl
import sys


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


def is_secure(session):
    return isinstance(session.request, ssl.SSLSocket)


def serve(session):
    """Serves sessions of this class, with the certificate, the key and the mode that the command line names. Prints ACCEPT
    and the port."""
    server = Server(("127.0.0.1", 0), session)
    server.mode = (sys.argv[3:] or [""])[0]
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(sys.argv[1], sys.argv[2])
    print("ACCEPT", server.server_address[1], flush=True)
    server.serve_forever()


class MailSession(socketserver.StreamRequestHandler):
    """Lines, under TLS where the mode is "tls", otherwise in the clear until `begin_tls`."""

    def setup(self):
        self.request.settimeout(60)
        if self.server.mode == "tls":
            self.begin_tls()
        else:
            super().setup()

    def begin_tls(self):
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()
