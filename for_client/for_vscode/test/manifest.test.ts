/** What the extension says of itself is true: its manifest, its README and its translations. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const HERE = join(__dirname, "../..");
const read = (name: string): string => readFileSync(join(HERE, name), "utf8");
const json = (name: string): Record<string, unknown> => JSON.parse(read(name)) as Record<string, unknown>;

interface Manifest {
  contributes: { commands: { command: string; title: string }[]; configuration: { properties: Record<string, { default: unknown; scope: string }> }; languageModelChatProviders: { vendor: string }[] };
}
const { contributes } = json("package.json") as unknown as Manifest;
const english = json("package.nls.json") as Record<string, string>;
const commands = contributes.commands.map(({ command }) => command).sort();
const sources = readdirSync(join(HERE, "src"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts")).map((name) => ({ name, text: read(join("src", name)) }));

test("the README has every command under its name, and no other", () => {
  const rows = [...read("README.md").matchAll(/^\| `(ouroboros\.\w+)` \| ([A-Z][^|]+) \|/gm)].map(([, name, title]) => [name, title]);
  assert.deepEqual(rows, contributes.commands.map(({ command, title }) => [command, english[title.slice(1, -1)]]));
});

test("the README has every setting with its default, and no other", () => {
  const rows = [...read("README.md").matchAll(/^\| `(ouroboros\.\w+)` \| `([^`]+)` \|/gm)].map(([, name, value]) => [name, value]);
  assert.deepEqual(rows, Object.entries(contributes.configuration.properties).map(([name, { default: value }]) => [name, JSON.stringify(value)]));
});

test("every command is registered, and no other", () => {
  const extension = sources.find(({ name }) => name.endsWith("extension.ts"))?.text ?? "";
  assert.deepEqual([...extension.matchAll(/^ {4}"(ouroboros\.\w+)":/gm)].map(([, name]) => name).sort(), commands);
});

test("a workspace cannot choose the server", () => {
  assert.equal(contributes.configuration.properties["ouroboros.url"]?.scope, "machine");
});

test("the manifest's words are there in both languages, and all are used", () => {
  const used = [...new Set([...read("package.json").matchAll(/"%(\w+)%"/g)].map(([, name]) => name))].sort();
  for (const file of ["package.nls.json", "package.nls.zh-cn.json"]) {
    assert.deepEqual(Object.keys(json(file)).sort(), used, file);
  }
});

test("every sentence of the code is there in Chinese with the same values, and no other", () => {
  const literal = /(?:\bt\(|new Trouble\(|(?:fault = |\? |: )\[)\s*("(?:[^"\\]|\\.)*")/g;
  const said = new Set(sources.flatMap(({ text }) => [...text.matchAll(literal)].map(([, words]) => JSON.parse(words ?? "") as string)));
  const chinese = json("l10n/bundle.l10n.zh-cn.json") as Record<string, string>;
  assert.deepEqual(Object.keys(chinese).sort(), [...said].sort());
  const values = (text: string): string[] => [...text.matchAll(/\{\d\}/g)].map(([value]) => value).sort();
  for (const [sentence, translated] of Object.entries(chinese)) {
    assert.deepEqual(values(translated), values(sentence), sentence);
    assert.match(translated, /[\u4e00-\u9fff]/);
  }
});

test("only the layer on the editor imports the editor", () => {
  const importing = sources.filter(({ text }) => text.includes('from "vscode"')).map(({ name }) => name);
  assert.ok(importing.length > 5);
  assert.deepEqual(importing.filter((name) => !name.startsWith("editor")), []);
});
