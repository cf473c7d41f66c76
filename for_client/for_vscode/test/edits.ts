import { linesOf, type Edit } from "../src/section";

/** The text after an edit, as an editor would make it. */
export function edited(text: string, { from, to, text: put }: Edit): string {
  const lines = linesOf(text);
  const offset = ([line, column]: readonly [number, number]): number => lines.slice(0, line).reduce((sum, each) => sum + each.length + 1, column);
  return text.slice(0, offset(from)) + put + text.slice(offset(to));
}
