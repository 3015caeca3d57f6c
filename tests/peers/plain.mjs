// A WebSocket client without any encryption, with the package `ws`: lines in, lines out, as the clients of
// examples/clients/ have them. `ALE_URL=ws://… node plain.mjs < lines`.
import { createRequire } from "node:module";
import { buffer } from "node:stream/consumers";

const { WebSocket } = createRequire(import.meta.url)("ws");
const BINARY = "base64:";

const lines = (await buffer(process.stdin)).toString("utf8").split("\n").slice(0, -1);
// Its defaults, so it offers permessage-deflate.
const socket = new WebSocket(process.env.ALE_URL);
let received = 0;
socket.on("open", async () => {
  console.error("101");
  for (const line of lines) {
    const binary = line.startsWith(BINARY);
    socket.send(binary ? Buffer.from(line.slice(BINARY.length), "base64") : line, { binary });
  }
});
socket.on("message", (data, isBinary) => {
  console.log(isBinary ? BINARY + data.toString("base64") : data.toString("utf8"));
  received += 1;
  if (received === lines.length) socket.close(1000, "done");
});
socket.on("close", (code) => (process.exitCode = code === 1000 && received === lines.length ? 0 : 1));
