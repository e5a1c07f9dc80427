import { systemClock } from "../../lib/core/clock.ts";
import { encodeFrame, OPCODES, RawConnection } from "../support/raw.ts";
import { startServer } from "../support/server.ts";
import { Client } from "../support/socket.ts";

Deno.test("raw flood", async () => {
  const clock = { ...systemClock, monotonic: () => 0 };
  await using server = await startServer({ inboundPerSecondMax: 20, clock });
  for (const n of [21, 500]) for (let i = 0; i < 3; i++) {
    using c = await RawConnection.open(server.port);
    await c.handshake();
    await c.text();
    const f = encodeFrame(OPCODES.text, "x");
    const all = new Uint8Array(f.length * n);
    for (let j = 0; j < n; j++) all.set(f, j * f.length);
    await c.write(all);
    console.log("raw", n, await c.closeFrame().catch(String));
    console.log((await c.send(8, new Uint8Array([3, 232])).catch(String)), await c.ended());
  }
  for (const n of [21, 30, 500]) for (let i = 0; i < 3; i++) {
    await using c = await Client.open(server.socketUrl());
    await c.text();
    c.socket.onerror = (e) => console.log("ERR", (e as ErrorEvent).message);
    for (let j = 0; j < n; j++) c.send("x");
    console.log("client", n, await c.closed());
  }
});
