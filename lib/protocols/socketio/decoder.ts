import { ATTACHMENTS_MAX, findPlaceholders, type Places, putAttachments } from "./attachments.ts";
import { type Bytes, type Decoded, failure, success } from "../engineio/codec.ts";
import { DEPTH_MAX, isJsonObject, parseJson } from "../../core/json.ts";
import { SOCKETIO_RESERVED } from "../../core/publication.ts";
import { ownText } from "../../core/text.ts";
import { HEADER, SOCKET_TYPES, type SocketPacket } from "./codec.ts";

/** Stands for the arguments of an event or an ack that is too large to be read. */
export const UNREAD: unique symbol = Symbol("unread");

/** The bounds that a decoder keeps. */
export interface DecoderBounds {
  /** Bytes of one packet's attachments together. */
  readonly attachmentBytesMax: number;
  /** Characters of one packet's JSON; of a larger event the arguments are left unread. */
  readonly jsonCharsMax: number;
}

/**
 * Decodes the packets of a connection from its messages.
 *
 * Protocol 4 is spoken over Engine.IO 3, protocol 5 over Engine.IO 4. After a failure the messages
 * no longer make sense, and the connection MUST be closed. Never throws. Holds at most one packet, with at
 * most `attachmentBytesMax` bytes of attachments. Of an event or ack with more than `jsonCharsMax`
 * characters of JSON, only its name is read: `UNREAD` is its one argument.
 *
 * See https://github.com/socketio/socket.io-protocol.
 */
export class SocketDecoder {
  readonly #protocol: 4 | 5;
  readonly #bounds: DecoderBounds;
  #awaiting: Awaiting | undefined;

  constructor(protocol: 4 | 5, bounds: DecoderBounds) {
    this.#protocol = protocol;
    this.#bounds = bounds;
  }

  /** Takes one message. Returns the packet that it completes; undefined while attachments are due. */
  add(message: string | Bytes): Decoded<SocketPacket | undefined> {
    return typeof message === "string" ? this.#addText(message) : this.#addAttachment(message);
  }

  #addText(text: string): Decoded<SocketPacket | undefined> {
    if (this.#awaiting !== undefined) return failure("text message while attachments are due");
    const split = splitPacket(text, this.#protocol);
    if (!split.ok) return split;
    const parts = split.value;
    // A connect packet has a bound of its own.
    const isLarge = parts.type !== "connect" && parts.json.length > this.#bounds.jsonCharsMax;
    const data = isLarge ? this.#skim(parts) : decodeJson(parts.json);
    if (!data.ok) return data;
    const packet = makePacket(parts, data.value);
    if (!packet.ok || parts.attachments === undefined) return packet;
    // Only events and acks have attachments, and their data is an array.
    const places = isLarge
      ? Array(parts.attachments).fill(undefined)
      : findPlaceholders(data.value as unknown[], parts.attachments);
    if (places === undefined) {
      return failure("placeholders do not name each attachment exactly once");
    }
    if (parts.attachments === 0) return packet;
    this.#awaiting = { packet, places, attachments: [], bytes: 0 };
    return success(undefined);
  }

  /** Reads only the name of an event. */
  #skim({ type, json }: Parts): Decoded<unknown> {
    if (type === "ack") return success([UNREAD]);
    if (type !== "event") {
      return failure(`${type} has more than ${this.#bounds.jsonCharsMax} characters`);
    }
    const [, name = ""] = EVENT_NAME.exec(json) ?? [];
    const event = decodeJson(name);
    return event.ok ? success([event.value, UNREAD]) : event;
  }

  #addAttachment(bytes: Bytes): Decoded<SocketPacket | undefined> {
    if (this.#awaiting === undefined) return failure("binary message while no attachment is due");
    const { packet, places, attachments } = this.#awaiting;
    this.#awaiting.bytes += bytes.length;
    const { attachmentBytesMax } = this.#bounds;
    if (this.#awaiting.bytes > attachmentBytesMax) {
      return failure(`attachments have more than ${attachmentBytesMax} bytes`);
    }
    attachments.push(bytes);
    if (attachments.length < places.length) return success(undefined);
    this.#awaiting = undefined;
    putAttachments(places, attachments);
    return packet;
  }
}

/** A packet that waits for attachments. */
interface Awaiting {
  readonly packet: Decoded<SocketPacket>;
  readonly places: Places;
  readonly attachments: Bytes[];
  bytes: number;
}

