/** The server's HTTP API. A lesson carries a key, so that no retry teaches twice; closing a request stops the model. */

import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Refused, Stopped, Trouble } from "./errors";
import { readEvents } from "./sse";
import type { Answer, Back, Happening, Health, Lesson, Message, Options, Step, Taught, Undone } from "./wire";

export interface Place {
  readonly url: string;
  readonly token: string | undefined;
}

/** One lesson: a conversation or a text, with options of /train. */
export interface Teaching {
  readonly messages?: readonly Message[];
  readonly lessons?: readonly { readonly messages: readonly Message[] }[];
  readonly text?: string;
  readonly options?: Options;
}

/** Milliseconds before the second, third … try of a request that may be repeated. */
const PAUSES = [200, 1000, 3000];

interface Call {
  readonly method?: "GET" | "POST";
  readonly body?: object;
  readonly signal?: AbortSignal | undefined;
}

export class Client {
  /** Keys of lessons whose end is not known: teaching the same again goes on with the same key. */
  private readonly unsettled = new Map<string, string>();

  constructor(
    readonly place: Place,
    private readonly pauses: readonly number[] = PAUSES,
  ) {}

  health(signal?: AbortSignal): Promise<Health> {
    return this.repeat(() => this.json<Health>("/health", { signal }), signal);
  }

  /** Answer messages; `onPiece` gets the text as it grows. Ends with Stopped when `signal` is aborted, and so does the model. */
  async ask(messages: readonly Message[], options: Options, onPiece: (piece: string) => void, signal?: AbortSignal): Promise<Answer> {
    let begun = false;
    const once = (): Promise<Answer> =>
      this.stream<Answer>("/infer", { ...options, messages, stream: true }, signal, (event) => {
        if (typeof event.text === "string") {
          begun = true;
          onPiece(event.text);
        }
      });
    return this.repeat(once, signal, () => !begun);
  }

  /** Teach one lesson. However often the connection breaks, it is learned once. */
  async teach(teaching: Teaching, onStep: (step: Step) => void = () => undefined, signal?: AbortSignal): Promise<Taught> {
    const { options, ...what } = teaching;
    const body = { ...options, ...what, stream: true };
    const name = JSON.stringify(body);
    const idempotency_key = this.unsettled.get(name) ?? randomUUID();
    this.unsettled.set(name, idempotency_key);
    try {
      const once = (): Promise<Taught> =>
        this.stream<Taught>("/train", { ...body, idempotency_key }, signal, (event) => {
          if (typeof event.step === "number") {
            onStep(event as unknown as Step);
          }
        });
      const taught = await this.repeat(once, signal);
      this.unsettled.delete(name);
      return taught;
    } catch (error) {
      if (error instanceof Refused && error.status < 500) {
        this.unsettled.delete(name);
      }
      throw error;
    }
  }

  async lessons(limit: number, signal?: AbortSignal): Promise<readonly Lesson[]> {
    const path = `/lessons?limit=${String(limit)}`;
    return (await this.repeat(() => this.json<{ lessons: readonly Lesson[] }>(path, { signal }), signal)).lessons;
  }

  undo(lesson: string, signal?: AbortSignal): Promise<Undone> {
    return this.json(`/lessons/${encodeURIComponent(lesson)}/undo`, { method: "POST", body: {}, signal });
  }

  rollback(version: number, signal?: AbortSignal): Promise<Back> {
    return this.json("/rollback", { method: "POST", body: { version }, signal });
  }

  async countTokens(text: string, signal?: AbortSignal): Promise<number> {
    return (await this.json<{ count: number }>("/tokenize", { method: "POST", body: { prompt: text }, signal })).count;
  }

  /** What happens on the server, as it happens, until `signal` is aborted or the connection ends. */
  async *events(signal: AbortSignal): AsyncGenerator<Happening> {
    const response = await this.send("/events", { signal });
    try {
      for await (const event of readEvents(body(response))) {
        yield event as Happening;
      }
    } catch (error) {
      throw signal.aborted ? new Stopped("stopped") : new Trouble("The connection to {0} broke: {1}", this.place.url, reason(error));
    }
  }

