import { type ConnectionLimits, ConnectionQuota } from "../../lib/core/quota.ts";
import { TlsFront, type TlsFrontOptions } from "../../lib/net/tls.ts";
import type { TestCertificate } from "./certificates.ts";
import { deadline, eventually } from "./deadline.ts";
import { FakeClock } from "./fake_clock.ts";
import { Inbox } from "./inbox.ts";

/** A write that is not done after so many steps waits for room. */
const STALLED_STEPS = 10;
const STEP_MS = 20;

/** Slots that exempt nobody. */
export function slots(limits: Partial<ConnectionLimits> = {}): ConnectionQuota {
  const bounds = { connectionsMax: 100, connectionsPerAddressMax: 100, trustProxy: 1 };
  return new ConnectionQuota({ ...bounds, ...limits });
}

/** A TLS front before a plain TCP server that the test plays. */
export class Behind implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly errors: Inbox<[message: string, address: string]> = new Inbox();
  readonly refused: Inbox<string> = new Inbox();
  readonly front: TlsFront;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #port = 0;

  static open(
    credentials: TestCertificate,
    options: Partial<TlsFrontOptions> = {},
  ): Behind {
    const behind = new Behind(credentials, options);
    behind.#port = behind.front.listen({ hostname: "127.0.0.1", port: 0 }).port;
    return behind;
  }

  private constructor(credentials: TestCertificate, options: Partial<TlsFrontOptions>) {
    this.front = new TlsFront({
      credentials,
      target: this.#listener.addr.port,
      slots: slots(),
      clock: this.clock,
      handshakeTimeoutMs: 10_000,
      onError: ({ message }, address) => this.errors.push([message, address]),
      onRefused: (address) => this.refused.push(address),
      onFailure() {},
      ...options,
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Connects by TLS. */
  async connect({ cert }: TestCertificate, alpnProtocols?: string[]): Promise<Deno.TlsConn> {
    const options = { hostname: "localhost", port: this.port, caCerts: [cert] };
    return await Deno.connectTls({ ...options, ...(alpnProtocols && { alpnProtocols }) });
  }

  /** Connects by TCP, and says something that is not TLS. */
  async connectPlain(text = ""): Promise<Deno.TcpConn> {
    const client = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    if (text !== "") await client.write(new TextEncoder().encode(text));
    return client;
  }

  /** The next connection that reaches the plain server. */
  accept(): Promise<Deno.TcpConn> {
    return deadline(this.#listener.accept());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.front.close();
    await eventually(() => this.front.size, (size) => size === 0);
    this.#listener.close();
  }
}

/** Reads some text; null at the end. */
export async function readText(connection: Deno.Conn): Promise<string | null> {
  const buffer = new Uint8Array(100);
  const length = await deadline(connection.read(buffer));
  return length === null ? null : new TextDecoder().decode(buffer.subarray(0, length));
}

/** Reads up to the end, whichever way it comes, and returns how many bytes there were. */
export async function readToEnd(connection: Deno.Conn): Promise<number> {
  const buffer = new Uint8Array(65_536);
  let bytes = 0;
  try {
    for (let length; (length = await deadline(connection.read(buffer))) !== null;) bytes += length;
  } catch (error) {
    const { ConnectionReset, UnexpectedEof } = Deno.errors;
    if (!(error instanceof ConnectionReset || error instanceof UnexpectedEof)) throw error;
  }
  return bytes;
}

/** What fills every buffer on the way to whoever does not read it. */
export interface Filling {
  /** Bytes that were written. */
  readonly bytes: number;
  /** How many more are written once there is room. */
  readonly next: Promise<number>;
}

/** Writes until every buffer on the way is full. */
export async function fill(connection: Deno.Conn): Promise<Filling> {
  const chunk = new Uint8Array(65_536);
  for (let bytes = 0;;) {
    const next = connection.write(chunk);
    let length: number | undefined;
    // It fails with the connection, if there never is room.
    next.then((written) => length = written, () => {});
    // In steps, so that the event loop gets on in between, be the machine ever so busy.
    for (let step = 0; length === undefined && step < STALLED_STEPS; step++) {
      await new Promise((resolve) => setTimeout(resolve, step === 0 ? 0 : STEP_MS));
    }
    if (length === undefined) return { bytes, next };
    bytes += length;
  }
}

/** Reads all that a connection was filled with. */
export async function empty(connection: Deno.Conn, { bytes, next }: Filling): Promise<void> {
  await readBytes(connection, bytes);
  await readBytes(connection, await deadline(next));
}

async function readBytes(connection: Deno.Conn, count: number): Promise<void> {
  for (let left = count; left > 0;) {
    const length = await deadline(connection.read(new Uint8Array(left)));
    if (length === null) throw new Error(`The connection ended ${left} bytes early`);
    left -= length;
  }
}
