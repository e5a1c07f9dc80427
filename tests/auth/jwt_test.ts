import { assert, assertEquals, assertRejects } from "@std/assert";
import { readKeys } from "../../lib/auth/jwk.ts";
import {
  type Algorithm,
  type FindKey,
  looksLikeToken,
  secretKey,
  signToken,
  type TokenKey,
  verifyToken,
} from "../../lib/auth/jwt.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { encodeBytes, encodePart, makeKeys, SECRET, type SigningKeys } from "../support/tokens.ts";

const ALGORITHMS: readonly Algorithm[] = ["HS256", "ES256", "RS256", "EdDSA"];
/** Two sets of keys for each algorithm, made once: those of RSA are slow to make. */
const KEYS = new Map<Algorithm, Promise<[SigningKeys, SigningKeys]>>();

function keysFor(algorithm: Algorithm): Promise<[SigningKeys, SigningKeys]> {
  const make = () => Promise.all([makeKeys(algorithm, "k1"), makeKeys(algorithm, "k1")]);
  if (!KEYS.has(algorithm)) KEYS.set(algorithm, make());
  return KEYS.get(algorithm)!;
}

const CLAIMS = { sub: "42", exp: 2_000_000_000, hark: { subscribe: ["user.42.*"] }, "ü😀": null };

/** The reason for refusing a token. */
async function whyNot(token: string, key: TokenKey | FindKey): Promise<string> {
  const findKey = typeof key === "function" ? key : () => key;
  const refusal = await assertRejects(() => verifyToken(token, findKey), Refusal);
  const [, why = ""] = /^Cannot use this token: (.*)$/s.exec(refusal.message) ?? [];
  assertEquals(refusal.type, "unauthorized");
  for (const part of token.split(".")) {
    assert(part.length < 8 || !refusal.message.includes(part), "the token is in its refusal");
  }
  return why;
}

/** A token with any header, signed with a secret as in HS256. */
async function forge(header: unknown, body: unknown, key: CryptoKey): Promise<string> {
  const signed = `${encodePart(header)}.${encodePart(body)}`;
  const code = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(signed));
  return `${signed}.${new Uint8Array(code).toBase64({ alphabet: "base64url", omitPadding: true })}`;
}

Deno.test("verifyToken() accepts what signToken() makes, in every algorithm", async () => {
  for (const algorithm of ALGORITHMS) {
    const [{ signing, checking }] = await keysFor(algorithm);
    const token = await signToken(CLAIMS, signing);
    assertEquals(JSON.parse(atob(token.split(".")[0]!)), { alg: algorithm, typ: "JWT", kid: "k1" });
    const named: (string | undefined)[] = [];
    const findKey = (id: string | undefined) => (named.push(id), checking);
    assertEquals(await verifyToken(token, findKey), CLAIMS);
    assertEquals(named, ["k1"]);
  }
});

// RFC 7515 appendices A.1, A.2 and A.3: the same claims, and their keys.
const RFC_7515_CLAIMS = { iss: "joe", exp: 1_300_819_380, "http://example.com/is_root": true };
const RFC_7515_BODY = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv" +
  "bS9pc19yb290Ijp0cnVlfQ";
