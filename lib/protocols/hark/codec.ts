import { type Draft, MESSAGE } from "../../core/publication.ts";
import { parseSince, type Since } from "../../core/since.ts";
import type { Encoder, Frame } from "../../core/encoder.ts";
import { DEPTH_MAX, parseJson } from "../../core/json.ts";
import type {
  Ref,
  ServerError,
  ServerOk,
  ServerPresence,
  ServerWelcome,
} from "../../../static/hark.d.ts";

/** The WebSocket subprotocol that this module speaks. */
export const HARK_V1 = "hark.v1";

/** A client's command as it was read; the reply carries its `ref`. */
export type Command =
  & { readonly ref: Ref }
  & (
    | {
      readonly type: "subscribe";
      readonly channels: readonly string[];
      readonly since: Since | undefined;
      readonly presence: boolean;
    }
    | { readonly type: "unsubscribe"; readonly channels: readonly string[] }
    | { readonly type: "publish"; readonly draft: Draft }
    | { readonly type: "presence"; readonly channel: string }
    | { readonly type: "refresh"; readonly token: string }
  );

/** A command that cannot be read; the reply carries its `ref` if that much could be read. */
export class CommandError extends SyntaxError {
  override readonly name = "CommandError";
  readonly ref: Ref;

  constructor(message: string, ref: Ref) {
    super(message);
    this.ref = ref;
  }
}

/**
 * The `hark.v1` subprotocol. Each frame of the server is a JSON array of events, so that all that is
 * queued in one turn travels together; this encoder writes the events, `joinEvents()` the frames.
 */
export const hark: Encoder = {
  message({ id, channel, event, data, time }) {
    const head = `{"type":"message","id":"${id}","channel":"${channel}",` +
      `"event":${JSON.stringify(event)}`;
    const body = typeof data === "string" ? `"data":${data}` : `"base64":"${data.toBase64()}"`;
    return `${head},${body},"time":${time}}`;
  },

  welcome({ client, position, recovered, greeting, expiresInMs }) {
    const event: ServerWelcome = {
      type: "welcome",
      client,
      position,
      recovered,
      greeting: greeting === "" ? undefined : greeting,
      expiresInMs,
    };
    return JSON.stringify(event);
  },

  presence: (change) => JSON.stringify({ type: "presence", ...change } satisfies ServerPresence),
};

/** One frame of several events. */
export function joinEvents(events: readonly Frame[]): string {
  return `[${events.join(",")}]`;
}

/** The reply to a command that was carried out. */
export function encodeOk(ref: Ref, fields: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ type: "ok", ref, ...fields } satisfies ServerOk);
}

/** The reply to a command that was refused. */
export function encodeError(ref: Ref, code: string, message: string): string {
  return JSON.stringify({ type: "error", ref, code, message } satisfies ServerError);
}

/** Reads a client's frame, at `nowMs`. Throws a `CommandError` that says what is wrong. */
export function decodeCommand(text: string, nowMs: number): Command {
  const fields = readObject(text);
  const ref = readRef(fields.ref);
  const wrong = (expected: string) => new CommandError(`Cannot read the command: ${expected}`, ref);
  const readChannels = (): string[] => {
    const { channels } = fields;
    if (isStrings(channels) && channels.length > 0) return [...new Set(channels)];
    throw wrong("expected channels to be a list of names");
  };
  const readText = (name: string, value: unknown): string => {
    if (typeof value === "string") return value;
    throw wrong(`expected ${name} to be a string`);
  };
  const readSince = (): Since | undefined => {
    if (fields.since === undefined) return undefined;
    const since = readText("since", fields.since);
    try {
      return parseSince(since, nowMs);
    } catch (error) {
      throw new CommandError((error as Error).message, ref);
    }
  };
  switch (fields.type) {
    case "subscribe": {
      const presence = fields.presence === true;
      return { type: "subscribe", ref, channels: readChannels(), since: readSince(), presence };
    }
    case "unsubscribe":
      return { type: "unsubscribe", ref, channels: readChannels() };
    case "publish":
      return { type: "publish", ref, draft: readDraft(fields, readText, wrong) };
    case "presence":
      return { type: "presence", ref, channel: readText("channel", fields.channel) };
    case "refresh":
      return { type: "refresh", ref, token: readText("token", fields.token) };
  }
  throw wrong("expected type to be subscribe, unsubscribe, publish, presence or refresh");
}

type Fields = Readonly<Record<string, unknown>>;

function readObject(text: string): Fields {
  let value: unknown;
  try {
    // The command itself is one level, so that data may be as deep as over HTTP.
    value = parseJson(text, DEPTH_MAX + 1);
  } catch (error) {
    const expected = error instanceof RangeError ? error.message : "expected JSON";
    throw new CommandError(`Cannot read the command: ${expected}`, undefined);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new CommandError("Cannot read the command: expected a JSON object", undefined);
}

function readRef(value: unknown): Ref {
  if (value === undefined || Number.isSafeInteger(value)) return value as Ref;
  if (typeof value === "string" && value.length <= 64) return value;
  throw new CommandError(
    "Cannot read the command: expected ref to be an integer or at most 64 characters",
    undefined,
  );
}

function readDraft(
  fields: Fields,
  readText: (name: string, value: unknown) => string,
  wrong: (expected: string) => CommandError,
): Draft {
  const channel = readText("channel", fields.channel);
  const event = fields.event === undefined ? MESSAGE : readText("event", fields.event);
  if (typeof fields.base64 === "string") {
    try {
      return { channel, event, data: Uint8Array.fromBase64(fields.base64) };
    } catch {
      throw wrong("expected base64 to be base64");
    }
  }
  if (fields.data === undefined) throw wrong("expected data or base64");
  return { channel, event, data: JSON.stringify(fields.data) };
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
