import { assertEquals, assertRejects } from "@std/assert";
import { createLog } from "../../lib/observe/log.ts";
import { RESTART_MAX_MS, RESTART_MIN_MS, WorkerProcess } from "../../lib/workers/worker_process.ts";
import { deadline } from "../support/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { Inbox } from "../support/inbox.ts";

type Line = Readonly<Record<string, unknown>>;

/** A worker that runs `program`, with its log. */
function setUp(program: readonly string[]) {
  const clock = new FakeClock();
  const lines = new Inbox<Line>();
  const write = (line: string) => lines.push(JSON.parse(line));
  const log = createLog({ format: "json", level: "info", write });
  const spawned = new Inbox<Deno.ChildProcess>();
  const failures: Error[] = [];
  const ends: boolean[] = [];
  const spawn = () => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    const [name, ...args] = program;
    const command = new Deno.Command(name!, { args, stdin: "piped", stdout: "null" });
    const process = command.spawn();
    spawned.push(process);
    return process;
  };
  return {
    worker: new WorkerProcess({ index: 3, clock, log, spawn, onEnd: () => void ends.push(true) }),
    ends,
    clock,
    lines,
    spawned,
    failures,
  };
}

/** Ends at the first line on stdin. */
const OBEDIENT = ["head", "-n", "1"];
/** Ends when it is killed. */
const DEAF = ["cat"];

Deno.test("a worker that dies is started again, after pauses that double", async () => {
  const { worker, clock, lines, spawned, failures, ends } = setUp(OBEDIENT);
  const started = worker.start();
  worker.ready();
  await started;
  const pauses: unknown[] = [];
  for (let count = 0; count < 9; count++) {
    (await spawned.next()).kill("SIGKILL");
    const { time: _time, level: _level, afterMs, ...line } = await lines.next();
    assertEquals(line, { message: "worker died", worker: 3, code: 137, signal: "SIGKILL" });
    pauses.push(afterMs);
    clock.advance(Number(afterMs) - 1);
    assertEquals(worker.pid, undefined);
    clock.advance(1);
  }
  assertEquals(ends.length, pauses.length);
  assertEquals(pauses, [100, 200, 400, 800, 1600, 3200, 6400, RESTART_MAX_MS, RESTART_MAX_MS]);
  clock.advance(RESTART_MAX_MS);
  failures.push(new Error("no process more"));
  (await spawned.next()).kill("SIGKILL");
  assertEquals((await lines.next()).afterMs, RESTART_MIN_MS);
  clock.advance(RESTART_MIN_MS);
  const failed = await lines.take(2);
  assertEquals(failed.map(({ message }) => message), ["worker not started", "worker died"]);
  clock.advance(2 * RESTART_MIN_MS);
  await spawned.next();
  await deadline(worker.stop(1000));
  assertEquals(clock.timers, 0);
});

Deno.test("a worker that is killed as it is stuck is started again", async () => {
  const { worker, clock, lines, spawned } = setUp(OBEDIENT);
  const started = worker.start();
  worker.ready();
  await started;
  (await spawned.next()).kill("SIGSTOP");
  worker.kill();
  assertEquals((await lines.next()).signal, "SIGKILL");
  worker.kill();
  clock.advance(RESTART_MIN_MS);
  await spawned.next();
  await deadline(worker.stop(1000));
  assertEquals(clock.timers, 0);
});

Deno.test("kill() and a late stop() accept a process that has just ended", async () => {
  const { worker, clock, spawned } = setUp(DEAF);
  const started = worker.start();
  worker.ready();
  await started;
  const process = await spawned.next();
  const kill = process.kill.bind(process);
  process.kill = (signal) => {
    kill(signal);
    throw new TypeError("Child process has already terminated");
  };
  worker.kill();
  const stopped = worker.stop(1000);
  clock.advance(1000);
  await deadline(stopped);
  assertEquals(clock.timers, 0);
});

Deno.test("a worker that dies before it is ready fails the start", async () => {
  const { worker, clock } = setUp(["sh", "-c", "exit 7"]);
  await assertRejects(() => worker.start(), Error, "worker 3 ended with code 7");
  await worker.stop(1000);
  assertEquals(clock.timers, 0);
});

Deno.test("a worker that does not stop in time is killed, and not started again", async () => {
  const { worker, clock, spawned } = setUp(DEAF);
  const started = worker.start();
  worker.ready();
  await started;
  const { status } = await spawned.next();
  const stopping = worker.stop(1000);
  clock.advance(1000);
  await deadline(stopping);
  assertEquals((await status).signal, "SIGKILL");
  assertEquals(clock.timers, 0);
});
