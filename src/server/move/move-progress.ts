/**
 * How far a move has come: a record in the destination, written in the unit of each batch, so that a move that was killed goes on
 * just behind what it stored.
 */
import type { Port, RecordStep } from '../../broker/port.ts'

export const MOVE_KEY = 'spindle/move'

/** What of a queue is copied, in this order. Dead and kept ones first, while its policy holds the dead. */
export type Stage = 'dead' | 'done' | 'waiting'
export const STAGES: readonly Stage[] = ['dead', 'done', 'waiting']

/** Of a message in its queue: (priority descending, sequence ascending). */
export interface Place {
  readonly priority: number
  readonly sequence: number
}

export type MoveProgress =
  | {
      readonly kind: 'copying'
      /** What comes before them, by name, is copied. */
      readonly queue: string
      readonly stage: Stage
      /** The latest batch: behind `from` (null: from the start), up to `to`. Whether its states are restored is not known. */
      readonly from: Place | null
      readonly to: Place | null
      /** Messages so far. */
      readonly moved: number
    }
  /** All is there. The source is being emptied. */
  | { readonly kind: 'emptying'; readonly moved: number }
  | { readonly kind: 'moved'; readonly moved: number }

export async function readProgress(port: Port): Promise<MoveProgress | undefined> {
  const record = await port.read(MOVE_KEY)
  return record && (JSON.parse(new TextDecoder().decode(record.value)) as MoveProgress) // written below
}

export function progressStep(progress: MoveProgress): { readonly kind: 'record' } & RecordStep {
  return { kind: 'record', key: MOVE_KEY, value: new TextEncoder().encode(JSON.stringify(progress)) }
}

/** Negative: `a` is served before `b`. */
export function comparePlaces(a: Place, b: Place): number {
  return b.priority - a.priority || a.sequence - b.sequence
}
