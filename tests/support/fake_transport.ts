import type { Disconnect } from "../../lib/core/errors.ts";
import { formatPosition } from "../../lib/core/publication.ts";
import type { Encoder, Frame, PresenceEntry } from "../../lib/core/encoder.ts";
import type { Transport } from "../../lib/hub/transport.ts";

/** Says everything in one line that is easy to read in a test; another object each time. */
export function lineEncoder(): Encoder {
  return {
    message: ({ offset, channel, data }) => `${offset} ${channel} ${data}`,
    welcome: ({ position, recovered, since }) =>
      `welcome ${position}` + (since === undefined ? "" : ` since ${since} recovered ${recovered}`),
    presence: ({ channel, joined, left }) => `${channel}${names(" +", joined)}${names(" -", left)}`,
  };
}

/** An encoder that says nothing but messages, and those as their positions. */
export const positionEncoder: Encoder = {
  message: formatPosition,
  welcome: () => undefined,
  presence: () => undefined,
};

/** A transport that keeps its frames. */
export class FakeTransport implements Transport {
  readonly name = "fake";
  readonly encoder: Encoder;
  readonly frames: Frame[] = [];
  /** Set it to play a client that does not read. */
  bufferedBytes = 0;
  /** Why it was closed; undefined while it is open. */
  closed: Disconnect | undefined;

  constructor(encoder: Encoder = lineEncoder()) {
    this.encoder = encoder;
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
