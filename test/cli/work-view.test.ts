import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { drawLive, Ends, type LiveFacts } from '../../src/cli/work/live-view.ts'
import { chooseQueues } from '../../src/cli/work/queue-flags.ts'
import { Recycling } from '../../src/cli/work/recycling.ts'
import type { MessageId } from '../../src/model/message.ts'
import { type RunningTask, type TaskEnd, task } from '../../src/tasks/index.ts'

const id = (n: number): MessageId => `id-${n}` as MessageId
const end = (fields: Partial<TaskEnd> = {}): TaskEnd => ({
  id: id(1),
  task: 'mail',
  queue: 'post',
  attempt: 1,
  outcome: 'succeeded',
  runMs: 5,
  ...fields,
})
const facts: LiveFacts = {
  url: 'file:./data',
  processes: 1,
  concurrency: 10,
  state: 'working',
  upMs: 61_000,
  queues: [{ queue: 'post', ready: 12, delayed: 1, leased: 2, dead: 3 }],
  running: [
    { id: id(1), task: 'mail', queue: 'post', attempt: 1, runMs: 1_500, progress: 0.5 },
    { id: id(2), task: 'mail', queue: 'post', attempt: 3, runMs: 20, progress: undefined },
  ],
}

describe('the live view', () => {
  it('shows queues, rates, what runs and what failed', () => {
    const ends = new Ends()
    for (let n = 0; n < 20; n++) ends.add(end(), 1_000 + n)
    ends.add(end({ id: id(9), outcome: 'retrying', attempt: 2, error: { name: 'Error', message: 'no route' } }), 2_000)
    expect(drawLive(facts, ends, { columns: 120, rows: 40, nowMs: 2_000 })).toEqual([
      'spindle work  file:./data  10 at a time  working  up 1 min  ended 21, failed attempts 1',
      '',
      'queue                           ready  delayed  running     dead   ends/s',
      'post                               12        1        2        3      2.1',
      '',
      'running here: 2',
      '  mail id-1  1.5 s  ██████████░░░░░░░░░░ 50 %',
      '  mail id-2  20 ms    attempt 3',
      '',
      'failed last:',
      '  mail id-9 retrying (attempt 2: Error: no route)',
    ])
    expect(ends.rates(20_000).get('post')).toBeUndefined()
  })

  it('fits the terminal, whatever it is told', () => {
    const running = Array.from(
      { length: 500 },
      (_, n): RunningTask => ({
        ...(facts.running[0] as RunningTask),
        id: id(n),
        task: `\u001b[31m${'x'.repeat(300)}`,
      }),
    )
    const ends = new Ends()
    for (let n = 0; n < 50; n++)
      ends.add(end({ outcome: 'failed', error: { name: 'E', message: '\u0007'.repeat(500) } }), n)
    for (const rows of [1, 5, 10, 24]) {
      const lines = drawLive({ ...facts, running }, ends, { columns: 60, rows, nowMs: 100 })
      expect(lines.length).toBeLessThanOrEqual(rows)
      for (const line of lines) {
        expect(line.length).toBeLessThanOrEqual(60)
        expect(line).not.toMatch(/\p{Cc}/u)
      }
    }
    const lines = drawLive({ ...facts, running }, ends, { columns: 80, rows: 24, nowMs: 100 })
    expect(lines.join('\n')).toMatch(/and 4\d\d more/)
  })
})

describe('--queue', () => {
  const tasks = ['news', 'mail', 'a=2'].map((name) => task(name, { input: z.number(), run: () => {} }))

  it('chooses queues in the order given, with their weights', () => {
    expect(chooseQueues(tasks, undefined, false)).toEqual({ tasks, order: 'turns' })
    expect(chooseQueues(tasks, ['mail', 'news'], true)).toEqual({ tasks: [tasks[1], tasks[0]], order: 'strict' })
    expect(chooseQueues(tasks, ['mail=3', 'news'], false)).toEqual({ tasks: [tasks[1], tasks[0]], order: { mail: 3 } })
    expect(chooseQueues(tasks, ['a=2'], false)).toEqual({ tasks: [tasks[2]], order: 'turns' })
    expect(chooseQueues(tasks, ['a=2=5'], false).order).toEqual({ 'a=2': 5 })
  })

  it.each([
    [['fax'], false, /no task goes through queue 'fax'/],
    [['mail=0'], false, /the weight of queue 'mail' is '0'/],
    [['mail=much'], false, /the weight of queue 'mail' is 'much'/],
    [['mail=2'], true, /--strict and weights exclude each other/],
  ])('refuses %j', (flags, strict, why) => {
    expect(() => chooseQueues(tasks, flags, strict)).toThrow(why)
  })
})

describe('a process is recycled', () => {
  it('after so many tasks, once', () => {
    const recycling = new Recycling({ tasksMax: 2, memoryMbMax: undefined }, () => 0)
    expect([recycling.ended(), recycling.ended(), recycling.ended()]).toEqual([
      undefined,
      '2 tasks ended in it',
      undefined,
    ])
  })

  it('when it holds more memory than it may', () => {
    let bytes = 100 * 1_048_576
    const recycling = new Recycling({ tasksMax: undefined, memoryMbMax: 100 }, () => bytes)
    expect(recycling.ended()).toBeUndefined()
    bytes += 2_000_000
    expect(recycling.ended()).toBe('it holds 102 MB')
  })
})
