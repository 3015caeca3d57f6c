// A plain application in Node under TLS that echoes, over HTTP/2 or HTTP/1.1 as it is told.
// node_server.mjs CERTIFICATE KEY PROTOCOL; prints its port.
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { createServer } from "node:https";

const [certificate, key, protocol] = process.argv.slice(2);
const options = { cert: readFileSync(certificate), key: readFileSync(key) };

function echo(request, response) {
  response.setHeader("x-version", request.httpVersion);
  response.setHeader("x-authority", request.headers[":authority"] ?? request.headers.host);
  response.setHeader("trailer", "x-sum");
  let length = 0;
  request.on("data", (piece) => {
    length += piece.length;
    if (!response.write(piece)) {
      request.pause();
      response.once("drain", () => request.resume());
    }
  });
  request.on("end", () => {
    response.addTrailers({ "x-sum": String(length) });
    response.end();
  });
}

const server = protocol === "h2" ? createSecureServer(options, echo) : createServer(options, echo);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
// The end of the test is the end of its input.
process.stdin.on("end", () => process.exit(0)).resume();
