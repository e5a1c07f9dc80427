import { OPCODES } from "../support/raw.ts";

/** An answer as it came, or as much of it as came. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** False if the connection ended in the middle of it. */
  readonly isWhole: boolean;
}

const HEAD_END = "\r\n\r\n";
const STATUS_LINE = /^HTTP\/1\.[01] ([1-5]\d\d) [\t\x20-\x7e]*$/;
/** Bytes that are not ASCII may stand in a header: RFC 9110 section 5.5. */
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t\x20-\x7e\x80-\uffff]*)$/;
/** One character for each byte, though not the one of Latin-1: that label means windows-1252. */
const byByte = new TextDecoder("latin1");
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The answers on one connection, one after another; what follows a 101 are frames. Throws a
 * `SyntaxError` on anything that is not HTTP/1, but for an end in the middle.
 */
export function parseAnswers(bytes: Uint8Array, isHead = false): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let at = 0; at < bytes.length;) {
    const text = byByte.decode(bytes.subarray(at));
    const end = text.indexOf(HEAD_END);
    if (end < 0) break;
    const { status, headers } = parseHead(text.slice(0, end));
    const start = at + end + HEAD_END.length;
    if (status === 101) {
      checkFrames(bytes.subarray(start));
      answers.push({ status, headers, body: "", isWhole: true });
      break;
    }
    const isBare = status < 200 || status === 204 || status === 304 ||
      (isHead && answers.every(({ status }) => status < 200));
    const body = isBare
      ? { text: "", next: start, isWhole: true }
      : readBody(bytes, start, headers);
    answers.push({ status, headers, body: body.text, isWhole: body.isWhole });
    at = body.next;
  }
  return answers;
}

function parseHead(text: string): Pick<RawAnswer, "status" | "headers"> {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const [, status] = STATUS_LINE.exec(statusLine) ?? [];
  if (status === undefined) throw new SyntaxError(`no status line: ${JSON.stringify(statusLine)}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new SyntaxError(`no header: ${JSON.stringify(line)}`);
    }
    headers.set(name.toLowerCase(), value);
  }
  return { status: Number(status), headers };
}

interface Body {
  readonly text: string;
  readonly next: number;
  readonly isWhole: boolean;
}

function readBody(bytes: Uint8Array, start: number, headers: RawAnswer["headers"]): Body {
  if (headers.get("transfer-encoding") === "chunked") return readChunks(bytes, start);
  const length = headers.get("content-length") ?? "0";
  if (!/^\d+$/.test(length)) throw new SyntaxError(`no length: ${length}`);
  const next = start + Number(length);
  const isWhole = next <= bytes.length;
  const body = bytes.subarray(start, next);
  return { text: isWhole ? decodeBody(body, headers) : "", next, isWhole };
}

/** A body is UTF-8, unless it says that it is something else. */
function decodeBody(body: Uint8Array, headers: RawAnswer["headers"]): string {
  const isText = /json|text|javascript|svg/.test(headers.get("content-type") ?? "");
  return isText && !headers.has("content-range") ? utf8.decode(body) : byByte.decode(body);
}

function readChunks(bytes: Uint8Array, start: number): Body {
  let text = "";
  for (let at = start;;) {
    const rest = byByte.decode(bytes.subarray(at, at + 20));
    const lineEnd = rest.indexOf("\r\n");
    if (lineEnd < 0) return { text, next: bytes.length, isWhole: false };
    const size = rest.slice(0, lineEnd);
    if (!/^[0-9A-Fa-f]+$/.test(size)) throw new SyntaxError(`no chunk: ${JSON.stringify(rest)}`);
    const from = at + lineEnd + 2;
    at = from + parseInt(size, 16) + 2;
    if (at > bytes.length) return { text, next: bytes.length, isWhole: false };
    text += byByte.decode(bytes.subarray(from, at - 2));
    if (/^0+$/.test(size)) return { text, next: at, isWhole: true };
  }
}

/** Frames of a server have no mask, no reserved bit, a known type, and text that is UTF-8. */
function checkFrames(bytes: Uint8Array): void {
  for (let at = 0; at + 2 <= bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
    const [first, second] = [view.getUint8(0), view.getUint8(1)];
    const opcode = first & 0x0f;
    const isKnown = Object.values<number>(OPCODES).includes(opcode);
    if ((first & 0x70) !== 0 || (second & 0x80) !== 0 || !isKnown) {
      throw new SyntaxError(`no frame of a server: ${bytes.subarray(at, at + 8)}`);
    }
    const extra = second === 127 ? 8 : second === 126 ? 2 : 0;
    if (view.byteLength < 2 + extra) return;
    const length = extra === 8
      ? Number(view.getBigUint64(2))
      : extra === 2
      ? view.getUint16(2)
      : second;
    const payload = bytes.subarray(at + 2 + extra, at + 2 + extra + length);
    if (payload.length < length) return;
    if (opcode === OPCODES.text) utf8.decode(payload);
    if (opcode === OPCODES.close) utf8.decode(payload.subarray(2));
    at += 2 + extra + length;
  }
}
