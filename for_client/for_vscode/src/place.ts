/** Where the server is, and the token that opens it. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Trouble } from "./errors";

export const DEFAULT_URL = "http://127.0.0.1:3000";

type Environment = Readonly<Record<string, string | undefined>>;

/** The setting, else OUROBOROS_URL, else the default; without a slash at its end. */
export function findUrl(setting: string, environment: Environment): string {
  const found = setting.trim() || environment.OUROBOROS_URL || DEFAULT_URL;
  const protocol = URL.canParse(found) ? new URL(found).protocol : "";
  if (protocol !== "http:" && protocol !== "https:") {
    throw new Trouble("“{0}” is no address of a server; one looks like {1}", found, DEFAULT_URL);
  }
  return found.replace(/\/+$/, "");
}

export function isLoopback(url: string): boolean {
  const host = new URL(url).hostname;
  return host === "localhost" || host === "[::1]" || /^127(\.\d+){3}$/.test(host);
}

/**
 * The stored token, else OUROBOROS_TOKEN, else the file OUROBOROS_TOKEN_FILE, else data/token in a folder that is open,
 * else none: a server may need none. A token that lies in an open folder goes to this machine only.
 */
export async function findToken(
  stored: string | undefined, environment: Environment, url: string, folders: readonly string[],
): Promise<string | undefined> {
  if (stored ?? environment.OUROBOROS_TOKEN) {
    return stored ?? environment.OUROBOROS_TOKEN;
  }
  const named = environment.OUROBOROS_TOKEN_FILE;
  if (named) {
    try {
      return (await readFile(named, "utf8")).trim();
    } catch (error) {
      throw new Trouble("OUROBOROS_TOKEN_FILE: {0} cannot be read: {1}", named, (error as Error).message);
    }
  }
  for (const folder of isLoopback(url) ? folders : []) {
    const token = await readFile(join(folder, "data", "token"), "utf8").catch(() => "");
    if (token.trim()) {
      return token.trim();
    }
  }
  return undefined;
}
