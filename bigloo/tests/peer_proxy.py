"""A proxy of HTTP: prints its port and then, one a line, what it is asked. Connections to the host "refuse" are refused.

    peer_proxy.py PORT"""
import socket
import sys
import threading


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client):
    header = b""
    while b"\r\n\r\n" not in header:
        header += client.recv(1)
    print(repr(header.decode()), flush=True)
    host, port = header.split()[1].decode().rsplit(":", 1)
    if host == "refuse":
        client.sendall(b"HTTP/1.1 403 Not to this one\r\n\r\n")
        client.close()
        return
    if host == "silent":
        return
    target = socket.create_connection((host, int(port)))
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    threading.Thread(target=pump, args=(target, client), daemon=True).start()
    pump(client, target)


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", listener.getsockname()[1], flush=True)
clients = []
while True:
    clients.append(listener.accept()[0])
    threading.Thread(target=serve, args=(clients[-1],), daemon=True).start()
