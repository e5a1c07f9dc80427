import { assert, assertEquals } from "@std/assert";
import type { Hub } from "../../lib/hub/hub.ts";
import { parsePosition } from "../../lib/core/publication.ts";
import type { Session } from "../../lib/hub/session.ts";
import type { Encoder, Frame } from "../../lib/core/encoder.ts";
import type { Transport } from "../../lib/hub/transport.ts";
import { Oracle } from "./oracle.ts";

/** Between what travels as one frame. */
const SEPARATOR = "|";

/** Puts frames of a simulated format into one. */
export function joinFrames(frames: readonly Frame[]): Frame {
  return frames.join(SEPARATOR);
}

/** An encoder whose messages begin with their ids, and answers with "!"; each time another. */
export function simulatedEncoder(): Encoder {
  return {
    message: ({ id, data }) => `${id} ${data}`,
    welcome: ({ position, recovered }) => answer(position, recovered),
    presence: () => undefined,
  };
}

/** What a server answers: from where a client can resume, and whether it has had all. */
export function answer(position: string, recovered: boolean | undefined): string {
  return `! ${position} ${recovered}`;
}

/** A client, which outlives its connections. */
export class Client {
  /** What it knows to be subscribed to, and after which offset it must get all of it. */
  readonly debts = new Map<string, number>();
  readonly received = new Set<string>();
  /** Where it would resume. */
  position: string | undefined;
  link: Link | undefined;

  /** From now on it must get all of `name` that comes after `offset`. */
  owe(name: string, offset: number): void {
    this.debts.set(name, Math.min(this.debts.get(name) ?? offset, offset));
  }
}

/** One connection: both its ends, and a network between that can stand still. */
export class Link implements Transport {
  readonly name = "link";
  readonly encoder: Encoder;
  readonly client: Client;
  readonly hub: Hub;
  readonly oracle = new Oracle();
  session: Session | undefined;
  /** What the session is to be subscribed to once it has done all that it was told. */
  readonly wanted: Set<string>;
  /** Names in commands that it has not done yet. */
  readonly pending = new Set<string>();
  hasReplayedLate = false;
  hasUnsubscribed = false;
  /** Something that was promised is gone: the session has to end. */
  mustEnd = false;
  /** Why it ended, and how much was unsent then. */
  ended: { readonly why: string; readonly bufferedBytes: number } | undefined;
  /** The ids of all messages written, whether or not they arrive. */
  readonly written: string[] = [];
  bufferedBytes = 0;
  #mostBytes = 0;
  #isStalled = false;
  #inFlight: string[] = [];
  readonly #expected: ((position: string, recovered: boolean) => void)[] = [];

  constructor(client: Client, hub: Hub, encoder: Encoder, names: readonly string[]) {
    this.client = client;
    this.hub = hub;
    this.encoder = encoder;
    this.wanted = new Set(names);
  }

  /** What the session is subscribed to now. */
  get names(): ReadonlySet<string> {
    return new Set(this.session?.subscriptions.keys());
  }

  /** Tells the oracle what the session is subscribed to now. */
  observe(): void {
    this.oracle.observe(this.names, this.hub.position.offset);
  }

  /** Does `then` when the client has got the next answer. */
  expect(then: (position: string, recovered: boolean) => void): void {
    this.#expected.push(then);
  }

  write(frame: Frame): void {
    const text = String(frame);
    for (const part of text.split(SEPARATOR)) {
      if (!part.startsWith("!")) this.written.push(part.split(" ")[0]!);
    }
    if (this.client.link !== this) return;
    this.#inFlight.push(text);
    this.bufferedBytes += text.length;
    this.#mostBytes = Math.max(this.#mostBytes, this.bufferedBytes);
    if (!this.#isStalled) this.drain(Infinity);
  }

  close(): void {
    this.#inFlight = [];
    this.bufferedBytes = 0;
  }

  /** Lets nothing arrive by itself any more. */
  stall(): void {
    this.#isStalled = true;
  }

  /** Lets up to `bytes` arrive; with Infinity, everything from now on. */
  drain(bytes: number): void {
    if (bytes === Infinity) this.#isStalled = false;
    let left = bytes;
    for (let next = this.#inFlight[0]; next !== undefined; next = this.#inFlight[0]) {
      left -= next.length;
      if (left < 0) return;
      this.#inFlight.shift();
      this.bufferedBytes -= next.length;
      next.split(SEPARATOR).forEach((part) => this.#receive(part));
    }
  }

  #receive(part: string): void {
    const [first = "", position = "", recovered] = part.split(" ");
    if (first === "!") return this.#expected.shift()!(position, recovered === "true");
    this.client.position = first;
    this.client.received.add(first);
  }

  /** Throws if the session sent anything but what it had to, or ended or went on without reason. */
  check(outboundBytesMax: number): void {
    const { due } = this.oracle;
    const { written, ended } = this;
    assertSame("a session", written, ended === undefined ? due : due.slice(0, written.length));
    const offsets = written.map((id) => parsePosition(id).offset);
    if (!this.hasUnsubscribed) assertEquals(new Set(offsets).size, offsets.length, "duplicates");
    if (!this.hasReplayedLate) assertEquals(offsets, offsets.toSorted((a, b) => a - b), "order");
    assert(this.#mostBytes < 2 * outboundBytesMax, "much more unsent than allowed");
    if (ended === undefined) {
      assertEquals([...this.names].sort(), [...this.wanted].sort());
      assert(!this.mustEnd, "a session goes on though something is missing");
    } else if (ended.why === "slow") {
      const isSlow = ended.bufferedBytes > outboundBytesMax / 2;
      assert(isSlow || this.mustEnd, "a session ended for being slow, and was not");
    }
  }
}

/** Throws if the ids are not the same, with those around the first that differs. */
export function assertSame(
  what: string,
  actual: readonly string[],
  expected: readonly string[],
): void {
  const length = Math.max(actual.length, expected.length);
  for (let at = 0; at < length; at++) {
    if (actual[at] === expected[at]) continue;
    const near = (ids: readonly string[]) => ids.slice(Math.max(0, at - 3), at + 4).join(" ");
    throw new Error(`Wrong for ${what}: expected … ${near(expected)} …, got … ${near(actual)} …`);
  }
}
