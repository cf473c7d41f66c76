import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { DEFAULT_URL, findToken, findUrl, isLoopback } from "../src/place";

const folder = mkdtempSync(join(tmpdir(), "ouroboros-"));
after(() => { rmSync(folder, { recursive: true }); });
mkdirSync(join(folder, "data"));
writeFileSync(join(folder, "data", "token"), "of-the-folder\n");
writeFileSync(join(folder, "named"), "of-the-file\n");

test("the address: the setting, the environment, the default", () => {
  assert.equal(findUrl(" http://127.0.0.1:4000/ ", { OUROBOROS_URL: "http://x" }), "http://127.0.0.1:4000");
  assert.equal(findUrl("", { OUROBOROS_URL: "https://example.org" }), "https://example.org");
  assert.equal(findUrl("", {}), DEFAULT_URL);
  assert.throws(() => findUrl("localhost:3000", {}), /is no address/);
  assert.throws(() => findUrl("file:///etc", {}), /is no address/);
});

test("the token: the stored one, the environment's, the named file's, the open folder's, none", async () => {
  const named = { OUROBOROS_TOKEN_FILE: join(folder, "named") };
  const all = { ...named, OUROBOROS_TOKEN: "of-the-environment" };
  assert.equal(await findToken("stored", all, DEFAULT_URL, [folder]), "stored");
  assert.equal(await findToken(undefined, all, DEFAULT_URL, [folder]), "of-the-environment");
  assert.equal(await findToken(undefined, named, DEFAULT_URL, [folder]), "of-the-file");
  assert.equal(await findToken(undefined, {}, DEFAULT_URL, ["/nowhere", folder]), "of-the-folder");
  assert.equal(await findToken(undefined, {}, DEFAULT_URL, []), undefined);
  await assert.rejects(findToken(undefined, { OUROBOROS_TOKEN_FILE: "/nowhere/token" }, DEFAULT_URL, []), /cannot be read/);
});

test("a token that lies in an open folder goes to no other machine", async () => {
  assert.equal(await findToken(undefined, {}, "https://example.org", [folder]), undefined);
  assert.deepEqual(["http://localhost:1", "http://[::1]:1", "http://127.9.9.9", "http://127.0.0.1.example.org", "http://10.0.0.1"].map(isLoopback), [true, true, true, false, false]);
});
