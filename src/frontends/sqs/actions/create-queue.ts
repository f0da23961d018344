import { isFault } from '../../../model/errors.ts'
import type { Params } from '../../../wire/aws/shape.ts'
import { checkAccessByName } from '../access.ts'
import type { Action, SqsContext } from '../context.ts'
import { invalidParameter, missingParameter, queueDeletedRecently, queueNameExists } from '../errors.ts'
import { isFifoName, isQueueName, type QueueAddress, queueUrl, storeName } from '../queue-address.ts'
import { type Attributes, changedAttributes, defaultAttributes } from '../queue-attributes.ts'
import type { SqsQueue } from '../queue-directory.ts'
import { newPolicy } from '../queue-policy.ts'
import { encodeRecord, recordKey } from '../queue-record.ts'
import { checkRedrive } from '../redrive-target.ts'
import { checkTags } from '../tags.ts'

/** Idempotent while the attributes given are those in force; the attributes left out are not compared. */
export const createQueue: Action = async (context, call) => {
  const { directory } = context
  const name = call.params['QueueName'] as string | undefined
  if (name === undefined || name === '') throw missingParameter('QueueName')
  const changes = (call.params['Attributes'] ?? {}) as Attributes
  const tags = (call.params['tags'] ?? {}) as Params as Attributes
  const isFifo = checkedName(name, changes)
  const address = { region: call.region, account: call.account, name }
  checkAccessByName(call, address, directory.home)
  checkTags(tags)
  const kind = { isFifo, messageBytesMax: context.messageBytesMax }
  const attributes = changedAttributes(defaultAttributes(kind), changes, kind)
  const answer = { QueueUrl: queueUrl(address, call.baseUrl, directory.home) }

  const existing = await directory.fresh(storeName(address, directory.home), address)
  if (existing !== undefined) {
    checkSame(existing, changes)
    return answer
  }
  if (context.sixtySeconds?.deleted.isRecent(storeName(address, directory.home)) === true) throw queueDeletedRecently()
  await checkRedrive(context, { address, isFifo, attributes })
  await create(context, { address, isFifo, attributes, tags, changes })
  return answer
}

async function create(
  { port, clock, directory }: SqsContext,
  wanted: {
    readonly address: QueueAddress
    readonly isFifo: boolean
    readonly attributes: Attributes
    readonly tags: Readonly<Record<string, string>>
    readonly changes: Attributes
  },
): Promise<void> {
  const { address, isFifo, attributes, tags, changes } = wanted
  const store = storeName(address, directory.home)
  const nowMs = clock.wallMs()
  const value = encodeRecord({ attributes, tags, createdAtMs: nowMs, modifiedAtMs: nowMs })
  try {
    await port.declareQueue(store, newPolicy(attributes, isFifo, directory.home), {
      expect: 'absent',
      records: [{ key: recordKey(store), value }],
    })
  } catch (fault) {
    if (!isFault(fault, 'queue-exists')) throw fault
    // Somebody else created it in between: the same rules as if it had been there before.
    const existing = await directory.fresh(store, address)
    if (existing !== undefined) checkSame(existing, changes)
  }
  directory.changed(store)
}

/** Throws `QueueNameExists` (QueueAlreadyExists). */
function checkSame(existing: SqsQueue, changes: Attributes): void {
  for (const [name, text] of Object.entries(changes)) {
    if (isSame(existing.attributes[name], text)) continue
    throw queueNameExists(`A queue already exists with the same name and a different value for attribute ${name}`)
  }
}

/** Policies are JSON: a space more is no other policy. */
function isSame(inForce: string | undefined, text: string): boolean {
  if (inForce === text || (inForce === undefined && text === '')) return true
  if (inForce === undefined || !inForce.startsWith('{')) return false
  try {
    return canonical(JSON.parse(inForce)) === canonical(JSON.parse(text))
  } catch {
    return false
  }
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'number') return String(part)
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))
  })
}

/** Whether it is a FIFO queue. Throws `InvalidParameterValue`. */
function checkedName(name: string, changes: Attributes): boolean {
  const isFifo = changes['FifoQueue'] === 'true'
  if (isFifo && !(isFifoName(name) && isQueueName(name))) {
    throw invalidParameter(
      'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.',
    )
  }
  if (!isFifo && (isFifoName(name) || !isQueueName(name))) {
    throw invalidParameter('Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length')
  }
  return isFifo
}
