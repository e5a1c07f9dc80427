import { concat } from "../core/bytes.ts";
import { networkOf } from "../core/address.ts";
import { BROADCAST } from "../core/channel.ts";
import type { Clock } from "../core/clock.ts";
import { readInput, Refusal } from "../core/errors.ts";
import type { Grant } from "../core/grant.ts";
import { checkDraft, MESSAGE } from "../core/publication.ts";
import { parseTraceparent } from "../core/traceparent.ts";
import { idAt, type Receipt } from "../broker/broker.ts";
import type { Publisher } from "../broker/publisher.ts";
import type { Access } from "../http/access.ts";
import { BodyReader } from "../http/body.ts";
import { type ContentLimits, readContent, type Reading, readingOf } from "../http/content.ts";
import { json } from "../http/problem.ts";
import type { Exchange, Handler } from "../http/router.ts";
import { channelsOf } from "../http/subscription.ts";
import type { Use } from "../observe/hark_metrics.ts";

/** What publishing over HTTP needs, and the bounds it keeps. */
export interface PublishOptions extends ContentLimits {
  readonly clock: Clock;
  readonly publisher: Publisher;
  readonly access: Access;
  /** Milliseconds that a body may take. */
  readonly bodyTimeoutMs: number;
}

/** A body of several messages may be as large as so many of the largest messages. */
export const LARGEST_PER_BATCH = 16;
/** A form may be as large as so many of the largest messages: percent-encoding makes three bytes of one. */
export const LARGEST_PER_FORM = 3;
/** All bodies that are being read may together be as large as so many of the largest bodies. */
export const LARGEST_BATCHES = 64;

/** An `Idempotency-Key` as a regular expression; HTTP drops the spaces around it. */
export const IDEMPOTENCY_KEY_PATTERN = "^[!-~](?:[ -~]{0,253}[!-~])?$";
const IDEMPOTENCY_KEY = new RegExp(IDEMPOTENCY_KEY_PATTERN);

/** Answers requests that publish. */
export class PublishEndpoint {
  readonly #options: PublishOptions;
  readonly #batchBytesMax: number;
  readonly #bodies: BodyReader;

  constructor(options: PublishOptions) {
    const { clock, publishBytesMax, bodyTimeoutMs: timeoutMs } = options;
    this.#options = options;
    this.#batchBytesMax = LARGEST_PER_BATCH * publishBytesMax;
    const bytesMax = LARGEST_BATCHES * this.#batchBytesMax;
    this.#bodies = new BodyReader({ clock, timeoutMs, bytesMax });
  }

  get use(): Use {
    return { bodyBytes: this.#bodies.heldBytes };
  }

  /** `/broadcast/:message`: publishes `{"message":"…"}` and answers the same. */
  readonly broadcast: Handler = async (exchange) => {
    const { params, query } = exchange;
    const data = JSON.stringify({ message: params.message });
    const [channel = BROADCAST] = channelsOf(query);
    const grant = await this.#authorize(exchange, channel);
    const event = query.get("event") ?? MESSAGE;
    const traceparent = parseTraceparent(exchange.request.headers.get("traceparent"));
    await this.#options.publisher.publish([{ channel, event, data, traceparent }], grant);
    return json(data);
  };

  /** Answers as `broadcast`, and publishes nothing. */
  readonly broadcastHead: Handler = async (exchange) => {
    const [channel = BROADCAST] = channelsOf(exchange.query);
    await this.#authorize(exchange, channel);
    return Response.json({ message: exchange.params.message });
  };

  /**
   * `POST /channels/:channel`: publishes the body and answers `{"id","channel","event","time"}`, or
   * `{"publications":[…]}` of these if each line of the body is a message. A request that is repeated under
   * its `Idempotency-Key` gets the same answer, and publishes nothing.
   */
  readonly publish: Handler = async (exchange) => {
    const { request, params, query } = exchange;
    const channel = params.channel!;
    const grant = await this.#authorize(exchange, channel);
    const event = query.get("event") ?? MESSAGE;
    readInput(() => checkDraft({ channel, event, data: "" }));
    const key = readIdempotencyKey(request.headers);
    const reading = readingOf(request.headers, query);
    const body = await this.#bodies.read(request, this.#bytesMax(reading));
    const messages = readContent(reading, body, this.#options);
    const traceparent = parseTraceparent(request.headers.get("traceparent"));
    const drafts = messages.map((data) => ({ channel, event, data, traceparent }));
    const once = key === undefined ? undefined : {
      caller: grant.caller,
      key: ownKey(exchange, grant, key),
      fingerprint: await fingerprintOf(reading, channel, event, body),
    };
    const receipt = await this.#options.publisher.publish(drafts, grant, once);
    return Response.json(answerOf(reading, channel, event, receipt));
  };

  /** Rejects the requests whose bodies are not complete: stopping waits for none. */
  close(): void {
    this.#bodies.close();
  }

  #bytesMax({ content }: Reading): number {
    if (content === "lines") return this.#batchBytesMax;
    const { publishBytesMax } = this.#options;
    return content === "form" ? LARGEST_PER_FORM * publishBytesMax : publishBytesMax;
  }

  /** What the caller may do. Throws a `Refusal` if it may not publish to the channel. */
  async #authorize(exchange: Exchange, channel: string): Promise<Grant> {
    const grant = await this.#options.access.identify(exchange);
    grant.checkPublish(channel);
    return grant;
  }
}

function readIdempotencyKey(headers: Headers): string | undefined {
  const key = headers.get("idempotency-key") ?? undefined;
  if (key === undefined || IDEMPOTENCY_KEY.test(key)) return key;
  throw new Refusal(
    "bad-request",
    "Cannot use this Idempotency-Key: expected 1 to 255 characters of printable ASCII",
  );
}

/** The key; of an address alone where its network shares one rate. */
function ownKey({ address }: Exchange, { caller }: Grant, key: string): string {
  return caller === networkOf(address) ? `${address} ${key}` : key;
}

// None of these has a line break: different requests have different heads.
async function fingerprintOf(
  reading: Reading,
  channel: string,
  event: string,
  body: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const head = new TextEncoder().encode(`${JSON.stringify(reading)}\n${channel}\n${event}\n`);
  const digest = await crypto.subtle.digest("SHA-256", concat([head, body]));
  return new Uint8Array(digest).toBase64();
}

function answerOf({ content }: Reading, channel: string, event: string, receipt: Receipt) {
  const { count, time } = receipt;
  const publicationAt = (index: number) => ({ id: idAt(receipt, index), channel, event, time });
  if (content !== "lines") return publicationAt(0);
  return { publications: Array.from({ length: count }, (_, index) => publicationAt(index)) };
}
