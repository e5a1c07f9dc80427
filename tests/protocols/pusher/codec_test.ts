import { assertEquals, assertThrows } from "@std/assert";
import { Publication } from "../../../lib/core/publication.ts";
import {
  type Command,
  CommandError,
  decodeCommand,
  encodeCacheMiss,
  encodeClientEvent,
  encodeError,
  encodeEstablished,
  encodeGap,
  encodeMemberAdded,
  encodeMemberRemoved,
  encodeSignedIn,
  encodeSubscribed,
  encodeSubscriptionCount,
  encodeSubscriptionError,
  isSocketId,
  PING,
  PONG,
  pusherEncoder,
  triggeredData,
  triggeredText,
} from "../../../lib/protocols/pusher/codec.ts";
import { kindOf, Names } from "../../../lib/protocols/pusher/names.ts";

const subscribe = (fields: Partial<Command & { type: "subscribe" }>): Command => ({
  type: "subscribe",
  channel: "ci",
  auth: "",
  channelData: undefined,
  since: undefined,
  socketIds: [],
  ...fields,
});

Deno.test("decodeCommand() reads what clients send", () => {
  const table: [string, Command][] = [
    ['{"event":"pusher:subscribe","data":{"channel":"ci","auth":""}}', subscribe({})],
    ['{"event":"pusher:subscribe","data":{"channel":"ci"}}', subscribe({})],
    ['{"event":"pusher:subscribe","data":"{\\"channel\\":\\"ci\\"}"}', subscribe({})],
    [
      '{"event":"pusher:subscribe","data":{"channel":"private-ci","auth":"KEY:HEX"}}',
      subscribe({ channel: "private-ci", auth: "KEY:HEX" }),
    ],
    [
      '{"event":"pusher:subscribe","data":{"channel":"p","auth":"K","channel_data":"{ }","x":1}}',
      subscribe({ channel: "p", auth: "K", channelData: "{ }" }),
    ],
    [
      '{"event":"pusher:subscribe","data":{"channel":"ci","since":"abc-7","socket_ids":["1.2"]}}',
      subscribe({ since: { epoch: "abc", offset: 7 }, socketIds: ["1.2"] }),
    ],
    ['{"event":"pusher:unsubscribe","data":{"channel":"ci"}}', {
      type: "unsubscribe",
      channel: "ci",
    }],
    ['{"event":"pusher:signin","data":{"auth":"K","user_data":"{}"}}', {
      type: "signin",
      auth: "K",
      userData: "{}",
    }],
    ['{"event":"pusher:ping","data":{}}', { type: "ping" }],
    ['{"event":"pusher:ping"}', { type: "ping" }],
    ['{"event":"pusher:pong","data":{}}', { type: "pong" }],
    ['{"event":"client-a","channel":"private-ci","data":{"n": [1]}}', {
      type: "client",
      event: "client-a",
      channel: "private-ci",
      data: '{"n":[1]}',
    }],
    ['{"event":"client-","channel":"c"}', {
      type: "client",
      event: "client-",
      channel: "c",
      data: undefined,
    }],
  ];
  for (const [text, expected] of table) assertEquals(decodeCommand(text), expected, text);
});

