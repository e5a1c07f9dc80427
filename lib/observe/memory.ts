/** Bytes of memory of this process now, and of that the JavaScript heap's in use. */
export function readMemory(): { rss: number; heap: number } {
  const { rss, heapUsed: heap } = Deno.memoryUsage();
  return { rss, heap };
}
