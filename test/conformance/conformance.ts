/** The promises of src/engine/engine.ts as tests, one file a noun. Every engine runs them all. */
import { describe } from 'vitest'
import { appendSuite } from './append.ts'
import { browseSuite } from './browse.ts'
import { capSuite } from './caps.ts'
import { deadLetterSuite } from './dead-letters.ts'
import { dedupSuite } from './dedup.ts'
import { exchangeDeathSuite } from './exchange-deaths.ts'
import { fairSuite } from './fair.ts'
import { groupSuite } from './groups.ts'
import { holderSuite } from './holders.ts'
import { leaseSuite } from './lease.ts'
import { measureSuite } from './measure.ts'
import { orderSuite } from './order.ts'
import { queueSuite } from './queues.ts'
import { recordSuite } from './records.ts'
import { reopenSuite } from './reopen.ts'
import { reopenPolicySuite } from './reopen-policies.ts'
import { settleSuite } from './settle.ts'
import type { MakeEngine } from './subject.ts'
import { throttleSuite } from './throttle.ts'
import { ttlSuite } from './ttl.ts'
import { unitSuite } from './units.ts'
import { watchSuite } from './watch.ts'

const suites: readonly ((make: MakeEngine) => void)[] = [
  appendSuite,
  orderSuite,
  leaseSuite,
  settleSuite,
  groupSuite,
  fairSuite,
  throttleSuite,
  dedupSuite,
  capSuite,
  ttlSuite,
  deadLetterSuite,
  exchangeDeathSuite,
  recordSuite,
  unitSuite,
  queueSuite,
  holderSuite,
  browseSuite,
  measureSuite,
  watchSuite,
]

export function conformance(name: string, make: MakeEngine, options: { readonly durable: boolean }): void {
  describe(`${name} engine`, () => {
    for (const suite of suites) suite(make)
    if (!options.durable) return
    reopenSuite(make)
    reopenPolicySuite(make)
  })
}
