/** A job of `jobs/in-turns.ts`: filled when it has started, and idle but for its turns. */
import { BroadcastChannel } from 'node:worker_threads';
import type { SettingsFlags } from '../../src/graph/resolve-settings.js';
import type { Turn, TurnTaken } from './jobs/turn.js';
import { MeasuredJob } from './measured-job.js';

let made = 0;

export interface InTurnsOptions {
  readonly keys: number;
  /** `number`, `object`, or how many characters long a text. */
  readonly value: string;
  readonly flags: SettingsFlags;
}

export class JobInTurns {
  readonly job: MeasuredJob;
  readonly #channel: BroadcastChannel;
  #taken: (taken: TurnTaken) => void = () => undefined;

  private constructor({ keys, value, flags }: InTurnsOptions) {
    const channel = `tidemark-bench-${process.pid}-${made++}`;
    this.#channel = new BroadcastChannel(channel);
    this.#channel.onmessage = (event: unknown) => this.#taken((event as { readonly data: TurnTaken }).data);
    this.job = new MeasuredJob({
      definition: 'in-turns.ts',
      params: { keys: String(keys), value, channel },
      flags,
    });
  }

  /** All keys are in its state. */
  static async start(options: InTurnsOptions): Promise<JobInTurns> {
    const job = new JobInTurns(options);
    const filled = job.#answer();
    try {
      await job.job.start();
      await Promise.race([filled, job.job.lasting()]);
      return job;
    } catch (error) {
      await job.remove();
      throw error;
    }
  }

  /** After `job.suspend`: milliseconds until its first step; it has made its input when this resolves. */
  async resume(): Promise<number> {
    const ready = this.#answer();
    const ms = await this.job.start();
    await Promise.race([ready, this.job.lasting()]);
    return ms;
  }

  async turn(turn: Turn): Promise<TurnTaken> {
    const taken = this.#answer();
    this.#channel.postMessage(turn);
    return Promise.race([taken, this.job.lasting()]);
  }

  async remove(): Promise<void> {
    await this.job.suspend().catch(() => undefined);
    this.#channel.close();
    this.job.remove();
  }

  #answer(): Promise<TurnTaken> {
    return new Promise((resolve) => {
      this.#taken = resolve;
    });
  }
}
