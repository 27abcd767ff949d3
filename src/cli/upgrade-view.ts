/** An upgrade for people: a line when a step begins, one for what came of it, and what runs at the end. */
import type { UpgradeEvent } from '../job/upgrade.js';
import type { Step } from '../job/upgrade-plan.js';
import type { UpgradeReport } from '../job/upgrade-report.js';
import type { Printer } from './printer.js';
import { progressText } from './saving-text.js';

/** What each step does to the job. */
const DOING: Readonly<Record<Step, string>> = {
  check: 'looking whether the new version takes the state',
  prove: 'looking whether the old version would start again',
  stop: 'stopping the old version with a savepoint',
  restore: 'restoring the new version',
  start: 'starting the new version',
  await: 'waiting for its first checkpoint',
  fence: 'giving the new version up',
  'end-new': 'ending the new version',
  'restore-old': 'restoring the old version',
  'start-old': 'starting the old version',
};

export class UpgradeView {
  readonly #printer: Printer;
  readonly #job: string;
  #doing = '';

  constructor(printer: Printer, job: string) {
    this.#printer = printer;
    this.#job = job;
  }

  event(event: UpgradeEvent): void {
    switch (event.type) {
      case 'begin':
        this.#doing = DOING[event.step];
        this.#printer.live(`${this.#doing} …`);
        return;
      case 'saving':
        this.#printer.live(`${this.#doing}: ${progressText(event.saving ?? {})}`);
        return;
      case 'end':
        this.#printer.note(event.ok ? event.message : `failed: ${DOING[event.step]}: ${event.message}`);
        if (event.step === 'stop' && event.ok)
          this.#printer.note(`if this is killed from here on: tidemark upgrade ${this.#job} --recover`);
    }
  }

  /** What there is to say of an upgrade; anything else ends with an error that says it. */
  tell({ outcome, job, savepoint }: UpgradeReport): void {
    if (outcome !== 'upgraded' || job === null) return;
    const from = savepoint === null ? '' : `; the old one's savepoint stays in ${savepoint.path}`;
    this.#printer.note(`${job.name} is upgraded: job ${job.id} is ${job.state}${from}`);
  }

  stop(): void {
    this.#printer.live(undefined);
  }
}
