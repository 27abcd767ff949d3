/** What `tidemark help <topic>` explains besides commands. */
export const TOPICS: Readonly<Record<string, string>> = {
  'exit-codes': `Exit codes. Treat one that is not listed here as a failure.

    0  done
    1  internal error: a bug of tidemark's
    2  wrong usage
    3  the job failed
    4  not found: home, job, checkpoint, file, state, key
    5  conflict: name taken, job running or ended, home or target locked, file exists, target ahead of the snapshot
    6  incompatible: a check, a resume or a restore was refused, the format is newer, or a signature is missing
    7  corrupt: an archive, a segment, a bundle or the catalog
    8  no answer: the job's process cannot be reached, or a timeout
    9  compared, and they differ (diff --exit-code)
   10  the environment: disk full, permission, no socket, a native module is missing
   11  an upgrade was rolled back: the old version runs (3: neither does, 6: it runs, untouched)
  129  suspended by SIGHUP
  130  suspended by SIGINT (Ctrl-C)
  143  suspended by SIGTERM
  141  the reader of a foreground job's stdout has gone (| head); the job is lost, and can be resumed
`,
  json: `With --json, a command prints one JSON document on stdout, or JSON lines where rows keep coming
(status --watch, logs, inspect --state, diff --state). Fields are added, never renamed or removed. Times are
ISO 8601 text in UTC, durations milliseconds, sizes bytes; watermarks and timestamps are milliseconds
since 1970, null before there are any; at the end of event time a watermark is 2^63 in status, and "end" in inspect.
The provenance of an archive is shown as it stands there, its times in milliseconds since 1970.

  list                   [{id, name, state, endedBy, parallelism, startedAt, restarts,
                           lastCheckpoint: {id, completedAt, bytes} | null}]
  status                 the same, and pid, socket, definition, bundle, params, cwd, settings, error,
                         elements, rate, droppedTimers, saving: {phase, entries, bytes, held?} | null,
                         operators: [{uid, kind, operatorId, maxParallelism, keyType, delivery, subtasks: [
                                     {subtask, keyGroups, in, out, stateEntries, stateBytes, timers, watermark,
                                     lagMs, late, splits: [{id, position, state, read, timestamp}]}]}]
  checkpoints            [{id, state, kind, layout, mode, triggeredAt, durationMs, longestSliceMs,
                           bytes: {own, shared, total}, retainedBy}]
  checkpoint             one row of checkpoints; --with-savepoint: and savepoint, as savepoint prints it
  run -d, restore -d,
  resume                 {id, name, state}; resume --all: a list of them
  suspend, cancel, wait  {id, name, state}
  run, restore           the row of list, when the job has ended
  savepoint, stop        {path, kind, layout, digest, bytes, checkpointId}; with -o - on stderr, since the archive is
                         on stdout; savepoint --at: and at, the path of the archive to compare it with
  externalize, convert   {path, kind, layout, digest, bytes, checkpointId}; externalize -o - as savepoint
  externalize --dry-run  {job: {id, name}, checkpointId, layout, mode, backend, committed,
                         segments: [{name, bytes, sharedWith: [{job, checkpoint}]}], bytes: {own, shared, total}}
  snapshots              [{job: {id, name}, checkpointId, kind, layout, path, digest, bytes, takenAt, reason, file}];
                         file: there, changed, replaced, gone, stdout or unknown
  restore --dry-run      {snapshot: {path, digest, kind, layout, mode, backend, drained, job, checkpointId, entries,
                         bytes}, convert, definition, bundle, name, parallelism: {from, to}, maxParallelism,
                         states: [{name, operator, state, kind, entries, bytes, action, to, versions: {from, to} | null,
                                   codecs: {from, to} | null, proven, unproven, missing, message, advice}],
                         values: {looked, entries, states: [{name, kind, looked, entries, refused,
                                  shown: [{keyGroup, key, mapKey?, path, reason}]}], splits: [{source, split, code, reason}]},
                         sinks: [{uid, target, mode, ahead}], params, cwd, settings, refusal: {code, message, hint} | null}
                         action: kept, unproven, moved, migrated, new, dropped or impossible
  check                  {ok}, the same as restore --dry-run but for cwd, and trial: {splits: [{source, id, read, failed}],
                         elements, emitted, errors: [{code, message, operator?, element?}], ended, durationMs} | null;
                         ended: limit, quiet, time or failed; snapshot.digest is empty for a checkpoint of a job
  inspect                {archive: {path, bytes, formatVersion, kind, layout, mode, digest, drained,
                                    signedBy},
                         capabilities: {rescale, changeGraph, changeBackend, fork},
                         job: {id, name, checkpointId, parallelism}, provenance,
                         operators: [{uid, operatorId, maxParallelism, keyType, watermark,
                                      states: [{name, kind, codec, version, entries, bytes}],
                                      splits: [{id, position, done, timestamp}], splitCount}], totals: {entries, bytes}}
  inspect --state        {operator, state, keyGroup, key, namespace, value, mapKey?, expires?} for each entry;
                         namespace: {window: [start, end]}, "global" or null; mapKey of a timer: its time;
                         expires: when, in milliseconds; key of state of sinks and sources: [subtask, place]
  upgrade                {outcome, job: {id, name, state} | null, old: {id, name}, new: {id, name} | null,
                         savepoint: {path, digest, checkpointId} | null, steps: [{step, ok, message, durationMs}],
                         error: {code, message, hint} | null}; outcome: upgraded, refused, rolled-back or stranded;
                         job: what runs now; step: check, prove, stop, restore, start, await, fence, end-new,
                         restore-old or start-old
  verify                 {ok, findings: [{code, member, offset, message}], signedBy?}
  diff                   {equal, operators: [{uid, states: [{name, added, removed, changed}]}]}
  diff --state           {change, operator, state, keyGroup, key, namespace, before, after, mapKey?} for each entry
  rewrite                {path, kind, layout, digest, bytes, checkpointId, parentDigest, reason, dryRun,
                         operators: [{uid, from, maxParallelism: {from, to}}],
                         states: [{name, from, kind, before, after, removed, changed, added, moved}],
                         entries: {before, after}}; uid and name are null of what is dropped; path, digest and bytes
                         are null with --dry-run
  export                 inspect --state's lines of all states, or of those that are named; kind beside them where a
                         state and a timer share a name. To a file: {path, format, entries, states: [uid.name]}
  import                 {path, kind, layout, digest, bytes, checkpointId, parentDigest, reason, entries,
                         states: [{name, kind, rows, expired, before, after}]}; expired: rows that had by then
  plan                   {name, definition, bundle, inputs, external, params: [{name, kind}], settings, replayable,
                         nodes: [{id, kind, name, inputs, uid?, operatorId?, keyType?, timers?, sides?, side?, source?,
                                  broadcast?, time?: {outOfOrderness, idle, inTurn},
                                  window?: {assign, lateness, trigger, function, slice?},
                                  states?: [{name, kind, codec, version, formerly, ttl?: {after, refresh}}],
                                  sink?: {kind, describe, delivery, target}}]}
  pin                    {job: {id, name}, checkpointId, pinned}
  pin, without a job     [{job: {id, name}, checkpointId, by, reason, until}]
  prune                  {dryRun, removed: {checkpoints, segments, unfinished, bundles, leases, pins, bytes},
                         checkpoints: [{job: {id, name}, checkpointId, action, why, text, completedAt,
                                        bytes: {own, shared, total}}],
                         segments: [{name, bytes, action, why, references: [job@checkpoint]}],
                         unfinished: [{path, bytes}], bundles: [{hash, path, bytes}], busy: [name]}
                         action: keep or drop; why: running, pinned, resume, policy, yours or named; of a segment:
                         checkpoints, lease or leaked; what --dry-run would remove is in removed, too
  doctor                 {ok, home, versions: {tidemark, node, sqlite}, disk: {freeBytes, totalBytes},
                         segments: {count, bytes}, jobs: [{id, name, state, checkpoints, retainedBytes}],
                         findings: [{code, severity, what, hint}]}; severity: error, warning or info
  logs                   {line} for each line

Keys and values that JSON lacks are objects of one property, which --key reads as well: {"$bigint":"5"},
{"$number":"NaN"} (Infinity, -Infinity, -0), {"$undefined":true}, {"$date":"2026-01-01T00:00:00.000Z"},
{"$map":[[key,value]]}, {"$set":[element]}, {"$bytes":"base64"}, {"$binary":["Float64Array","base64"]};
{"$object":{…}} is an object whose own first property begins with $.

When a command fails, the last line of stderr is {"type":"error","code","message","hint"}.
The sizes of a checkpoint: own is what it alone holds, shared what it has in common with others, total their
sum; lastCheckpoint.bytes is the total.
`,
  environment: `Variables that tidemark reads:

  TIDEMARK_HOME   the home, when --home is not given; else the nearest .tidemark upwards
  TIDEMARK_DEBUG  1: errors come with their stack
  NO_COLOR        no colours
  XDG_RUNTIME_DIR where control sockets of deep homes lie

Secrets of a definition (param.secret) come from the variables that it names, each time the job starts.
`,
};
