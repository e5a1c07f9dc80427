import { checkChannel } from "./channel.ts";
import { quoteText } from "./text.ts";

/**
 * The data of a message: JSON text as it was published, or bytes. MUST NOT be a part of something larger,
 * which would be kept as long as the message.
 */
export type Data = string | Uint8Array<ArrayBuffer>;

/** A message that has not been ordered yet. */
export interface Draft {
  readonly channel: string;
  readonly event: string;
  readonly data: Data;
  /** `data` is the JSON of a text that was no JSON: formats that carry text send it as it was. */
  readonly isText?: boolean | undefined;
  /** The socket id of the Pusher connection that does not get it. */
  readonly except?: string | undefined;
  /** The trace that it was published in, as `parseTraceparent()` returns it. */
  readonly traceparent?: string | undefined;
}

/** A place in the log. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** The unit that a transport writes: a text, bytes, or several of them back to back. */
export type Frame =
  | string
  | Uint8Array<ArrayBuffer>
  | readonly (string | Uint8Array<ArrayBuffer>)[];

/** Encodes publications in one wire format. MUST be pure and MUST NOT throw. */
export interface MessageEncoder {
  /** One publication; called at most once for each publication. */
  message(publication: Publication): Frame;
}

/** A publication's bytes in one format. */
export interface Encoded {
  readonly frame: Frame;
  readonly bytes: number;
}

/** The event of a message whose publisher names none. */
export const MESSAGE = "message";

// The cost of a publication beside its data: the object, its names, its place in the lists.
const OVERHEAD_BYTES = 200;

/** A regular expression that matches ids. */
export const ID_PATTERN = "^([a-z0-9]{1,32})-([0-9]{1,15})$";
const POSITION = new RegExp(ID_PATTERN);

/** Names of events that Socket.IO keeps for itself: its clients end the connection when they get one. */
export const SOCKETIO_RESERVED: readonly string[] = [
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
];
// The others would be taken for EventSource's own or for ours.
const EVENTS_RESERVED = [...SOCKETIO_RESERVED, "error", "open", "gap"];
/** A regular expression that matches reserved names of events; only the server says `pusher:`. */
export const RESERVED_PATTERN = `^(?:${EVENTS_RESERVED.join("|")})$|^pusher(?:_internal)?:`;
/**
 * A regular expression, with the flag `u`, that matches names of events: 1 to 200 characters, none of them
 * a control character or a separator of lines. It matches reserved names too.
 */
export const EVENT_PATTERN = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]{1,200}$";

const EVENT = new RegExp(EVENT_PATTERN, "u");
const RESERVED = new RegExp(RESERVED_PATTERN);

/** One message in the log; immutable, apart from the encoded bytes that it caches. */
export class Publication implements Draft, Position {
  readonly epoch: string;
  readonly offset: number;
  readonly channel: string;
  readonly event: string;
  readonly data: Data;
  readonly isText: boolean | undefined;
  readonly except: string | undefined;
  readonly traceparent: string | undefined;
  /** When it was ordered, in milliseconds since 1970. */
  readonly time: number;
  #memo: Map<MessageEncoder, Encoded> | undefined;
  #costBytes: number | undefined;

  constructor(position: Position, draft: Draft, time: number) {
    this.epoch = position.epoch;
    this.offset = position.offset;
    this.channel = draft.channel;
    this.event = draft.event;
    this.data = draft.data;
    this.isText = draft.isText;
    this.except = draft.except;
    this.traceparent = draft.traceparent;
    this.time = time;
  }

  /** `<epoch>-<offset>`; a client's whole position in the log. */
  get id(): string {
    return formatPosition(this);
  }

  /** What it counts against limits while it is kept in memory. */
  get costBytes(): number {
    return this.#costBytes ??= dataBytes(this.data) + OVERHEAD_BYTES;
  }

  /** Its bytes by `encoder`, encoded the first time and remembered until `forgetEncoded()`. */
  encoded(encoder: MessageEncoder): Encoded {
    this.#memo ??= new Map();
    let encoded = this.#memo.get(encoder);
    if (encoded === undefined) {
      const frame = encoder.message(this);
      encoded = { frame, bytes: frameBytes(frame) };
      this.#memo.set(encoder, encoded);
    }
    return encoded;
  }

  /** Drops the encoded bytes: history holds each message once, not once per format. */
  forgetEncoded(): void {
    this.#memo = undefined;
  }
}

/** Returns what `data` counts against limits: its length in bytes of UTF-8. */
export function dataBytes(data: Data): number {
  return frameBytes(data);
}

/** The length of a frame in bytes. */
export function frameBytes(frame: Frame): number {
  if (typeof frame === "string") return textBytes(frame);
  if (frame instanceof Uint8Array) return frame.byteLength;
  return frame.reduce((sum, part) => sum + frameBytes(part), 0);
}

/** `<epoch>-<offset>`. */
export function formatPosition({ epoch, offset }: Position): string {
  return `${epoch}-${offset}`;
}

/** Reports whether `text` has the form of an id, `<epoch>-<offset>`. */
export function isPosition(text: string): boolean {
  return POSITION.test(text);
}

/** Reads `<epoch>-<offset>`; throws a `SyntaxError` on anything else. */
export function parsePosition(text: string): Position {
  const [, epoch, offset] = POSITION.exec(text) ?? [];
  if (epoch === undefined || offset === undefined) {
    throw new SyntaxError(
      `Cannot parse since: expected <epoch>-<offset>, got ${quoteText(text)}`,
    );
  }
  return { epoch, offset: Number(offset) };
}

/** Returns the draft, or throws a `TypeError` that says which of its names is wrong. */
export function checkDraft(draft: Draft): Draft {
  checkChannel(draft.channel);
  if (!EVENT.test(draft.event) || !draft.event.isWellFormed()) {
    throw new TypeError("Cannot use this event name: expected 1 to 200 printable characters");
  }
  if (RESERVED.test(draft.event)) {
    throw new TypeError(
      `Cannot use the event name "${draft.event}": clients keep it for themselves`,
    );
  }
  return draft;
}

function textBytes(text: string): number {
  // deno-lint-ignore no-node-globals -- core imports nothing from outside core, and `TextEncoder` counts by encoding
  return Buffer.byteLength(text);
}
