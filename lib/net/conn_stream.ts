import { Duplex } from "node:stream";

/** Bytes that are read at once. */
const READ_BYTES = 4096;

type Done = (error?: Error | null) => void;

/** A TCP connection as a stream of Node, which Node's TLS needs. */
export class ConnStream extends Duplex {
  readonly #conn: Deno.TcpConn;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #sentBytes = 0;

  constructor(conn: Deno.TcpConn) {
    super({ allowHalfOpen: false });
    this.#conn = conn;
  }

  /** Not in the constructor: if the client is gone already, that fails the stream and not its caller. */
  override _construct(done: Done): void {
    try {
      this.#conn.setNoDelay(true);
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  /** Bytes that the system has accepted of what was written. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  override _read(): void {
    this.#conn.read(this.#buffer).then(
      (length) => this.push(length === null ? null : this.#buffer.slice(0, length)),
      (error) => this.destroy(error),
    );
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#writeAll(chunk).then(() => done(), done);
  }

  override _final(done: Done): void {
    this.#conn.closeWrite().then(() => done(), done);
  }

  /** Cuts the connection, whatever still waits to be read or written. */
  override _destroy(error: Error | null, done: Done): void {
    this.#conn.close();
    done(error);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const length = await this.#conn.write(bytes.subarray(at));
      this.#sentBytes += length;
      at += length;
    }
  }
}
