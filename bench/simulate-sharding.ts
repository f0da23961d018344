/** `npm run simulate:sharding`: hot queues, a lost shard and rebalancing over many PostgreSQLs; prints the figures and puts them into the page. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { withFigures } from './autoscale/figures-table.ts'
import { figuresTable } from './sharding/scenarios.ts'

const page = fileURLToPath(new URL('../docs/decisions/sharding.md', import.meta.url))
const table = figuresTable()
writeFileSync(page, withFigures(readFileSync(page, 'utf8'), table))
console.log(table)
