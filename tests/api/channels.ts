import { assertEquals } from "@std/assert";
import type { Answer } from "../support/reachable.ts";
import type { TestServer } from "../support/server.ts";

export const JSON_TYPE = { "content-type": "application/json" };
export const LINES_TYPE = { "content-type": "application/x-ndjson" };
export const BYTES_TYPE = { "content-type": "application/octet-stream" };

/** What an answer says of a publication. */
export interface Told {
  readonly id: string;
  readonly channel: string;
  readonly event: string;
  readonly time: number;
  readonly data?: unknown;
  readonly base64?: string;
}

/** What an answer says of a history. */
export interface Page {
  readonly channel: string;
  readonly publications: readonly Told[];
  readonly complete: boolean;
  readonly next: string;
  readonly more: boolean;
}

/** Posts to a channel. */
export function post(
  server: TestServer,
  target: string,
  body: BodyInit | null,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return server.fetch(`/channels/${target}`, { method: "POST", body, headers });
}

/** Posts, and returns what a right answer says; throws on any other. */
export async function publish(...args: Parameters<typeof post>): Promise<Told> {
  const { status, body } = await post(...args);
  if (status !== 200) throw new Error(`${status}: ${body}`);
  return JSON.parse(body);
}

/** Reads a channel, and throws where that is refused. */
export async function read(server: TestServer, target: string): Promise<Page> {
  const { status, body } = await server.fetch(`/channels/${target}`);
  if (status !== 200) throw new Error(`${status}: ${body}`);
  return JSON.parse(body);
}

/** Every page, each from where the one before it says. */
export async function readPages(server: TestServer, target: string): Promise<Page[]> {
  const pages = [await read(server, target)];
  for (let last = pages[0]!; last.more; last = pages.at(-1)!) {
    pages.push(await read(server, `${target}&since=${last.next}`));
  }
  return pages;
}

/** The status, the type and the sentence of a problem. */
export function problemOf({ status, headers, body }: Answer): [number, string, string] {
  assertEquals(headers.get("content-type"), "application/problem+json");
  const { type, detail, status: same } = JSON.parse(body);
  assertEquals(same, status);
  return [status, type.replace("urn:hark:problem:", ""), detail];
}
