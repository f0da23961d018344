/** Workflows as values and as they are stored. It knows no task definition: those know it, through their context. */
import type { HeaderValue } from '../../model/content.ts'

/**
 * A workflow, or a part of one, as a value: nothing runs before `spindle.start`. `Output` is what it comes to; `Input` is what
 * the part before it must come to (`unknown`: it has its own).
 */
export interface Flow<Output, Input = unknown> {
  readonly node: FlowNode
  readonly tasks: ReadonlyMap<string, FlowTask>
  /** Inputs to validate before it starts. */
  readonly inputs: readonly { readonly task: FlowTask; readonly input: unknown }[]
  /** Types only. */
  readonly types?: { readonly output: Output; readonly input: (input: Input) => void }
}

/** A task definition, to those who know what that is. */
export interface FlowTask {
  readonly name: string
  readonly options: object
}

/**
 * - `failFast` (default): the first failure fails the group; what has not begun does not begin, what runs is told by `ctx.signal`
 * - `waitAll`: the others come to their end first, then the group fails
 * - `continue`: failures are results like others: the group comes to a list of `Settled`
 */
export type FailurePolicy = 'failFast' | 'waitAll' | 'continue'

/** As it is stored: JSON. */
export type FlowNode =
  | StepNode
  | { readonly kind: 'chain'; readonly nodes: readonly FlowNode[] }
  | {
      readonly kind: 'group'
      readonly nodes: readonly FlowNode[]
      readonly failure: FailurePolicy
      readonly concurrency: number
    }
  /** A group of one step for each element of what it gets. */
  | {
      readonly kind: 'each'
      readonly step: StepNode
      readonly failure: FailurePolicy
      readonly concurrency: number
    }

export interface StepNode {
  readonly kind: 'step'
  readonly task: string
  readonly queue: string
  /** With `own`: its input, whatever comes before it. */
  readonly own: boolean
  readonly input?: unknown
  readonly priority?: number
  readonly group?: string
  readonly delayMs?: number
  readonly headers?: Readonly<Record<string, HeaderValue>>
}

/** What a handler that is a step sees of its workflow. */
export interface FlowContext {
  readonly id: string
  /** Its place: names of the parts around it, from the outside in. */
  readonly path: string
  /**
   * Adds children to the innermost group around this step, committed together with its success. They begin at once, and their
   * results follow those of the first children. Throws `invalid-argument` where no group is around it.
   */
  add(child: Flow<unknown, unknown>): void
}
