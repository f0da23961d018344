/** `npm run simulate:autoscale`: shows the autoscale policy all loads, draws them into docs/autoscale and puts the figures into the page. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { figuresTable, withFigures } from './autoscale/figures-table.ts'
import { drawTrace } from './autoscale/picture.ts'
import { simulate, simulated } from './autoscale/simulation.ts'
import { traces } from './autoscale/traces.ts'

const docs = fileURLToPath(new URL('../docs/', import.meta.url))
const page = `${docs}concepts/autoscale.md`

mkdirSync(`${docs}autoscale`, { recursive: true })
const runs = traces.map((trace) => ({ trace, run: simulate(trace) }))
for (const { trace, run } of runs) {
  writeFileSync(`${docs}autoscale/${trace.name}.svg`, drawTrace(trace, run, simulated.targetLatencyMs / 1_000))
}
const table = figuresTable(runs)
writeFileSync(page, withFigures(readFileSync(page, 'utf8'), table))
console.log(table)
