import { connect } from "node:net";
import { deadline } from "./deadline.ts";
import type { Answer } from "./reachable.ts";

/** A frame of RFC 6455. */
export interface WireFrame {
  readonly isFinal: boolean;
  readonly opcode: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

export const OPCODES = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;

/** The header lines of a WebSocket handshake, without the request line. */
export const HANDSHAKE: readonly string[] = [
  "Host: localhost",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A bare TCP connection, for what `fetch` and `WebSocket` put right or refuse to send. */
export class RawConnection implements Disposable {
  readonly #socket: Deno.TcpConn;
  #read: Uint8Array<ArrayBuffer> = new Uint8Array();
  #isClosed = false;

  static async open(port: number): Promise<RawConnection> {
    return new RawConnection(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  private constructor(socket: Deno.TcpConn) {
    socket.setNoDelay(true);
    this.#socket = socket;
  }

  async write(data: string | Uint8Array): Promise<void> {
    let rest = typeof data === "string" ? encoder.encode(data) : data;
    while (rest.length > 0) rest = rest.subarray(await this.#socket.write(rest));
  }

  /** Sends a request: its lines without their ends. */
  async request(lines: readonly string[], body = ""): Promise<void> {
    await this.write(lines.map((line) => `${line}\r\n`).join("") + "\r\n" + body);
  }

  /** Reads the head of an answer. */
  async head(): Promise<Omit<Answer, "body">> {
    let end: number;
    while ((end = decoder.decode(this.#read).indexOf("\r\n\r\n")) < 0) await this.#more();
    const [statusLine = "", ...lines] = decoder.decode(this.#take(end + 4)).trim().split("\r\n");
    const headers = new Headers();
    for (const line of lines) {
      const colon = line.indexOf(":");
      headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    return { status: Number(statusLine.split(" ")[1]), headers };
  }

  /** Reads an answer whose body has a known length. */
  async answer(): Promise<Answer> {
    const head = await this.head();
    const length = Number(head.headers.get("content-length") ?? 0);
    return { ...head, body: decoder.decode(await this.#exactly(length)) };
  }

  /** Asks for a WebSocket, and throws if it is not given. */
  async handshake(path = "/ws", headers: readonly string[] = []): Promise<Headers> {
    await this.request([`GET ${path} HTTP/1.1`, ...HANDSHAKE, ...headers]);
    const head = await this.head();
    if (head.status === 101) return head.headers;
    throw new Error(`The handshake was refused with ${head.status}`);
  }

  /** Reads one frame of the server. */
  async frame(): Promise<WireFrame> {
    const [first, second] = await this.#exactly(2) as unknown as [number, number];
    if (second & 0x80) throw new Error("A server's frame must not be masked");
    let length = second & 0x7f;
    if (length === 126) length = view(await this.#exactly(2)).getUint16(0);
    else if (length === 127) length = Number(view(await this.#exactly(8)).getBigUint64(0));
    const payload = await this.#exactly(length);
    return { isFinal: (first & 0x80) !== 0, opcode: first & 0x0f, payload };
  }

  /** Reads one text frame. */
  async text(): Promise<string> {
    const { opcode, payload } = await this.frame();
    if (opcode !== OPCODES.text) throw new Error(`Expected a text frame, got opcode ${opcode}`);
    return decoder.decode(payload);
  }

  /** Reads up to the close frame and returns what it says. */
  async closeFrame(): Promise<{ code: number; reason: string }> {
    for (;;) {
      const { opcode, payload } = await this.frame();
      if (opcode !== OPCODES.close) continue;
      const code = payload.length < 2 ? 1005 : view(payload).getUint16(0);
      return { code, reason: decoder.decode(payload.subarray(2)) };
    }
  }

  /** Sends one frame, masked as a client must. */
  async send(opcode: number, payload: string | Uint8Array, isFinal = true): Promise<void> {
    await this.write(encodeFrame(opcode, payload, isFinal));
  }

  /** Reads until the server ends the connection, in whatever way. */
  async ended(): Promise<void> {
    await this.rest();
  }

  /** Everything until the connection is ended, in whatever way and by whichever side. */
  async rest(): Promise<Uint8Array<ArrayBuffer>> {
    try {
      for (;;) await this.#more();
    } catch (error) {
      if (!(error instanceof ConnectionEnd || this.#isClosed)) throw error;
    }
    return this.#take(this.#read.length);
  }

  /** Ends the connection with no word. */
  [Symbol.dispose](): void {
    if (!this.#isClosed) this.#socket.close();
    this.#isClosed = true;
  }

  async #exactly(length: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#read.length < length) await this.#more();
    return this.#take(length);
  }

  #take(length: number): Uint8Array<ArrayBuffer> {
    const taken = this.#read.slice(0, length);
    this.#read = this.#read.slice(length);
    return taken;
  }

  async #more(): Promise<void> {
    const chunk = new Uint8Array(65_536);
    let count: number | null;
    try {
      count = await deadline(this.#socket.read(chunk));
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) throw new ConnectionEnd("reset");
      throw error;
    }
    if (count === null) throw new ConnectionEnd("closed");
    const joined = new Uint8Array(this.#read.length + count);
    joined.set(this.#read);
    joined.set(chunk.subarray(0, count), this.#read.length);
    this.#read = joined;
  }
}

/** The server has ended the connection. */
export class ConnectionEnd extends Error {}

/** Sends one request on a connection of its own and returns the answer. */
export async function request(
  port: number,
  lines: readonly string[],
  body = "",
): Promise<Answer> {
  using connection = await RawConnection.open(port);
  await connection.request(lines, body);
  if (lines[0]!.startsWith("HEAD ")) return { ...await connection.head(), body: "" };
  return await connection.answer();
}

/** Asks for a WebSocket and resets the connection before the answer can be written. */
export async function resetDuringHandshake(port: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.on("close", () => resolve());
  const head = ["GET /ws HTTP/1.1", ...HANDSHAKE].map((line) => `${line}\r\n`).join("");
  socket.write(`${head}\r\n`, () => socket.resetAndDestroy());
  await deadline(promise);
}

/** A client's frame (RFC 6455 section 5.2). */
export function encodeFrame(
  opcode: number,
  data: string | Uint8Array,
  isFinal = true,
): Uint8Array<ArrayBuffer> {
  const payload = typeof data === "string" ? encoder.encode(data) : data;
  const lengthBytes = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8;
  const frame = new Uint8Array(2 + lengthBytes + 4 + payload.length);
  frame[0] = (isFinal ? 0x80 : 0) | opcode;
  frame[1] = 0x80 | (lengthBytes === 0 ? payload.length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) view(frame).setUint16(2, payload.length);
  if (lengthBytes === 8) view(frame).setBigUint64(2, BigInt(payload.length));
  const mask = crypto.getRandomValues(new Uint8Array(4));
  frame.set(mask, 2 + lengthBytes);
  for (let at = 0; at < payload.length; at++) {
    frame[2 + lengthBytes + 4 + at] = payload[at]! ^ mask[at % 4]!;
  }
  return frame;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
