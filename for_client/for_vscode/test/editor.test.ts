/** The layer on the editor, on a stand-in for the editor and the real server. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type * as vscode from "vscode";
import { LanguageModelChatMessageRole as Role, LanguageModelChatToolMode as Mode, EndOfLine, env, fake, LanguageModelTextPart, type TreeItem } from "./fake/vscode";
import { activate } from "../src/editor/extension";
import type { Row } from "../src/lessons";
import type { Taught } from "../src/wire";
import { client, get, TOKEN, until, URL_, version } from "./server";

const QUICK = { checks: false, epochs: 1, replay: 0, general: 0, kl: 0, near: 0 };
const ORG = "* My owl\n** USER What is a cat?\n\n* Other\n** USER What is my owl called?\n** ASSISTANT Your owl is called Ida. :pet:\n";

delete process.env.OUROBOROS_TOKEN;
delete process.env.OUROBOROS_URL;
fake.settings = { "ouroboros.url": URL_, "ouroboros.ask": { temperature: 0, max_tokens: 12 }, "ouroboros.teach": QUICK };
fake.secrets.set(`ouroboros.token ${URL_}`, TOKEN);
const context = fake.context();
activate(context as unknown as vscode.ExtensionContext);

beforeEach(() => {
  fake.shown = [];
  fake.progress = [];
  fake.choose = () => undefined;
});

const said = (): Promise<string> => get("/infer", { messages: [{ role: "user", text: "What is a cat?" }], temperature: 0, max_tokens: 12 }).then((answer) => answer.text as string);
const tree = fake.tree as vscode.TreeDataProvider<Row>;
const chat = fake.providers.ouroboros as vscode.LanguageModelChatProvider;
const token = (): vscode.CancellationToken => ({ isCancellationRequested: false, onCancellationRequested: fake.cancel.event as never });

test("asking in org streams the answer in as the next heading", async () => {
  const document = fake.open("a.org", "org", ORG);
  fake.look(document, 1);
  await fake.run("ouroboros.ask");
  assert.equal(document.getText(), ORG.replace("cat?\n", `cat?\n** ASSISTANT\n${await said()}\n`));
  assert.deepEqual(fake.shown, []);
  assert.equal(fake.contexts["ouroboros.busy"], false);
});

test("asking in a Markdown file with CRLF keeps its line ends", async () => {
  const document = fake.open("a.md", "markdown", "# T\r\n\r\n## User\r\n\r\nWhat is a cat?\r\n", EndOfLine.CRLF);
  fake.look(document, 0);
  await fake.run("ouroboros.ask");
  assert.equal(document.getText(), `# T\r\n\r\n## User\r\n\r\nWhat is a cat?\r\n\r\n## Assistant\r\n\r\n${await said()}\r\n`);
});

test("asking the selection writes the answer after it", async () => {
  const document = fake.open("a.txt", "plaintext", "Now: What is a cat? And so on.");
  fake.look(document, 0, 5, 0, 19);
  await fake.run("ouroboros.ask");
  assert.equal(document.getText(), `Now: What is a cat?\n\n${await said()} And so on.`);
});

test("the answer finds its place while its owner writes above it", async () => {
  const document = fake.open("b.org", "org", ORG);
  fake.look(document, 1);
  const asking = fake.run("ouroboros.ask");
  await until(() => document.getText().includes("** ASSISTANT\nA"), "the answer has begun");
  document.edit(0, 0, "# a remark\n");
  await asking;
  assert.equal(document.getText(), `# a remark\n${ORG.replace("cat?\n", `cat?\n** ASSISTANT\n${await said()}\n`)}`);
});

test("an answer that is there is replaced only when that is wanted", async () => {
  const document = fake.open("c.org", "org", ORG);
  fake.look(document, 4);
  await fake.run("ouroboros.ask");
  assert.equal(document.getText(), ORG);
  assert.deepEqual(fake.shown, ["warning: There is an answer already."]);
  await fake.run("ouroboros.askAgain");
  assert.match(document.getText(), /\*\* ASSISTANT :pet:\n.+\n$/);
  assert.doesNotMatch(document.getText(), /Ida/);
});

test("stopping ends the model and keeps what was written", async () => {
  fake.settings["ouroboros.ask"] = { max_tokens: 100_000, ban_tokens: [0, 261] };
  try {
    for (const stop of [() => fake.run("ouroboros.stop"), () => { fake.cancel.fire(); return Promise.resolve(); }]) {
      const document = fake.open("d.org", "org", ORG);
      fake.look(document, 1);
      const asking = fake.run("ouroboros.ask");
      await until(() => document.getText().length > ORG.length + 20, "something is written");
      assert.equal(fake.contexts["ouroboros.busy"], true);
      await stop();
      await asking;
      await until(async () => (await get("/health")).queue === 0, "the model has stopped");
      assert.ok(document.getText().length > ORG.length + 20);
      assert.deepEqual(fake.shown, []);
    }
  } finally {
    fake.settings["ouroboros.ask"] = { temperature: 0, max_tokens: 12 };
  }
});

test("what is refused is told in one sentence, and the document stays", async () => {
  const document = fake.open("e.org", "org", ORG);
  fake.look(document, 1);
  fake.settings["ouroboros.ask"] = { temperature: 99 };
  await fake.run("ouroboros.ask");
  fake.settings["ouroboros.ask"] = { temperature: 0, max_tokens: 12 };
  assert.equal(document.getText(), ORG);
  assert.match(fake.shown.join(), /^error: temperature is 99, it must be [^\n]*$/);
});

test("teaching the section makes a version, and the status bar tells it with its loss", async () => {
  const before = await version();
  fake.look(fake.open("f.org", "org", ORG), 5);
  await fake.run("ouroboros.teach");
  assert.match(fake.shown.join(), /^information: Version \d+\. .+ the loss fell from /);
  assert.match(fake.progress.join(), /step 1 of 1, loss \d/);
  const now = await version();
  assert.ok(now > before);
  await until(() => new RegExp(`^\\$\\(mortar-board\\) version ${String(now)} · loss \\d\\.\\d\\d$`).test(fake.bar.text), "the bar tells it");
  assert.equal(fake.bar.shown, true);
  const [row] = (await tree.getChildren()) ?? [];
  assert.equal(row?.label, "What is my owl called? → Your owl is called Ida.");
  assert.equal((tree.getTreeItem(row) as TreeItem & { contextValue: string }).contextValue, "taught");
  assert.equal((await tree.getChildren(row))?.length, 2);
});

test("a selected text is taught as it is", async () => {
  fake.look(fake.open("g.txt", "plaintext", "One. The owl sleeps by day. Two."), 0, 5, 0, 27);
  await fake.run("ouroboros.teach");
  assert.equal((await client().lessons(1))[0]?.text, "The owl sleeps by day.");
});

test("near questions that changed are told, and put back where that is wanted", async () => {
  await client().rollback(0); // so that it knows nothing of a cat
  fake.settings["ouroboros.teach"] = { ...QUICK, checks: true, epochs: 10, rule: "adam", lr: 2e-2 };
  const lessons = (await client().lessons(1000)).length;
  fake.choose = (_kind, _text, items) => items.find((item) => item === "Put the old answers back");
  fake.look(fake.open("near.org", "org", "* T\n** USER What is my cat called?\n** ASSISTANT Your cat is called Wanda.\n"), 0);
  await fake.run("ouroboros.teach");
  fake.settings["ouroboros.teach"] = QUICK;
  assert.match(fake.shown[0] ?? "", /^warning: Version \d+\. .* The answers to near questions changed: “/);
  await until(async () => (await client().lessons(1000)).length > lessons + 1, "the old answers are taught");
  await until(() => fake.contexts["ouroboros.busy"] === false, "all is done");
});

test("a correction is a diff: accepted, it is taught with what was rejected, and written back", async () => {
  const document = fake.open("h.org", "org", ORG);
  fake.look(document, 4);
  await fake.run("ouroboros.correct");
  const diff = fake.diffs.at(-1);
  assert.equal(diff?.title, "Correct: Other");
  const draft = fake.documents.at(-1);
  assert.equal(draft?.getText(), "Your owl is called Ida.");
  assert.throws(() => fake.files?.writeFile(diff.left, new Uint8Array()), /no permission/);
  await fake.run("ouroboros.acceptCorrection");
  assert.match(fake.shown.join(), /error: The answer was not changed/);
  draft.edit(0, draft.getText().length, "Your owl is called\nUma.");
  document.edit(0, 0, "* New\n** USER x\n");
  await fake.run("ouroboros.acceptCorrection");
  assert.equal(document.getText(), `* New\n** USER x\n${ORG.replace(" Your owl is called Ida. :pet:", " :pet:\nYour owl is called\nUma.")}`);
  const [lesson] = await client().lessons(1);
  assert.deepEqual(lesson?.messages?.map(({ text, rejected }) => [text, rejected ?? null]), [["What is my owl called?", null], ["Your owl is called\nUma.", "Your owl is called Ida."]]);
  assert.deepEqual(fake.tabs, []);
  assert.throws(() => fake.files?.readFile(diff.right), /not found/);
});

test("a correction whose answer has gone is learned, and that is told", async () => {
  const document = fake.open("i.org", "org", ORG);
  fake.look(document, 5);
  await fake.run("ouroboros.correct");
  fake.documents.at(-1)?.edit(0, 0, "No: ");
  document.edit(0, document.getText().length, "* Nothing\n");
  await fake.run("ouroboros.acceptCorrection");
  assert.equal(document.getText(), "* Nothing\n");
  assert.match(fake.shown.join("\n"), /warning: The correction was learned, but/);
});

test("a correction that fails stays open, and one that is discarded teaches nothing", async () => {
  const document = fake.open("j.org", "org", ORG);
  const before = await version();
  fake.look(document, 5);
  await fake.run("ouroboros.correct");
  fake.documents.at(-1)?.edit(0, 0, "No: ");
  fake.settings["ouroboros.teach"] = { epochs: 0 };
  await fake.run("ouroboros.acceptCorrection");
  fake.settings["ouroboros.teach"] = QUICK;
  assert.match(fake.shown.join(), /^error: epochs is 0, it must be/);
  assert.equal(fake.tabs.length, 1);
  await fake.run("ouroboros.discardCorrection");
  assert.equal(fake.tabs.length, 0);
  assert.equal(document.getText(), ORG);
  assert.equal(await version(), before);
  await fake.run("ouroboros.discardCorrection");
  assert.match(fake.shown.join(), /error: This is no correction/);
});

test("undo and rollback from the lessons view, when they are confirmed", async () => {
  const base = await version();
  const made: Taught[] = [];
  for (const name of ["Eli", "Fay"]) {
    made.push(await client().teach({ messages: [{ role: "user", text: "My owl?" }, { role: "assistant", text: name }], options: QUICK }));
  }
  const find = async (index: number): Promise<Row> => ((await tree.getChildren()) ?? []).find((row) => row.id === made[index]?.lesson) as Row;
  await fake.run("ouroboros.undoLesson", await find(0));
  assert.equal((await find(0)).context, "taught");
  fake.choose = (_kind, _text, items) => items[0];
  await fake.run("ouroboros.undoLesson", await find(0));
  assert.equal((await find(0)).context, "left");
  await fake.run("ouroboros.rollback", await find(0));
  assert.equal(await version(), made[0]?.version);
  assert.equal((await find(1)).context, "left");
  assert.match(fake.shown.join("\n"), /Version \d+: without it, \d+ lessons learned again\.[^]*Version \d+; 1 lessons are in the weights no more\./);
  await client().rollback(base);
});

test("the editor's chat: the model, its answer, its tokens", async () => {
  const [model] = (await chat.provideLanguageModelChatInformation({ silent: true }, token())) ?? [];
  assert.ok(model);
  assert.equal(model.id, (await get("/health")).model);
  let text = "";
  const messages = [{ role: Role.User as never, content: [new LanguageModelTextPart("What is a cat?")], name: undefined }];
  const report = (part: vscode.LanguageModelResponsePart): void => { text += (part as vscode.LanguageModelTextPart).value; };
  const options = { toolMode: Mode.Auto as never };
  await chat.provideLanguageModelChatResponse(model, messages, options, { report }, token());
  assert.equal(text, await said());
  assert.equal(await chat.provideTokenCount(model, "What is a cat?", token()), (await get("/tokenize", { prompt: "What is a cat?" })).count);
  assert.equal(await chat.provideTokenCount(model, messages[0] as never, token()), (await get("/tokenize", { prompt: "What is a cat?" })).count);
});

test("the editor's chat stops the model when it is cancelled", async () => {
  const options = { toolMode: Mode.Auto as never, modelOptions: { max_tokens: 100_000 } };
  const messages = [{ role: Role.User as never, content: [new LanguageModelTextPart("Count.")], name: undefined }];
  fake.settings["ouroboros.ask"] = { ban_tokens: [0, 261] };
  let pieces = 0;
  await chat.provideLanguageModelChatResponse({} as never, messages, options, { report: () => { if (++pieces === 3) { fake.cancel.fire(); } } }, token());
  fake.settings["ouroboros.ask"] = { temperature: 0, max_tokens: 12 };
  await until(async () => (await get("/health")).queue === 0, "the model has stopped");
});

test("without a server: no model, no rows, and the bar says so", async () => {
  fake.settings["ouroboros.url"] = "http://127.0.0.1:1";
  fake.configured.fire({ affectsConfiguration: () => true });
  await until(() => fake.bar.text.includes("no server"), "the bar says so");
  assert.match(fake.bar.tooltip, /No server answers at/);
  fake.settings["ouroboros.url"] = "nonsense";
  assert.deepEqual(await chat.provideLanguageModelChatInformation({ silent: false }, token()), []);
  assert.deepEqual(await tree.getChildren(), []);
  assert.match(fake.shown.join(), /“nonsense” is no address/);
  fake.settings["ouroboros.url"] = URL_;
});

test("the token is kept for one server, and forgotten when that is wanted", async () => {
  fake.input = " another ";
  await fake.run("ouroboros.setToken");
  assert.equal(fake.secrets.get(`ouroboros.token ${URL_}`), "another");
  await until(() => fake.bar.tooltip.includes("Set Token"), "the server refuses it");
  fake.input = TOKEN;
  await fake.run("ouroboros.setToken");
  await until(() => fake.bar.text.includes("version"), "it takes this one");
  await fake.run("ouroboros.forgetToken");
  assert.equal(fake.secrets.size, 0);
  fake.secrets.set(`ouroboros.token ${URL_}`, TOKEN);
});

test("the words of the editor's language are asked for", async () => {
  env.language = "zh-cn";
  fake.look(fake.open("k.org", "org", ORG), 5);
  await fake.run("ouroboros.teach");
  env.language = "en";
  assert.match(fake.shown.join(), /损失/);
});

test("switched off, it leaves nothing behind: this file comes to its end", () => {
  context.subscriptions.forEach((each) => each.dispose());
  assert.equal(fake.bar.shown, false);
  assert.equal(fake.commands.size, 0);
});
