import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** The HMAC-SHA256 of a text in hexadecimal, as Pusher signs everything. */
export function signatureOf(secret: string, text: string): string {
  return createHmac("sha256", secret).update(text).digest("hex");
}

/** The MD5 of a body in hexadecimal, as Pusher's requests carry it. */
export function md5Of(body: Uint8Array): string {
  return createHash("md5").update(body).digest("hex");
}

/** Reports whether two texts are the same, in constant time for texts of one length. */
export function isSame(given: string, right: string): boolean {
  const [a, b] = [encoder.encode(given), encoder.encode(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const encoder = new TextEncoder();
