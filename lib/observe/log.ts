/** The only module that writes to the console. */
// deno-lint-ignore-file no-console
import { networkOf } from "../core/address.ts";

/** The format of lines: for people, or one JSON object each. */
export type LogFormat = "text" | "json";

/** The weight of a line, least first. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * The fields of a line beside its message, under names other than `time`, `level` and `message`. A field
 * that is `undefined` is left out.
 */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * Writes one line. The message is the server's own words; the words of peers belong in the fields.
 *
 * @param fields the fields, or a function that makes them, which is called only for a line that is written
 * @param peer the address that the line is about, if any; the lines about one address, or one IPv6
 * network, are bounded a minute
 */
export type LogLine = (
  message: string,
  fields?: LogFields | (() => LogFields),
  peer?: string,
) => void;

/** The log of a server. */
export type Log = Readonly<Record<LogLevel, LogLine>>;

/** How to make a log. */
export interface LogOptions {
  readonly format: LogFormat;
  /** Lines of a lower level are not written. */
  readonly level: LogLevel;
  /** Fields of every line, beside its own. */
  readonly always?: LogFields;
  /** Lines a minute about one peer. */
  readonly linesPerPeerMax?: number;
  /** Takes each line, without its newline; the console if left out. */
  readonly write?: (line: string, level: LogLevel) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Lines a minute about one address. */
export const LINES_PER_PEER_MAX = 60;

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const VALUE_CHARS_MAX = 256;

/** Makes a log that a peer can neither break with a text nor fill with a flood. */
export function createLog(options: LogOptions): Log {
  const { format, level, always = {}, write = writeToConsole, now = Date.now } = options;
  const { linesPerPeerMax = LINES_PER_PEER_MAX } = options;
  const formatLine = format === "json" ? formatJson : formatText;

  function writeLine(level: LogLevel, message: string, fields: LogFields): void {
    write(
      formatLine(new Date(now()).toISOString(), level, message, { ...always, ...fields }),
      level,
    );
  }

  const guard = new FloodGuard(linesPerPeerMax, (message, fields) => {
    writeLine("warn", message, fields);
  });

  function lineWriter(of: LogLevel): LogLine {
    if (LEVELS.indexOf(of) < LEVELS.indexOf(level)) return () => {};
    return (message, fields, peer) => {
      if (!guard.admit(now(), peer)) return;
      writeLine(of, message, (typeof fields === "function" ? fields() : fields) ?? {});
    };
  }

  return {
    debug: lineWriter("debug"),
    info: lineWriter("info"),
    warn: lineWriter("warn"),
    error: lineWriter("error"),
  };
}

/** Writes text for the user of a command as it is: pass words of peers through `printable()`. */
export function print(text: string, to: "stdout" | "stderr" = "stdout"): void {
  if (to === "stdout") console.log(text);
  else console.error(text);
}

/**
 * Writes one line to stdout as `print()` does, and reports whether somebody reads it: false once the
 * other end of a pipe is closed, which `print()` does not notice.
 */
export function printLine(text: string): boolean {
  const bytes = new TextEncoder().encode(`${text}\n`);
  try {
    for (let written = 0; written < bytes.length;) {
      written += Deno.stdout.writeSync(bytes.subarray(written));
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}

/**
 * Escapes everything that could break the line of a text or command a terminal: control characters, line
 * separators, bidirectional overrides, invisible characters and halves of characters.
 */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
  });
}

function writeToConsole(line: string, level: LogLevel): void {
  try {
    print(line, level === "warn" || level === "error" ? "stderr" : "stdout");
  } catch {
    // A full disk or a closed terminal takes no line, and must not end the server.
  }
}

type FormatLine = (time: string, level: LogLevel, message: string, fields: LogFields) => string;

const formatText: FormatLine = (time, level, message, fields) => {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${quoteIfNeeded(shorten(String(value)))}`);
  return `${time} ${level.padEnd(5)} ${printable(message)}${pairs.join("")}`;
};

const formatJson: FormatLine = (time, level, message, fields) => {
  const shortened = Object.entries(fields).map(([name, value]) => {
    return [name, typeof value === "string" ? shorten(value) : value];
  });
  const line = { time, level, message, ...Object.fromEntries(shortened) };
  return printable(JSON.stringify(line));
};

/** Cuts a text, and replaces halves of characters, which not every JSON parser takes. */
function shorten(text: string): string {
  const kept = text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text;
  return kept.toWellFormed();
}

function quoteIfNeeded(value: string): string {
  const isPlain = /^[!#-<>-[\]-~]+$/.test(value);
  return isPlain ? value : printable(JSON.stringify(value));
}

const MINUTE_MS = 60_000;
/** Addresses whose lines are counted one by one. */
export const PEERS_MAX = 10_000;
/** Stands for all peers that the table has no room for, which share one bound. */
const OTHER_PEERS = "others";

/** Counts lines by peer and minute, and reports what it left out. */
class FloodGuard {
  readonly #linesMax: number;
  readonly #notice: (message: string, fields: LogFields) => void;
  readonly #linesByPeer = new Map<string, number>();
  #minuteStart = 0;

  constructor(linesMax: number, notice: (message: string, fields: LogFields) => void) {
    this.#linesMax = linesMax;
    this.#notice = notice;
  }

  /** Reports whether a line about this peer may be written; a line about none always may. */
  admit(now: number, peer: string | undefined): boolean {
    // A clock that was set back begins a new minute too: the old one would last for hours.
    if (Math.abs(now - this.#minuteStart) >= MINUTE_MS) this.#beginMinute(now);
    if (peer === undefined) return true;
    const network = networkOf(peer);
    const hasRoom = this.#linesByPeer.has(network) || this.#linesByPeer.size < PEERS_MAX;
    const counted = hasRoom ? network : OTHER_PEERS;
    const lines = (this.#linesByPeer.get(counted) ?? 0) + 1;
    this.#linesByPeer.set(counted, lines);
    if (lines === this.#linesMax + 1) {
      this.#notice("further lines about this peer are left out", { peer: counted });
    }
    return lines <= this.#linesMax;
  }

  #beginMinute(now: number): void {
    for (const [peer, lines] of this.#linesByPeer) {
      const leftOut = lines - this.#linesMax;
      if (leftOut > 0) {
        this.#notice("lines about this peer were left out", { peer, lines: leftOut });
      }
    }
    this.#linesByPeer.clear();
    this.#minuteStart = now;
  }
}
