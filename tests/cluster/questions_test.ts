import { assertEquals } from "@std/assert";
import { ANSWER_TIMEOUT_MS, type Answers, Questions } from "../../lib/cluster/questions.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakePeers } from "../support/fake_peers.ts";

const clock = new FakeClock();

/** Nodes that know each other. */
function nodes(peers: FakePeers, ids: readonly string[]): Questions[] {
  return ids.map((id) => {
    const others = ids.filter((other) => other !== id);
    const questions = new Questions({ clock, peers: peers.of(id), nodes: () => others });
    peers.of(id).listen({
      onMessage: (node, message) => {
        if ((message.to ?? id) === id) questions.receive(node, message);
      },
    });
    questions.answer("who", ({ greeting }) => `${greeting} from ${id}`);
    return questions;
  });
}

/** What has come of a question so far. */
function watch(answers: Promise<Answers>): { result: Answers | undefined } {
  const watched: { result: Answers | undefined } = { result: undefined };
  answers.then((result) => watched.result = result);
  return watched;
}

const HI = { greeting: "hi" };

Deno.test("Questions bring the answers of all nodes, each to the question that was asked", async () => {
  const peers = new FakePeers();
  const [a, b] = nodes(peers, ["a", "b", "c"]) as [Questions, Questions];
  const asked = [a.ask("who", HI), a.ask("who", { greeting: "ho" }), b.ask("who", HI)];
  peers.deliver();
  assertEquals(await Promise.all(asked), [
    { answers: new Map([["b", "hi from b"], ["c", "hi from c"]]), silent: [] },
    { answers: new Map([["b", "ho from b"], ["c", "ho from c"]]), silent: [] },
    { answers: new Map([["a", "hi from a"], ["c", "hi from c"]]), silent: [] },
  ]);
});

Deno.test("Questions of a lone node get no answers, and send nothing", async () => {
  const peers = new FakePeers();
  const [a] = nodes(peers, ["a"]) as [Questions];
  assertEquals(await a.ask("who", HI), { answers: new Map(), silent: [] });
  assertEquals(peers.told, []);
});

Deno.test("Questions name the nodes that did not answer in time, and drop late answers", async () => {
  const peers = new FakePeers();
  const [a] = nodes(peers, ["a", "b", "c"]) as [Questions];
  peers.kill("c");
  const asked = watch(a.ask("who", HI));
  peers.deliver();
  await clock.pass(ANSWER_TIMEOUT_MS - 1);
  assertEquals(asked.result, undefined);
  await clock.pass(1);
  const expected = { answers: new Map([["b", "hi from b"]]), silent: ["c"] };
  assertEquals(asked.result, expected);
  peers.of("c").tell({ type: "answer", to: "a", id: 1, answer: "late" });
  peers.of("stranger").tell({ type: "answer", to: "a", id: 1, answer: "wrong" });
  peers.deliver();
  assertEquals(asked.result, expected);
});

Deno.test("Questions wait no longer for nodes that leave, and name them", async () => {
  const peers = new FakePeers();
  const [a] = nodes(peers, ["a", "b", "c", "d"]) as [Questions];
  peers.kill("c");
  peers.kill("d");
  const before = watch(a.ask("who", HI));
  a.left("c");
  a.left("d");
  await clock.settle();
  assertEquals(before.result, undefined);
  peers.deliver();
  await clock.settle();
  assertEquals(before.result, { answers: new Map([["b", "hi from b"]]), silent: ["c", "d"] });

  const after = watch(a.ask("who", HI));
  peers.deliver();
  a.left("d");
  a.left("stranger");
  await clock.settle();
  assertEquals(after.result, undefined);
  a.left("c");
  await clock.settle();
  assertEquals(after.result, { answers: new Map([["b", "hi from b"]]), silent: ["d", "c"] });
});

Deno.test("Questions that a node does not know get no answer", async () => {
  const peers = new FakePeers();
  const [a] = nodes(peers, ["a", "b"]) as [Questions];
  const asked = watch(a.ask("newer", {}));
  peers.deliver();
  await clock.pass(ANSWER_TIMEOUT_MS);
  assertEquals(asked.result, { answers: new Map(), silent: ["b"] });
});
