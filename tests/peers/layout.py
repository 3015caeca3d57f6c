"""A vendor of any wire format: seals and opens HTTP messages as a profile's keys say, with Python's `cryptography`.

One JSON object a line in, one out. A task has `do` ("seal" or "open"), `layout` (the keys of a profile, all of them),
`static_iv` (hex), `key` ({"algorithm", "secret" in hex, "fingerprint"}), `message` ({"method", "target", "headers", "body" in hex}),
and for a reply `reply_to`: method, target and IV (hex) of its request. The answer is the message, and the IV that all of it is
under. What does not open is {"refused": why}. It shares no code with Alewife and takes its rules from the documentation.
"""

import base64
import json
import os
import sys
from urllib.parse import quote, unquote_to_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

try:
    from cryptography.hazmat.decrepit.ciphers.modes import CFB, CFB8
except ImportError:
    CFB, CFB8 = modes.CFB, modes.CFB8

LETTERS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def encode(encoding, data):
    match encoding:
        case "raw":
            return data
        case "base64":
            return base64.b64encode(data)
        case "base64url":
            return base64.urlsafe_b64encode(data).rstrip(b"=")
        case "hex":
            return data.hex().encode()


def decode(encoding, text):
    match encoding:
        case "raw":
            return text
        case "base64":
            return base64.b64decode(text, validate=True)
        case "base64url":
            return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        case "hex":
            return bytes.fromhex(text.decode())


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Pairs:
    """A query or a form, kept in its order."""

    def __init__(self, text):
        self.items = [piece.split("=", 1) for piece in text.split("&")] if text else []

    def get(self, name):
        return next(unquote_to_bytes(item[1].replace("+", " ")) for item in self.items if item[0] == name)

    def put(self, name, value):
        value = quote(value, safe="")
        for item in self.items:
            if item[0] == name:
                item[1] = value
                return
        self.items.append([name, value])

    def take(self, name):
        value = self.get(name)
        self.items = [item for item in self.items if item[0] != name]
        return value

    def text(self):
        return "&".join("=".join(item) for item in self.items)


class Members:
    """A JSON document."""

    def __init__(self, text):
        self.document = json.loads(text)

    def at(self, pointer):
        *path, last = pointer[1:].split("/")
        node = self.document
        for name in path:
            node = node.setdefault(name, {}) if isinstance(node, dict) else node[int(name)]
        return node, last if isinstance(node, dict) else int(last)

    def get(self, pointer):
        node, last = self.at(pointer)
        return node[last]

    def put(self, pointer, value):
        node, last = self.at(pointer)
        node[last] = value

    def take(self, pointer):
        node, last = self.at(pointer)
        return node.pop(last)

    def text(self):
        return compact(self.document)


class Message:
    def __init__(self, message):
        self.method = message["method"]
        path, mark, query = message["target"].partition("?")
        self.path, self.query = path, Pairs(query)
        self.headers = [list(header) for header in message["headers"]]
        self.body = bytes.fromhex(message["body"])
        self.form = self.document = None

    def target(self):
        query = self.query.text()
        return f"{self.path}?{query}" if query else self.path

    def header(self, name):
        values = [value for known, value in self.headers if known.lower() == name]
        return values[0] if values else None

    def set_header(self, name, value):
        self.headers = [header for header in self.headers if header[0].lower() != name]
        if value is not None:
            self.headers.append([name, value])

    def read(self, kind):
        if kind == "form" and self.form is None:
            self.form = Pairs(self.body.decode())
        if kind == "json" and self.document is None:
            self.document = Members(self.body)

    def put(self, place, value):
        kind, name = place.split(":", 1)
        match kind:
            case "header":
                self.set_header(name, value.decode("latin-1"))
            case "query":
                self.query.put(name, value)
            case "field":
                self.form.put(name, value)
            case "member":
                self.document.put(name, value.decode())

    def take(self, place):
        kind, name = place.split(":", 1)
        match kind:
            case "header":
                value = self.header(name).encode("latin-1")
                self.set_header(name, None)
                return value
            case "query":
                return self.query.take(name)
            case "field":
                return self.form.take(name)
            case "member":
                return self.document.take(name).encode()

    def look(self, place):
        kind, name = place.split(":", 1)
        if kind == "header":
            return (self.header(name) or "").encode("latin-1")
        try:
            return self.document.get(name).encode()
        except (KeyError, TypeError, AttributeError):
            return b""

    def answer(self, iv):
        if self.form is not None:
            self.body = self.form.text().encode()
        if self.document is not None:
            self.body = self.document.text().encode()
        return {
            "method": self.method,
            "target": self.target(),
            "headers": self.headers,
            "body": self.body.hex(),
            "iv": iv.hex() if iv else None,
        }


