/**
 * `npm run bench:stores`: the figures of docs/decisions/storage.md. Installs the peers into a temporary folder first
 * (never into this package); one that cannot be installed is named and left out.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { forked } from './fresh-process.ts'
import { describeRun } from './machine.ts'
import { median } from './measure.ts'
import { count, table } from './report.ts'
import { withFolder } from './store.ts'
import type { StoreJob, StoreRates } from './store-child.ts'
import { candidates } from './stores/candidates.ts'
import { type Candidate, peerFolder } from './stores/store.ts'

const BUILD = 'dist/index.js'
const RUNS = 3
const GROUP = 1_000
const SIZES = [
  { bodyBytes: 100, messages: 1_000_000 },
  { bodyBytes: 1024, messages: 200_000 },
]

/** Whether the candidate can run here: its peer, if it has one, is installed now. */
function install({ peer }: Candidate, peers: string): boolean {
  if (peer === undefined) return true
  const what = `${peer.package}@${peer.version}`
  const folder = peerFolder(peers, peer.package)
  console.error(`installing ${what} (it may have to be compiled)`)
  mkdirSync(folder)
  const npm = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, what], {
    encoding: 'utf8',
    cwd: folder,
  })
  if (npm.status === 0) return true
  console.log(`left out: ${what} cannot be installed here: ${(npm.error?.message ?? npm.stderr).trim().slice(-500)}`)
  return false
}

async function rowOf(candidate: Candidate, peers: string): Promise<string[]> {
  const cells: string[] = []
  for (const { bodyBytes, messages } of SIZES) {
    console.error(`${candidate.name}, ${bodyBytes} B`)
    const job: StoreJob = { candidate: candidate.name, build: BUILD, peers, messages, bodyBytes, group: GROUP }
    const runs: StoreRates[] = []
    for (let i = 0; i < RUNS; i++) runs.push(await forked<StoreRates>('store-child.ts', job))
    const takes = runs.flatMap(({ takePerSecond }) => takePerSecond ?? [])
    cells.push(count(median(runs.map((run) => run.putPerSecond))), takes.length > 0 ? count(median(takes)) : '')
  }
  return [candidate.name, ...cells]
}

async function main(): Promise<void> {
  await withFolder(async (peers) => {
    const present = candidates(BUILD).filter((candidate) => install(candidate, peers))
    const rows: string[][] = []
    for (const candidate of present) rows.push(await rowOf(candidate, peers))
    console.log(describeRun())
    console.log(`\n${table(['messages/s, groups of 1,000', '100 B put', 'take', '1 KiB put', 'take'], rows)}\n`)
    for (const { name, does } of present) console.log(`- ${name}: ${does}`)
  })
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
await main()
