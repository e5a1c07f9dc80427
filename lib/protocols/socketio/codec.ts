import { detachBytes, placeholder } from "./attachments.ts";
import type { Bytes } from "../engineio/codec.ts";

/** Joins a namespace: the client asks for it, the server confirms it. */
export interface ConnectPacket {
  readonly type: "connect";
  readonly namespace: string;
  /** What the client put behind the namespace's `?`; protocol 4 only. */
  readonly query?: string;
  /** The client's credentials or the server's `{sid, pid}`; protocol 5 only. */
  readonly data?: JsonObject;
}

/** Leaves a namespace. */
export interface DisconnectPacket {
  readonly type: "disconnect";
  readonly namespace: string;
}

/** A named event and its arguments, which may hold bytes anywhere. */
export interface EventPacket {
  readonly type: "event";
  readonly namespace: string;
  /** Present if the sender wants an ack of this id. */
  readonly id?: number;
  readonly data: readonly [event: string, ...args: unknown[]];
}

/** The answer to an event with the same id. */
export interface AckPacket {
  readonly type: "ack";
  readonly namespace: string;
  readonly id: number;
  readonly data: readonly unknown[];
}

/** Refuses a namespace: a text in protocol 4 (there called ERROR), `{message}` in protocol 5. */
export interface ConnectErrorPacket {
  readonly type: "connect_error";
  readonly namespace: string;
  readonly data: string | JsonObject;
}

/** One Socket.IO packet; whether it travels as its binary variant follows from its data. */
export type SocketPacket =
  | ConnectPacket
  | DisconnectPacket
  | EventPacket
  | AckPacket
  | ConnectErrorPacket;

/** A JSON object. */
export type JsonObject = { readonly [key: string]: unknown };

/** A packet's text message and the binary messages that MUST follow it, in order. */
export interface EncodedSocketPacket {
  readonly text: string;
  readonly attachments: readonly Bytes[];
}

/** The packet types, each at its digit on the wire; the last two are the binary variants. */
export const SOCKET_TYPES = [
  "connect",
  "disconnect",
  "event",
  "ack",
  "connect_error",
  "event",
  "ack",
] as const;

/** The digit from which on types are binary. */
export const BINARY_EVENT = 5;

/** `<type>[<attachments>-][<namespace>,][<ack id>]`, which stands before a packet's JSON. */
export const HEADER = /^(\d)(?:(\d+)-)?(?:(\/[^,]*),?)?(\d*)/;

/** A namespace: no comma, which ends it, and no control character, which has no business in it. */
export const NAMESPACE = /^\/[^,\p{Cc}]*$/u;

/** Reports whether Socket.IO keeps `event` for itself: no packet can carry an event of that name. */
export function isReservedEvent(event: string): boolean {
  return RESERVED_EVENTS.has(event);
}

/**
 * Encodes one packet; every `Uint8Array` and `ArrayBuffer` in an event's or ack's data becomes an
 * attachment.
 *
 * Throws a `TypeError` on a namespace or event name that cannot be sent, or if data both has
 * attachments and holds an object that would be taken for one, and a `RangeError` on an id that is
 * no whole number or on more than 10 attachments.
 *
 * See https://github.com/socketio/socket.io-protocol.
 */
export function encodeSocketPacket(packet: SocketPacket): EncodedSocketPacket {
  const { type, namespace } = packet;
  switch (type) {
    case "connect": {
      const name = packet.query === undefined ? namespace : `${namespace}?${packet.query}`;
      return encodePlain(type, name, packet.data);
    }
    case "disconnect":
      return encodePlain(type, namespace);
    case "event":
      checkEvent(packet.data[0]);
      return encodeWithAttachments(packet);
    case "ack":
      return encodeWithAttachments(packet);
    case "connect_error":
      return encodePlain(type, namespace, packet.data);
  }
}

/**
 * Encodes an event whose arguments are JSON text already: `2/news,["event",<arg>,…]`.
 *
 * Throws a `TypeError` on a namespace or event name that cannot be sent.
 */
export function encodeEventText(
  namespace: string,
  event: string,
  ...args: readonly string[]
): string {
  checkEvent(event);
  const items = [JSON.stringify(event), ...args].join(",");
  return `2${namespacePrefix(namespace)}[${items}]`;
}

/**
 * Encodes an event whose first argument is `bytes`, and whose others are JSON text already:
 * `51-/news,["event",{"_placeholder":true,"num":0},<arg>,…]` and one attachment.
 *
 * Throws a `TypeError` on a namespace or event name that cannot be sent.
 */
export function encodeBinaryEvent(
  namespace: string,
  event: string,
  bytes: Bytes,
  ...args: readonly string[]
): EncodedSocketPacket {
  const text = encodeEventText(namespace, event, JSON.stringify(placeholder(0)), ...args);
  return { text: `51-${text.slice(1)}`, attachments: [bytes] };
}

/**
 * Writes what is not ASCII in the JSON of an encoded packet as `\uXXXX`, and leaves the namespace.
 *
 * Clients before socket.io-client 2 cannot read anything else over polling; every other client
 * reads the same from it.
 */
export function escapeNonAscii(packetText: string): string {
  if (!NON_ASCII.test(packetText)) return packetText;
  const [header] = HEADER.exec(packetText) ?? [""];
  return header + packetText.slice(header.length).replace(NON_ASCII_ALL, escapeCodeUnit);
}

const BINARY_STEP = 3;
const NON_ASCII = /[\x80-\uffff]/;
const NON_ASCII_ALL = /[\x80-\uffff]/g;
const RESERVED_EVENTS: ReadonlySet<string> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);

function encodePlain(
  type: SocketPacket["type"],
  namespace: string,
  data?: unknown,
): EncodedSocketPacket {
  const json = data === undefined ? "" : JSON.stringify(data);
  return { text: `${typeDigit(type)}${namespacePrefix(namespace)}${json}`, attachments: [] };
}

function encodeWithAttachments(packet: EventPacket | AckPacket): EncodedSocketPacket {
  const { json, attachments } = detachBytes(packet.data);
  const type = attachments.length === 0
    ? typeDigit(packet.type)
    : `${typeDigit(packet.type) + BINARY_STEP}${attachments.length}-`;
  const id = packet.id === undefined ? "" : checkId(packet.id);
  return { text: `${type}${namespacePrefix(packet.namespace)}${id}${json}`, attachments };
}

function typeDigit(type: SocketPacket["type"]): number {
  return SOCKET_TYPES.indexOf(type);
}

/** The namespace as it stands in a packet; `/` is left out. */
function namespacePrefix(namespace: string): string {
  if (namespace === "/") return "";
  if (NAMESPACE.test(namespace)) return `${namespace},`;
  throw new TypeError(
    "Cannot encode packet: expected a namespace that starts with / and has no comma, " +
      `got ${JSON.stringify(namespace)}`,
  );
}

function checkEvent(event: string): void {
  if (isReservedEvent(event)) {
    throw new TypeError(`Cannot encode event: Socket.IO keeps the name "${event}" for itself`);
  }
}

function checkId(id: number): number {
  if (Number.isSafeInteger(id) && id >= 0) return id;
  throw new RangeError(`Cannot encode packet: expected a whole number as its id, got ${id}`);
}

function escapeCodeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
