import { assertEquals } from "@std/assert";
import { random, randomText } from "../../support/random.ts";
import { decodeJsonpBody, encodeJsonp } from "../../../lib/protocols/engineio/jsonp.ts";

Deno.test("encodeJsonp() hands the payload to the numbered callback, as script", () => {
  const scripts: [index: string, payload: string, script: string][] = [
    ["0", "1:2", '___eio[0]("1:2");'],
    ["12", '8:42["a"]', '___eio[12]("8:42[\\"a\\"]");'],
    ["3", "4:4\u2028\u2029\n", '___eio[3]("4:4\\u2028\\u2029\\n");'],
    ["3", '</script>"\\', '___eio[3]("</script>\\"\\\\");'],
    ["0](alert(1));//", "1:2", '___eio[01]("1:2");'],
    ["", "1:2", '___eio[]("1:2");'],
  ];
  for (const [index, payload, script] of scripts) {
    assertEquals(encodeJsonp(index, payload), script);
  }
});

Deno.test("decodeJsonpBody() reads field d, with \\n for a newline and \\\\n for \\n", () => {
  const forms: [form: string, payload: string][] = [
    ["d=1%3A2", "1:2"],
    ["d=1:2", "1:2"],
    ["d=", ""],
    ["t=1&d=1%3A2&e=3", "1:2"],
    ["d=4%3A4a+b", "4:4a b"],
    ["d=2%3A4%E2%82%AC", "2:4€"],
    ["d=2%3A4%5Cn", "2:4\n"],
    ["d=3%3A4%5C%5Cn", "3:4\\n"],
    ["d=4%3A4%5C%5C%5Cn", "4:4\\\\n"],
    ["d=3%3A4%5Ct", "3:4\\t"],
  ];
  for (const [form, payload] of forms) {
    assertEquals(decodeJsonpBody(form), { ok: true, value: payload });
  }
});

Deno.test("decodeJsonpBody() reads back any JSON that a client escapes for its form", () => {
  const next = random(31);
  for (let round = 0; round < 500; round++) {
    const payload = JSON.stringify(randomText(next, 12, 'n\\\n"+&=% é€😀')) + "\n";
    const escaped = payload.replaceAll("\\n", "\\\n").replaceAll("\n", "\\n");
    const form = new URLSearchParams({ d: escaped }).toString();
    assertEquals(decodeJsonpBody(form), { ok: true, value: payload });
  }
});

Deno.test("decodeJsonpBody() refuses a form without d, and bytes that are not UTF-8", () => {
  const noField = "form has no field d";
  const noText = "form field d is not valid percent-encoded UTF-8";
  const refused: [form: string, reason: string][] = [
    ["", noField],
    ["1:2", noField],
    ["D=1:2", noField],
    ["id=1:2", noField],
    ["&".repeat(1_000_000), noField],
    ["d=%", noText],
    ["d=%zz", noText],
    ["d=%E9", noText],
    ["d=%ED%A0%80", noText],
  ];
  for (const [form, reason] of refused) {
    assertEquals(decodeJsonpBody(form), { ok: false, reason });
  }
});
