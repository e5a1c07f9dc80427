import { Refusal } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { dataBytes, type Draft } from "../../core/publication.ts";
import type { App } from "./app.ts";
import { DATA_BYTES_MAX, isSocketId, triggeredData } from "./codec.ts";
import type { Names } from "./names.ts";
import { isSame, md5Of, signatureOf } from "./signatures.ts";

/** Channels of one trigger. */
export const CHANNELS_MAX = 100;
/** Events of one batch. */
export const BATCH_MAX = 10;
/** Parameters of the query of a request: they are sorted before the signature is checked. */
export const PARAMETERS_MAX = 100;
/** Seconds by which the clock of the backend that signs may differ from this one. */
export const SIGNATURE_AGE_MAX_S = 600;

/** The signed parts of a request, without its body. */
export interface SignedRequest {
  readonly method: string;
  /** As it was sent, still percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** The attributes of a channel that are asked for. */
export type Attributes = ReadonlySet<string>;

/** One event for one or more channels. */
export interface Trigger {
  /** One for each channel, each channel once. */
  readonly drafts: readonly Draft[];
  readonly info: Attributes;
}

/**
 * Throws a `Refusal` unless the app has signed the request, and just now. The signature covers the hash of
 * the body: `checkBody()` compares that once the body is read.
 */
export function checkSignature({ settings }: App, request: SignedRequest, nowMs: number): void {
  const { method, path, query } = request;
  if (query.size > PARAMETERS_MAX) throw unsigned(`expected at most ${PARAMETERS_MAX} parameters`);
  if (query.get("auth_key") !== settings.key) throw unsigned("auth_key is not that of the app");
  if (query.get("auth_version") !== "1.0") throw unsigned("expected auth_version=1.0");
  const ageS = nowMs / 1000 - Number(query.get("auth_timestamp") ?? NaN);
  if (!(Math.abs(ageS) <= SIGNATURE_AGE_MAX_S)) {
    throw unsigned(
      `auth_timestamp is not within ${SIGNATURE_AGE_MAX_S} s of the server's clock, which is at ` +
        Math.floor(nowMs / 1000),
    );
  }
  const parameters = [...query].filter(([name]) => name !== "auth_signature")
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
    .map(([name, value]) => `${name}=${value}`);
  const right = signatureOf(settings.secret, `${method}\n${path}\n${parameters.join("&")}`);
  if (!isSame(query.get("auth_signature") ?? "", right)) {
    throw unsigned("auth_signature is not that of this method, path and query");
  }
}

/** Throws a `Refusal` unless this body was signed. */
export function checkBody(body: Uint8Array, query: URLSearchParams): void {
  const given = query.get("body_md5");
  if (given === null && body.length === 0) return;
  if (given === null || !isSame(given, md5Of(body))) throw unsigned("body_md5 is not the body's");
}

/** Reads the body of `/events`. Throws a `Refusal` or `TypeError` that says what is wrong. */
export function readTrigger(body: Uint8Array, names: Names): Trigger {
  return triggerOf(readObject(body), names);
}

/** Reads the body of `/batch_events`. Throws a `Refusal` or `TypeError` that says what is wrong. */
export function readBatch(body: Uint8Array, names: Names): Trigger[] {
  const { batch } = readObject(body);
  if (!Array.isArray(batch) || batch.length > BATCH_MAX) {
    throw new TypeError(`Cannot trigger: expected batch to be a list of at most ${BATCH_MAX}`);
  }
  return batch.map((item) => triggerOf(asFields(item), names));
}

/** Reads a list of attributes such as `user_count,subscription_count`. */
export function readAttributes(text: unknown): Attributes {
  return new Set(typeof text === "string" ? text.split(",").map((name) => name.trim()) : []);
}

function triggerOf(fields: JsonObject, names: Names): Trigger {
  const { name: event, data: text } = fields;
  if (typeof event !== "string") {
    throw new TypeError("Cannot trigger: expected name to be a string");
  }
  if (typeof text !== "string") throw new TypeError("Cannot trigger: expected data to be a string");
  if (dataBytes(text) > DATA_BYTES_MAX) {
    throw new Refusal("too-large", `Cannot trigger more than ${DATA_BYTES_MAX} bytes of data`);
  }
  const except = readSocketId(fields.socket_id);
  const data = triggeredData(text);
  const drafts = readChannels(fields).map((channel) => {
    return { channel: names.toHark(channel), event, ...data, except };
  });
  return { drafts, info: readAttributes(fields.info) };
}

function readChannels({ channels, channel }: JsonObject): string[] {
  const names = channels ?? (channel === undefined ? undefined : [channel]);
  const areNames = Array.isArray(names) && names.length > 0 && names.length <= CHANNELS_MAX &&
    names.every((name) => typeof name === "string");
  if (areNames) return [...new Set<string>(names)];
  throw new TypeError(
    `Cannot trigger: expected channel, or channels to be a list of 1 to ${CHANNELS_MAX} names`,
  );
}

/** SDKs send null for none. */
function readSocketId(id: unknown): string | undefined {
  if (id === undefined || id === null || id === "") return undefined;
  if (typeof id === "string" && isSocketId(id)) return id;
  throw new TypeError("Cannot trigger: expected socket_id to be like 123.456");
}

function readObject(body: Uint8Array): JsonObject {
  let text: string;
  try {
    text = decoder.decode(body);
  } catch {
    throw new TypeError("Cannot read the body: it is not UTF-8");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TypeError(`Cannot read the body as JSON: ${(error as Error).message}`);
  }
  return asFields(value);
}

function asFields(value: unknown): JsonObject {
  if (isJsonObject(value)) return value;
  throw new TypeError("Cannot trigger: expected a JSON object");
}

function unsigned(why: string): Refusal {
  return new Refusal("unauthorized", `Cannot take this request: ${why}`);
}

const decoder = new TextDecoder("utf-8", { fatal: true });