/** Matches the JSON of an event up to its name. */
const EVENT_NAME = /^\s*\[\s*("(?:[^"\\]|\\.){0,1000}")\s*[,\]]/s;

/** The digit from which on types are binary. */
const BINARY_TYPES_MIN = 5;
/** A namespace: no comma, which ends it, and no control character. */
const NAMESPACE = /^\/[^,\p{Cc}]*$/u;

/** Characters of a connect packet: its data is kept as long as the client is in the namespace. */
export const CONNECT_CHARS_MAX = 16_384;

/** A packet whose JSON is not read yet; it is empty if there is none. */
interface Parts {
  readonly type: SocketPacket["type"];
  /** How many attachments follow; undefined if the type is not binary. */
  readonly attachments: number | undefined;
  readonly namespace: string;
  readonly query: string | undefined;
  readonly id: number | undefined;
  readonly json: string;
}

function splitPacket(text: string, protocol: 4 | 5): Decoded<Parts> {
  const [header = "", digit, count, name = "/", idText = ""] = HEADER.exec(text) ?? [];
  const type = SOCKET_TYPES[Number(digit)];
  if (type === undefined) return failure("packet does not start with a type digit from 0 to 6");

  if (type === "connect" && text.length > CONNECT_CHARS_MAX) {
    return failure(`connect packet has more than ${CONNECT_CHARS_MAX} characters`);
  }
  const attachments = count === undefined ? undefined : Number(count);
  if ((attachments !== undefined) !== (Number(digit) >= BINARY_TYPES_MIN)) {
    return failure("an attachment count belongs to binary packets, and only to them");
  }
  // Clients of protocol 4 may send a binary packet without attachments.
  const attachmentsMin = protocol === 4 ? 0 : 1;
  if (
    attachments !== undefined && (attachments < attachmentsMin || attachments > ATTACHMENTS_MAX)
  ) {
    return failure(`attachment count is not from ${attachmentsMin} to ${ATTACHMENTS_MAX}`);
  }

  if (!NAMESPACE.test(name)) return failure("namespace contains a control character");
  const queryMark = protocol === 4 ? name.indexOf("?") : -1;
  // A copy, as it is kept for longer than the packet.
  const namespace = ownText(queryMark === -1 ? name : name.slice(0, queryMark));
  const query = queryMark === -1 ? undefined : name.slice(queryMark + 1);

  const id = idText === "" ? undefined : Number(idText);
  if (id !== undefined && !Number.isSafeInteger(id)) return failure("ack id is too large");
  return success({ type, attachments, namespace, query, id, json: text.slice(header.length) });
}

function decodeJson(json: string): Decoded<unknown> {
  if (json === "") return success(undefined);
  try {
    return success(parseJson(json));
  } catch (error) {
    if (error instanceof RangeError) return failure(`data is nested deeper than ${DEPTH_MAX}`);
    if (!(error instanceof SyntaxError)) throw error;
    return failure("data is not valid JSON");
  }
}

function makePacket({ type, namespace, query, id }: Parts, data: unknown): Decoded<SocketPacket> {
  if (id !== undefined && type !== "event" && type !== "ack") return failure(`${type} has an id`);
  switch (type) {
    case "connect":
      if (data !== undefined && !isJsonObject(data)) return failure("connect data is no object");
      return success({
        type,
        namespace,
        ...(query === undefined ? {} : { query }),
        ...(data === undefined ? {} : { data }),
      });
    case "disconnect":
      return data === undefined ? success({ type, namespace }) : failure("disconnect has data");
    case "event":
      if (!isEventData(data)) return failure("event is no array that starts with a free name");
      return success({ type, namespace, ...(id === undefined ? {} : { id }), data });
    case "ack":
      if (id === undefined) return failure("ack has no id");
      if (!Array.isArray(data)) return failure("ack data is no array");
      return success({ type, namespace, id, data });
    case "connect_error":
      if (typeof data !== "string" && !isJsonObject(data)) {
        return failure("connect_error data is neither text nor object");
      }
      return success({ type, namespace, data });
  }
}

function isEventData(value: unknown): value is [string, ...unknown[]] {
  return Array.isArray(value) && typeof value[0] === "string" &&
    !SOCKETIO_RESERVED.includes(value[0]);
}
