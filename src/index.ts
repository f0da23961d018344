/** Spindle: what an application imports. */

export { type ExchangeKind, FAILED_TOPIC, type Filter, type HeadersMatch, type RedriveView } from './broker/port.ts'
export type {
  BindOptions,
  Exchange,
  ExchangeInput,
  Headers,
  HeaderValue,
  Message,
  PolicyInput,
  PublishOptions,
  Queue,
  ReceiveOptions,
  Redrive,
  RedriveOptions,
  SendOptions,
  Topic,
  Transaction,
} from './client/api.ts'
export type { QueueMeasure } from './engine/engine.ts'
export { type ErrorCode, errorCatalogue, SpindleError } from './model/errors.ts'
export { defaultLimits, type Limits } from './model/limits.ts'
export type {
  AppendOutcome,
  Death,
  ExtendOutcome,
  MessageId,
  MessageState,
  MessageView,
  Receipt,
  SettleOutcome,
} from './model/message.ts'
export { defaultPolicy, type QueuePolicy } from './model/policy.ts'
export { type OpenOptions, open } from './open.ts'
export { type OpenTelemetryApi, openTelemetry } from './runtime/open-telemetry.ts'
export type { Tracing } from './runtime/tracing.ts'
export { defineConfig, type SpindleConfig } from './server/config.ts'
export type { Spindle } from './spindle.ts'
export * from './tasks/index.ts'
