/** What is measured, how large and how long: the full run, and a quick one that only shows that everything runs. */
import type { BacklogCase } from './scenarios/backlog.ts'
import type { Pace, QueueCase } from './scenarios/queues.ts'
import type { TaskCase } from './scenarios/tasks.ts'
import type { Durability } from './store.ts'

export interface Plan {
  readonly queues: readonly QueueCase[]
  readonly queuePace: Pace
  readonly tasks: readonly TaskCase[]
  readonly taskPace: Pace
  /** The case of the promised throughput, and tasks' one. */
  readonly throughput: QueueCase
  readonly throughputTasks: TaskCase
  readonly throughputPace: Pace
  readonly backlog: Omit<BacklogCase, 'url'>
  readonly restarts: number
}

const durabilities: readonly Durability[] = ['durable', 'relaxed']

export const fullPlan: Plan = {
  queues: queueCases({ bodyBytes: [100, 1024], batch: [1, 10, 100], callers: [1, 64, 1000] }),
  queuePace: { warmUpMs: 300, runMs: 500, runs: 3 },
  tasks: taskCases({ bodyBytes: [100, 1024], callers: [1, 64, 1000] }),
  taskPace: { warmUpMs: 500, runMs: 1_000, runs: 3 },
  throughput: { bodyBytes: 100, batch: 1, callers: 1000, durability: 'durable' },
  throughputTasks: { bodyBytes: 100, callers: 1000, durability: 'durable' },
  throughputPace: { warmUpMs: 4_000, runMs: 3_000, runs: 3 },
  backlog: { messages: 1_000_000, bodyBytes: 100, steadyMs: 10_000 },
  restarts: 3,
}

export const quickPlan: Plan = {
  queues: queueCases({ bodyBytes: [100], batch: [1, 10], callers: [1, 64] }),
  queuePace: { warmUpMs: 10, runMs: 20, runs: 1 },
  tasks: taskCases({ bodyBytes: [100], callers: [64] }),
  taskPace: { warmUpMs: 10, runMs: 50, runs: 1 },
  throughput: { bodyBytes: 100, batch: 1, callers: 1000, durability: 'durable' },
  throughputTasks: { bodyBytes: 100, callers: 1000, durability: 'durable' },
  throughputPace: { warmUpMs: 20, runMs: 100, runs: 1 },
  backlog: { messages: 10_000, bodyBytes: 100, steadyMs: 100 },
  restarts: 1,
}

function queueCases(axes: { bodyBytes: number[]; batch: number[]; callers: number[] }): QueueCase[] {
  return axes.bodyBytes.flatMap((bodyBytes) =>
    axes.batch.flatMap((batch) =>
      axes.callers.flatMap((callers) => durabilities.map((durability) => ({ bodyBytes, batch, callers, durability }))),
    ),
  )
}

function taskCases(axes: { bodyBytes: number[]; callers: number[] }): TaskCase[] {
  return axes.bodyBytes.flatMap((bodyBytes) =>
    axes.callers.flatMap((callers) => durabilities.map((durability) => ({ bodyBytes, callers, durability }))),
  )
}
