/** What was opened from a definition: closed once it is retired and nobody uses it. */
export class HeldOpened<Opened> {
  readonly #opened: Opened;
  readonly #close: (opened: Opened) => void;
  #users = 0;
  #isRetired = false;

  constructor(opened: Opened, close: (opened: Opened) => void) {
    this.#opened = opened;
    this.#close = close;
  }

  async use<Result>(work: (opened: Opened) => Promise<Result>): Promise<Result> {
    this.#users += 1;
    try {
      return await work(this.#opened);
    } finally {
      this.#users -= 1;
      this.#closeWhenIdle();
    }
  }

  retire(): void {
    this.#isRetired = true;
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#isRetired && this.#users === 0) this.#close(this.#opened);
  }
}
