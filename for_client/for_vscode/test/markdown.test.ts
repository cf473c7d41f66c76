import assert from "node:assert/strict";
import { test } from "node:test";
import { escapeHeadings, readMarkdown, unescapeHeadings } from "../src/markdown";

const said = (text: string): string[][] => readMarkdown(text).map((section) => section.turns.map((turn) => `${turn.message.role}: ${turn.message.text}`));

test("headings that are roles open messages", () => {
  const text = "# My cat\n\n## User\n\nWhat is it called?\n\n## Assistant:\n\nWanda.\n\nA *good* cat.\n";
  assert.deepEqual(said(text), [["user: What is it called?", "assistant: Wanda.\n\nA *good* cat."]]);
  const [section] = readMarkdown(text);
  assert.equal(section?.title, "My cat");
  assert.equal(section.answerWord, "Assistant:");
});

test("a conversation may begin without a title, and roles may be Chinese or aliases", () => {
  assert.deepEqual(said("## 用户\n你好\n## 助手\n您好\n# Other\n## Human\na\n## AI\nb\n"), [["user: 你好", "assistant: 您好"], ["user: a", "assistant: b"]]);
});

test("any other heading is a question, and what stands under it the answer", () => {
  assert.deepEqual(said("# What is a cat?\n\nAn animal.\n\n## And a dog? ##\n# Last\n"), [["user: What is a cat?", "assistant: An animal."], ["user: And a dog?"], ["user: Last"]]);
});

test("what stands in a fence is no heading", () => {
  assert.deepEqual(said("# Q\n```sh\n# User\n~~~\n```\nafter\n~~~~\n# no\n```\n~~~~\n"), [["user: Q", "assistant: ```sh\n# User\n~~~\n```\nafter\n~~~~\n# no\n```\n~~~~"]]);
});

test("lines and ends are those of the text, with CRLF too", () => {
  const [section] = readMarkdown("intro\r\n# T\r\n## User\r\n\r\na\r\nb\r\n\r\n## Assistant\r\nc\r\n");
  assert.ok(section);
  assert.deepEqual(section.turns.map((turn) => [turn.heading, turn.bodyStart, turn.bodyEnd]), [[2, 4, 6], [7, 8, 9]]);
  assert.deepEqual([section.start, section.end], [1, 10]);
});

test("an empty message and text without a role are faults", () => {
  assert.deepEqual(readMarkdown("# T\n## User\n\n## Assistant\nb\n")[0]?.fault, ["the message in line {0} is empty", 2]);
  assert.match(String(readMarkdown("# T\nstray\n## User\na\n")[0]?.fault), /has no role/);
});

test("text before any heading is no section", () => {
  assert.deepEqual(readMarkdown("just text\n"), []);
});

test("what is escaped is read back the same", () => {
  for (const text of ["# a", "a\n## User\nb", "\\# a", "\\\\# a", "#", "a # b", "```\n# x\n```"]) {
    assert.equal(unescapeHeadings(escapeHeadings(text)), text);
    assert.deepEqual(said(`# Q\n## User\nq\n## Assistant\n${escapeHeadings(`x\n${text}`)}\n`), [["user: q", `assistant: x\n${text}`]]);
  }
});
