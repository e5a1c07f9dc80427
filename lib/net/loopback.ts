const IPV4 = "127.0.0.1";
const IPV6 = "::1";
/** Attempts to find a port that is free on both addresses. */
const ATTEMPTS_MAX = 20;

/** A listener on one address. */
export interface Listening {
  readonly port: number;
  close(): void | Promise<void>;
}

/** Where to listen; port 0 for a free one. */
export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Reports whether a host is the name of the loopback addresses (RFC 6761 section 6.3). */
export function isLocalhost(host: string): boolean {
  return /^localhost\.?$/.test(host);
}

/**
 * Listens on a host; for `localhost` on both loopback addresses, at the same port. Where ::1 does not work,
 * calls `onMissing` and does without. Rejects if the port is in use on either: by the other address clients
 * would reach another program.
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
