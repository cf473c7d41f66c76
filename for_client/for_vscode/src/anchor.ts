/** A place in a text that others edit as well: where the next piece of an answer goes. Offsets count UTF-16 units, as the editor's do. */
export class Anchor {
  constructor(public offset: number) {}

  /** Something else was replaced: `removed` units from `at` on by `inserted`. */
  moved(at: number, removed: number, inserted: number): void {
    if (at + removed <= this.offset && !(removed === 0 && at === this.offset)) {
      this.offset += inserted - removed;
    } else if (at < this.offset) {
      this.offset = at + inserted;
    }
  }
}
