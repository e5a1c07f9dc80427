/** A TCP proxy in front of a server, which a test can cut, mute and slow down. */
export class Proxy implements AsyncDisposable {
  readonly port: number;
  /** How long each way takes, in milliseconds. */
  delayMs = 0;
  /** What each connection carries each way. */
  bytesPerSecondMax = Infinity;
  /** What the server says is lost. */
  isMute = false;
  /** New connections are ended at once. */
  isRefusing = false;
  readonly #listener: Deno.TcpListener;
  #targetPort: number;
  readonly #open = new Set<Deno.TcpConn>();
  #cuts = 0;
  readonly #accepting: Promise<void>;
  readonly #carrying = new Set<Promise<void>>();

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept();
  }

  /** Sends new connections to another server. */
  redirect(targetPort: number): void {
    this.#targetPort = targetPort;
  }

  /** Ends every connection there is, with no word; new ones get through. */
  cut(): void {
    this.#cuts++;
    for (const connection of this.#open) close(connection);
    this.#open.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#accepting;
    await Promise.all(this.#carrying);
  }

  #keep(carrying: Promise<void>): void {
    this.#carrying.add(carrying);
    carrying.finally(() => this.#carrying.delete(carrying));
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const cuts = this.#cuts;
      const server = this.isRefusing ? undefined : await this.#connect();
      if (server === undefined || cuts !== this.#cuts) {
        client.close();
        server?.close();
        continue;
      }
      this.#open.add(client).add(server);
      this.#keep(this.#carry(client, server, () => false));
      this.#keep(this.#carry(server, client, () => this.isMute));
    }
  }

  /** Undefined if the server is gone. */
  async #connect(): Promise<Deno.TcpConn | undefined> {
    try {
      return await Deno.connect({ hostname: "127.0.0.1", port: this.#targetPort });
    } catch (error) {
      const { ConnectionRefused, ConnectionReset } = Deno.errors;
      if (error instanceof ConnectionRefused || error instanceof ConnectionReset) return undefined;
      throw error;
    }
  }

  async #carry(from: Deno.TcpConn, to: Deno.TcpConn, isLost: () => boolean): Promise<void> {
    let carried = Promise.resolve();
    try {
      for await (const chunk of from.readable) {
        if (isLost()) continue;
        if (this.delayMs === 0 && this.bytesPerSecondMax === Infinity) {
          await carried;
          await write(to, chunk);
          continue;
        }
        // What is on its way does not hold up what follows, but for the speed of the link.
        const late = pause(this.delayMs);
        carried = Promise.all([carried, late]).then(() => write(to, chunk));
        carried.catch(() => {}); // It shows where the next one waits for it.
        await pause(chunk.length / this.bytesPerSecondMax * 1000);
      }
      await carried;
    } catch (error) {
      if (!isEnd(error)) throw error;
    }
    for (const connection of [from, to]) {
      if (this.#open.delete(connection)) close(connection);
    }
  }
}

/** A connection that was read to its end is closed already. */
function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!isEnd(error)) throw error;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function write(to: Deno.TcpConn, chunk: Uint8Array): Promise<void> {
  for (let rest = chunk; rest.length > 0;) rest = rest.subarray(await to.write(rest));
}

function isEnd(error: unknown): boolean {
  const { BadResource, BrokenPipe, ConnectionReset, Interrupted } = Deno.errors;
  return [BadResource, BrokenPipe, ConnectionReset, Interrupted].some((end) =>
    error instanceof end
  );
}
