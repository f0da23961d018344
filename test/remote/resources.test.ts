import { describe, expect, it } from 'vitest'
import { redriveChannel } from '../../src/broker/port.ts'
import { USER_PREFIX } from '../../src/broker/user-record.ts'
import { announcementResource, channelResource, recordResource } from '../../src/frontends/remote/resources.ts'
import { SealedReceipts } from '../../src/frontends/remote/sealed-receipts.ts'
import type { MessageId, Receipt } from '../../src/model/message.ts'
import { CANCEL_CHANNEL, cancelKey } from '../../src/tasks/cancel.ts'
import { flowKey, partsPrefix } from '../../src/tasks/flows/flow-records.ts'
import { FLOW_STOP_CHANNEL, flowChannel } from '../../src/tasks/flows/flow-task.ts'
import { FLOW_CHANNEL } from '../../src/tasks/flows/flows.ts'
import { progressKey, taskChannel } from '../../src/tasks/progress.ts'
import { SCHEDULE_PREFIX, SCHEDULES_VERSION_KEY } from '../../src/tasks/schedules/schedule-record.ts'
import { SCHEDULES_CHANNEL } from '../../src/tasks/schedules/scheduler.ts'
import { WEBHOOK_CHANNEL } from '../../src/tasks/webhook-queue.ts'

const id = '019b0000-0000-7000-8000-000000000001' as MessageId

describe('a record', () => {
  it.each([
    [progressKey(id), { kind: 'message', id }],
    [cancelKey(id), { kind: 'message', id }],
    ['spindle/breaker/mail', { kind: 'queue', queue: 'mail' }],
    ['spindle/pause/queue/mail', { kind: 'shared', resource: 'record:spindle/pause/queue/mail' }],
    [`${SCHEDULE_PREFIX}night`, { kind: 'named', resource: `record:${SCHEDULE_PREFIX}night` }],
    [SCHEDULES_VERSION_KEY, { kind: 'shared', resource: `record:${SCHEDULES_VERSION_KEY}` }],
    [flowKey('f'), { kind: 'named', resource: `record:${flowKey('f')}` }],
    [`${partsPrefix('f')}n/`, { kind: 'named', resource: `record:${partsPrefix('f')}n/` }],
    ['mine', { kind: 'named', resource: 'record:mine' }],
    [`${USER_PREFIX}ann`, { kind: 'operator', resource: `record:${USER_PREFIX}ann` }],
    ['spindle/sqs/seal-key', { kind: 'operator', resource: 'record:spindle/sqs/seal-key' }],
    ['spindle/whatever comes', { kind: 'operator', resource: 'record:spindle/whatever comes' }],
  ])('%s is judged by what it belongs to', (key, resource) => {
    expect(recordResource(key)).toEqual(resource)
  })
})

describe('a channel', () => {
  const flow = { kind: 'named', resource: `record:${partsPrefix('f')}` }
  it.each([
    [`message/${id}`, { kind: 'message', id }],
    [taskChannel(id), { kind: 'message', id }],
    [flowChannel('f'), flow],
    [redriveChannel('r'), { kind: 'shared', resource: 'channel:redrive/r' }],
    [SCHEDULES_CHANNEL, { kind: 'shared', resource: `channel:${SCHEDULES_CHANNEL}` }],
    ['spindle/users', { kind: 'operator', resource: 'channel:spindle/users' }],
    ['chat', { kind: 'named', resource: 'channel:chat' }],
  ])('%s is heard by those whom it concerns', (channel, resource) => {
    expect(channelResource(channel)).toEqual(resource)
  })

  it.each([
    [FLOW_CHANNEL, '', undefined],
    [WEBHOOK_CHANNEL, '', undefined],
    [CANCEL_CHANNEL, id, { kind: 'message', id }],
    [FLOW_STOP_CHANNEL, '{"id":"f","path":""}', flow],
    [FLOW_STOP_CHANNEL, 'no JSON', { kind: 'named', resource: 'record:spindle/flow//' }],
    [`message/${id}`, '', { kind: 'operator', resource: `channel:message/${id}` }],
    [taskChannel(id), '', { kind: 'message', id }],
  ])('%s is used by those who may change what hears it', (channel, data, resource) => {
    expect(announcementResource(channel, Buffer.from(data))).toEqual(resource)
  })
})

describe('a sealed receipt', () => {
  const receipts = new SealedReceipts(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
  const receipt = '12.34.5' as Receipt

  it.each(['q', 'a~b', 'vhost:shop/orders', 'ü', ''])('opens for the queue %j that it was given out for', (queue) => {
    expect(receipts.open(receipts.seal(queue, receipt))).toEqual({ receipt, queue })
  })

  it('opens with no other character in any place', () => {
    const sealed = receipts.seal('orders', receipt)
    const opened = [...sealed].filter((_, at) => {
      const changed = `${sealed.slice(0, at)}${sealed[at] === '1' ? '2' : '1'}${sealed.slice(at + 1)}`
      return receipts.open(changed as Receipt) !== undefined
    })
    // The id in the middle, which is not there to be believed.
    expect(opened).toEqual(['-'])
    expect(receipts.open('' as Receipt)).toBeUndefined()
    expect(new SealedReceipts(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9)).open(sealed)).toBeUndefined()
  })
})
