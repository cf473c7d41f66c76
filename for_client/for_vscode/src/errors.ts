/** What a person is told went wrong: a sentence with {0}, {1} for its values, so that the editor can say it in another language. */

export type Translate = (sentence: string, ...values: (string | number)[]) => string;

/** The sentence with its values put in: what vscode.l10n.t does where there is no translation. */
export const plain: Translate = (sentence, ...values) =>
  sentence.replace(/\{(\d+)\}/g, (whole, index: string) => String(values[Number(index)] ?? whole));

/** The user did something that cannot be done, or the server is not to be had. */
export class Trouble extends Error {
  readonly values: (string | number)[];

  constructor(readonly sentence: string, ...values: (string | number)[]) {
    super(plain(sentence, ...values));
    this.values = values;
  }
}

/** The server refused; its own sentence says why. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly param: string | null,
    /** Seconds after which another try may go through. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** The request was ended by the one who asked. */
export class Stopped extends Error {}

/** An error in one sentence of the user's language. */
export function explain(error: unknown, t: Translate): string {
  if (error instanceof Trouble) {
    return t(error.sentence, ...error.values);
  }
  if (error instanceof Refused && error.status === 401) {
    return t("The server does not take the token: set it with the command “Set Token”.");
  }
  return error instanceof Error ? error.message : String(error);
}
