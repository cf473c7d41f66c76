/** A server in front of the real one that breaks connections on purpose. */

import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { URL_ } from "./server";

/** What to do with one request: pass it on, refuse it, drop it unseen, or pass it on and break the answer after so many bytes. */
export type Fate = "pass" | "busy" | "drop" | { readonly breakAfter: number };

export class Proxy {
  readonly bodies: string[] = [];
  private readonly server = createServer((asked, answer) => { void this.handle(asked, answer); });

  /** `fates` are those of the requests in turn; any later one is passed. */
  constructor(private readonly fates: Fate[]) {}

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${String((this.server.address() as AddressInfo).port)}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of asked) {
      chunks.push(chunk as Buffer);
    }
    this.bodies.push(Buffer.concat(chunks).toString());
    const fate = this.fates.shift() ?? "pass";
    if (fate === "busy") {
      answer.writeHead(503, { "Retry-After": "0", "Content-Type": "application/json" }).end('{"error": {"message": "the queue is full", "param": null}}');
      return;
    }
    if (fate === "drop") {
      asked.socket.destroy();
      return;
    }
    const passed = request(URL_ + (asked.url ?? ""), { method: asked.method, headers: { ...asked.headers, host: new URL(URL_).host } }, (came) => {
      answer.writeHead(came.statusCode ?? 502, came.headers);
      let seen = 0;
      came.on("data", (chunk: Buffer) => {
        seen += chunk.length;
        if (typeof fate === "object" && seen > fate.breakAfter) {
          // The real server gets to the end; only the one who asked does not hear of it.
          asked.socket.destroy();
          return;
        }
        answer.write(chunk);
      });
      came.on("end", () => answer.end());
    });
    passed.end(Buffer.concat(chunks));
  }
}
