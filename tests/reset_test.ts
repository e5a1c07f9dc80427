import { assertEquals } from "@std/assert";
import { connect } from "node:net";
import { deadline } from "./support/deadline.ts";
import { HANDSHAKE } from "./support/raw.ts";
import { startChild } from "./support/child.ts";
import { Client } from "./support/socket.ts";

/** Asks for a WebSocket, and resets the connection without waiting for an answer. */
async function askAndReset(port: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("close", () => resolve());
  const lines = ["GET /ws HTTP/1.1", ...HANDSHAKE];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`, () => socket.resetAndDestroy());
  await deadline(promise);
}

Deno.test("a client that has already reset its connection takes no slot", async () => {
  await using server = await startChild(["--token-secret", "s".repeat(32), "--public", "*"]);
  server.kill("SIGSTOP");
  for (let count = 0; count < 20; count++) await askAndReset(server.port);
  server.kill("SIGCONT");
  const client = await Client.open(`ws://127.0.0.1:${server.port}/ws`);
  const taken = (await server.metrics()).get('hark_in_use{bound="connections_max"}');
  await client[Symbol.asyncDispose]();
  assertEquals(taken, 1);
});
