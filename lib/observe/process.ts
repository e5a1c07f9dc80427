import { type Clock, every, type Timer } from "../core/clock.ts";

const PROBE_MS = 1000;

/** Measures, until cancelled, how late a timer is, in seconds: everything else waits as long. */
export function probeLoop(clock: Clock, onDelay: (seconds: number) => void): Timer {
  let dueAt = clock.monotonic() + PROBE_MS;
  return every(clock, PROBE_MS, () => {
    const now = clock.monotonic();
    onDelay(Math.max(0, now - dueAt) / 1000);
    dueAt = now + PROBE_MS;
  });
}

/** Returns the bytes of memory that this process has, and those that its JavaScript heap uses. */
export function readMemory(): { rss: number; heap: number } {
  const { rss, heapUsed: heap } = Deno.memoryUsage();
  return { rss, heap };
}
