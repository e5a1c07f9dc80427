import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { TemporaryFolder } from "../support/certificates.ts";
import { deadline, eventually } from "../support/deadline.ts";
import { command } from "../support/child.ts";
import { startWorkers } from "../support/workers.ts";

Deno.test("a worker that is killed is started again, and its end is logged", async () => {
  await using server = await startWorkers(2);
  Deno.kill(server.pids[1]!, "SIGKILL");
  const line = await server.stdout.find((line) => line.includes("worker started"));
  const [, worker, pid] = /worker=(\d) pid=(\d+)$/.exec(line)!;
  assertEquals(worker, "2");
  assertNotEquals(Number(pid), server.pids[1]);
  assertMatch(
    await server.stderr.find((line) => line.includes("died")),
    / error worker died worker=2 code=137 signal=SIGKILL afterMs=100$/,
  );
});

Deno.test("a store outlives kill -9 of the parent, whose workers end", async () => {
  await using folder = new TemporaryFolder();
  const args = ["--store", `${folder.path}/log.db`];
  const ids: string[] = [];
  {
    await using server = await startWorkers(2, args, { TMPDIR: folder.path });
    assertEquals(await foldersIn(folder.path), 1);
    for (let n = 0; n < 50; n++) ids.push(await server.publish("a", `${n}`));
    server.kill("SIGKILL");
    await server.status;
    await eventually(() => isListening(server.port), (listening) => !listening);
    await eventually(() => foldersIn(folder.path), (count) => count === 0);
  }
  await using server = await startWorkers(2, args);
  const { body } = await server.fetch("/channels/a?limit=1000");
  const { publications } = JSON.parse(body) as { publications: { id: string }[] };
  assertEquals(publications.map(({ id }) => id), ids);
});

Deno.test("a port in use is an error, also if workers share it", async () => {
  await using server = await startWorkers(2);
  for (const workers of ["2", "1"]) {
    const args = ["--workers", workers, "--port", `${server.port}`];
    const { code, stderr } = await deadline(command(args).output());
    assertMatch(new TextDecoder().decode(stderr), /^Cannot listen on localhost, port \d+: /);
    assertEquals(code, 1);
  }
});

Deno.test("SIGTERM stops all workers once their clients have left", async () => {
  await using server = await startWorkers(2, ["--drain-s", "1"]);
  const sockets = await Promise.all(Array.from({ length: 8 }, async () => {
    const socket = new WebSocket(server.socketUrl());
    await new Promise((resolve) => socket.onopen = resolve);
    return socket;
  }));
  const codes = sockets.map((socket) =>
    new Promise((resolve) => socket.onclose = ({ code }) => resolve(code))
  );
  server.kill("SIGTERM");
  assertEquals(await deadline(Promise.all(codes)), Array(8).fill(1001));
  assertEquals((await deadline(server.status)).code, 0);
  assertEquals(await isListening(server.port), false);
  assertEquals(await server.stderr.rest(), []);
});

Deno.test("SIGHUP has every worker read its files again", async () => {
  await using server = await startWorkers(2);
  server.kill("SIGHUP");
  const find = () => server.stdout.find((line) => line.includes("nothing to read again"));
  const lines = [await find(), await find()];
  const workers = lines.map((line) => /node=worker-(\d)/.exec(line)?.[1]).sort();
  assertEquals(workers, ["1", "2"]);
});

Deno.test("every worker counts and lists the sessions of all", async () => {
  await using server = await startWorkers(3);
  const sockets = Array.from({ length: 12 }, () => new WebSocket(server.socketUrl()));
  try {
    await eventually(
      async () => (await server.fetch("/count")).body,
      (body) => body === '{"count":12}',
    );
    const { nodes } = JSON.parse((await server.fetch("/nodes")).body);
    const names = (nodes as { name: string }[]).map(({ name }) => name).sort();
    assertEquals(names, ["worker-1", "worker-2", "worker-3"]);
    const { sessions } = JSON.parse((await server.fetch("/sessions")).body);
    assertEquals(sessions.length, 12);
    for (let round = 0; round < 6; round++) await server.publish("a", "x");
    const metrics = await server.metrics();
    assertEquals(metrics.get('hark_sessions{transport="websocket"}'), 12);
    assertEquals(metrics.get("hark_publications_total"), 6);
    assertEquals(metrics.get("hark_history_publications"), 6);
    assertEquals(metrics.get("hark_nodes"), 3);
    assertEquals(metrics.get('hark_in_use{bound="connections_max"}'), 12);
  } finally {
    await Promise.all(sockets.map((socket) => {
      const closed = new Promise((resolve) => socket.onclose = resolve);
      socket.close();
      return closed;
    }));
  }
});

/** The folders of sockets that are there. */
async function foldersIn(path: string): Promise<number> {
  const entries = await Array.fromAsync(Deno.readDir(path));
  return entries.filter(({ isDirectory }) => isDirectory).length;
}

async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    if (error instanceof Deno.errors.ConnectionReset) return true;
    throw error;
  }
}
