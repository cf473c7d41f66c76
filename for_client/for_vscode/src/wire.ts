/** What goes to the server and comes back, as docs/api.md has it: only the fields that are used here. Losses are nats per trained token. */

export interface Message {
  readonly role: string;
  readonly text: string;
  readonly weight?: number;
  readonly no_loss?: boolean;
  readonly rejected?: string;
}

/** Fields of /infer or /train beside the messages, by their names there. */
export type Options = Readonly<Record<string, unknown>>;

export interface Health {
  readonly model: string;
  readonly family: string;
  readonly parameters: number;
  readonly version: number;
  readonly training: boolean;
}

export interface Answer {
  readonly text: string;
  readonly finish_reason: "stop" | "length" | "cancelled";
  readonly versions: readonly [number, number];
}

export interface Step {
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
}

/** What the server says of a loss, in the languages that it speaks. */
export interface LossWords {
  readonly en: string;
  readonly zh: string;
}

/** Another question whose answer was changed by a lesson. */
export interface Neighbour {
  readonly question: string;
  readonly before: string;
  readonly after: string;
}

/** What taught is to be taught to put the neighbours' old answers back: a body of /train. */
export interface Body {
  readonly lessons: readonly { readonly messages: readonly Message[] }[];
}

export interface Taught {
  readonly lesson: string;
  readonly version: number;
  readonly loss_before: number | null;
  readonly loss_after: number | null;
  readonly learned: boolean;
  readonly reason: string | null;
  readonly words?: LossWords | null;
  readonly checks: { readonly neighbours: readonly Neighbour[]; readonly put_back: Body | null } | null;
}

/** One line of GET /lessons. */
export interface Lesson {
  readonly lesson: string;
  /** Seconds since 1970. */
  readonly time: number;
  readonly version: number;
  readonly messages?: readonly Message[] | null;
  readonly text?: string | null;
  readonly loss_before: number | null;
  readonly loss_after: number | null;
  readonly in_weights: boolean;
  readonly words?: LossWords | null;
}

export interface Undone {
  readonly version: number;
  readonly relearned: number;
}

export interface Back {
  readonly version: number;
  readonly left: readonly string[];
}

/** One event of GET /events. */
export type Happening =
  | { readonly event: "open"; readonly model: string; readonly version: number }
  | ({ readonly event: "step" } & Step)
  | { readonly event: "lesson"; readonly version: number; readonly loss_after: number | null }
  | { readonly event: "refused"; readonly reason: string }
  | { readonly event: "rollback" | "undo"; readonly version: number }
  | { readonly event: "other" };
