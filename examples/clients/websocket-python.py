#!/usr/bin/env python3
"""A WebSocket client of application-level encryption (ALE) for Python 3.10 or newer.

    ALE_URL=ws://127.0.0.1:8080/tables/7 ALE_ALGORITHM=AES-256-GCM ALE_FINGERPRINT=… ALE_KEY=<base64> \
      python3 websocket-python.py [COUNT] < orders.txt

Each line is a message. Needs the packages `cryptography` and `websockets`. What the settings, lines and exit statuses
mean stands in README.md beside this file; (P…) are clauses of docs/PROTOCOL.md.
"""

import asyncio
import base64
import binascii
import itertools
import json
import os
import re
import sys
import threading
from typing import NamedTuple, Optional, Union

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
except ImportError as missing:
    print(f"failed: {missing.name} is missing (pip install cryptography websockets)", file=sys.stderr)
    sys.exit(2)
try:  # where newer versions keep CFB
    from cryptography.hazmat.decrepit.ciphers.modes import CFB, CFB8
except ImportError:
    CFB, CFB8 = modes.CFB, modes.CFB8

IV_BYTES = 16
TAG_BYTES = 16
TIMEOUT_SECONDS = 30
LONGEST_ENVELOPE = 64 * 1024 * 1024
LINES_AHEAD = 16
STREAM_MODES = {"CFB": CFB, "CFB8": CFB8, "CTR": modes.CTR}
BINARY = b"base64:"  # marks a line that is a binary message


class Forged(Exception):
    """What the other side sent can't be trusted: nothing of it may be used."""


class Refused(Exception):
    """The sidecar refused the handshake or a message."""


class BadSettings(Exception):
    """The environment holds something that no session can be made of."""


class Settings(NamedTuple):
    url: str
    mode: str
    key: bytes
    fingerprint: str


def settings(env) -> Settings:
    """Reads the settings from the environment, so that no secret stands on a command line."""
    try:
        url, algorithm, key, fingerprint = (
            env[name] for name in ("ALE_URL", "ALE_ALGORITHM", "ALE_KEY", "ALE_FINGERPRINT")
        )
        key = base64.b64decode(key, validate=True)
    except KeyError as missing:
        raise BadSettings(f"set {missing.args[0]}") from None
    except binascii.Error:
        raise BadSettings("ALE_KEY is not base64") from None
    if not url.startswith(("ws://", "wss://")):
        raise BadSettings("ALE_URL is not a ws or wss address")
    known = re.fullmatch(r"AES-(128|192|256)-(GCM|CFB8?|CTR)", algorithm)
    if not known:
        raise BadSettings("ALE_ALGORITHM is AES-{128,192,256}-{GCM,CFB,CFB8,CTR}")
    if len(key) * 8 != int(known[1]):
        raise BadSettings(f"ALE_KEY is not {known[1]} bits of base64")
    return Settings(url, known[2], key, fingerprint)


class Session:
    """What a session seals and opens, and the IVs that it has sealed under (P9)."""

    def __init__(self, ale: Settings):
        self._ale = ale
        self._sealed_under = set()

    def fresh_iv(self) -> bytes:
        """A fresh IV for each message and for the handshake, never one twice."""
        iv = os.urandom(IV_BYTES)
        self._sealed_under.add(iv)
        return iv

    def handshake(self) -> dict:
        """The handshake bears both headers; its IV opens no message (P7)."""
        return {"sec-iv": base64.b64encode(self.fresh_iv()).decode(), "sec-fingerprint": self._ale.fingerprint}

    def seal(self, plaintext: bytes) -> str:
        """One message as its envelope: ciphertext, under GCM followed by the tag, in base64 (P7)."""
        iv = self.fresh_iv()
        if self._ale.mode == "GCM":
            sealed = AESGCM(self._ale.key).encrypt(iv, plaintext, None)
        else:
            sealed = self._stream(iv).encryptor().update(plaintext)
        members = {"iv": iv, "message": sealed}
        envelope = {name: base64.b64encode(value).decode() for name, value in members.items()}
        return json.dumps({**envelope, "fingerprint": self._ale.fingerprint})

    def open(self, text: Union[str, bytes]) -> bytes:
        """The plaintext of one envelope. Under GCM nothing is returned before the tag has been verified (P10)."""
        envelope = self._envelope(text)
        iv, sealed = self._iv(envelope["iv"]), canonical(envelope["message"], "message")
        if self._ale.mode != "GCM":
            return self._stream(iv).decryptor().update(sealed)
        if len(sealed) < TAG_BYTES:
            raise Forged("a message is shorter than a tag")
        try:
            return AESGCM(self._ale.key).decrypt(iv, sealed, None)
        except InvalidTag:
            raise Forged("a tag does not verify") from None

    def _stream(self, iv: bytes) -> Cipher:
        return Cipher(algorithms.AES(self._ale.key), STREAM_MODES[self._ale.mode](iv))

    def _envelope(self, text: Union[str, bytes]) -> dict:
        try:
            envelope = json.loads(text)
        except (ValueError, RecursionError):
            raise Forged("a message is not sealed") from None
        if not isinstance(envelope, dict):
            raise Forged("a message is not sealed")
        if type(envelope.get("errorCode")) is int:
            raise Refused(json.dumps(envelope, separators=(",", ":")))
        if not all(isinstance(envelope.get(name), str) for name in ("iv", "fingerprint", "message")):
            raise Forged("a message is not sealed")
        if envelope["fingerprint"] != self._ale.fingerprint:
            raise Forged("a message is under another key")
        return envelope

    def _iv(self, text: str) -> bytes:
        """16 bytes, not all zero (P1), and none that we sealed under: that would be our own, played back (P9)."""
        iv = canonical(text, "iv")
        if len(iv) != IV_BYTES or not any(iv):
            raise Forged("an iv is not 16 random bytes")
        if iv in self._sealed_under:
            raise Forged("a message bears the IV of one of our own")
        return iv


