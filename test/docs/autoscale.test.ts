import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { figuresTable } from '../../bench/autoscale/figures-table.ts'
import { drawTrace } from '../../bench/autoscale/picture.ts'
import { simulate, simulated } from '../../bench/autoscale/simulation.ts'
import { traces } from '../../bench/autoscale/traces.ts'

const doc = (path: string): string => readFileSync(new URL(`../../docs/${path}`, import.meta.url), 'utf8')

/** When it fails after a change of the policy: `npm run simulate:autoscale`. */
it('has the figures and pictures of the policy as it is', () => {
  const runs = traces.map((trace) => ({ trace, run: simulate(trace) }))
  expect(doc('concepts/autoscale.md')).toContain(figuresTable(runs))
  for (const { trace, run } of runs) {
    const drawn = drawTrace(trace, run, simulated.targetLatencyMs / 1_000)
    expect(doc(`autoscale/${trace.name}.svg`) === drawn, `docs/autoscale/${trace.name}.svg`).toBe(true)
  }
})
