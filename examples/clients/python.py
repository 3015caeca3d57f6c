#!/usr/bin/env python3
"""A client of application-level encryption (ALE) for Python 3.9 or newer.

    ALE_URL=http://127.0.0.1:8080/orders ALE_ALGORITHM=AES-256-GCM ALE_FINGERPRINT=… ALE_KEY=<base64> \
      python3 python.py [METHOD] < order.json

Needs the package `cryptography`. What the settings and exit statuses mean stands in README.md beside this file;
(P…) are clauses of docs/PROTOCOL.md.
"""

import base64
import binascii
import http.client
import json
import os
import re
import sys
from typing import NamedTuple, Optional
from urllib.parse import urlsplit

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    print("failed: the package `cryptography` is missing (pip install cryptography)", file=sys.stderr)
    sys.exit(2)
try:  # where newer versions keep CFB
    from cryptography.hazmat.decrepit.ciphers.modes import CFB, CFB8
except ImportError:
    CFB, CFB8 = modes.CFB, modes.CFB8

IV_BYTES = 16
TAG_BYTES = 16
TIMEOUT_SECONDS = 30
MAY_LACK_A_BODY = ("GET", "HEAD", "OPTIONS", "DELETE")  # (P4)
STREAM_MODES = {"CFB": CFB, "CFB8": CFB8, "CTR": modes.CTR}


class Forged(Exception):
    """The reply can't be trusted: nothing of it may be used."""


class BadSettings(Exception):
    """The environment holds something that no request can be made of."""


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
    known = re.fullmatch(r"AES-(128|192|256)-(GCM|CFB8?|CTR)", algorithm)
    if not known:
        raise BadSettings("ALE_ALGORITHM is AES-{128,192,256}-{GCM,CFB,CFB8,CTR}")
    if len(key) * 8 != int(known[1]):
        raise BadSettings(f"ALE_KEY is not {known[1]} bits of base64")
    return Settings(url, known[2], key, fingerprint)


def seal(ale: Settings, iv: bytes, plaintext: bytes) -> bytes:
    """Seals one plaintext: raw ciphertext, under GCM followed by the tag (P3)."""
    if ale.mode == "GCM":
        return AESGCM(ale.key).encrypt(iv, plaintext, None)
    sealer = Cipher(algorithms.AES(ale.key), STREAM_MODES[ale.mode](iv)).encryptor()
    return sealer.update(plaintext) + sealer.finalize()


def open_sealed(ale: Settings, iv: bytes, sealed: bytes) -> bytes:
    """Opens one sealed body. Under GCM nothing is returned before the tag has been verified (P10)."""
    if ale.mode == "GCM":
        if len(sealed) < TAG_BYTES:
            raise Forged("the body is shorter than a tag")
        try:
            return AESGCM(ale.key).decrypt(iv, sealed, None)
        except InvalidTag:
            raise Forged("the tag does not verify") from None
    opener = Cipher(algorithms.AES(ale.key), STREAM_MODES[ale.mode](iv)).decryptor()
    return opener.update(sealed) + opener.finalize()


def reply_iv(text: str, sent: bytes) -> bytes:
    """The reply's IV: canonical base64 of 16 bytes, not all zero (P1), and not the one that we sent (P9)."""
    try:
        iv = base64.b64decode(text, validate=True)
    except ValueError:
        raise Forged("sec-iv is not base64") from None
    # Python ignores the unused bits of the last character; encoding again shows them.
    if base64.b64encode(iv).decode() != text or len(iv) != IV_BYTES:
        raise Forged("sec-iv is not 16 bytes of canonical base64")
    if not any(iv):
        raise Forged("sec-iv is all zero")
    if iv == sent:
        raise Forged("the reply bears the IV of our own request")
    return iv


def plain_error(status: int, headers, body: bytes) -> Optional[str]:
    """The sidecar's own errors come in clear (P5): `{"errorCode":…,"message":…}`."""
    if status < 400 or headers.get_content_type() != "application/json":
        return None
    try:
        error = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(error, dict) or type(error.get("errorCode")) is not int:
        return None
    return json.dumps(error, separators=(",", ":"))


def send(url: str, method: str, headers: dict, body: Optional[bytes]):
    """One exchange. http.client follows no redirects and reports a reply that was cut short."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise BadSettings("ALE_URL is not an http or https address")
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.netloc, timeout=TIMEOUT_SECONDS)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    try:
        connection.request(method, target, body=body, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def exchange(method: str) -> int:
    ale = settings(os.environ)
    plaintext = b"" if method in ("GET", "HEAD") else sys.stdin.buffer.read()

    sent_iv = os.urandom(IV_BYTES)  # a fresh one for every request, retries included
    headers = {
        "sec-iv": base64.b64encode(sent_iv).decode(),
        "sec-fingerprint": ale.fingerprint,
        "accept-encoding": "identity",
    }
    body = None
    if plaintext or method not in MAY_LACK_A_BODY:
        headers["content-type"] = "application/json"  # the plaintext's type
        body = seal(ale, sent_iv, plaintext)
    status, reply, sealed = send(ale.url, method, headers, body)

    print(status, file=sys.stderr)
    if method == "HEAD" or status in (204, 304):
        return 0  # nothing to open (P5)
    ivs, fingerprints = reply.get_all("sec-iv", []), reply.get_all("sec-fingerprint", [])
    if not ivs and not fingerprints:
        error = plain_error(status, reply, sealed)
        if error is None:
            raise Forged("the reply is not sealed")
        print(error, file=sys.stderr)
        return 3
    if len(ivs) != 1 or len(fingerprints) != 1:
        raise Forged("sec-iv and sec-fingerprint must both stand there, once")
    if fingerprints[0] != ale.fingerprint:
        raise Forged("the reply is under another key")
    opened = open_sealed(ale, reply_iv(ivs[0], sent_iv), sealed)

    coding = reply.get("x-ale-content-encoding")  # (P6)
    if coding is not None:
        print(f"x-ale-content-encoding {coding!a}: not decoded by this client", file=sys.stderr)
    sys.stdout.buffer.write(opened)
    return 0


def main() -> int:
    try:
        return exchange(sys.argv[1].upper() if len(sys.argv) > 1 else "POST")
    except Forged as why:
        print(f"forged: {why}", file=sys.stderr)
        return 4
    except BadSettings as why:
        print(f"failed: {why}", file=sys.stderr)
        return 2
    except (OSError, ValueError, http.client.HTTPException) as why:
        print(f"failed: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