const RFC_7515: readonly [head: string, signature: string, jwk: Record<string, string>][] = [
  [
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    {
      kty: "oct",
      k: "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    },
  ],
  [
    "eyJhbGciOiJSUzI1NiJ9",
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5" +
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb" +
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO" +
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    {
      kty: "RSA",
      n: "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0" +
        "Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5" +
        "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7a" +
        "GhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
      e: "AQAB",
    },
  ],
  [
    "eyJhbGciOiJFUzI1NiJ9",
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    {
      kty: "EC",
      crv: "P-256",
      x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
      y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    },
  ],
];

Deno.test("verifyToken() accepts the examples of RFC 7515", async () => {
  for (const [head, signature, jwk] of RFC_7515) {
    const [key] = await readKeys(JSON.stringify({ keys: [jwk] }), true);
    const token = `${head}.${RFC_7515_BODY}.${signature}`;
    assertEquals(await verifyToken(token, () => key!), RFC_7515_CLAIMS, jwk.kty!);
  }
});

Deno.test("verifyToken() accepts the signature of the example of RFC 8037, but not its claims", async () => {
  const jwk = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
  const [key] = await readKeys(JSON.stringify({ keys: [jwk] }), false);
  const token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
  assertEquals(await whyNot(token, key!), "its claims are not JSON");
  assertEquals(await whyNot(token.replace(/.{4}$/, "AAAA"), key!), "its signature is wrong");
});

Deno.test("verifyToken() refuses a token if any part was changed, in every algorithm", async () => {
  for (const algorithm of ALGORITHMS) {
    const [{ signing, checking }, other] = await keysFor(algorithm);
    const [head, body, code] = (await signToken(CLAIMS, signing)).split(".") as [
      string,
      string,
      string,
    ];
    const bytes = Uint8Array.fromBase64(code, { alphabet: "base64url" });
    const signed = (signature: Uint8Array) => `${head}.${body}.${encodeBytes(signature)}`;
    const wrong = [
      `${head}.${encodePart({ ...CLAIMS, sub: "43" })}.${code}`,
      `${encodePart({ alg: algorithm })}.${body}.${code}`,
      signed(bytes.with(0, bytes[0]! ^ 1)),
      signed(bytes.with(-1, bytes.at(-1)! ^ 1)),
      signed(bytes.slice(1)),
      signed(bytes.slice(0, -1)),
      signed(Uint8Array.of(...bytes, 0)),
      signed(Uint8Array.of(0)),
      signed(new Uint8Array(bytes.length)),
    ];
    for (const token of wrong) {
      assertEquals(await whyNot(token, checking), "its signature is wrong", algorithm);
    }
    const token = `${head}.${body}.${code}`;
    assertEquals(await whyNot(token, other.checking), "its signature is wrong");
  }
});

Deno.test("verifyToken() refuses every algorithm but that of the key", async () => {
  const why = "its algorithm is not that of the key";
  for (const algorithm of ALGORITHMS) {
    const [{ checking }] = await keysFor(algorithm);
    for (const other of ALGORITHMS.filter((name) => name !== algorithm)) {
      const [{ signing }] = await keysFor(other);
      assertEquals(await whyNot(await signToken(CLAIMS, signing), checking), why);
    }
    const body = encodePart(CLAIMS);
    const names = [
      "none",
      "None",
      "NONE",
      "",
      "HS384",
      "HS512",
      "PS256",
      "ES384",
      "hs256",
      null,
      7,
    ];
    for (const alg of [...names, undefined, [algorithm], { [algorithm]: 1 }]) {
      assertEquals(await whyNot(`${encodePart({ alg })}.${body}.AAAA`, checking), why);
    }
  }
});

Deno.test("verifyToken() never uses a public key as a secret", async () => {
  const [{ checking }] = await keysFor("RS256");
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", checking.key));
  const pem = `-----BEGIN PUBLIC KEY-----\n${spki.toBase64()}\n-----END PUBLIC KEY-----\n`;
  for (const secret of [spki, new TextEncoder().encode(pem)]) {
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", secret, hmac, false, ["sign"]);
    const wrongAlgorithm = await forge({ alg: "HS256" }, CLAIMS, key);
    assertEquals(await whyNot(wrongAlgorithm, checking), "its algorithm is not that of the key");
    const wrongSignature = await forge({ alg: "RS256" }, CLAIMS, key);
    assertEquals(await whyNot(wrongSignature, checking), "its signature is wrong");
  }
});

Deno.test("verifyToken() never uses a key that is in the token", async () => {
  const [{ checking }, { signing, jwk }] = await keysFor("ES256");
  const header = {
    alg: "ES256",
    jwk,
    jku: "https://evil.example/jwks",
    x5u: "https://evil.example",
  };
  const signed = `${encodePart(header)}.${encodePart(CLAIMS)}`;
  const parameters = { name: "ECDSA", hash: "SHA-256" };
  const bytes = new TextEncoder().encode(signed);
  const code = new Uint8Array(await crypto.subtle.sign(parameters, signing.key, bytes));
  const token = `${signed}.${encodeBytes(code)}`;
  assertEquals(await whyNot(token, checking), "its signature is wrong");
});

Deno.test("verifyToken() refuses what is malformed", async () => {
  const key = await secretKey(SECRET);
  const [head, body, code] = (await signToken(CLAIMS, key)).split(".") as [string, string, string];
  const parts = "it is not a JWT, which has three parts";
  const cases: readonly [token: string, why: string][] = [
    ["", parts],
    ["token", parts],
    [`${head}.${body}`, parts],
    [`${head}.${body}.${code}.`, parts],
    [`${head}.a.${body}.a.${code}`, parts],
    ["..", "its header is not base64url"],
    [`.${body}.${code}`, "its header is not base64url"],
    [`${head}.${body}.`, "its signature is not base64url"],
    [`${head}.${body}.${code}=`, "its signature is not base64url"],
    [`${head}.${body}.${code.replace(/.$/, "+")}`, "its signature is not base64url"],
    [`${head}.${body}.${code.replace(/.$/, "/")}`, "its signature is not base64url"],
    [`${head}.${body}. ${code}`, "its signature is not base64url"],
    [`${head}.${body}.${code}\n`, "its signature is not base64url"],
    [`${head}.${body}.${code}AA`, "its signature is not base64url"],
    [`${head}.${body}.A`, "its signature is not base64url"],
    // The last character has unused bits.
    [
      `${head}.${body}.${code.slice(0, -1)}${code.endsWith("x") ? "y" : "x"}`,
      "its signature is not base64url",
    ],
    [`${head}.${body}.ü`, "its signature is not base64url"],
    [`${encodePart("{")}.${body}.${code}`, "its header is not JSON"],
    [`_w.${body}.${code}`, "its header is not JSON"],
    // A string that is not UTF-8.
    [
      `${encodeBytes(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d))}.${body}.${code}`,
      "its header is not JSON",
    ],
    [`${encodePart("null")}.${body}.${code}`, "its header is not a JSON object"],
    [`${encodePart("[]")}.${body}.${code}`, "its header is not a JSON object"],
    [`${encodePart('"HS256"')}.${body}.${code}`, "its header is not a JSON object"],
    [`${encodePart("7")}.${body}.${code}`, "its header is not a JSON object"],
    [`${encodePart("\u{feff}{}")}.${body}.${code}`, "its header is not JSON"],
    [
      `${encodePart({ alg: "HS256", crit: ["b64"], b64: false })}.${body}.${code}`,
      "its header has a crit, which is not supported",
    ],
    [`${encodePart({ alg: "HS256", kid: 1 })}.${body}.${code}`, "its kid is not a string"],
    [`${encodePart({ alg: "HS256", kid: null })}.${body}.${code}`, "its kid is not a string"],
  ];
  for (const [token, why] of cases) assertEquals(await whyNot(token, key), why, token);
});

Deno.test("verifyToken() reads claims only after it has checked the signature", async () => {
  const key = await secretKey(SECRET);
  const bodies = ["null", "[]", "7", '"x"', "{", "", "[".repeat(5000)];
  for (const body of bodies) {
    const unsigned = `${encodePart({ alg: "HS256" })}.${encodePart(body)}.AAAA`;
    assertEquals(await whyNot(unsigned, key), "its signature is wrong");
    const signed = await forge({ alg: "HS256" }, body, key.key);
    const why = await whyNot(signed, key);
    assertEquals(/^its claims are not (JSON|a JSON object|base64url)$/.test(why), true, why);
  }
});

Deno.test("verifyToken() refuses more than 8192 characters", async () => {
  const key = await secretKey(SECRET);
  const padded = async (length: number) => {
    const shorter = await signToken({ x: "" }, key);
    for (let x = Math.floor((length - shorter.length) * 3 / 4);; x++) {
      const token = await signToken({ x: "a".repeat(x) }, key);
      if (token.length >= length) return token;
    }
  };
  const fitting = await padded(8191);
  assertEquals(fitting.length <= 8192, true);
  assertEquals(Object.keys(await verifyToken(fitting, () => key)), ["x"]);
  const why = "it has more than 8192 characters";
  assertEquals(await whyNot(await padded(8193), key), why);
  assertEquals(await whyNot("a".repeat(10_000_000), key), why);
});

Deno.test("secretKey() refuses a secret of less than 32 bytes", async () => {
  for (const secret of ["", "x".repeat(31), "é".repeat(15)]) {
    await assertRejects(() => secretKey(secret), RangeError, "at least 32 bytes");
  }
  for (const secret of ["x".repeat(32), "é".repeat(16), "x".repeat(10_000)]) {
    assertEquals((await secretKey(secret)).algorithm, "HS256");
  }
});

Deno.test("looksLikeToken() accepts every token, and no key with two dots", async () => {
  assert(looksLikeToken(await signToken({}, await secretKey("x".repeat(32)))));
  for (const header of ['{"alg":1}', '{ "alg":1}', '{\n"alg":1}']) {
    assert(looksLikeToken(`${encodePart(header)}.${encodePart({})}.x`), header);
  }
  for (
    const text of ["", "x", "a.b.c", "eyJ", "eyJ.a", "eyJ.a.b.c", "eyJ.a.b c", "first-Secret.1.2"]
  ) {
    assert(!looksLikeToken(text), text);
  }
});
