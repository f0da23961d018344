/** Tasks: define, enqueue, work. Also as `spindle-mq/tasks`, for modules that only define. */
export { exponential, fixed, type Jitter, linear } from './backoff.ts'
export { celeryTask } from './celery/celery-task.ts'
export type {
  CeleryCall,
  CeleryCallOptions,
  CeleryPolicy,
  CeleryTask,
  CeleryTaskOptions,
  CeleryTransport,
} from './celery/types.ts'
export { batchTask, isTask, task } from './define.ts'
export { chain, chainOf, chord, each, fanOut, group, next, step } from './flows/build.ts'
export type { FailurePolicy, Flow, FlowContext } from './flows/flow.ts'
export type { FlowRun, FlowStatus, GroupOptions, Settled, StepOptions } from './flows/types.ts'
export type { BreakerPolicy, PauseTarget, TaskLimits, TaskRate } from './limits/types.ts'
export type {
  Missed,
  Overlap,
  QueueScheduleOptions,
  Schedule,
  ScheduleView,
  TaskScheduleOptions,
  When,
  WhenView,
} from './schedules/types.ts'
export { Discard, type Interruption, PermanentFailure, Snooze, TaskInterrupted } from './task-error.ts'
export type {
  AnyTask,
  Backoff,
  BatchItem,
  BatchPolicy,
  BatchResults,
  EnqueueOptions,
  Job,
  JobView,
  LogLine,
  QueueOrder,
  RetryDecision,
  RetryPolicy,
  RunningTask,
  TaskContext,
  TaskDefinition,
  TaskEnd,
  TaskError,
  TaskOptions,
  TaskStatus,
  Worker,
  WorkOptions,
} from './types.ts'
export { type InputIssue, InvalidInputError } from './validation.ts'
