/** The real server that the tests speak to, started by whoever runs them. */

import { Client } from "../src/client";

function need(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set: the tests need a running server, as the README says`);
  }
  return value;
}

export const URL_ = need("OUROBOROS_URL");
export const TOKEN = need("OUROBOROS_TOKEN");

export function client(pauses?: readonly number[]): Client {
  return new Client({ url: URL_, token: TOKEN }, pauses);
}

/** A JSON answer of the server, asked without the client under test. */
export async function get(path: string, body?: object): Promise<Record<string, unknown>> {
  const response = await fetch(URL_ + path, {
    method: body ? "POST" : "GET",
    headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" },
    body: body ? JSON.stringify(body) : null,
  });
  return (await response.json()) as Record<string, unknown>;
}

export async function version(): Promise<number> {
  return (await get("/health")).version as number;
}

/** Wait until something holds, looking again and again, for at most a minute. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > end) {
      throw new Error(`a minute passed, and not: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
