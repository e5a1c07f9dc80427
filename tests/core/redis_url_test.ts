import { assertEquals, assertThrows } from "@std/assert";
import { formatTarget, parseRedisUrl } from "../../lib/core/redis_url.ts";

const NONE = {
  path: "",
  tls: false,
  caCerts: [],
  username: "",
  password: "",
  database: 0,
};

const urls: [url: string, addresses: Record<string, unknown>[], name: string, shown: string][] = [
  ["redis://localhost", [{ hostname: "localhost", port: 6379 }], "", "localhost:6379"],
  [
    "redis://user:p%40ss@10.0.0.5:7000/3",
    [{ hostname: "10.0.0.5", port: 7000, username: "user", password: "p@ss", database: 3 }],
    "",
    "10.0.0.5:7000",
  ],
  ["redis://:only@h/", [{ hostname: "h", port: 6379, password: "only" }], "", "h:6379"],
  ["redis://a@b@h", [{ hostname: "h", port: 6379, password: "a@b" }], "", "h:6379"],
  ["rediss://[::1]:1", [{ hostname: "::1", port: 1, tls: true }], "", "[::1]:1"],
  [
    "redis+unix:///run/redis.sock?db=2",
    [{ hostname: "", port: 0, path: "/run/redis.sock", database: 2 }],
    "",
    "/run/redis.sock",
  ],
  [
    "redis+sentinel://pw@s1,s2:1,[::2]:3/main/4",
    [
      { hostname: "s1", port: 26379, password: "pw", database: 4 },
      { hostname: "s2", port: 1, password: "pw", database: 4 },
      { hostname: "::2", port: 3, password: "pw", database: 4 },
    ],
    "main",
    "s1:26379,s2:1,[::2]:3/main",
  ],
];

Deno.test("parseRedisUrl() reads every form, and formatTarget() shows no secret of it", () => {
  for (const [url, addresses, masterName, shown] of urls) {
    const target = parseRedisUrl(url);
    const expected: unknown = {
      addresses: addresses.map((address) => ({ ...NONE, ...address })),
      masterName,
    };
    assertEquals<unknown>(target, expected, url);
    assertEquals(formatTarget(target), shown);
  }
});

Deno.test("parseRedisUrl() says what is wrong, and shows nothing of the URL", () => {
  for (
    const [url, why] of [
      ["", "it does not begin like that"],
      ["http://s3cret", "it does not begin like that"],
      ["redis://", "a host is missing or malformed"],
      ["redis://s3cret@", "a host is missing or malformed"],
      ["redis://s3cret@h:0", "a port is not from 1 to 65535"],
      ["redis://s3cret@h:65536", "a port is not from 1 to 65535"],
      ["redis://s3cret@h/x", "the database is no number"],
      ["redis://s3cret@h/1/2", "there is more than a database after the host"],
      ["redis://s3cret%@h", "the percent-encoding of user or password is malformed"],
      ["redis://a,b", "more than one host needs redis+sentinel://"],
      ["redis+sentinel://a,b", "the name after the Sentinels is missing"],
      ["redis+sentinel://a,/main", "a host is missing or malformed"],
      ["redis+unix://run/redis.sock", "the path of the socket does not begin with /"],
    ] as const
  ) {
    const error = assertThrows(() => parseRedisUrl(url), SyntaxError);
    assertEquals([error.message.endsWith(`; ${why}`), error.message.includes("s3cret")], [
      true,
      false,
    ], `${url}: ${error.message}`);
  }
});
