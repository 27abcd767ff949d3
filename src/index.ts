/// <reference types="node" preserve="true" />
/**
 * What a definition imports from `tidemark`. The only barrel: rooms import each other's files.
 *
 *     defineJob · param · state · type · key · schema · codec                 what a job is
 *     windows · triggers · defineTrigger                                      windows of event time
 *     files · stdin · sqliteTable · kafkaSource · sequence · fromArray        sources
 *     fileSink · csv · sqliteSink · kafkaSink · httpSink · stdout · collect   sinks
 *     defineSource · defineSink                                               your own
 */
export type { ErrorCode } from './base/errors.js';
export { TidemarkError } from './base/errors.js';
export type { Codec, CodecFor, UntypedCodec } from './codec/codec.js';
export { codec } from './codec/codecs.js';
export type { CodecDefinition } from './codec/define-codec.js';
export type { Key } from './codec/key.js';
export { type KeyType, key } from './codec/keys.js';
export { type Schema, type StandardSchema, schema } from './codec/schema.js';
export { collect } from './connectors/collect.js';
export { type CsvFormat, csv } from './connectors/csv-format.js';
export { type FileSinkOptions, fileSink } from './connectors/file-sink.js';
export { files } from './connectors/files.js';
export { fromArray } from './connectors/from-array.js';
export { type HttpHeaders, type HttpSinkOptions, httpSink } from './connectors/http-sink.js';
export { type KafkaSinkOptions, kafkaSink } from './connectors/kafka-sink.js';
export {
  type KafkaClientOptions,
  type KafkaHeader,
  type KafkaMessage,
  type KafkaSasl,
  kafkaSource,
} from './connectors/kafka-source.js';
export { sequence } from './connectors/sequence.js';
export {
  type ColumnType,
  type SqlCell,
  type SqlColumnsOf,
  type SqliteSinkOptions,
  type SqliteTransaction,
  type SqlRow,
  sqliteSink,
} from './connectors/sqlite-sink.js';
export { type SqlitePosition, sqliteTable } from './connectors/sqlite-table.js';
export { stdin } from './connectors/stdin.js';
export { stdout } from './connectors/stdout.js';
export type { AsyncContext, AsyncMapOptions, RetryOptions } from './graph/async-map.js';
export type { UidOptions } from './graph/builder.js';
export type { ConnectedStream } from './graph/connected.js';
export {
  type BroadcastOptions,
  type InitialOptions,
  type MapOptions,
  type Reduce,
  type SharedStateOptions,
  type StateOptions,
  state,
} from './graph/declare-state.js';
export { defineJob, type JobBuilder, type JobOptions } from './graph/define.js';
export {
  defineSink,
  type PlainSinkDefinition,
  type TransactionalSinkDefinition,
} from './graph/define-sink.js';
export { defineSource, type SourceDefinition } from './graph/define-source.js';
export type { Definition } from './graph/definition.js';
export type { IntervalJoin, JoinContext, JoinType, Partner, WindowJoin } from './graph/join.js';
export type { BroadcastConnectedStream, KeyedStream } from './graph/keyed-stream.js';
export type {
  OperatorState,
  OperatorStateDeclaration,
} from './graph/operator-state.js';
export { type ParamDeclaration, type ParamValues, param } from './graph/param.js';
export type {
  BroadcastContext,
  BroadcastDeclaration,
  BroadcastProcessSpec,
  BroadcastState,
  ConnectedProcessSpec,
  OpenContext,
  ProcessContext,
  ProcessSpec,
  ReadonlyBroadcastState,
  Timer,
  TimerTime,
} from './graph/process.js';
export type { TtlOption } from './graph/read-declaration.js';
export type { SettingsDeclaration } from './graph/settings.js';
export type {
  SinkCommitter,
  SinkContext,
  SinkSpec,
  SinkWriter,
  Transaction,
  TransactionId,
  WriterContext,
} from './graph/sink.js';
export type { Batch, ReadRequest, SourceContext, SourceSpec, Split } from './graph/source.js';
export type {
  AggregatingState,
  DeepReadonly,
  ListState,
  MapState,
  NumberState,
  ReducingState,
  StateDeclaration,
  Ttl,
  ValueState,
} from './graph/state.js';
export type {
  BroadcastStream,
  JoinStream,
  ProcessStream,
  SideStreams,
  Sink,
  Stream,
  TimestampOptions,
  WindowStream,
} from './graph/stream.js';
export { defineTrigger, type TriggerDefinition, triggers } from './graph/triggers.js';
export { type TypeTag, type } from './graph/type.js';
export type {
  Aggregate,
  AggregateWindow,
  AnyTrigger,
  ApplyWindow,
  PaneContext,
  ReduceWindow,
  TimeWindow,
  TriggerResult,
  WindowAggregate,
  WindowAssigner,
  WindowOf,
} from './graph/window.js';
export { type OffsetOptions, windows } from './graph/windows.js';
