import type { RunnerEvent } from './events.js';

/** What the job's log says of an event; `origin` is the archive that the job was restored from. */
export function logLine(event: RunnerEvent, origin: string | undefined): string | undefined {
  switch (event.type) {
    case 'attempt':
      return `attempt ${event.epoch}`;
    case 'running':
      if (event.fromCheckpoint !== undefined) return `running from checkpoint ${event.fromCheckpoint}`;
      return `running from ${origin ?? 'the start'}`;
    case 'state':
      return `state ${event.state}`;
    case 'checkpoint':
      return `checkpoint ${event.id}: ${event.bytes} bytes in ${event.durationMs} ms`;
    case 'checkpoint-failed':
      return `checkpoint ${event.id} failed: ${event.error.message}`;
    case 'merge':
      return `merged ${event.runs} segments: ${event.bytesRead} bytes into ${event.bytesWritten} in ${event.durationMs} ms`;
    case 'failure': {
      const { error, restartInMs } = event;
      const next = restartInMs === null ? 'no restart' : `restart in ${restartInMs} ms`;
      const at = error.at === undefined ? '' : `\n  at ${error.at}`;
      return `failed (${next}): ${error.code}: ${error.message}${at}${error.stack === undefined ? '' : `\n${error.stack}`}`;
    }
    case 'log':
      return event.text;
  }
}
