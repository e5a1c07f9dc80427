import { DEPTH_MAX, isJsonObject, type JsonObject, parseJson } from "../../core/json.ts";
import { type Draft, isPosition, parsePosition, type Position } from "../../core/publication.ts";
import type { Encoder } from "../../core/encoder.ts";

/** A client's message. Texts are as they were received, byte for byte. */
export type Command =
  | Subscribe
  | ClientEvent
  | { readonly type: "unsubscribe"; readonly channel: string }
  | { readonly type: "signin"; readonly auth: string; readonly userData: string }
  | { readonly type: "ping" }
  | { readonly type: "pong" };

/** Asks for a subscription. */
export interface Subscribe {
  readonly type: "subscribe";
  readonly channel: string;
  /** `KEY:SIGNATURE`; empty if there is none. */
  readonly auth: string;
  /** JSON that the signature covers; undefined if there is none. */
  readonly channelData: string | undefined;
  /** The last message that the client has, where it resumes. */
  readonly since: Position | undefined;
  /** The socket ids of its connections before. */
  readonly socketIds: readonly string[];
}

/** An event from one client to the others on a channel. */
export interface ClientEvent {
  readonly type: "client";
  readonly event: string;
  readonly channel: string;
  /** JSON; undefined if there is none. */
  readonly data: string | undefined;
}

/** Why a client's message cannot be read. */
export class CommandError extends SyntaxError {
  override readonly name = "CommandError";
}

/** A user on a presence channel. */
export interface Member {
  readonly userId: string;
  /** JSON. */
  readonly userInfo: string;
}

/** Former socket ids that a client may name. */
export const SOCKET_IDS_MAX = 10;
/** Bytes of the data of one event. */
export const DATA_BYTES_MAX = 10 * 1024;
/** Characters of the name of an event. */
export const EVENT_CHARS_MAX = 200;
const SOCKET_ID = /^\d{1,20}\.\d{1,20}$/;
const CLIENT_EVENT = "client-";

/** Reports whether a text has the form of a socket id. */
export function isSocketId(text: string): boolean {
  return SOCKET_ID.test(text);
}

/** Reads a client's frame. Throws a `CommandError` that says what is wrong. */
export function decodeCommand(text: string): Command {
  const { event, channel, data } = readObject(text);
  if (typeof event !== "string") throw wrong("expected event to be a string");
  switch (event) {
    case "pusher:ping":
      return { type: "ping" };
    case "pusher:pong":
      return { type: "pong" };
    case "pusher:subscribe":
      return readSubscribe(readData(data));
    case "pusher:unsubscribe":
      return { type: "unsubscribe", channel: readText(readData(data), "channel") };
    case "pusher:signin": {
      const fields = readData(data);
      const userData = readText(fields, "user_data");
      return { type: "signin", auth: readText(fields, "auth"), userData };
    }
  }
  if (!event.startsWith(CLIENT_EVENT)) {
    throw wrong("expected event to be one of pusher:… that a client sends, or client-…");
  }
  if (event.length > EVENT_CHARS_MAX) {
    throw wrong(`expected event to have at most ${EVENT_CHARS_MAX} characters`);
  }
  if (typeof channel !== "string") throw wrong("expected channel to be a string");
  return { type: "client", event, channel, data: JSON.stringify(data) };
}

function readSubscribe(fields: JsonObject): Command {
  const { auth, channel_data: channelData, since, socket_ids: socketIds = [] } = fields;
  const isResume = typeof since === "string" && isPosition(since);
  if (since !== undefined && !isResume) throw wrong("expected since to be the id of a message");
  const areIds = Array.isArray(socketIds) && socketIds.length <= SOCKET_IDS_MAX &&
    socketIds.every((id) => typeof id === "string" && isSocketId(id));
  if (!areIds) throw wrong(`expected socket_ids to be at most ${SOCKET_IDS_MAX} socket ids`);
  return {
    type: "subscribe",
    channel: readText(fields, "channel"),
    auth: typeof auth === "string" ? auth : "",
    channelData: typeof channelData === "string" ? channelData : undefined,
    since: isResume ? parsePosition(since) : undefined,
    socketIds,
  };
}

function readObject(text: string): JsonObject {
  let value: unknown;
  try {
    // The message itself is one level more than the data, which may be as deep as over HTTP.
    value = parseJson(text, DEPTH_MAX + 1);
  } catch (error) {
    throw wrong(error instanceof RangeError ? error.message : "expected JSON");
  }
  return asObject(value, "expected a JSON object");
}

/** Some clients send `data` as the text of an object. */
function readData(data: unknown): JsonObject {
  if (typeof data === "string") return readObject(data);
  return asObject(data, "expected data to be an object");
}

function readText(fields: JsonObject, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw wrong(`expected ${name} to be a string`);
}

function asObject(value: unknown, expected: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw wrong(expected);
}

function wrong(expected: string): CommandError {
  return new CommandError(`Cannot read the message: ${expected}`);
}

/** A server's message; `data` is JSON. */
interface Message {
  readonly event: string;
  readonly channel?: string;
  readonly data?: string | undefined;
  readonly id?: string | undefined;
  readonly userId?: string | undefined;
}

