/** What happens on the server, for as long as anybody wants to know: a connection that broke is made again. */

import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "./client";
import type { Happening } from "./wire";

/** Milliseconds from a lost connection to the next try, growing. */
const PAUSES = [500, 2000, 5000, 15_000];

/** Ends when `signal` is aborted. `connect` gives the client for each try: address and token may have changed. */
export async function follow(
  connect: () => Promise<Client>, onEvent: (event: Happening) => void, onLost: (error: unknown) => void, signal: AbortSignal, pauses: readonly number[] = PAUSES,
): Promise<void> {
  for (let failed = 0; !signal.aborted; failed += 1) {
    try {
      for await (const event of (await connect()).events(signal)) {
        failed = 0;
        onEvent(event);
      }
      onLost(undefined);
    } catch (error) {
      if (!isAborted(signal)) {
        onLost(error);
      }
    }
    const pause = pauses[Math.min(failed, pauses.length - 1)] ?? 0;
    await delay(pause, undefined, { signal }).catch(() => undefined);
  }
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
