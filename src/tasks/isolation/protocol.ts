/** What goes between a worker and the thread or process that runs one of its handlers. Plain data both ways. */
import type { HeaderValue } from '../../model/content.ts'
import type { MessageId } from '../../model/message.ts'
import type { Control, Interruption } from '../task-error.ts'
import type { EnqueueOptions, TaskError } from '../types.ts'

/** Handed over at the start. */
export interface IsolateData {
  /** Paths of the modules that export the tasks. */
  readonly files: readonly string[]
}

export type ToIsolate =
  | {
      readonly kind: 'run'
      readonly task: string
      readonly id: MessageId
      readonly attempt: number
      readonly headers: Readonly<Record<string, HeaderValue>>
      /** As it was sent: the isolate validates it again, because what a schema makes of it may have no plain form. */
      readonly input: unknown
    }
  | { readonly kind: 'abort'; readonly why: Interruption }

export type FromIsolate =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly fraction: number; readonly dataJson: string | undefined }
  | { readonly kind: 'log'; readonly message: string }
  | { readonly kind: 'enqueue'; readonly followUp: IsolatedFollowUp }
  | { readonly kind: 'returned'; readonly json: string | undefined }
  | { readonly kind: 'thrown'; readonly error: TaskError; readonly control: Control | undefined }

export interface IsolatedFollowUp {
  readonly task: string
  /** The plain fields of its definition, by which its queue is declared where the worker does not know the task. */
  readonly options: Readonly<Record<string, unknown>>
  readonly input: unknown
  readonly enqueue: EnqueueOptions | undefined
}