class Task:
    def __init__(self, task):
        self.layout, self.key = task["layout"], task["key"]
        self.static_iv = bytes.fromhex(task.get("static_iv") or "")
        self.reply_to = task.get("reply_to")
        self.message = Message(task["message"])
        self.context = (self.message.method, self.message.target())
        self.secret = bytes.fromhex(self.key["secret"])
        self.mode = self.key["algorithm"].split("-")[-1]
        self.tag_length = self.layout["tag_length"]
        kind, _, self.name = self.layout["scope"].partition(":")
        self.scope, self.becomes = kind, self.layout["becomes"]
        if kind == "member":
            self.kind = "json"
        elif kind == "field":
            self.kind = "form"
        else:
            self.kind = None

    def cipher(self, iv, tag=None):
        mode = {
            "GCM": lambda: modes.GCM(iv, tag, min_tag_length=12) if tag else modes.GCM(iv),
            "CFB": lambda: CFB(iv),
            "CFB8": lambda: CFB8(iv),
            "CTR": lambda: modes.CTR(iv),
        }[self.mode]()
        return Cipher(algorithms.AES(self.secret), mode)

    def aad(self):
        aad = self.layout["aad"]
        if aad == "none":
            return b""
        if aad.startswith("literal:"):
            return aad.split(":", 1)[1].encode()
        if aad == "context":
            way, (method, target), iv = "request", self.context, ""
            if self.reply_to:
                way, iv = "reply", self.reply_to["iv"] or ""
                method, target = self.reply_to["method"], self.reply_to["target"]
            return f"ale-context-1\n{way}\n{method}\n{target}\n{iv}\n".encode()
        return self.message.look(aad)

    def fresh_iv(self):
        length = 12 if self.layout["iv_length"] == 12 else 16
        place = self.layout["iv"]
        if place == "static":
            return self.static_iv
        if place != "prefix" and self.layout["iv_encoding"] == "raw":
            return bytes(LETTERS[byte % len(LETTERS)] for byte in os.urandom(length))
        return os.urandom(length)

    def seal_text(self, plain, iv, aad):
        if self.layout["padding"] == "pkcs7":
            plain += bytes([16 - len(plain) % 16]) * (16 - len(plain) % 16)
        encryptor = self.cipher(iv).encryptor()
        tag = b""
        if self.mode == "GCM":
            encryptor.authenticate_additional_data(aad)
        sealed = encryptor.update(plain) + encryptor.finalize()
        if self.mode == "GCM":
            tag = encryptor.tag[: self.tag_length]
        if self.layout["tag"] == "before":
            sealed = tag + sealed
        if self.layout["tag"] == "appended":
            sealed += tag
        if self.layout["iv"] == "prefix":
            sealed = iv + sealed
        return encode(self.layout["encoding"], sealed), tag

    def open_text(self, text, iv, tag, aad):
        sealed = decode(self.layout["encoding"], text)
        if self.layout["iv"] == "prefix":
            length = 12 if self.layout["iv_length"] == 12 else 16
            iv, sealed = sealed[:length], sealed[length:]
        place = self.layout["tag"]
        if self.mode != "GCM" or place == "none":
            # The tag of GCM is left out: what remains is its counter, from behind the block that makes the tag.
            plain = self.unverified(iv, sealed)
        else:
            if place == "before":
                tag, sealed = sealed[: self.tag_length], sealed[self.tag_length :]
            elif place == "appended":
                tag, sealed = sealed[-self.tag_length :], sealed[: -self.tag_length]
            if len(tag) != self.tag_length:
                raise ValueError("a tag of another length")
            decryptor = self.cipher(iv, tag).decryptor()
            decryptor.authenticate_additional_data(aad)
            plain = decryptor.update(sealed) + decryptor.finalize()
        if self.layout["padding"] == "pkcs7":
            if len(plain) % 16 or plain[-plain[-1] :] != plain[-1:] * plain[-1]:
                raise ValueError("no padding")
            plain = plain[: -plain[-1]]
        return plain, iv

    def unverified(self, iv, sealed):
        if self.mode != "GCM":
            decryptor = self.cipher(iv).decryptor()
            return decryptor.update(sealed) + decryptor.finalize()
        # Encrypting under GCM is adding the same key stream.
        encryptor = self.cipher(iv).encryptor()
        return encryptor.update(sealed) + encryptor.finalize()

    def has_own(self, name):
        return ":" in self.layout[name] and not self.layout[name].startswith(("key:", "literal:"))

    def seal(self):
        message, layout = self.message, self.layout
        if self.scope == "values":
            return self.each(self.seal_value)
        aad = b""
        if self.kind and self.becomes == "body":
            plain = message.body
            if layout["aad"].startswith(("literal:", "context", "header:")):
                aad = self.aad()
            message.body = b"{}" if self.kind == "json" else b""
            kind = "application/json" if self.kind == "json" else "application/x-www-form-urlencoded"
            message.set_header("content-type", kind)
            message.read(self.kind)
        elif self.kind:
            message.read(self.kind)
            aad = self.aad()
            if self.kind == "form":
                plain = message.form.get(self.name)
            else:
                value = message.document.get(self.name)
                plain = value if self.becomes == "text" else compact(value)
                plain = plain.encode()
        else:
            plain, aad = message.body, self.aad()
        iv = self.fresh_iv()
        text, tag = self.seal_text(plain, iv, aad)
        if not self.kind:
            message.body = text
        else:
            message.put(f"{self.scope}:{self.name}", text)
        self.put_beside(iv, tag)
        return message.answer(iv)

    def put_beside(self, iv, tag):
        layout, message = self.layout, self.message
        if self.has_own("iv"):
            message.put(layout["iv"], encode(layout["iv_encoding"], iv))
        if self.has_own("tag") and self.mode == "GCM":
            message.put(layout["tag"], encode(layout["tag_encoding"], tag))
        if self.has_own("fingerprint"):
            message.put(layout["fingerprint"], self.key["fingerprint"].encode())

    def open(self):
        message, layout = self.message, self.layout
        if self.kind:
            message.read(self.kind)
        iv, tag = self.static_iv, b""
        aad = b"" if layout["aad"] == "context" else self.aad()
        if self.has_own("iv"):
            iv = decode(layout["iv_encoding"], message.take(layout["iv"]))
        if self.has_own("tag") and self.mode == "GCM":
            tag = decode(layout["tag_encoding"], message.take(layout["tag"]))
        if self.has_own("fingerprint"):
            if message.take(layout["fingerprint"]).decode() != self.key["fingerprint"]:
                raise ValueError("another key")
        if layout["aad"] == "context":
            aad = self.aad()
        if self.scope == "values":
            return self.each(lambda value: self.open_text(value, iv, b"", aad)[0])
        if not self.kind:
            message.body, iv = self.open_text(message.body, iv, tag, aad)
            return message.answer(iv)
        text = message.take(f"{self.scope}:{self.name}") if self.becomes == "body" else None
        if self.becomes == "body":
            plain, iv = self.open_text(text, iv, tag, aad)
            message.form = message.document = None
            message.body = plain
        elif self.kind == "form":
            plain, iv = self.open_text(message.form.get(self.name), iv, tag, aad)
            message.form.put(self.name, plain)
        else:
            plain, iv = self.open_text(message.document.get(self.name).encode(), iv, tag, aad)
            value = plain.decode() if self.becomes == "text" else json.loads(plain)
            message.document.put(self.name, value)
        return message.answer(iv)

    def seal_value(self, plain):
        if self.shared is None and self.has_own("iv"):
            self.shared = self.fresh_iv()
        return self.seal_text(plain, self.shared or self.fresh_iv(), self.aad())[0]

    def each(self, change):
        """Changes each listed value; selectors name one value here."""
        message, self.shared = self.message, None
        for selector in self.layout["include"]:
            if selector in self.layout["exclude"] or selector in self.layout["optional"]:
                continue
            kind, name = selector.split(":", 1)
            if kind == "query" and not self.reply_to:
                message.query.put(name, change(message.query.get(name)))
            elif kind == "header" and message.header(name):
                message.set_header(name, change(message.header(name).encode("latin-1")).decode("latin-1"))
            elif kind == "form" and "form" in (message.header("content-type") or ""):
                message.read("form")
                message.form.put(name, change(message.form.get(name)))
            elif kind == "json" and "json" in (message.header("content-type") or ""):
                message.read("json")
                value = message.document.get(name)
                is_literal = name in self.layout["literal"]
                if self.sealing:
                    plain = value if isinstance(value, str) else json.dumps(value)
                    message.document.put(name, change(plain.encode()).decode())
                else:
                    plain = change(value.encode()).decode()
                    message.document.put(name, json.loads(plain) if is_literal else plain)
        if self.sealing:
            self.put_beside(self.shared or b"", b"")
        return message.answer(None)


for line in sys.stdin:
    request = json.loads(line)
    try:
        task = Task(request)
        task.sealing = request["do"] == "seal"
        answer = task.seal() if task.sealing else task.open()
    except (InvalidTag, ValueError, KeyError, AttributeError, StopIteration) as refused:
        answer = {"refused": f"{type(refused).__name__}: {refused}"}
    print(json.dumps(answer), flush=True)
