import { type Draft, MESSAGE } from "../../core/publication.ts";
import { parseSince, type Since } from "../../core/since.ts";
import type { Encoder, Frame } from "../../core/encoder.ts";
import { DEPTH_MAX, isJsonObject, type JsonObject, parseJson } from "../../core/json.ts";
import type {
  Ref,
  ServerError,
  ServerOk,
  ServerPresence,
  ServerWelcome,
} from "../../../static/hark.d.ts";

/** The WebSocket subprotocol that this module speaks. */
export const HARK_V1 = "hark.v1";

/** A client's command; the reply carries its `ref`. */
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
 * The `hark.v1` subprotocol. Each frame of the server is a JSON array of all events that were queued in one
 * turn: this encoder writes the events, and `joinEvents()` the frames.
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

/** Makes one frame of several events. */
export function joinEvents(events: readonly Frame[]): string {
  return `[${events.join(",")}]`;
}

/** The reply to a command that was carried out. */
export function encodeOk(ref: Ref, fields: JsonObject): string {
  return JSON.stringify({ type: "ok", ref, ...fields } satisfies ServerOk);
}

/** The reply to a command that was refused. */
export function encodeError(ref: Ref, code: string, message: string): string {
  return JSON.stringify({ type: "error", ref, code, message } satisfies ServerError);
}

/** Reads a client's frame, at `nowMs`. Throws a `CommandError` that says what is wrong. */
export function decodeCommand(text: string, nowMs: number): Command {
  let ref: Ref;
  try {
    const fields = readObject(text);
    ref = readRef(fields.ref);
    return readCommand(fields, ref, nowMs);
  } catch (error) {
    if (error instanceof SyntaxError) throw new CommandError(error.message, ref);
    throw error;
  }
}

function readCommand(fields: JsonObject, ref: Ref, nowMs: number): Command {
  const { type } = fields;
  switch (type) {
    case "subscribe": {
      const presence = fields.presence === true;
      const channels = readChannels(fields);
      return { type, ref, channels, since: readSince(fields, nowMs), presence };
    }
    case "unsubscribe":
      return { type, ref, channels: readChannels(fields) };
    case "publish":
      return { type, ref, draft: readDraft(fields) };
    case "presence":
      return { type, ref, channel: readText(fields, "channel") };
    case "refresh":
      return { type, ref, token: readText(fields, "token") };
  }
  throw wrong("expected type to be subscribe, unsubscribe, publish, presence or refresh");
}

function readObject(text: string): JsonObject {
  let value: unknown;
  try {
    // The command itself is one level: so data may be as deep as over HTTP.
    value = parseJson(text, DEPTH_MAX + 1);
  } catch (error) {
    throw wrong(error instanceof RangeError ? error.message : "expected JSON");
  }
  if (isJsonObject(value)) return value;
  throw wrong("expected a JSON object");
}

function readRef(value: unknown): Ref {
  if (value === undefined || Number.isSafeInteger(value)) return value as Ref;
  if (typeof value === "string" && value.length <= 64) return value;
  throw wrong("expected ref to be an integer or at most 64 characters");
}

function readText(fields: JsonObject, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw wrong(`expected ${name} to be a string`);
}

function readChannels({ channels }: JsonObject): string[] {
  const areNames = Array.isArray(channels) && channels.length > 0 &&
    channels.every((name) => typeof name === "string");
  if (areNames) return [...new Set(channels)];
  throw wrong("expected channels to be a list of names");
}

function readSince(fields: JsonObject, nowMs: number): Since | undefined {
  return fields.since === undefined ? undefined : parseSince(readText(fields, "since"), nowMs);
}

function readDraft(fields: JsonObject): Draft {
  const { base64, data } = fields;
  const channel = readText(fields, "channel");
  const event = fields.event === undefined ? MESSAGE : readText(fields, "event");
  if (typeof base64 === "string") return { channel, event, data: readBase64(base64) };
  if (data === undefined) throw wrong("expected data or base64");
  return { channel, event, data: JSON.stringify(data) };
}

function readBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    throw wrong("expected base64 to be base64");
  }
}

function wrong(expected: string): SyntaxError {
  return new SyntaxError(`Cannot read the command: ${expected}`);
}
