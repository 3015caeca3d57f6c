#!/usr/bin/env python3
"""Drives the suite's fuzzing server through an inbound sidecar: opens each message that comes, and sends it back sealed.

    ALE_URL=ws://127.0.0.1:PORT ALE_ALGORITHM=… ALE_FINGERPRINT=… ALE_KEY=… python3 driver.py AGENT

Sealing and opening are those of examples/clients/websocket-python.py.
"""

import asyncio
import importlib.util
import os
import pathlib
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

CLIENT = pathlib.Path(__file__).parents[2] / "examples/clients/websocket-python.py"
CASE_SECONDS = 300

spec = importlib.util.spec_from_file_location("client", CLIENT)
client = importlib.util.module_from_spec(spec)
spec.loader.exec_module(client)


async def session(ale, target, take):
    """Holds one session and hands each message to `take`, with what seals the answer."""
    sealing = client.Session(ale)
    headers = sealing.handshake()
    options = {"compression": None, "max_size": None, "ping_interval": None}
    async with connect(ale.url + target, additional_headers=headers, **options) as socket:
        try:
            async for message in socket:
                await take(socket, sealing, message)
        except ConnectionClosed:
            pass  # how a session ends is what the fuzzing server judges


async def echo(socket, sealing, message):
    envelope = sealing.seal(sealing.open(message))
    await socket.send(envelope if isinstance(message, str) else envelope.encode())


async def count(ale):
    counted = []

    async def take(_socket, sealing, message):
        counted.append(int(sealing.open(message)))

    await session(ale, "/getCaseCount", take)
    return counted[0]


async def nothing(*_):
    pass


async def main():
    ale, agent = client.settings(os.environ), sys.argv[1]
    for case in range(1, await count(ale) + 1):
        await asyncio.wait_for(session(ale, f"/runCase?case={case}&agent={agent}", echo), CASE_SECONDS)
    await session(ale, f"/updateReports?agent={agent}", nothing)


asyncio.run(main())
