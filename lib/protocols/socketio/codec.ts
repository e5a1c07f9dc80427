import type { JsonObject } from "../../core/json.ts";

/** Asks to join a namespace. */
export interface ConnectPacket {
  readonly type: "connect";
  readonly namespace: string;
  /** The text behind the `?` of the namespace; protocol 4 only. */
  readonly query?: string;
  /** The credentials; protocol 5 only. */
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
  /** Present if the client wants an ack with this id. */
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

/** A packet of a client. */
export type SocketPacket =
  | ConnectPacket
  | DisconnectPacket
  | EventPacket
  | AckPacket
  | ConnectErrorPacket;

/** A packet of the server that is no event. */
export interface ServerPacket {
  readonly type: "connect" | "disconnect" | "ack" | "connect_error";
  readonly namespace: string;
  /** Of an ack: the id of the event. */
  readonly id?: number;
  readonly data?: unknown;
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

/** `<type>[<attachments>-][<namespace>,][<ack id>]`, which stands before a packet's JSON. */
export const HEADER = /^(\d)(?:(\d+)-)?(?:(\/[^,]*),?)?(\d*)/;

/** Stands before each packet: for Engine.IO it is a message. */
const MESSAGE_DIGIT = "4";
const NON_ASCII = /[\x80-\uffff]/;
const NON_ASCII_ALL = /[\x80-\uffff]/g;

/**
 * A packet that holds no bytes, as a text packet of Engine.IO: `4<type>/news,<ack id><JSON>`.
 *
 * See https://github.com/socketio/socket.io-protocol.
 */
export function encodePacket(
  { type, namespace, id, data }: ServerPacket,
  protocol: 4 | 5,
): string {
  const json = data === undefined ? "" : JSON.stringify(data);
  return toEngineText(
    `${SOCKET_TYPES.indexOf(type)}${prefixOf(namespace)}${id ?? ""}${json}`,
    protocol,
  );
}

/** A namespace as it stands in a packet; `/` is left out. */
export function prefixOf(namespace: string): string {
  return namespace === "/" ? "" : `${namespace},`;
}

/**
 * The text packet of Engine.IO that carries a packet. For protocol 4, all JSON that is not ASCII is escaped
 * as `\uXXXX`: over polling, clients before socket.io-client 2 read nothing else. To other clients it is
 * the same.
 */
export function toEngineText(packet: string, protocol: 4 | 5): string {
  if (protocol === 5 || !NON_ASCII.test(packet)) return MESSAGE_DIGIT + packet;
  const [header] = HEADER.exec(packet) ?? [""];
  const json = packet.slice(header.length).replace(NON_ASCII_ALL, escapeCodeUnit);
  return MESSAGE_DIGIT + header + json;
}

function escapeCodeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
