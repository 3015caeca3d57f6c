"""A portal that does as it is told, well or badly: HTTP/1.1 over TLS, from Python's sockets alone.

    portal.py CERTIFICATE KEY    or    portal.py    for plain HTTP

It listens on a free port of 127.0.0.1 and prints the port. Then it takes commands on standard input, one JSON object on a
line, and answers each with one JSON value on a line. It ends when its standard input does.

    {"do": "answer", "path": null, "answer": {…}}   from now on, everywhere or at one path
    {"do": "once", "answer": {…}}                   for one request, before all others
    {"do": "release"}                               lets go what is held
    {"do": "requests"}                              what was asked so far
    {"do": "tls", "certificate": …, "key": …, "clients": null}    for connections from now on
    {"do": "down"}, {"do": "up"}                    closes the listener, opens it again at the same port

Members of an answer, all but the status optional:

    status, headers: [[name, value], …], body: text
    latin1: true: the body in that encoding, so that it may be no UTF-8
    filler: so many spaces after the body
    etag: true, or the tag itself; modified: a date; either brings a 304 to who asks with it
    framing: "length", "chunked" or "close"; length: a content-length that lies
    rate: bytes a second; cut: ends after so many bytes of the body, as if it were whole
    rough: true: the connection ends without a word of TLS about it
    silent: true: nothing ever comes; held: true: nothing comes before it is released
    raw: in place of all this
"""

import contextlib
import hashlib
import json
import os
import socket
import ssl
import sys
import threading
import time

PIECE = 64 * 1024
PATIENCE = 30
# Fractions of a second between the pieces of a slow answer.
TICKS = 20


class Portal:
    def __init__(self, certificate, key):
        self.lock = threading.Lock()
        self.answers = {None: {"status": 404}}
        self.once = []
        self.requests = []
        self.released = threading.Event()
        self.listener = None
        self.port = 0
        self.certificates(certificate, key, None)
        self.up()

    def certificates(self, certificate, key, clients):
        if certificate is None:
            self.context = None
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["http/1.1"])
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients)
        self.context = context

    def up(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def down(self):
        # Wakes the thread that accepts; closing alone would not. Not every system takes it well.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self, listener):
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.converse, args=(stream,), daemon=True).start()

    def converse(self, stream):
        stream.settimeout(PATIENCE)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = self.context
        try:
            if context is not None:
                try:
                    stream = context.wrap_socket(stream, server_side=True, do_handshake_on_connect=False)
                    stream.do_handshake()
                except ssl.SSLError:
                    # An alert went out; what the other side has sent meanwhile must not make a reset of it.
                    drain(stream)
                    return
            head = read_head(stream)
            if head is not None:
                self.converse_about(stream, head)
        except OSError:
            pass
        finally:
            stream.close()

    def converse_about(self, stream, head):
        method, target, headers = head
        request = {"method": method, "target": target, "headers": headers, "sent": 0, "over": False}
        with self.lock:
            self.requests.append(request)
        try:
            self.answer(stream, request)
        finally:
            request["over"] = True

    def answer(self, stream, request):
        with self.lock:
            path = request["target"].split("?")[0]
            answer = self.once.pop(0) if self.once else self.answers.get(path, self.answers[None])
            released = self.released
        if answer.get("held"):
            released.wait(PATIENCE)
        if answer.get("silent"):
            stream.recv(1)
            return
        if "raw" in answer:
            stream.sendall(answer["raw"].encode("latin-1"))
        else:
            send(stream, request, answer)
        if not answer.get("rough") and isinstance(stream, ssl.SSLSocket):
            stream.settimeout(2)
            stream.unwrap().close()

    def obey(self, command):
        do = command["do"]
        if do == "requests":
            with self.lock:
                return list(self.requests)
        if do == "tls":
            self.certificates(command["certificate"], command["key"], command["clients"])
        elif do == "up":
            self.up()
        elif do == "down":
            self.down()
        else:
            with self.lock:
                if do == "answer":
                    self.answers[command["path"]] = command["answer"]
                elif do == "once":
                    self.once.append(command["answer"])
                elif do == "release":
                    self.released.set()
                    self.released = threading.Event()
        return True


def drain(stream):
    try:
        plain = socket.socket(fileno=stream.detach())
        plain.settimeout(2)
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(PIECE):
            pass
        plain.close()
    except OSError:
        pass


def read_head(stream):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = stream.recv(PIECE)
        if not piece:
            return None
        head += piece
        if not head[:1].isalpha():
            # TLS where none is spoken: what servers say then.
            stream.sendall(head_of(400, [["connection", "close"]]))
            return None
    line, *fields = head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    headers = [[name.lower(), value.strip()] for name, value in (field.split(":", 1) for field in fields)]
    return method, target, headers


def unchanged(headers, fields):
    asked = dict(map(tuple, headers))
    named = {name: value for name, value in fields}
    tag, date = asked.get("if-none-match"), asked.get("if-modified-since")
    if tag is not None:
        return tag == named.get("etag")
    return date is not None and date == named.get("last-modified")


def send(stream, request, answer):
    body = answer.get("body", "").encode("latin-1" if answer.get("latin1") else "utf-8")
    fields = [list(field) for field in answer.get("headers", [])]
    tag = answer.get("etag")
    if tag is not None:
        digest = '"%s"' % hashlib.sha256(body).hexdigest()[:16]
        fields.append(["etag", digest if tag is True else tag])
    if "modified" in answer:
        fields.append(["last-modified", answer["modified"]])
    fields.append(["connection", "close"])
    status = answer["status"]
    if status == 200 and unchanged(request["headers"], fields):
        stream.sendall(head_of(304, fields))
        return
    filler = answer.get("filler", 0)
    framing = answer.get("framing", "length")
    if framing == "length":
        fields.append(["content-length", str(answer.get("length", len(body) + filler))])
    elif framing == "chunked":
        fields.append(["transfer-encoding", "chunked"])
    stream.sendall(head_of(status, fields))
    if request["method"] == "HEAD" or status in (204, 304):
        return
    rate = answer.get("rate")
    left = answer.get("cut")
    for piece in pieces(body, filler, PIECE if rate is None else max(1, rate // TICKS)):
        whole = left is None or left >= len(piece)
        part = piece if whole else piece[:left]
        if framing == "chunked":
            # Even of a piece that is cut the whole length is promised.
            stream.sendall(b"%x\r\n" % len(piece) + part + (b"\r\n" if whole else b""))
        else:
            stream.sendall(part)
        request["sent"] += len(part)
        if not whole:
            return
        if left is not None:
            left -= len(piece)
        if rate is not None:
            time.sleep(len(piece) / rate)
    if framing == "chunked" and left is None:
        stream.sendall(b"0\r\n\r\n")


def head_of(status, fields):
    lines = ["HTTP/1.1 %d Told So" % status] + ["%s: %s" % (name, value) for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def pieces(body, filler, length):
    for start in range(0, len(body), length):
        yield body[start : start + length]
    spaces = b" " * length
    while filler > 0:
        yield spaces[:filler]
        filler -= length


def main():
    certificate, key = sys.argv[1:3] if len(sys.argv) > 1 else (None, None)
    portal = Portal(certificate, key)
    print(portal.port, flush=True)
    for line in sys.stdin:
        print(json.dumps(portal.obey(json.loads(line))), flush=True)
    # Not `exit`, which would wait for threads that wait for peers.
    os._exit(0)


if __name__ == "__main__":
    main()
