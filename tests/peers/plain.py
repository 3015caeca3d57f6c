"""A WebSocket client without any encryption, with the package `websockets`: lines in, lines out, as the clients of
examples/clients/ have them. `ALE_URL=ws://… python3 plain.py < lines`."""

import asyncio
import base64
import os
import sys

from websockets.asyncio.client import connect

BINARY = b"base64:"


async def send(socket, lines):
    for line in lines:
        if line.startswith(BINARY):
            await socket.send(base64.b64decode(line[len(BINARY) :]))
        else:
            await socket.send(line.decode())


async def main():
    lines = sys.stdin.buffer.read().split(b"\n")[:-1]
    # Its defaults but for the length, so it offers permessage-deflate.
    async with connect(os.environ["ALE_URL"], max_size=None) as socket:
        print("101", file=sys.stderr)
        sending = asyncio.ensure_future(send(socket, lines))
        for _ in lines:
            message = await socket.recv()
            is_text = isinstance(message, str)
            sys.stdout.buffer.write((message.encode() if is_text else BINARY + base64.b64encode(message)) + b"\n")
        await sending


asyncio.run(main())
