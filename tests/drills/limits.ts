import { assertEquals } from "@std/assert";
import { deadline, eventually } from "../support/deadline.ts";
import { startWorkers, type WorkersServer } from "../support/workers.ts";
import type { Drill } from "./drill.ts";

const WORKERS = 4;

/** As often as the rate of connects lets all that there may be in at once. */
const ROUNDS = 2;

/** Twice as many clients as there may be connect at once, leave, and do it again. */
export const limitsDrill: Drill = {
  name: "limit-workers",
  what: "more clients than there may be connect to 4 workers at once",
  async run(size) {
    const max = size === "full" ? 1000 : 100;
    const bounds = ["--connections-max", `${max}`, "--connections-per-address-max", `${max}`];
    await using server = await startWorkers(WORKERS, [...bounds, "--drain-s", "0"]);
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const clients = await connect(server, 2 * max);
      assertEquals(clients.length, max);
      refused += max;
      await Promise.all(clients.map((leave) => leave()));
      await eventually(
        () => server.metrics(),
        (metrics) => metrics.get('hark_in_use{bound="connections_max"}') === 0,
      );
    }
    return { connected: ROUNDS * max, refused };
  },
};

type Leave = () => Promise<void>;

/** Connects so many clients at once, one half by WebSocket, one by SSE; those that are refused are not there. */
async function connect(server: WorkersServer, count: number): Promise<Leave[]> {
  const attempts = Array.from({ length: count }, (_, at) => {
    return at % 2 === 0 ? openSocket(server) : openStream(server);
  });
  const opened = await deadline(Promise.all(attempts), 60_000);
  return opened.filter((leave) => leave !== undefined);
}

function openSocket(server: WorkersServer): Promise<Leave | undefined> {
  const socket = new WebSocket(server.socketUrl());
  const closed = new Promise<void>((resolve) => socket.onclose = () => resolve());
  return new Promise((resolve) => {
    socket.onerror = () => resolve(undefined);
    socket.onopen = () => {
      resolve(async () => {
        socket.close();
        await closed;
      });
    };
  });
}

/** A stream that is refused says when to return, and ends. */
async function openStream(server: WorkersServer): Promise<Leave | undefined> {
  const { body } = await fetch(`${server.url}/events`);
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; !text.includes("\nid: ");) {
    const { done, value } = await reader.read();
    if (done) return undefined;
    text += value;
  }
  return () => reader.cancel();
}
