// A plain WebSocket echo server with the package `ws`. It listens on a free port of 127.0.0.1, prints the port, and ends
// when its standard input does.
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(import.meta.url)("ws");

// The longest messages of the suite have 16 MiB, the most scattered ones 65,536 frames. 0 is no limit.
const limits = { maxPayload: 64 * 1024 * 1024, maxFragments: 0, maxBufferedChunks: 0 };
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...limits });
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on("error", () => {}); // the suite breaks the protocol on purpose; `ws` has closed the session
});
process.stdin.resume().on("end", () => process.exit(0));
