const IPV4 = "127.0.0.1";
const IPV6 = "::1";
/** Free ports of 127.0.0.1 that are tried before one has to be free on ::1 too. */
const ATTEMPTS_MAX = 20;

/** Something that listens on one address. */
export interface Listening {
  readonly port: number;
  close(): void | Promise<void>;
}

/** How to listen. */
export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Reports whether a host is the name of both loopback addresses (RFC 6761 section 6.3). */
export function isLocalhost(host: string): boolean {
  return /^localhost\.?$/.test(host);
}

/**
 * Listens on a host: on both loopback addresses, at the same port, if it is `localhost`. `onMissing` is
 * called if there is no ::1 to be had, which is then done without. Rejects if the port is taken on
 * either, as a client of one would reach somebody else by the other.
 */
export async function listenOnAll<T extends Listening>(
  { hostname, port }: ListenAddress,
  open: (address: ListenAddress) => T,
  onMissing: (address: string, why: string) => void,
): Promise<readonly [T, ...T[]]> {
  if (!isLocalhost(hostname)) return [open({ hostname, port })];
  const openAt = (hostname: string, port: number) => {
    try {
      return open({ hostname, port });
    } catch (error) {
      throw new Error(`${(error as Error).message}, on ${hostname}`, { cause: error });
    }
  };
  for (let attempt = 1;; attempt++) {
    const first = openAt(IPV4, port);
    try {
      return [first, openAt(IPV6, first.port)];
    } catch (error) {
      const cause = (error as Error).cause as Error;
      if (!(cause instanceof Deno.errors.AddrInUse)) {
        onMissing(IPV6, cause.message);
        return [first];
      }
      await first.close();
      if (port !== 0 || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}
