import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { quote, readOrg, unquote } from "../src/org";
import { get } from "./server";

const ROOT = join(__dirname, "../../../..");

interface Read { lessons: { lessons: number; tokens: number; problems: { message: string }[] } }

/** What the server reads of an org text: how many lessons, how many tokens, which problems. */
async function byServer(content: string): Promise<Read["lessons"]> {
  return (await get("/load_data", { name: "vscode-test", content, format: "org" })) as unknown as Read["lessons"];
}

/** Tokens that the server counts of our reading, as lessons of /train. */
async function byUs(content: string): Promise<{ lessons: number; tokens: number }> {
  const good = readOrg(content).filter((section) => !section.fault);
  let tokens = 0;
  for (const section of good) {
    const measured = await get("/load_data", {
      name: "vscode-test-2", format: "jsonl", content: JSON.stringify({ messages: section.turns.map((turn) => turn.message), options: section.options }),
    });
    tokens += measured.tokens as number;
  }
  return { lessons: good.length, tokens };
}

const SAMPLES: Record<string, string> = {
  "text under headings, indented, with a comment at its end": "* One\n** USER\n   Hello\n     there\n# a remark\n\n** ASSISTANT\n   Hi!\n",
  "weights, tags and drawers": "* T [#C] :train:x:\n:PROPERTIES:\n:until_loss: 0.3\n:ID: x\n:OUROBOROS_LOSS: 0.1\n:END:\n** USER a b :tag:no_loss:\n** ASSISTANT [#B] a ratio of 3:4:\n",
  "a role as the first heading": "* USER What is it?\n** ASSISTANT It is.\n* System requirements\n** user Which?\n** Assistant Few.\n",
  "declared keywords": "#+TODO: HUMAN | BOT(b)\n* One\n** HUMAN hello\n** BOT hi\n",
  "quoted lines": "* One\n** USER\n,* not a heading\n ,#+no setting\n,,* with a comma\n** ASSISTANT good\n",
  "planning lines and a logbook": "* One\nSCHEDULED: <2026-01-01>\n** USER hello\nDEADLINE: <2026-01-01>\n:LOGBOOK:\nx\n:END:\nthe text\n** ASSISTANT hi\n",
  "Chinese": "* 猫\n** USER 我的猫叫什么名字？ :猫:\n** ASSISTANT 你的猫叫旺达。\n",
  "CRLF": "* One\r\n** USER\r\na\r\nb\r\n** ASSISTANT c\r\n",
};

for (const [name, text] of Object.entries(SAMPLES)) {
  test(`org is read as the server reads it: ${name}`, async () => {
    const server = await byServer(text);
    assert.ok(server.lessons > 0);
    assert.deepEqual(await byUs(text), { lessons: server.lessons, tokens: server.tokens });
  });
}

test("data/sft.org is read as the server reads it", async () => {
  const text = readFileSync(join(ROOT, "data/sft.org"), "utf8");
  const good = readOrg(text).filter((section) => !section.fault);
  const server = await byServer(text);
  assert.equal(good.length, server.lessons);
  const content = good.map((section) => JSON.stringify({ messages: section.turns.map((turn) => turn.message), options: section.options })).join("\n");
  assert.equal((await get("/load_data", { name: "vscode-test-2", format: "jsonl", content })).tokens, server.tokens);
});

test("what the server leaves out has a fault here", async () => {
  const text = "* One\ntext of nobody\n** USER a\n* Two\n* Three\n** TODO x\n* Good\n** USER a\n** ASSISTANT b\n";
  assert.equal((await byServer(text)).lessons, 1);
  assert.deepEqual(readOrg(text).map((section) => section.fault !== undefined), [true, true, true, false]);
});

test("options: a lesson's own stand above the file's, and bookkeeping is none", () => {
  const [section] = readOrg("#+PROPERTY: until_loss 0.2\n#+PROPERTY: epochs 3\n* One\n:PROPERTIES:\n:UNTIL-LOSS: 0.5\n:Mode: pico\n:keep_state: true\n:ID: a\n:OUROBOROS_LOSS: 1\n:END:\n** USER a\n** ASSISTANT b\n");
  assert.deepEqual(section?.options, { until_loss: 0.5, epochs: 3, mode: "pico", keep_state: true });
});

test("what is quoted is read back the same, whatever it is", () => {
  for (const text of ["* a", "a\n* b\n#+c", ",* a", ",,#+x\n  * y", "# comment", "a * b", ""]) {
    assert.equal(unquote(quote(text)), text);
    const read = readOrg(`* T\n** USER q\n** ASSISTANT\n${quote(`x\n${text}\ny`)}\n`)[0]?.turns[1]?.message.text;
    assert.ok(read === `x\n${text}\ny` || text.startsWith("  "), read);
  }
});
