/** Removed options that `--heartbeat-s` replaced, by the flag's name. */
const BEATS: ReadonlySet<string> = new Set([
  "idle-timeout-s",
  "ping-interval-ms",
  "sse-heartbeat-ms",
]);

/** Removed options whose value is fixed now, by the flag's name. */
const FIXED: ReadonlyMap<string, number> = new Map([
  ["ping-timeout-ms", 20_000],
  ["polling-bytes-max", 1_000_000],
  ["upgrade-timeout-ms", 10_000],
  ["connect-timeout-ms", 45_000],
  ["namespaces-max", 16],
  ["handshakes-max", 2000],
  ["idempotency-keys-max", 100_000],
  ["presence-max", 1000],
  ["handshake-timeout-ms", 10_000],
  ["body-timeout-ms", 30_000],
  ["log-lines-per-address-max", 60],
]);

/**
 * Returns a sentence that says what replaced the removed flag or variable `name`, such as
 * `--ping-interval-ms` or `HARK_PING_INTERVAL_MS`. Undefined if there was no such option.
 */
export function removalOf(name: string): string | undefined {
  const flag = flagOf(name);
  if (BEATS.has(flag)) {
    const heartbeat = name.startsWith("--") ? "--heartbeat-s" : "HARK_HEARTBEAT_S";
    return `${name} was removed: ${heartbeat}, in seconds, replaced it`;
  }
  const fixed = FIXED.get(flag);
  return fixed === undefined ? undefined : `${name} was removed: it is always ${fixed} now`;
}

function flagOf(name: string): string {
  if (name.startsWith("--")) return name.slice("--".length);
  return name.replace(/^HARK_/, "").toLowerCase().replaceAll("_", "-");
}