Deno.test("decodeCommand() says what is wrong", () => {
  const ids = JSON.stringify(Array.from({ length: 11 }, () => "1.2"));
  const table: [string, string][] = [
    ["", "expected JSON"],
    ['{"event":"pusher:ping"', "expected JSON"],
    ["[".repeat(5000) + "]".repeat(5000), "expected at most 101 levels"],
    ["7", "expected a JSON object"],
    ["[]", "expected a JSON object"],
    ["{}", "expected event to be a string"],
    ['{"event":"message"}', "expected event to be one of"],
    ['{"event":"pusher:other"}', "expected event to be one of"],
    ['{"event":"pusher:subscribe"}', "expected data to be an object"],
    ['{"event":"pusher:subscribe","data":[]}', "expected data to be an object"],
    ['{"event":"pusher:subscribe","data":"x"}', "expected JSON"],
    ['{"event":"pusher:subscribe","data":{}}', "expected channel to be a string"],
    ['{"event":"pusher:subscribe","data":{"channel":"a","since":"1"}}', "expected since to be"],
    ['{"event":"pusher:subscribe","data":{"channel":"a","since":1}}', "expected since to be"],
    [
      `{"event":"pusher:subscribe","data":{"channel":"a","socket_ids":${ids}}}`,
      "expected socket_ids to be at most 10",
    ],
    ['{"event":"pusher:subscribe","data":{"channel":"a","socket_ids":["x"]}}', "socket_ids"],
    ['{"event":"pusher:unsubscribe","data":{"channel":1}}', "expected channel to be a string"],
    ['{"event":"pusher:signin","data":{"auth":"a"}}', "expected user_data to be a string"],
    ['{"event":"pusher:signin","data":{"user_data":"a"}}', "expected auth to be a string"],
    ['{"event":"client-a"}', "expected channel to be a string"],
    [`{"event":"client-${"a".repeat(194)}","channel":"c"}`, "at most 200 characters"],
  ];
  for (const [text, message] of table) {
    assertThrows(() => decodeCommand(text), CommandError, message);
  }
});

Deno.test("the server's frames have exactly the bytes that Pusher's clients expect", () => {
  const ann = { userId: "1", userInfo: '{"name":"Ann"}' };
  const table: [string, string][] = [
    [
      encodeEstablished("123.456", 120),
      '{"event":"pusher:connection_established","data":"{\\"socket_id\\":\\"123.456\\",\\"activity_timeout\\":120}"}',
    ],
    [encodeError(4001, "x"), '{"event":"pusher:error","data":{"code":4001,"message":"x"}}'],
    [encodeError(null, "x"), '{"event":"pusher:error","data":{"code":null,"message":"x"}}'],
    [
      encodeSubscriptionError("private-x", "AuthError", "no", 401),
      '{"event":"pusher:subscription_error","channel":"private-x","data":{"type":"AuthError","error":"no","status":401}}',
    ],
    [
      encodeSubscribed("ci", "e-1", undefined),
      '{"event":"pusher_internal:subscription_succeeded","channel":"ci","data":"{}","id":"e-1"}',
    ],
    [
      encodeSubscribed("presence-x", "e-1", [ann]),
      '{"event":"pusher_internal:subscription_succeeded","channel":"presence-x","data":"{\\"presence\\":{\\"ids\\":[\\"1\\"],\\"hash\\":{\\"1\\":{\\"name\\":\\"Ann\\"}},\\"count\\":1}}","id":"e-1"}',
    ],
    [
      encodeMemberAdded("presence-x", ann),
      '{"event":"pusher_internal:member_added","channel":"presence-x","data":"{\\"user_id\\":\\"1\\",\\"user_info\\":{\\"name\\":\\"Ann\\"}}"}',
    ],
    [
      encodeMemberRemoved("presence-x", "2"),
      '{"event":"pusher_internal:member_removed","channel":"presence-x","data":"{\\"user_id\\":\\"2\\"}"}',
    ],
    [
      encodeSubscriptionCount("ci", 3),
      '{"event":"pusher_internal:subscription_count","channel":"ci","data":"{\\"subscription_count\\":3}"}',
    ],
    [encodeCacheMiss("cache-x"), '{"event":"pusher:cache_miss","channel":"cache-x"}'],
    [
      encodeGap("ci", "e-1"),
      '{"event":"hark:gap","channel":"ci","data":"{\\"since\\":\\"e-1\\"}"}',
    ],
    [
      encodeSignedIn('{"id":"1"}'),
      '{"event":"pusher:signin_success","data":"{\\"user_data\\":\\"{\\\\\\"id\\\\\\":\\\\\\"1\\\\\\"}\\"}"}',
    ],
    [
      encodeClientEvent({ type: "client", event: "client-a", channel: "c", data: "[1]" }, "7"),
      '{"event":"client-a","channel":"c","data":[1],"user_id":"7"}',
    ],
    [PING, '{"event":"pusher:ping","data":"{}"}'],
    [PONG, '{"event":"pusher:pong","data":"{}"}'],
  ];
  for (const [actual, expected] of table) assertEquals(actual, expected);
});

