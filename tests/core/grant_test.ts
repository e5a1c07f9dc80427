import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Refusal } from "../../lib/core/errors.ts";
import { Grant, type GrantRules } from "../../lib/core/grant.ts";

const NO = new Refusal("unauthorized", "Cannot do anything without a token");

function grant(rules: Partial<GrantRules>): Grant {
  return new Grant({
    caller: "a",
    receive: [],
    watch: [],
    publish: [],
    manage: undefined,
    ...rules,
  });
}

Deno.test("Grant.mayReceive() allows what one of its patterns covers as a whole", () => {
  const cases: readonly [allowed: string[], right: string[], wrong: string[]][] = [
    [[], ["broadcast"], ["a", "*", "broadcast.*"]],
    [["*"], ["broadcast", "a", "a.b", "*", "a.*", "a.b:*"], []],
    [["a"], ["broadcast", "a"], ["b", "a.b", "a.*", "*", "A", "aa"]],
    [["a.*"], ["a.b", "a.b.c", "a.b:c", "a.*", "a.b.*", "a.b:*"], ["a", "a.", "ab.c", "*", "a:*"]],
    [["a:*"], ["a:b", "a:b.*", "a:*"], ["a.b", "a.*", "a:"]],
    [["user.42.*", "news"], ["user.42.mail", "news"], [
      "user.43.mail",
      "user.*",
      "user.42",
      "news.a",
    ]],
  ];
  for (const [receive, right, wrong] of cases) {
    const allowed = grant({ receive });
    assertEquals([...right, ...wrong].filter((name) => allowed.mayReceive(name)), right);
  }
});

Deno.test("Grant.mayReceive() allows guarded names only by its own key or token", () => {
  const isGuarded = (name: string) => name.startsWith("private-");
  const names = ["broadcast", "a", "*", "private-a", "private-a.b", "private-a.*"];
  const cases: readonly [receiveGuarded: string[] | undefined, right: string[]][] = [
    [undefined, ["broadcast", "a", "*"]],
    [["private-a"], ["broadcast", "a", "*", "private-a"]],
    [["private-a.*"], ["broadcast", "a", "*", "private-a.b", "private-a.*"]],
    [["*"], names],
  ];
  for (const [receiveGuarded, right] of cases) {
    const allowed = grant({ receive: ["*"], watch: ["*"], isGuarded, receiveGuarded });
    assertEquals(names.filter((name) => allowed.mayReceive(name)), right);
    assertEquals(names.filter((name) => allowed.mayWatch(name)), right);
  }
});

Deno.test("Grant.mayWatch() allows its own patterns, not all that it may receive", () => {
  const allowed = grant({ receive: ["*"], watch: ["a", "b.*"] });
  const names = ["broadcast", "a", "b.c", "b.*", "c", "*"];
  assertEquals(names.filter((name) => allowed.mayWatch(name)), ["a", "b.c", "b.*"]);
  assertEquals(names.filter((name) => grant({ watch: ["*"] }).mayWatch(name)), names);
  assertEquals(names.filter((name) => grant({ receive: ["*"] }).mayWatch(name)), []);
});

Deno.test("Grant.checkReceive() names the channel that is not allowed", () => {
  const allowed = grant({ receive: ["a", "b.*"] });
  allowed.checkReceive(["broadcast", "a", "b.c", "b.*"]);
  allowed.checkReceive([]);
  const { type, message } = assertThrows(() => allowed.checkReceive(["a", "b", "c"]), Refusal);
  assertEquals([type, message], [
    "forbidden",
    "Not allowed on channel b: it takes a key, or a token whose hark.subscribe has it",
  ]);
});

Deno.test("Grant.checkPublish() wants a channel, and one that is allowed", () => {
  const allowed = grant({ publish: ["a", "b.*"] });
  for (const channel of ["a", "b.c", "b.c.d"]) allowed.checkPublish(channel);
  const { type, message } = assertThrows(() => allowed.checkPublish("b"), Refusal);
  assertEquals([type, message], [
    "forbidden",
    "Not allowed on channel b: it takes a key, or a token whose hark.publish has it",
  ]);
  assertThrows(() => grant({}).checkPublish("broadcast"), Refusal, "Not allowed on channel");
  for (const channel of ["", "*", "b.*", "a\nb", "x".repeat(201)]) {
    for (const publish of [["*"], ["b.*"], []]) {
      const refusal = assertThrows(() => grant({ publish }).checkPublish(channel), Refusal);
      assertEquals(refusal.type, "bad-request", channel);
    }
  }
});

Deno.test("a Grant gives the reason why it allows nothing", () => {
  const nothing = grant({ receive: NO, publish: NO, manage: NO });
  assertEquals(nothing.mayReceive("broadcast"), false);
  for (
    const ask of [
      () => nothing.checkReceive(["broadcast"]),
      () => nothing.checkReceive([]),
      () => nothing.checkPublish("*"),
      () => nothing.checkManage(),
    ]
  ) assertStrictEquals(assertThrows(ask), NO);
  grant({}).checkManage();
});
