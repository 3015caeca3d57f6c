"""Requests under the presets ale and enterprise-kitchen, sealed with Python's cryptography.

Prints tests/vectors/profiles/python.json.
"""

import base64
import json

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = bytes(range(32))
IV = bytes(range(16, 32))
PLAIN = '{"table":7,"dish":"ragoût","note":"no onions, please"}'.encode()


def text(data):
    return base64.b64encode(data).decode()


def vector(preset, algorithm, body):
    headers = {"content-type": "application/json", "sec-iv": text(IV), "sec-fingerprint": "vector"}
    request = {
        "method": "POST",
        "target": "/orders?table=7",
        "headers": headers,
        "body": text(body),
        "plain_target": "/orders?table=7",
        "plain_body": text(PLAIN),
    }
    return {"preset": preset, "algorithm": algorithm, "key": KEY.hex(), "requests": [request]}


def ctr(plain):
    sealing = Cipher(algorithms.AES(KEY), modes.CTR(IV)).encryptor()
    return sealing.update(plain) + sealing.finalize()


VECTORS = [
    vector("ale", "AES-256-GCM", AESGCM(KEY).encrypt(IV, PLAIN, None)),
    vector("ale", "AES-256-CTR", ctr(PLAIN)),
    vector("enterprise-kitchen", "AES-256-CTR", ctr(PLAIN)),
]
print(json.dumps(VECTORS, indent=4))
