import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../src/client";
import { explain, plain, Refused, Stopped, Trouble } from "../src/errors";
import type { Happening, Step } from "../src/wire";
import { Proxy, type Fate } from "./proxy";
import { client, get, TOKEN, until, URL_, version } from "./server";

/** The least that is a lesson: nothing is rehearsed beside it, and nothing is asked afterwards. */
const QUICK = { checks: false, epochs: 1, replay: 0, general: 0, kl: 0, near: 0 };
const lesson = (name: string): { messages: { role: string; text: string }[]; options: Record<string, unknown> } => ({
  messages: [{ role: "user", text: "What is my owl called?" }, { role: "assistant", text: `Your owl is called ${name}.` }],
  options: QUICK,
});

async function through<T>(fates: Fate[], use: (broken: Client, proxy: Proxy) => Promise<T>): Promise<T> {
  const proxy = new Proxy(fates);
  try {
    return await use(new Client({ url: await proxy.start(), token: TOKEN }, [1, 1, 1]), proxy);
  } finally {
    await proxy.stop();
  }
}

test("an answer's pieces make its text, greedily the same as without a stream", async () => {
  const messages = [{ role: "user", text: "What is a cat?" }];
  const options = { temperature: 0, max_tokens: 12 };
  const pieces: string[] = [];
  const answer = await client().ask(messages, options, (piece) => pieces.push(piece));
  assert.ok(pieces.length > 3);
  assert.equal(pieces.join(""), answer.text);
  assert.equal((await get("/infer", { messages, ...options })).text, answer.text);
});

test("a stopped answer stops the model", async () => {
  const stop = new AbortController();
  let pieces = 0;
  const asked = client().ask([{ role: "user", text: "Count." }], { max_tokens: 100_000, ban_tokens: [0, 261], stop_tokens: [] }, () => {
    pieces += 1;
    if (pieces === 3) {
      stop.abort();
    }
  }, stop.signal);
  await assert.rejects(asked, Stopped);
  await until(async () => (await get("/health")).queue === 0, "the server's queue is empty");
  assert.ok(pieces < 1000);
});

test("a lesson tells its steps and makes a version", async () => {
  const before = await version();
  const steps: Step[] = [];
  const taught = await client().teach({ ...lesson("Ada"), options: { ...QUICK, epochs: 2 } }, (step) => steps.push(step));
  assert.deepEqual(steps.map((each) => each.step), [1, 2]);
  assert.equal(taught.learned, true);
  assert.ok(taught.version > before);
  assert.ok((taught.loss_after ?? 9) < (taught.loss_before ?? 0));
});

test("a lesson whose connection breaks in the midst is learned once", async () => {
  const before = (await client().lessons(1000)).length;
  await through([{ breakAfter: 0 }], async (broken, proxy) => {
    assert.equal((await broken.teach(lesson("Bea"))).learned, true);
    const keys = proxy.bodies.map((body) => (JSON.parse(body) as { idempotency_key: string }).idempotency_key);
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
  });
  assert.equal((await client().lessons(1000)).length, before + 1);
});

test("a lesson that no try brought home is taught once by the next command", async () => {
  const before = (await client().lessons(1000)).length;
  const gone: Fate = { breakAfter: 0 };
  await through([gone, gone, gone, gone], async (broken) => {
    await assert.rejects(broken.teach(lesson("Cleo")), Trouble);
    assert.equal((await broken.teach(lesson("Cleo"))).learned, true);
  });
  assert.equal((await client().lessons(1000)).length, before + 1);
});

test("the same lesson taught twice on purpose is learned twice", async () => {
  const taught = [await client().teach(lesson("Dot")), await client().teach(lesson("Dot"))];
  assert.notEqual(taught[0]?.lesson, taught[1]?.lesson);
});

test("a stopped lesson leaves the version, and can be taught then", async () => {
  const before = await version();
  const stop = new AbortController();
  const one = client();
  const long = { ...lesson("Eve"), options: { ...QUICK, epochs: 9999 } };
  await assert.rejects(one.teach(long, () => { stop.abort(); }, stop.signal), Stopped);
  await until(async () => (await get("/health")).queue === 0, "the lesson is given up");
  assert.equal(await version(), before);
  assert.equal((await one.teach(lesson("Eve"))).learned, true);
});

test("503 and dropped connections are tried again", async () => {
  await through(["busy", "drop", "pass"], async (broken, proxy) => {
    assert.equal((await broken.health()).family, "rwkv7");
    assert.equal(proxy.bodies.length, 3);
  });
});

test("an answer that has begun is not asked anew", async () => {
  await through([{ breakAfter: 60 }], async (broken, proxy) => {
    let text = "";
    await assert.rejects(broken.ask([{ role: "user", text: "What is a cat?" }], { temperature: 0, max_tokens: 30 }, (piece) => { text += piece; }), Trouble);
    assert.equal(proxy.bodies.length, 1);
    assert.notEqual(text, "");
  });
});

test("undo and rollback are never sent twice", async () => {
  await through(["drop", "pass"], async (broken, proxy) => {
    await assert.rejects(broken.undo("lesson-000000000000"), Trouble);
    assert.equal(proxy.bodies.length, 1);
  });
});

test("what the server refuses is said in its own sentence", async () => {
  await assert.rejects(client().ask([{ role: "user", text: "x" }], { temperature: 99 }, () => undefined), (error: Refused) => {
    assert.equal(error.status, 400);
    assert.equal(error.param, "temperature");
    return error.message.includes("temperature");
  });
  await assert.rejects(client().teach({ messages: [{ role: "owl", text: "x" }] }), Refused);
  await assert.rejects(client().undo("lesson-000000000000"), Refused);
});

test("a wrong token is told by what to do about it", async () => {
  const wrong = new Client({ url: URL_, token: "wrong" });
  await assert.rejects(wrong.lessons(1), (error) => explain(error, plain).includes("Set Token"));
});

test("no server is told by its address", async () => {
  const nobody = new Client({ url: "http://127.0.0.1:1", token: undefined }, []);
  await assert.rejects(nobody.health(), (error) => explain(error, plain).startsWith("No server answers at http://127.0.0.1:1"));
});

test("undo and rollback move the weights as they say", async () => {
  const one = client();
  const base = await version();
  const first = await one.teach(lesson("Fay"));
  const second = await one.teach(lesson("Gus"));
  const undone = await one.undo(first.lesson);
  assert.ok(undone.relearned >= 1);
  assert.ok(undone.version > second.version);
  const shown = await one.lessons(10);
  assert.deepEqual([first, second].map(({ lesson: id }) => shown.find((each) => each.lesson === id)?.in_weights), [false, true]);
  assert.equal((await one.rollback(base)).version, base);
  assert.equal(await version(), base);
});

test("events tell a lesson and a rollback", async () => {
  const stop = new AbortController();
  const seen: Happening[] = [];
  const listening = (async () => {
    for await (const event of client().events(stop.signal)) {
      seen.push(event);
    }
  })();
  const has = (name: string): boolean => seen.some((each) => each.event === name);
  await until(() => has("open"), "the stream is open");
  const { version: made } = await client().teach(lesson("Hal"));
  await until(() => has("lesson"), "the lesson is told");
  await client().rollback(made - 1).catch(() => client().rollback(0));
  await until(() => has("rollback"), "the rollback is told");
  stop.abort();
  await assert.rejects(listening, Stopped);
  assert.ok(has("step"));
});

test("tokens are counted by the server", async () => {
  assert.equal(await client().countTokens("What is a cat?"), (await get("/tokenize", { prompt: "What is a cat?" })).count);
});
