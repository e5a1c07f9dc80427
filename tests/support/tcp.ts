import { assertEquals } from "@std/assert";
import { deadline } from "./deadline.ts";

const LOOPBACK = "0100007F";
const LISTENS = "0A";
const IS_ESTABLISHED = "01";

/** One line of /proc/net/tcp: addresses as `0100007F:1F90`. */
interface TcpSocket {
  readonly local: readonly string[];
  readonly remote: readonly string[];
  readonly state: string;
  readonly inode: string;
}

/** The machine's TCP sockets over IPv4, and the inodes of what the process `pid` has open. */
async function tcpSockets(pid: string): Promise<{ all: TcpSocket[]; own: ReadonlySet<string> }> {
  // By a process of its own: Deno lets only a program with every permission read /proc.
  const output = await run("sh", "-c", `readlink /proc/${pid}/fd/*; cat /proc/net/tcp`);
  const lines = output.split("\n");
  const own = new Set(lines.map((line) => /^socket:\[(\d+)\]$/.exec(line)?.[1] ?? ""));
  const all = lines.map((line) => {
    const [, local = "", remote = "", state = "", , , , , , inode = ""] = line.trim().split(/\s+/);
    return { local: local.split(":"), remote: remote.split(":"), state, inode };
  });
  return { all, own };
}

/** Ports of 127.0.0.1 on which a process listens; `pid` may be `$PPID`, for this one. */
export async function listeningPorts(pid: string): Promise<number[]> {
  const { all, own } = await tcpSockets(pid);
  return all
    .filter(({ local, state, inode }) => {
      return own.has(inode) && state === LISTENS && local[0] === LOOPBACK;
    })
    .map(({ local }) => parseInt(local[1]!, 16));
}

/** Ports of 127.0.0.1 from which somebody is connected to `port`. */
export async function portsConnectedTo(port: number): Promise<number[]> {
  const { all } = await tcpSockets("$PPID");
  return all
    .filter(({ local, remote, state }) => {
      return local[0] === LOOPBACK && state === IS_ESTABLISHED && parseInt(remote[1]!, 16) === port;
    })
    .map(({ local }) => parseInt(local[1]!, 16));
}

/** The status of the answer to a request that comes from an address and port of one's choice. */
export async function statusFrom(address: string, port: number, url: string): Promise<string> {
  const from = ["--interface", address, "--local-port", String(port)];
  return await run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", ...from, url);
}

async function run(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await deadline(new Deno.Command(command, { args }).output());
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""], args.join(" "));
  return new TextDecoder().decode(stdout);
}
