/** Opens what a fault left behind, and lists every broken promise. */
import type { FaultDisk } from '../../src/testing/fault-disk.ts'
import { type Fault, judge } from './checkers.ts'
import { keyOf, look, openStore, textOf } from './store.ts'
import type { Workload } from './workload.ts'

export interface Case {
  readonly disk: FaultDisk
  readonly fault: Fault
  /** How much of the log counts. */
  readonly at: number
}

export async function verify(workload: Workload, { disk, fault, at }: Case): Promise<string[]> {
  const { engine, clock } = await openStore(disk)
  try {
    const seen = await look(engine)
    const problems = judge(workload.log, seen, at, fault)

    // A repeated send is still recognised.
    for (const [dedupId, first] of workload.dedups) {
      if (first.at > at) continue
      const message = { content: { body: Buffer.from('again|'), head: new Uint8Array(0) }, groupId: 'again', dedupId }
      const [outcomes] = await engine.commit([{ ops: [{ kind: 'append', queue: 'fifo', message }] }])
      const outcome = outcomes?.[0]
      if (outcome?.kind !== 'duplicate' || outcome.of !== first.id)
        problems.push(`dedup: ${dedupId} was forgotten (${outcome?.kind})`)
      if (problems.length > 5) break
    }

    // Everything that waits is served; what somebody else has now is closed to its old holder.
    await clock.advance(60_000)
    const waiting = new Set(seen.messages.filter(({ queue }) => queue === 'plain').map(({ key }) => key))
    for (;;) {
      const taken = await engine.lease({ queue: 'plain', max: 500, lease: { kind: 'clock', leaseMs: 1_000_000 } })
      if (taken.length === 0) break
      const sequences = taken.map(({ sequence }) => sequence)
      if (sequences.some((sequence, index) => sequence < (sequences[index - 1] ?? 0)))
        problems.push('out of order: served with falling sequences')
      for (const { content } of taken) {
        const key = keyOf(textOf(content.body))
        if (!waiting.delete(key)) problems.push(`unexpected: ${key} was served, or twice`)
        const old = workload.receipts.get(key)
        if (old === undefined) continue
        const [outcomes] = await engine.commit([
          { ops: [{ kind: 'settle', receipt: old.receipt, how: { kind: 'ack' } }] },
        ])
        if (outcomes?.[0]?.kind !== 'stale') problems.push(`fence: an old receipt of ${key} settled it`)
      }
    }
    for (const key of waiting) if (!deadIn(seen, key)) problems.push(`stuck: ${key} is never served`)
    return problems
  } finally {
    await engine.close()
  }
}

function deadIn(seen: { messages: readonly { key: string; state: string }[] }, key: string): boolean {
  return seen.messages.some((message) => message.key === key && message.state === 'dead')
}
