import type { Disconnect } from "../../lib/core/errors.ts";
import { formatPosition } from "../../lib/core/publication.ts";
import type { Format, Frame, PresenceEntry, Transport } from "../../lib/core/transport.ts";

/** Says everything in one line that is easy to read in a test; another object each time. */
export function lineFormat(): Format {
  return {
    message: ({ offset, channel, data }) => `${offset} ${channel} ${data}`,
    welcome: ({ position, recovered, since }) =>
      `welcome ${position}` + (since === undefined ? "" : ` since ${since} recovered ${recovered}`),
    presence: ({ channel, joined, left }) => `${channel}${names(" +", joined)}${names(" -", left)}`,
  };
}

/** A format that says nothing but messages, and those as their positions. */
export const positionFormat: Format = {
  message: formatPosition,
  welcome: () => undefined,
  presence: () => undefined,
};

/** A transport that keeps what it is given. */
export class FakeTransport implements Transport {
  readonly name = "fake";
  readonly format: Format;
  readonly frames: Frame[] = [];
  /** Set it to play a client that does not read. */
  bufferedBytes = 0;
  /** Why it was closed; undefined while it is open. */
  closed: Disconnect | undefined;

  constructor(format: Format = lineFormat()) {
    this.format = format;
  }

  write(frame: Frame): void {
    if (this.closed === undefined) this.frames.push(frame);
  }

  close(reason: Disconnect): void {
    this.closed ??= reason;
  }

  /** Takes the frames written so far. */
  take(): Frame[] {
    return this.frames.splice(0);
  }
}

function names(sign: string, entries: readonly PresenceEntry[]): string {
  return entries.map(({ client, user }) => `${sign}${user ?? client}`).join("");
}
