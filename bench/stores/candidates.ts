import { journal } from './journal.ts'
import { lmdb } from './lmdb.ts'
import { spindle } from './spindle.ts'
import { sqlite } from './sqlite.ts'
import type { Candidate } from './store.ts'

export function candidates(build: string): Candidate[] {
  return [journal(true), journal(false), spindle(build), lmdb, sqlite]
}
