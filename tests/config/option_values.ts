import { type OptionKey, OPTIONS } from "../../lib/config/config.ts";

/** Values of an option. */
export interface Values {
  /** Values by their texts. */
  readonly right: Readonly<Record<string, unknown>>;
  readonly wrong: readonly string[];
}

/** Long enough for whatever has to be. */
export const SECRET = "x".repeat(32);

/** Of the options that are text or a list of it. */
const TEXTS: Partial<Record<OptionKey, Values>> = {
  host: {
    right: { "127.8.8.8": "127.8.8.8", "::1": "::1", localhost: "localhost" },
    wrong: [
      "",
      " ",
      "localhost:80",
      "http://localhost",
      "[::1]",
      "::1]",
      "a b",
      "a/b",
      "127.1",
      "UP",
    ],
  },
  listen: {
    right: { "unix:/run/hark.sock": "unix:/run/hark.sock", "unix:hark.sock": "unix:hark.sock" },
    wrong: ["unix:", "/run/hark.sock", "tcp:1", `unix:/${"x".repeat(107)}`, "unix:a\0b"],
  },
  tlsCert: {
    right: { "": "" },
    wrong: ["a\0b"],
  },
  tlsKey: {
    right: { "": "" },
    wrong: ["a\0b"],
  },
  forwardedHeader: {
    right: { "X-Forwarded-For": "X-Forwarded-For" },
    wrong: ["", " ", "X-Forwarded-For,Forwarded", "a:", "ü"],
  },
  publicHost: {
    right: {
      "push.example.com": ["push.example.com"],
      "a.example, b.example,[::1]": ["a.example", "b.example", "[::1]"],
    },
    wrong: [
      "",
      "a.example,",
      "https://a.example",
      "a.example:80",
      "a.example/b",
      "a@b",
      "A.example",
    ],
  },
  origins: {
    right: {
      "https://example.com": ["https://example.com"],
      "http://localhost:5173,https://[::1]:8443": ["http://localhost:5173", "https://[::1]:8443"],
      "capacitor://localhost,null": ["capacitor://localhost", "null"],
      "https://*.example.com": ["https://*.example.com"],
    },
    wrong: [
      ...["", "*", "https://*", "example.com", "https://example.com/", "https://example.com/a"],
      ...["https://Example.com", "https://example.com:443", "file:///a", "https://a.example,,"],
    ],
  },
  publishKey: {
    right: { k: ["k"], "first!,second~": ["first!", "second~"] },
    wrong: ["", " ", "a,,b", "two words", "schlüssel", "tab\tbed", "line\n2"],
  },
  metricsKey: {
    right: { k: "k", "first!": "first!" },
    wrong: ["", " ", "a,b", "two words", "schlüssel"],
  },
  tokenSecret: {
    right: { [SECRET]: SECRET, ["é".repeat(16)]: "é".repeat(16) },
    wrong: ["", "x".repeat(31), "é".repeat(15)],
  },
  tokenJwks: {
    right: {
      "https://issuer.example/jwks.json?a=b": "https://issuer.example/jwks.json?a=b",
      "keys.json": "keys.json",
      "./http:/keys": "./http:/keys",
    },
    wrong: ["", "http://issuer.example/", "file:///keys.json", "https://", "a\0b", "HTTPS://a.b/"],
  },
  tokenAudience: {
    right: { "": "" },
    wrong: [],
  },
  tokenIssuer: {
    right: { "": "" },
    wrong: [],
  },
  public: {
    right: { "news.*": ["news.*"], "*": ["*"], "a, b:*": ["a", "b:*"] },
    wrong: ["", "a,", "a*", "*.a", "a b", "x".repeat(201)],
  },
  welcome: {
    right: { "": "", 'Hello, "you" = 👋\n': 'Hello, "you" = 👋\n' },
    wrong: [],
  },
  socketioPath: {
    right: { "/a/": "/a/", "/a_1/b-2/~c.d/": "/a_1/b-2/~c.d/" },
    wrong: ["", "/", "//", "a/", "/a", "/a//", "/a b/", "/a/?b/", "/a/%20/"],
  },
  store: {
    right: { "": "", "data/hark.db": "data/hark.db" },
    wrong: ["a\0b"],
  },
  redis: {
    right: { "": "", "redis://h": "redis://h", "redis+sentinel://a,b/m": "redis+sentinel://a,b/m" },
    wrong: ["h", "http://h", "redis://", "redis://h:0", "redis+sentinel://a,b"],
  },
  node: { right: { "": "", "a.B_1:c-d": "a.B_1:c-d" }, wrong: ["a b", "é", "a".repeat(65)] },
  workers: {
    right: { "1": "1", "9": "9", "64": "64", auto: "auto" },
    wrong: ["", "0", "65", "100", "1.5", "-1", "all"],
  },
  pusherApp: {
    right: {
      "1:k:s": ["1:k:s"],
      "1:k:s?webhook=https://a.b/?c": ["1:k:s?webhook=https://a.b/?c"],
      "1:k:s?webhook=http://[::1]:8/": ["1:k:s?webhook=http://[::1]:8/"],
      "4711:app-key:a:s!,a_b:k2:s?client-events&subscription-counts": [
        "4711:app-key:a:s!",
        "a_b:k2:s?client-events&subscription-counts",
      ],
    },
    wrong: [
      ...[
        "",
        "1",
        "1:k",
        "1:k:",
        ":k:s",
        "1::s",
        "1:k:s,",
        "a b:k:s",
        "1:k/:s",
        "1:k:s s",
        "1:k:é",
      ],
      ...[
        "1:k:s?",
        "1:k:s?client-event",
        "1:k:s?client-events=1",
        "1:k:s?webhook=x",
        "1:k:s?webhook=http://a.b",
      ],
    ],
  },
  redisCa: { right: { "": "", "ca.pem": "ca.pem" }, wrong: ["a\0b"] },
  advertise: {
    right: { "": "" },
    wrong: [
      ...[
        "10.0.0.7:3001",
        "https://10.0.0.7:3001",
        "http://",
        "http://a/b",
      ],
      "http://a b",
    ],
  },
  clusterSecret: {
    right: { [SECRET]: SECRET },
    wrong: ["", "x".repeat(31)],
  },
  redisName: { right: { "shop-1": "shop-1" }, wrong: ["", "{a}", "a b", "a".repeat(65)] },
};

/** Values of an option that its kind makes right or wrong. */
export function valuesOf(key: OptionKey): Values {
  const { type, expected } = OPTIONS[key];
  switch (type) {
    case "integer": {
      const [, min, max] = /^an integer from (\d+) to (\d+)$/.exec(expected)!.map(Number);
      const outside = [min! - 1, max! + 1].map(String);
      const noIntegers = ["", " ", "1.5", "1e3", "0x10", "+7", "seven", "٣", "9".repeat(99)];
      return { right: { [min!]: min, [max!]: max }, wrong: [...outside, ...noIntegers] };
    }
    case "boolean":
      return {
        right: { true: true, "1": true, false: false, "0": false },
        wrong: ["", "yes", "TRUE", "2"],
      };
    case "choice": {
      const choices = expected.split(/, | or /);
      return {
        right: Object.fromEntries(choices.map((choice) => [choice, choice])),
        wrong: ["", choices[0]!.toUpperCase(), `${choices[0]}x`],
      };
    }
    default:
      return TEXTS[key]!;
  }
}
