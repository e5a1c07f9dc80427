import { Refusal } from "../../core/errors.ts";

/** One HTTP request to the server. */
export interface EngineRequest {
  readonly request: Request;
  readonly query: URLSearchParams;
  readonly address: string;
}

/** The parts that a session keeps of the request with which it began. */
export interface FirstRequest {
  readonly address: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
}

/** Characters of the URL and the headers of a first request: they are kept as long as the session. */
export const FIRST_REQUEST_CHARS_MAX = 16_384;

/** Reads the parts that a session keeps. Throws a `Refusal` if they have too many characters. */
export function readFirstRequest({ request, query, address }: EngineRequest): FirstRequest {
  // The request can't be read later. A text takes a fifth of the space of `Headers`.
  const lines = Array.from(request.headers, ([name, value]) => `${name}:${value}`).join("\n");
  if (request.url.length + lines.length > FIRST_REQUEST_CHARS_MAX) {
    const message =
      `Cannot connect: URL and headers have more than ${FIRST_REQUEST_CHARS_MAX} characters`;
    throw new Refusal("too-large", message);
  }
  return {
    address,
    query,
    get headers() {
      return new Headers(lines === "" ? [] : lines.split("\n").map(splitHeader));
    },
  };
}

function splitHeader(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1)];
}

/** Reports whether a client sees no close frame: OkHttp, which the Java clients use, hides it. */
export function missesCloses({ headers }: FirstRequest): boolean {
  return headers.get("user-agent")?.startsWith("okhttp/") ?? false;
}