  private async json<T>(path: string, call: Call): Promise<T> {
    const response = await this.send(path, call);
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw call.signal?.aborted ? new Stopped("stopped") : new Trouble("The connection to {0} broke: {1}", this.place.url, reason(error));
    }
  }

  /** The last value of a stream, the others going to `onEvent`. */
  private async stream<T>(path: string, given: object, signal: AbortSignal | undefined, onEvent: (event: Record<string, unknown>) => void): Promise<T> {
    const response = await this.send(path, { method: "POST", body: given, signal });
    let last: Record<string, unknown> | undefined;
    try {
      const events = readEvents(body(response));
      for (;;) {
        const next = await events.next();
        if (next.done) {
          if (next.value.whole && last) {
            return last as T;
          }
          break;
        }
        const event = next.value as Record<string, unknown>;
        if (event.error) {
          throw refusal(500, { error: event.error }, null);
        }
        if (last) {
          onEvent(last);
        }
        last = isPart(event) ? undefined : event;
        if (!last) {
          onEvent(event);
        }
      }
    } catch (error) {
      if (error instanceof Refused) {
        throw error;
      }
      throw signal?.aborted ? new Stopped("stopped") : new Trouble("The connection to {0} broke: {1}", this.place.url, reason(error));
    }
    throw new Trouble("The connection to {0} broke: {1}", this.place.url, "it ended too soon");
  }

  /** Send a request; the answer's head is there, its body not yet read. */
  private async send(path: string, { method = "GET", body, signal }: Call): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.place.url + path, {
        method,
        redirect: "error", // a token goes to the server that it is for, and nowhere else
        headers: {
          ...(this.place.token ? { Authorization: `Bearer ${this.place.token}` } : {}),
          ...(body ? { "Content-Type": "application/json" } : {}),
        },
        body: body ? JSON.stringify(body) : null,
        signal: signal ?? null,
      });
    } catch (error) {
      throw signal?.aborted ? new Stopped("stopped") : new Trouble("No server answers at {0}: {1}", this.place.url, reason(error));
    }
    if (!response.ok) {
      throw refusal(response.status, await response.json().catch(() => undefined), response.headers.get("retry-after"));
    }
    return response;
  }

  /** Try again where nothing was done or a repetition does no harm: after a lost connection, and after 503. */
  private async repeat<T>(once: () => Promise<T>, signal?: AbortSignal, may: () => boolean = () => true): Promise<T> {
    for (const pause of this.pauses) {
      try {
        return await once();
      } catch (error) {
        const busy = error instanceof Refused && error.status === 503;
        if (!may() || !(busy || error instanceof Trouble)) {
          throw error;
        }
        const wait = busy && error.retryAfter !== null ? Math.min(error.retryAfter * 1000, 10_000) : pause;
        await delay(wait, undefined, signal ? { signal } : undefined).catch(() => {
          throw new Stopped("stopped");
        });
      }
    }
    return once();
  }
}

/** A piece of an answer or a step of a lesson; anything else is the result. */
function isPart(event: Record<string, unknown>): boolean {
  return typeof event.step === "number" || (typeof event.text === "string" && !("finish_reason" in event));
}

function body(response: Response): AsyncIterable<Uint8Array> {
  if (!response.body) {
    throw new Error("the answer has no body");
  }
  return response.body;
}

/** The one sentence of an error body, or a word on the status where there is none. */
function refusal(status: number, given: unknown, retryAfter: string | null): Refused {
  const error = (given as { error?: { message?: unknown; param?: unknown } } | undefined)?.error;
  const message = typeof error?.message === "string" ? error.message : `HTTP ${String(status)}`;
  const seconds = Number(retryAfter);
  return new Refused(message, status, typeof error?.param === "string" ? error.param : null, retryAfter && seconds >= 0 ? seconds : null);
}

/** Why fetch failed: the reason stands in its cause. */
function reason(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (cause instanceof Error) {
    return cause.message || ("code" in cause ? String(cause.code) : cause.name);
  }
  return String(cause);
}
