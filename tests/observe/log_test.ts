import { assertEquals } from "@std/assert";
import { createLog, type LogFormat, type LogLevel, printable } from "../../lib/observe/log.ts";

const TIME = "2026-11-22T22:08:31.123Z";
const TIME_MS = Date.parse(TIME);

function createRecorder(format: LogFormat, level: LogLevel = "info", linesPerPeerMax = 60) {
  const clock = { now: TIME_MS };
  const lines: string[] = [];
  const levels: LogLevel[] = [];
  const log = createLog({
    format,
    level,
    linesPerPeerMax,
    now: () => clock.now,
    write(line, level) {
      lines.push(line);
      levels.push(level);
    },
  });
  return { log, lines, levels, clock };
}

Deno.test("createLog() writes text for people", () => {
  const { log, lines, levels } = createRecorder("text", "debug");
  log.debug("looking");
  log.info("new connection", { id: "a1", transport: "websocket", address: "127.0.0.1" });
  log.warn("slow client", { bytes: 70_000.5, closed: false, since: undefined }, "127.0.0.1");
  log.error("cannot write");
  assertEquals(lines, [
    `${TIME} debug looking`,
    `${TIME} info  new connection id=a1 transport=websocket address=127.0.0.1`,
    `${TIME} warn  slow client bytes=70000.5 closed=false`,
    `${TIME} error cannot write`,
  ]);
  assertEquals(levels, ["debug", "info", "warn", "error"]);
});

Deno.test("createLog() writes one JSON object a line", () => {
  const { log, lines } = createRecorder("json");
  log.info("new connection", { id: "a1", count: 3, open: true, since: undefined });
  log.error("cannot write");
  assertEquals(lines, [
    `{"time":"${TIME}","level":"info","message":"new connection","id":"a1","count":3,"open":true}`,
    `{"time":"${TIME}","level":"error","message":"cannot write"}`,
  ]);
});

Deno.test("createLog() writes its constant fields in each line", () => {
  const lines: string[] = [];
  for (const format of ["text", "json"] as const) {
    const log = createLog({
      format,
      level: "info",
      linesPerPeerMax: 1,
      always: { node: "a", zone: undefined },
      now: () => TIME_MS,
      write: (line) => lines.push(line),
    });
    for (const bytes of [1, 2]) log.info("slow", { bytes }, "127.0.0.1");
  }
  assertEquals(lines, [
    `${TIME} info  slow node=a bytes=1`,
    `${TIME} warn  further lines about this peer are left out node=a peer=127.0.0.1`,
    `{"time":"${TIME}","level":"info","message":"slow","node":"a","bytes":1}`,
    `{"time":"${TIME}","level":"warn","message":"further lines about this peer are left out","node":"a","peer":"127.0.0.1"}`,
  ]);
});

Deno.test("createLog() leaves out lines below its level", () => {
  const levels: LogLevel[] = ["debug", "info", "warn", "error"];
  for (const [at, level] of levels.entries()) {
    const recorder = createRecorder("text", level);
    for (const of of levels) recorder.log[of]("x");
    assertEquals(recorder.levels, levels.slice(at));
  }
});

