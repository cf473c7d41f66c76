import assert from "node:assert/strict";
import { test } from "node:test";
import { messagesOf, optionsOf } from "../src/chat";
import { plain } from "../src/errors";
import { follow } from "../src/feed";
import { rows } from "../src/lessons";
import { readEvents } from "../src/sse";
import { after, OFFLINE, statusText, taughtText, type Status } from "../src/words";
import type { Happening, Lesson } from "../src/wire";
import { client, until } from "./server";

const show = (...events: object[]): string => statusText(events.reduce<Status>((status, event) => after(status, event as Happening), OFFLINE), plain);
const OPEN = { event: "open", model: "tiny", version: 3 };

test("the status bar: version, loss and step", () => {
  assert.equal(show(), "$(debug-disconnect) Ouroboros: no server");
  assert.equal(show(OPEN), "$(mortar-board) version 3");
  assert.equal(show(OPEN, { event: "step", step: 2, steps: 9, loss: 0.5 }), "$(sync~spin) version 3 · loss 0.50 (2/9)");
  assert.equal(show(OPEN, { event: "step", step: 2, steps: 9, loss: 0.5 }, { event: "lesson", version: 4, loss_after: 0.071 }), "$(mortar-board) version 4 · loss 0.07");
  assert.equal(show(OPEN, { event: "rollback", version: 1 }), "$(mortar-board) version 1");
  assert.equal(show(OPEN, { event: "turn", session: "x" }), "$(mortar-board) version 3");
});

test("what came of a lesson is said in the server's words, in the editor's language", () => {
  const taught = { lesson: "l", version: 4, loss_before: 2, loss_after: 0.1, learned: true, reason: null, checks: null, words: { en: "Mastered.", zh: "已掌握。" } };
  assert.equal(taughtText(taught, "en", plain), "Version 4. Mastered.");
  assert.equal(taughtText(taught, "zh-cn", plain), "Version 4. 已掌握。");
  assert.equal(taughtText({ ...taught, words: null }, "en", plain), "Version 4. The loss went from 2.00 to 0.10.");
  assert.equal(taughtText({ ...taught, learned: false, reason: "the loss is nan" }, "en", plain), "Nothing was learned: the loss is nan");
});

test("the rows of the lessons view", () => {
  const lesson: Lesson = {
    lesson: "lesson-1", time: 0, version: 2, loss_before: 3, loss_after: null, in_weights: true,
    messages: [{ role: "user", text: "a\n b" }, { role: "assistant", text: "x".repeat(100), rejected: "no" }],
  };
  const [first, second] = rows([lesson, { ...lesson, lesson: "lesson-2", messages: null, text: "plain", in_weights: false }], "en", plain);
  assert.equal(first?.label, `a b → ${"x".repeat(73)}…`);
  assert.equal(first.description, "version 2: 3.00 → –");
  assert.deepEqual([first.context, second?.context, second?.label], ["taught", "left", "plain"]);
  assert.equal(first.children[1]?.tooltip, `${"x".repeat(100)}\n\nIt had said: no`);
});

test("every lesson of the server makes a row", async () => {
  const lessons = await client().lessons(1000);
  assert.equal(rows(lessons, "zh-cn", plain).length, lessons.length);
});

test("the chat's messages: roles by number, texts joined, empty ones left out", () => {
  assert.deepEqual(messagesOf([{ role: 3, content: [{ value: "be " }, { value: "brief" }, { callId: "x" }, 7] }, { role: 1, content: [{ value: "a" }] }, { role: 2, content: [{ value: " " }] }]),
    [{ role: "system", text: "be brief" }, { role: "user", text: "a" }]);
  assert.deepEqual(optionsOf({ temperature: 0, tools: [], messages: 1 }), { temperature: 0 });
});

test("events are read whatever pieces the bytes come in", async () => {
  const bytes = new TextEncoder().encode('data: {"text":"猫"}\n\n: a comment\n\ndata: {"b":1}\r\n\r\ndata: [DONE]\n\ndata: 5\n\n');
  for (const size of [1, 2, 3, 7, 1000]) {
    const chunks = (async function* () {
      for (let at = 0; at < bytes.length; at += size) {
        yield await Promise.resolve(bytes.slice(at, at + size));
      }
    })();
    const seen: unknown[] = [];
    const events = readEvents(chunks);
    let next = await events.next();
    for (; !next.done; next = await events.next()) {
      seen.push(next.value);
    }
    assert.deepEqual([seen, next.value], [[{ text: "猫" }, { b: 1 }], { whole: true }]);
  }
});

test("a feed that was lost is taken up again, until it is stopped", async () => {
  const stop = new AbortController();
  const told: string[] = [];
  let tries = 0;
  const connect = async (): Promise<ReturnType<typeof client>> => {
    tries += 1;
    return tries < 3 ? Promise.reject(new Error("away")) : client();
  };
  const following = follow(connect, (event) => { told.push(event.event); }, () => { told.push("lost"); }, stop.signal, [1]);
  await until(() => told.includes("open"), "the third try succeeds");
  stop.abort();
  await following;
  assert.deepEqual(told, ["lost", "lost", "open"]);
});
