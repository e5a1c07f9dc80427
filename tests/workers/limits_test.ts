import { assertEquals } from "@std/assert";
import { deadline, eventually } from "../support/deadline.ts";
import { startWorkers, type WorkersServer } from "../support/workers.ts";

const MAX = 20;

/** Opens so many WebSockets at once, of clients with these addresses; those that are refused are not there. */
async function connect(
  server: WorkersServer,
  addresses: readonly string[],
): Promise<WebSocket[]> {
  const opened = await Promise.all(addresses.map((address) => {
    const headers = { "x-forwarded-for": address };
    const socket = new WebSocket(server.socketUrl(), { headers });
    return deadline(
      new Promise<WebSocket | undefined>((resolve) => {
        socket.onopen = () => resolve(socket);
        socket.onerror = () => resolve(undefined);
      }),
    );
  }));
  return opened.filter((socket) => socket !== undefined);
}

async function close(sockets: readonly WebSocket[]): Promise<void> {
  await deadline(Promise.all(sockets.map((socket) => {
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    return closed;
  })));
}

function addresses(count: number, address?: string): string[] {
  return Array.from({ length: count }, (_, index) => address ?? `192.0.2.${index}`);
}

Deno.test("the bounds on connections hold exactly for all workers together", async () => {
  const bounds = ["--connections-max", `${MAX}`, "--connections-per-address-max", "5"];
  await using server = await startWorkers(4, [...bounds, "--trust-proxy", "1"]);
  const one = await connect(server, addresses(15, "203.0.113.1"));
  assertEquals(one.length, 5);
  const others = await connect(server, addresses(2 * MAX));
  assertEquals(others.length, MAX - 5);
  await close([...one, ...others]);
  await eventually(
    async () => (await server.fetch("/count")).body,
    (body) => body === '{"count":0}',
  );
  const again = await eventually(
    async () => {
      const sockets = await connect(server, addresses(2 * MAX));
      await close(sockets);
      return sockets.length;
    },
    (count) => count === MAX,
  );
  assertEquals(again, MAX);
});

Deno.test("slots of a killed worker are free for others", async () => {
  await using server = await startWorkers(2, ["--connections-max", `${MAX}`]);
  const before = await connect(server, addresses(2 * MAX));
  assertEquals(before.length, MAX);
  Deno.kill(server.pids[0]!, "SIGKILL");
  await server.stdout.find((line) => line.includes("worker started"));
  const after = await connect(server, addresses(2 * MAX));
  const isOpen = ({ readyState }: WebSocket) => readyState === WebSocket.OPEN;
  await eventually(() => before.filter(isOpen).length + after.length, (count) => count === MAX);
  await close([...before, ...after].filter(isOpen));
});

Deno.test("the rate of a caller holds for all workers together", async () => {
  await using server = await startWorkers(3, ["--publish-per-second-max", "10"]);
  const startedAt = performance.now();
  const statuses = await Promise.all(Array.from({ length: 60 }, async () => {
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const url = `${server.url}/channels/a`;
    const response = await fetch(url, { method: "POST", body: "x", client });
    await response.body?.cancel();
    return response.status;
  }));
  const seconds = (performance.now() - startedAt) / 1000;
  const published = statuses.filter((status) => status === 200).length;
  assertEquals(statuses.every((status) => status === 200 || status === 429), true);
  assertEquals(published >= 10 && published <= 10 + Math.ceil(10 * seconds), true, `${published}`);
});