const ESCAPED: [name: string, value: string, text: string, json: string][] = [
  ["plain text", "a-b_c.d/e:f@g", "a-b_c.d/e:f@g", '"a-b_c.d/e:f@g"'],
  ["nothing", "", '""', '""'],
  ["a space", "a b", '"a b"', '"a b"'],
  ["a quote", 'a"b', '"a\\"b"', '"a\\"b"'],
  ["a backslash", "a\\b", '"a\\\\b"', '"a\\\\b"'],
  ["a field's sign", "a=b", '"a=b"', '"a=b"'],
  ["a line's end", "a\r\nb", '"a\\r\\nb"', '"a\\r\\nb"'],
  ["a forged line", `\n${TIME} info`, `"\\n${TIME} info"`, `"\\n${TIME} info"`],
  ["NUL", "a\0b", '"a\\u0000b"', '"a\\u0000b"'],
  ["an ANSI escape", "\x1b[31mred", '"\\u001b[31mred"', '"\\u001b[31mred"'],
  ["an 8-bit ANSI escape", "\x9b31m", '"\\u009b31m"', '"\\u009b31m"'],
  ["DEL", "\x7f", '"\\u007f"', '"\\u007f"'],
  ["line separators", "\u2028\u2029\x85", '"\\u2028\\u2029\\u0085"', '"\\u2028\\u2029\\u0085"'],
  ["a bidi override", "\u202egnp.exe", '"\\u202egnp.exe"', '"\\u202egnp.exe"'],
  ["bidi isolates", "\u2066a\u2069", '"\\u2066a\\u2069"', '"\\u2066a\\u2069"'],
  ["zero width", "a\u200bb\ufeff", '"a\\u200bb\\ufeff"', '"a\\u200bb\\ufeff"'],
  ["an invisible tag", "\u{e0041}", '"\\udb40\\udc41"', '"\\udb40\\udc41"'],
  ["half a character", "\ud83d!", '"\ufffd!"', '"\ufffd!"'],
  ["letters and emoji", "müller👋", '"müller👋"', '"müller👋"'],
  ["a format directive", "%s%c", "%s%c", '"%s%c"'],
];

Deno.test("createLog() escapes what could break a line or a terminal, in text", () => {
  for (const [name, value, text] of ESCAPED) {
    const { log, lines } = createRecorder("text");
    log.info("x", { value, after: 1 });
    assertEquals(lines, [`${TIME} info  x value=${text} after=1`], name);
  }
});

Deno.test("createLog() escapes what could break a line or a terminal, in JSON", () => {
  for (const [name, value, _text, json] of ESCAPED) {
    const { log, lines } = createRecorder("json");
    log.info("x", { value, after: 1 });
    const head = `{"time":"${TIME}","level":"info","message":"x"`;
    assertEquals(lines, [`${head},"value":${json},"after":1}`], name);
    assertEquals(JSON.parse(lines[0]!).value, value.toWellFormed(), name);
  }
});

Deno.test("createLog() keeps its message on one line too", () => {
  const text = createRecorder("text");
  text.log.info("a\nb\x1b");
  assertEquals(text.lines, [`${TIME} info  a\\u000ab\\u001b`]);
  const json = createRecorder("json");
  json.log.info("a\nb\u2028");
  assertEquals(json.lines, [`{"time":"${TIME}","level":"info","message":"a\\nb\\u2028"}`]);
});

Deno.test("createLog() cuts a value at 256 characters, and no character in two", () => {
  const cuts: [string, string][] = [
    ["a".repeat(256), "a".repeat(256)],
    ["a".repeat(257), `${"a".repeat(256)}…`],
    [`${"a".repeat(255)}👋`, `${"a".repeat(255)}\ufffd…`],
  ];
  for (const [value, kept] of cuts) {
    const text = createRecorder("text");
    text.log.info("x", { value });
    const shown = kept === value ? kept : `"${kept}"`;
    assertEquals(text.lines, [`${TIME} info  x value=${shown}`]);
    const json = createRecorder("json");
    json.log.info("x", { value });
    assertEquals(JSON.parse(json.lines[0]!).value, kept);
  }
});

Deno.test("createLog() writes so many lines a minute about one peer, and how many it left out", () => {
  const { log, lines, levels, clock } = createRecorder("text", "info", 2);
  for (let at = 0; at < 5; at++) log.info("hello", { at }, "10.0.0.1");
  log.info("hello", {}, "10.0.0.2");
  log.info("about nobody");
  const first = [
    `${TIME} info  hello at=0`,
    `${TIME} info  hello at=1`,
    `${TIME} warn  further lines about this peer are left out peer=10.0.0.1`,
    `${TIME} info  hello`,
    `${TIME} info  about nobody`,
  ];
  assertEquals(lines.splice(0), first);
  assertEquals(levels.splice(0), ["info", "info", "warn", "info", "info"]);

  clock.now += 59_999;
  log.error("hello", {}, "10.0.0.1");
  assertEquals(lines.splice(0), []);

  clock.now += 1;
  log.info("hello", {}, "10.0.0.1");
  const later = "2026-11-22T22:09:31.123Z";
  assertEquals(lines.splice(0), [
    `${later} warn  lines about this peer were left out peer=10.0.0.1 lines=4`,
    `${later} info  hello`,
  ]);

  clock.now += 60_000;
  log.info("about nobody");
  assertEquals(lines.splice(0), ["2026-11-22T22:10:31.123Z info  about nobody"]);
});

