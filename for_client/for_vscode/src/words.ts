/** What the status bar and the messages say. */

import type { Translate } from "./errors";
import type { Happening, LossWords, Taught } from "./wire";

export interface Status {
  readonly online: boolean;
  readonly model: string;
  readonly version: number;
  /** Of the last lesson or its last step; null before the first. */
  readonly loss: number | null;
  readonly step: { readonly step: number; readonly steps: number } | null;
}

export const OFFLINE: Status = { online: false, model: "", version: 0, loss: null, step: null };

/** The status after an event. */
export function after(status: Status, event: Happening): Status {
  switch (event.event) {
    case "open":
      return { ...status, online: true, model: event.model, version: event.version, step: null };
    case "step":
      return { ...status, loss: event.loss, step: { step: event.step, steps: event.steps } };
    case "lesson":
      return { ...status, version: event.version, loss: event.loss_after, step: null };
    case "refused":
      return { ...status, step: null };
    default:
      return "version" in event && typeof event.version === "number" ? { ...status, version: event.version, step: null } : status;
  }
}

export function statusText(status: Status, t: Translate): string {
  if (!status.online) {
    return `$(debug-disconnect) ${t("Ouroboros: no server")}`;
  }
  const version = t("version {0}", status.version);
  const loss = status.loss === null ? "" : ` · ${t("loss {0}", number(status.loss))}`;
  const step = status.step ? ` (${String(status.step.step)}/${String(status.step.steps)})` : "";
  return `${status.step ? "$(sync~spin)" : "$(mortar-board)"} ${version}${loss}${step}`;
}

/** What came of a lesson, in one sentence. */
export function taughtText(taught: Taught, language: string, t: Translate): string {
  if (!taught.learned) {
    return t("Nothing was learned: {0}", taught.reason ?? "");
  }
  return t("Version {0}. {1}", taught.version, lossText(taught, language, t));
}

/** The loss before and after: in the server's words where it speaks the language. */
export function lossText(
  { words, loss_before, loss_after }: { words?: LossWords | null; loss_before: number | null; loss_after: number | null }, language: string, t: Translate,
): string {
  const spoken = words?.[language.toLowerCase().startsWith("zh") ? "zh" : "en"];
  return spoken ?? t("The loss went from {0} to {1}.", number(loss_before), number(loss_after));
}

export function number(loss: number | null): string {
  return loss === null ? "–" : loss.toFixed(2);
}
