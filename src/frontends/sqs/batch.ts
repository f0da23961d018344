/** What the three batch actions share: checks of the entries, and an outcome for each. */
import { AwsError } from '../../wire/aws/error.ts'
import type { Params } from '../../wire/aws/shape.ts'
import { batchError, faultError, missingParameter } from './errors.ts'
import { BATCH_ENTRIES_MAX } from './limits.ts'

const ENTRY_ID = /^[A-Za-z0-9_-]{1,80}$/

/** Throws what refuses the batch as a whole. `entryName`: for the message about an entry without id. */
export function batchEntries(params: Params, entryName: string): readonly Params[] {
  const entries = (params['Entries'] ?? []) as readonly Params[]
  if (entries.length === 0) {
    throw batchError('EmptyBatchRequest', `There should be at least one ${entryName} in the request.`)
  }
  if (entries.length > BATCH_ENTRIES_MAX) {
    const message = `Maximum number of entries per request are ${BATCH_ENTRIES_MAX}. You have sent ${entries.length}.`
    throw batchError('TooManyEntriesInBatchRequest', message)
  }
  const ids = new Set<string>()
  entries.forEach((entry, index) => {
    const id = entry['Id'] as string | undefined
    if (id === undefined || id === '') throw missingParameter(`${entryName}.${index + 1}.Id`)
    if (!ENTRY_ID.test(id)) throw batchError('InvalidBatchEntryId')
    if (ids.has(id)) throw batchError('BatchEntryIdsNotDistinct', `Id ${id} repeated.`)
    ids.add(id)
  })
  return entries
}

export interface BatchOutcome {
  readonly Successful: object[]
  readonly Failed: object[]
}

export function failedEntry(entry: Params, error: AwsError): object {
  return { Id: entry['Id'], SenderFault: error.fault === 'Sender', Code: error.code, Message: error.message }
}

/** The entry's failure, if AWS has a word for the fault; others end the call. */
export function failedBy(entry: Params, fault: unknown): object {
  const error = fault instanceof AwsError ? fault : faultError(fault)
  if (error === undefined) throw fault
  return failedEntry(entry, error)
}

/** Runs a check of one entry: its value, or the entry's failure. Faults that are no `AwsError` go on. */
export function attempt<T>(check: () => T): { readonly value: T } | { readonly error: AwsError } {
  try {
    return { value: check() }
  } catch (fault) {
    if (fault instanceof AwsError) return { error: fault }
    throw fault
  }
}

/** As SQS answers: a list that is empty is left out. */
export function batchResult({ Successful, Failed }: BatchOutcome): object {
  return Failed.length === 0 ? { Successful } : Successful.length === 0 ? { Failed } : { Successful, Failed }
}
