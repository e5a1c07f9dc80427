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

/** The machine's TCP sockets over IPv4. */
async function tcpSockets(): Promise<TcpSocket[]> {
  // By a process of its own: Deno lets only a program with every permission read /proc.
  const lines = (await run("cat", "/proc/net/tcp")).split("\n");
  return lines.map((line) => {
    const [, local = "", remote = "", state = "", , , , , , inode = ""] = line.trim().split(/\s+/);
    return { local: local.split(":"), remote: remote.split(":"), state, inode };
  });
}

/** The inodes of the sockets that a process has open. */
async function socketsOf(pid: number): Promise<ReadonlySet<string>> {
  // What is closed meanwhile cannot be read.
  const links = await run("sh", "-c", `readlink /proc/${pid}/fd/*; true`);
  return new Set(Array.from(links.matchAll(/^socket:\[(\d+)\]$/gm), ([, inode]) => inode!));
}

/** Ports of 127.0.0.1 on which a process listens. */
export async function listeningPorts(pid: number): Promise<number[]> {
  const own = await socketsOf(pid);
  return (await tcpSockets())
    .filter(({ local, state, inode }) => {
      return own.has(inode) && state === LISTENS && local[0] === LOOPBACK;
    })
    .map(({ local }) => parseInt(local[1]!, 16));
}

/** Ports of 127.0.0.1 from which somebody is connected to `port`. */
export async function portsConnectedTo(port: number): Promise<number[]> {
  return (await tcpSockets())
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
