"""Python 2.7 reads this first: what the suite would bind to every address is bound to the loopback's alone."""

import socket


def bind(self, address):
    host = address[0] or "127.0.0.1"
    return self._sock.bind((host,) + tuple(address[1:]))


socket._socketobject.bind = bind
