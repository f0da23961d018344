/**
 * npm run faults -- NAME [--cycles N] [--seed N]: a real fault, again and again, with its checker; without a name the list. Prints the figure, and
 * keeps it in bench/RELIABILITY.md with date, commit and machine. Exits 1 when a promise was broken.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { describeRun } from '../bench/machine.ts'
import type { RealFault } from '../test/faults/real/fault.ts'
import { brokers, postgres, promotion } from '../test/faults/real/fleet.ts'
import { clock, damage, simulation } from '../test/faults/real/in-memory.ts'
import { eio, kill, points } from '../test/faults/real/kills.ts'
import { backlog, descriptors, poison, soak, sockets } from '../test/faults/real/load.ts'
import { fullDisk, power } from '../test/faults/real/power.ts'

const faults: readonly RealFault[] = [
  simulation,
  kill,
  points,
  eio,
  power,
  fullDisk,
  damage,
  clock,
  poison,
  backlog,
  sockets,
  descriptors,
  brokers,
  postgres,
  promotion,
  soak,
]
const RESULTS = new URL('../bench/RELIABILITY.md', import.meta.url)
const HEAD = `# Reliability: results

Each line is what \`npm run faults -- NAME\` printed last. How to read them: docs/reliability.md.

| fault | figure | verdict | when and where |
|---|---|---|---|
`

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { cycles: { type: 'string' }, minutes: { type: 'string' }, seed: { type: 'string', default: '1' } },
  })
  const fault = faults.find(({ name }) => name === positionals[0])
  if (fault === undefined) {
    for (const { name, cycles, what, root } of faults)
      console.log(`${name.padEnd(12)} ${what} (default ${cycles}${root === true ? ', root' : ''})`)
    process.exitCode = positionals.length === 0 ? 0 : 2
    return
  }
  if (fault.root === true && process.getuid?.() !== 0) {
    console.error(`${fault.name} needs root: it mounts a file system of its own`)
    process.exitCode = 2
    return
  }
  const cycles = Number(values.cycles ?? values.minutes ?? fault.cycles)
  const { figure, problems } = await fault.run({ cycles, seed: Number(values.seed) })
  console.log(`${fault.name}: ${figure}`)
  for (const problem of problems) console.error(`  ${problem}`)
  keep(fault.name, `${figure}`, problems.length === 0 ? 'held' : 'BROKEN')
  process.exitCode = problems.length === 0 ? 0 : 1
}

function keep(name: string, figure: string, verdict: string): void {
  const where = describeRun()
    .split('\n')
    .filter((line) => !line.startsWith('- Data folders'))
    .map((line) => line.slice(2))
    .join('; ')
  const line = `| ${name} | ${figure} | ${verdict} | ${where} |`
  const lines = new Map(rows().map((row) => [row.split('|')[1]?.trim() ?? '', row]))
  lines.set(name, line)
  const ordered = faults.flatMap((fault) => lines.get(fault.name) ?? [])
  writeFileSync(RESULTS, `${HEAD}${ordered.join('\n')}\n`)
}

function rows(): string[] {
  try {
    return readFileSync(RESULTS, 'utf8')
      .split('\n')
      .filter((line) => /^\| [a-z-]+ \|/.test(line) && !line.startsWith('| fault'))
  } catch {
    return []
  }
}

await main()
process.exit()