function encode({ event, channel, data, id, userId }: Message): string {
  let text = `{"event":${JSON.stringify(event)}`;
  if (channel !== undefined) text += `,"channel":${JSON.stringify(channel)}`;
  if (data !== undefined) text += `,"data":${data}`;
  if (userId !== undefined) text += `,"user_id":${JSON.stringify(userId)}`;
  if (id !== undefined) text += `,"id":${JSON.stringify(id)}`;
  return `${text}}`;
}

/** A value as most clients want it in `data`: its JSON as a string. */
function asText(value: unknown): string {
  return JSON.stringify(JSON.stringify(value));
}

/**
 * Encodes publications for version 7 of the protocol. `toWire` returns Pusher's name of a channel. `data` is
 * a string: what was triggered, byte for byte, or the JSON that was published. Bytes are `{"base64":"…"}`.
 */
export function pusherEncoder(toWire: (channel: string) => string): Encoder {
  return {
    message(publication) {
      const { id, channel, event } = publication;
      return encode({ event, channel: toWire(channel), data: dataOf(publication), id });
    },
    welcome: () => undefined,
    presence: () => undefined,
  };
}

function dataOf({ data, isText }: Pick<Draft, "data" | "isText">): string {
  if (typeof data !== "string") return asText({ base64: data.toBase64() });
  return isText ? data : JSON.stringify(data);
}

/** The text that was triggered, from the data that was published. */
export function triggeredText(publication: Pick<Draft, "data" | "isText">): string {
  return JSON.parse(dataOf(publication));
}

/** The data to publish for a text that is triggered: the text if it is JSON, else a JSON string of it. */
export function triggeredData(text: string): { data: string; isText?: true } {
  try {
    parseJson(text);
    return { data: text };
  } catch {
    return { data: JSON.stringify(text), isText: true };
  }
}

/** The first frame of a connection. */
export function encodeEstablished(socketId: string, activityTimeoutS: number): string {
  const data = asText({ socket_id: socketId, activity_timeout: activityTimeoutS });
  return encode({ event: "pusher:connection_established", data });
}

/** What is wrong with a connection or a message; `code` is null if the connection stays open. */
export function encodeError(code: number | null, message: string): string {
  return encode({ event: "pusher:error", data: JSON.stringify({ code, message }) });
}

/** A subscription is refused; `status` is as in HTTP. */
export function encodeSubscriptionError(
  channel: string,
  type: string,
  error: string,
  status: number,
): string {
  const data = JSON.stringify({ type, error, status });
  return encode({ event: "pusher:subscription_error", channel, data });
}

/** A subscription is made; with the members of a presence channel, and the id to resume from. */
export function encodeSubscribed(
  channel: string,
  id: string,
  members: readonly Member[] | undefined,
): string {
  const event = "pusher_internal:subscription_succeeded";
  const data = JSON.stringify(members === undefined ? "{}" : presenceOf(members));
  return encode({ event, channel, data, id });
}

// By hand: as a key of an object, "__proto__" would be lost and "10" would come before "9".
function presenceOf(members: readonly Member[]): string {
  const ids = members.map(({ userId }) => JSON.stringify(userId));
  const hash = members.map(({ userInfo }, index) => `${ids[index]}:${userInfo}`);
  return `{"presence":{"ids":[${ids}],"hash":{${hash}},"count":${members.length}}}`;
}

/** A user has joined a presence channel. */
export function encodeMemberAdded(channel: string, { userId, userInfo }: Member): string {
  const data = JSON.stringify(`{"user_id":${JSON.stringify(userId)},"user_info":${userInfo}}`);
  return encode({ event: "pusher_internal:member_added", channel, data });
}

/** A user has left a presence channel. */
export function encodeMemberRemoved(channel: string, userId: string): string {
  const data = asText({ user_id: userId });
  return encode({ event: "pusher_internal:member_removed", channel, data });
}

/** The number of connections on a channel. */
export function encodeSubscriptionCount(channel: string, count: number): string {
  const data = asText({ subscription_count: count });
  return encode({ event: "pusher_internal:subscription_count", channel, data });
}

/** A cache channel has no last message. */
export function encodeCacheMiss(channel: string): string {
  return encode({ event: "pusher:cache_miss", channel });
}

/** Not everything after `since` is kept. */
export function encodeGap(channel: string, since: string): string {
  return encode({ event: "hark:gap", channel, data: asText({ since }) });
}

/** An event from one client to the others. */
export function encodeClientEvent(
  { event, channel, data }: ClientEvent,
  userId: string | undefined,
): string {
  return encode({ event, channel, data, userId });
}

/** A client has signed in. */
export function encodeSignedIn(userData: string): string {
  return encode({ event: "pusher:signin_success", data: asText({ user_data: userData }) });
}

/** A client has to answer this. */
export const PING: string = encode({ event: "pusher:ping", data: '"{}"' });
/** The answer to a client's ping. */
export const PONG: string = encode({ event: "pusher:pong", data: '"{}"' });
