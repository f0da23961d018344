import type { Core } from './core.ts'
import type { Idle } from './due.ts'
import type { Receipts } from './receipts.ts'

/** What the ops of a unit work with. */
export interface UnitTools {
  readonly core: Core
  readonly receipts: Receipts
  readonly idle: Idle
}