Deno.test("pusherEncoder() returns what was triggered byte for byte, and what was published as JSON", () => {
  const encoder = pusherEncoder((channel) => channel.replace("2:", ""));
  const encode = (data: string | Uint8Array<ArrayBuffer>, isText?: true) => {
    const draft = { channel: "2:ci", event: 'e"', data, isText };
    return encoder.message(new Publication({ epoch: "e", offset: 1 }, draft, 0));
  };
  const frame = (data: string) =>
    `{"event":"e\\"","channel":"ci","data":${JSON.stringify(data)},"id":"e-1"}`;
  assertEquals(encode('{"a": 1}'), frame('{"a": 1}'));
  assertEquals(encode('"x"'), frame('"x"'));
  assertEquals(encode('"x"', true), frame("x"));
  assertEquals(encode(Uint8Array.of(255)), frame('{"base64":"/w=="}'));
  const texts = ["", " ", "x", '"x"', '{"a": 1}', "{", "NaN", "1.0", "[".repeat(200), "\ud800\0é"];
  for (const text of texts) assertEquals(triggeredText(triggeredData(text)), text);
  assertEquals(triggeredData("1"), { data: "1" });
  assertEquals(triggeredData("x"), { data: '"x"', isText: true });
});

Deno.test("isSocketId() takes two numbers with a dot", () => {
  for (const id of ["1.2", "0.0", `${2n ** 64n - 1n}.1`]) assertEquals(isSocketId(id), true, id);
  for (const id of ["", "1", "1.", ".1", "1.2.3", "a.1", "1.2\n", "-1.2", `${"1".repeat(21)}.1`]) {
    assertEquals(isSocketId(id), false, id);
  }
});

Deno.test("kindOf() looks only at the beginning of a name", () => {
  const table: [string, string][] = [
    ["ci", ""],
    ["cache-ci", "cache"],
    ["private-ci", "signed"],
    ["private-cache-ci", "signed cache"],
    ["private-encrypted-ci", "signed encrypted"],
    ["private-encrypted-cache-ci", "signed encrypted cache"],
    ["presence-ci", "signed presence"],
    ["presence-cache-ci", "signed presence cache"],
    ["privateer", ""],
    ["a-private-ci", ""],
    ["cache-private-ci", "cache"],
    ["Private-ci", ""],
    ["presence", ""],
  ];
  for (const [name, expected] of table) {
    const { isSigned, isPresence, isEncrypted, isCache } = kindOf(name);
    const found = [
      isSigned && "signed",
      isPresence && "presence",
      isEncrypted && "encrypted",
      isCache && "cache",
    ].filter(Boolean).join(" ");
    assertEquals(found, expected, name);
  }
});

Deno.test("Names keeps the channels of two apps apart", () => {
  const [first, second] = [new Names("", ["", "2:"]), new Names("2:", ["", "2:"])];
  assertEquals([first.toHark("a"), second.toHark("a")], ["a", "2:a"]);
  assertEquals([first.has("a"), first.has("2:a")], [true, false]);
  assertEquals([second.has("a"), second.has("2:a")], [false, true]);
  assertEquals([first.toWire("a"), second.toWire("2:a")], ["a", "a"]);
  assertEquals(second.toHark("2:a"), "2:2:a");
  assertEquals(first.toHark("#server-to-user-a@b.c"), "#server-to-user-a@b.c");
  for (const name of ["2:a", "", "a b", "*", "#a", "#server-to-user", "a".repeat(201)]) {
    assertThrows(() => first.toHark(name), TypeError, "Cannot use this as a channel");
  }
  assertThrows(() => second.toHark("a".repeat(199)), TypeError);
});