def canonical(text: str, member: str) -> bytes:
    """Python ignores the unused bits of the last character; encoding again shows them."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        decoded = None
    if decoded is None or base64.b64encode(decoded).decode() != text:
        raise Forged(f"{member} is not canonical base64")
    return decoded


def lines_of_stdin() -> asyncio.Queue:
    """Lines as they come, then None. A thread reads them: nothing else would get on while it waits."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue(LINES_AHEAD)

    def read():
        for line in itertools.chain(iter(sys.stdin.buffer.readline, b""), [None]):
            asyncio.run_coroutine_threadsafe(queue.put(line), loop).result()

    threading.Thread(target=read, daemon=True).start()
    return queue


async def send_lines(socket, session: Session) -> int:
    """Sends each line as a message, and says how many there were."""
    messages, lines = 0, lines_of_stdin()
    while (line := await lines.get()) is not None:
        line = line.removesuffix(b"\n")
        if line.startswith(BINARY):
            await socket.send(session.seal(base64.b64decode(line[len(BINARY) :])).encode())
        else:
            await socket.send(session.seal(line))
        messages += 1
    return messages


async def print_messages(socket, session: Session, received: asyncio.Queue):
    """Prints what comes for as long as the session lasts."""
    while True:
        message = await socket.recv()
        print_message(message, session)
        received.put_nowait(None)


async def all_passed(sent: asyncio.Task, received: asyncio.Queue, count: Optional[int]):
    """Waits until all lines are sent and `count` messages, or as many, came."""
    messages = await sent
    for _ in range(messages if count is None else count):
        await received.get()


def print_message(message: Union[str, bytes], session: Session):
    opened = session.open(message)
    if isinstance(message, bytes):
        line = BINARY + base64.b64encode(opened)
    else:
        try:
            line = opened.decode().encode()
        except UnicodeDecodeError:
            raise Forged("a text message is not UTF-8") from None
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


async def hold(count: Optional[int]) -> int:
    ale = settings(os.environ)
    session = Session(ale)
    options = {"compression": None, "max_size": LONGEST_ENVELOPE, "open_timeout": TIMEOUT_SECONDS}
    async with connect(ale.url, additional_headers=session.handshake(), **options) as socket:
        print("101", file=sys.stderr)
        received = asyncio.Queue()
        printing = asyncio.ensure_future(print_messages(socket, session, received))
        sent = asyncio.ensure_future(send_lines(socket, session))
        over = asyncio.ensure_future(all_passed(sent, received, count))
        try:
            ended, _ = await asyncio.wait({printing, over}, return_when=asyncio.FIRST_COMPLETED)
            (printing if printing in ended else over).result()
        finally:
            for task in (printing, sent, over):
                task.cancel()
    return 0


def count_of(arguments: list) -> Optional[int]:
    if len(arguments) < 2:
        return None
    if not arguments[1].isdecimal():
        raise BadSettings("COUNT is a number of messages")
    return int(arguments[1])


def main() -> int:
    try:
        return asyncio.run(hold(count_of(sys.argv)))
    except Forged as why:
        print(f"forged: {why}", file=sys.stderr)
        return 4
    except Refused as why:
        print(why, file=sys.stderr)
        return 3
    except InvalidStatus as refusal:
        reply = refusal.response
        sealed = "sec-iv" in reply.headers
        print(reply.status_code, file=sys.stderr)
        print("by the application" if sealed else bytes(reply.body).decode(errors="replace"), file=sys.stderr)
        return 3
    except ConnectionClosed as end:
        words = f"{end.rcvd.code} {end.rcvd.reason}".strip() if end.rcvd else "1006"
        refused = end.rcvd is not None and end.rcvd.code == 1008
        print(words if refused else f"failed: the session ended too early: {words}", file=sys.stderr)
        return 3 if refused else 1
    except BadSettings as why:
        print(f"failed: {why}", file=sys.stderr)
        return 2
    except (OSError, ValueError, WebSocketException) as why:
        print(f"failed: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
