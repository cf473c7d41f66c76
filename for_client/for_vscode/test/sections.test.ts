import assert from "node:assert/strict";
import { test } from "node:test";
import { Anchor } from "../src/anchor";
import { linesOf } from "../src/section";
import { answerAt, findAnswer, lessonOf, openAnswer, questionAt, readSections, replaceAnswer, sectionAt, selectedLessons, settled, writtenAs } from "../src/sections";
import { edited } from "./edits";

const ORG = "* My cat :train:\n:PROPERTIES:\n:until_loss: 0.3\n:END:\n** USER What is my cat called?\n** ASSISTANT [#B] Wanda. :note:\n** USER And my dog?\n\n* Other\n** USER x\n";
const MARKDOWN = "# My cat\n\n## User\n\nWhat is my cat called?\n\n# What is a dog?\n\n# What is a cat?\n\nAn animal.\n";

/** The document after an answer was written at a line. */
function answered(text: string, language: string, line: number, answer: string): string {
  const section = sectionAt(text, language, line);
  const { from, to, text: opening } = openAnswer(section, questionAt(section, line), linesOf(text));
  return edited(text, { from, to, text: opening + writtenAs(section.format, answer) });
}

/** The document after an answer was corrected. */
function corrected(text: string, language: string, line: number, answer: string): string {
  const section = sectionAt(text, language, line);
  return edited(text, replaceAnswer(section, answerAt(section, line).answer, answer, linesOf(text)));
}

const messages = (text: string, language: string): string[][] => readSections(text, language).map((section) => section.turns.map(({ message }) => message.text));

test("the question at a line comes with what was said before it", () => {
  const at = (line: number): string[] => questionAt(sectionAt(ORG, "org", line), line).messages.map((message) => message.text);
  assert.deepEqual(at(0), ["What is my cat called?"]);
  assert.deepEqual(at(5), ["What is my cat called?"]);
  assert.deepEqual(at(7), ["What is my cat called?", "Wanda.", "And my dog?"]);
});

test("an answer is the next heading in org, before the empty lines", () => {
  assert.equal(answered(ORG, "org", 6, "Rex.\n* star"), ORG.replace("And my dog?\n", "And my dog?\n** ASSISTANT\nRex.\n,* star\n"));
});

test("an answer to a heading of one star stands under it", () => {
  assert.equal(answered("* USER a\n", "org", 0, "b"), "* USER a\n** ASSISTANT\nb\n");
});

test("an answer in Markdown is the next heading, or the text under the question", () => {
  assert.equal(answered(MARKDOWN, "markdown", 3, "Wanda."), MARKDOWN.replace("called?\n", "called?\n\n## Assistant\n\nWanda.\n"));
  assert.equal(answered(MARKDOWN, "markdown", 6, "An animal."), MARKDOWN.replace("dog?\n", "dog?\n\nAn animal.\n"));
});

for (const answer of ["Olga.", "two\nlines", "with a :tag:", "[#A] first", "* star\n#+x", "## User\n# x\nend", "\\# x"]) {
  test(`an answer that is asked again or corrected is read back the same: ${JSON.stringify(answer)}`, () => {
    for (const change of [answered, corrected]) {
      assert.deepEqual(messages(change(ORG, "org", 5, answer), "org"), [["What is my cat called?", answer, "And my dog?"], ["x"]]);
      assert.deepEqual(messages(change(MARKDOWN, "markdown", 8, answer), "markdown").at(-1), ["What is a cat?", answer]);
    }
  });
}

test("a corrected answer keeps its heading, priority and tags", () => {
  assert.equal(corrected(ORG, "org", 5, "Olga."), ORG.replace("Wanda.", "Olga."));
  assert.equal(corrected(ORG, "org", 5, "a\nb"), ORG.replace(" Wanda. :note:", " :note:\na\nb"));
});

test("a drawer under an answer stays when the text moves under it", () => {
  const text = "* T\n** USER q\n** ASSISTANT a\n:PROPERTIES:\n:x: 1\n:END:\n** USER r\n";
  assert.equal(corrected(text, "org", 2, "b\nc"), text.replace(" a\n", "\n").replace(":END:\n", ":END:\nb\nc\n"));
});

test("an answer is found where it has moved to, and not where it is another", () => {
  const wanted = answerAt(sectionAt(ORG, "org", 5), 5);
  assert.equal(findAnswer(`* New\n** USER a\n${ORG}`, "org", wanted)?.answer.heading, 7);
  assert.equal(findAnswer(ORG.replace("Wanda", "Ollie"), "org", wanted), undefined);
  assert.equal(findAnswer(ORG.replace("my cat called", "my hen called"), "org", wanted), undefined);
});

test("a section is taught with its weights and options", () => {
  const lesson = lessonOf(sectionAt(ORG, "org", 0));
  assert.deepEqual(lesson.options, { until_loss: 0.3 });
  assert.deepEqual(lesson.messages?.[1], { role: "assistant", text: "Wanda.", weight: 0.8 });
});

test("what is tagged skip or benchmark is not taught, nor what has no answer", () => {
  for (const verb of ["skip", "BENCHMARK"]) {
    assert.throws(() => lessonOf(sectionAt(ORG.replace(":train:", `:${verb}:`), "org", 0)), /says not to teach/);
  }
  assert.throws(() => lessonOf(sectionAt(ORG, "org", 8)), /no answer to learn/);
});

test("a selection is its conversations, or else its text", () => {
  assert.equal(selectedLessons(ORG.replace("x", "x\n** ASSISTANT y"), "org").length, 2);
  assert.deepEqual(selectedLessons(" some words\n", "plaintext"), [{ text: "some words" }]);
  assert.deepEqual(selectedLessons("* USER only asked", "org"), [{ text: "* USER only asked" }]);
});

test("outside of sections a sentence says what to do", () => {
  assert.throws(() => sectionAt("text", "markdown", 0), /Select a text/);
  assert.throws(() => sectionAt(ORG, "python", 0), /Select a text/);
});

test("an answer that grows is written as it stands at its end, piece by piece", () => {
  for (const format of ["org", "markdown"] as const) {
    const text = "# a\n* b\n  #+c\n,* d\n\\# e\n#f # g\n";
    let written = "";
    for (let end = 1; end <= text.length; end += 1) {
      const now = writtenAs(format, end < text.length ? settled(text.slice(0, end)) : text);
      assert.ok(now.startsWith(written), JSON.stringify([written, now]));
      written = now;
    }
    assert.equal(written, writtenAs(format, text));
  }
});

test("the place of an answer moves with what is edited before it", () => {
  const after = (...change: [number, number, number]): number => {
    const anchor = new Anchor(10);
    anchor.moved(...change);
    return anchor.offset;
  };
  assert.deepEqual([after(0, 0, 5), after(2, 3, 0), after(12, 0, 5), after(10, 0, 5), after(8, 4, 1), after(7, 3, 1)], [15, 7, 10, 10, 9, 8]);
});