Deno.test("createLog() counts the addresses of one IPv6 network as one peer", () => {
  const { log, lines } = createRecorder("text", "info", 2);
  for (const end of [1, 2, 3]) log.info("hello", { end }, `2001:db8::${end}`);
  log.info("hello", {}, "2001:db8:0:1::1");
  assertEquals(lines, [
    `${TIME} info  hello end=1`,
    `${TIME} info  hello end=2`,
    `${TIME} warn  further lines about this peer are left out peer=2001:db8::/64`,
    `${TIME} info  hello`,
  ]);
});

Deno.test("createLog() counts no line below its level against a peer", () => {
  const { log, lines } = createRecorder("text", "error", 1);
  for (let at = 0; at < 5; at++) log.info("hello", {}, "10.0.0.1");
  log.error("hello", {}, "10.0.0.1");
  assertEquals(lines, [`${TIME} error hello`]);
});

Deno.test("createLog() limits no line that is about nobody", () => {
  const { log, lines } = createRecorder("text", "info", 1);
  for (let at = 0; at < 1000; at++) log.info("hello");
  assertEquals(lines.length, 1000);
});

Deno.test("createLog() begins a new minute when its clock is set back", () => {
  const { log, lines, clock } = createRecorder("text", "info", 1);
  log.info("hello", {}, "10.0.0.1");
  clock.now -= 3_600_000;
  log.info("hello", {}, "10.0.0.1");
  assertEquals(lines, [`${TIME} info  hello`, "2026-11-22T21:08:31.123Z info  hello"]);
});

Deno.test("createLog() counts 10,000 peers a minute, and all others as one", () => {
  const { log, lines, clock } = createRecorder("text", "info", 1);
  for (let peer = 0; peer < 10_003; peer++) log.info("hello", {}, `peer ${peer}`);
  assertEquals(lines.splice(0).slice(9999), [
    `${TIME} info  hello`,
    `${TIME} info  hello`,
    `${TIME} warn  further lines about this peer are left out peer=others`,
  ]);
  clock.now += 60_000;
  log.info("hello", {}, "peer 10002");
  const later = "2026-11-22T22:09:31.123Z";
  assertEquals(lines, [
    `${later} warn  lines about this peer were left out peer=others lines=2`,
    `${later} info  hello`,
  ]);
});

Deno.test("createLog() writes to the console, warnings and errors to its error stream", async () => {
  const module = new URL("../../lib/observe/log.ts", import.meta.url).href;
  const code = `
    import { createLog, print } from "${module}";
    const log = createLog({ format: "text", level: "debug", linesPerPeerMax: 1, now: () => 0 });
    log.debug("a");
    log.info("100%", { value: "%s%c" });
    log.warn("c");
    log.error("d");
    print("as it\\nis: 100% %s");
    print("wrong", "stderr");
  `;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", code],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const time = "1970-01-01T00:00:00.000Z";
  assertEquals(
    decoder.decode(stdout),
    `${time} debug a\n${time} info  100% value=%s%c\nas it\nis: 100% %s\n`,
  );
  assertEquals(decoder.decode(stderr), `${time} warn  c\n${time} error d\nwrong\n`);
});

Deno.test("printable() leaves visible characters and escapes others", () => {
  assertEquals(printable('müller "👋" \\n a\u0301'), 'müller "👋" \\n a\u0301');
  assertEquals(printable("a\nb\t\x1b[0m\u202e\ud800"), "a\\u000ab\\u0009\\u001b[0m\\u202e\\ud800");
});
