/**
 * npm run test:mutants [-- FILTER]: plants each bug of test/mutants/mutants.ts in a copy of the tree and runs the test that must catch it.
 * Exits 1 when one survives, when its text is not found exactly once, or when the test fails without it.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { type Mutant, mutants } from '../test/mutants/mutants.ts'

/** A mutant may make a test wait for ever: that is a catch too. */
const RUN_LIMIT_MS = 120_000
const COPIED = ['src', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts'] as const

type Verdict = 'caught' | 'caught (hangs)' | 'SURVIVED' | 'NOT FOUND' | 'NOT RUN'

interface RunResult {
  readonly hung: boolean
  /** By title; a title may occur in several describes. */
  readonly failed: ReadonlySet<string>
  readonly passed: ReadonlySet<string>
}

interface JsonReport {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[]
  }[]
}

const root = fileURLToPath(new URL('..', import.meta.url))
const filter = process.argv[2] ?? ''

async function run(tree: string, file: string, tests: readonly string[]): Promise<RunResult> {
  const report = join(tree, 'report.json')
  rmSync(report, { force: true })
  const pattern = tests.map((test) => test.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    file,
    '-t',
    pattern,
    '--reporter=json',
    `--outputFile=${report}`,
  ]
  const child = spawn(process.execPath, args, {
    cwd: tree,
    stdio: 'ignore',
    timeout: RUN_LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  const signal = await new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_code, by) => resolve(by)))
  const failed = new Set<string>()
  const passed = new Set<string>()
  if (signal !== null) return { hung: true, failed, passed }
  for (const { assertionResults } of (JSON.parse(readFileSync(report, 'utf8')) as JsonReport).testResults)
    for (const { title, status } of assertionResults) {
      if (status === 'failed') failed.add(title)
      if (status === 'passed') passed.add(title)
    }
  return { hung: false, failed, passed }
}

async function judge(tree: string, mutant: Mutant): Promise<Verdict> {
  const path = join(tree, mutant.file)
  const source = readFileSync(path, 'utf8')
  if (source.split(mutant.find).length !== 2) return 'NOT FOUND'
  writeFileSync(
    path,
    source.replace(mutant.find, () => mutant.replace),
  )
  try {
    const { hung, failed, passed } = await run(tree, mutant.caughtBy.file, [mutant.caughtBy.test])
    if (hung) return 'caught (hangs)'
    if (failed.has(mutant.caughtBy.test)) return 'caught'
    return passed.has(mutant.caughtBy.test) ? 'SURVIVED' : 'NOT RUN'
  } finally {
    writeFileSync(path, source)
  }
}

/** The tests must pass without a mutant: a test that always fails catches nothing. */
async function baseline(tree: string, chosen: readonly Mutant[]): Promise<string[]> {
  const problems: string[] = []
  for (const file of new Set(chosen.map(({ caughtBy }) => caughtBy.file))) {
    const tests = [
      ...new Set(chosen.filter(({ caughtBy }) => caughtBy.file === file).map(({ caughtBy }) => caughtBy.test)),
    ]
    const { failed, passed } = await run(tree, file, tests)
    for (const test of tests)
      if (failed.has(test) || !passed.has(test)) problems.push(`${file}: "${test}" does not pass without a mutant`)
  }
  return problems
}

async function main(): Promise<void> {
  const chosen = mutants.filter(({ name }) => name.includes(filter))
  const tree = mkdtempSync(join(tmpdir(), 'spindle-mutants-'))
  try {
    for (const name of COPIED) cpSync(join(root, name), join(tree, name), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
    const problems = await baseline(tree, chosen)
    if (problems.length > 0) {
      console.error(problems.join('\n'))
      process.exitCode = 1
      return
    }
    let caught = 0
    for (const mutant of chosen) {
      const verdict = await judge(tree, mutant)
      if (verdict.startsWith('caught')) caught++
      console.log(`${verdict.padEnd(14)}  ${mutant.name.padEnd(55)}  ${mutant.caughtBy.test}`)
    }
    console.log(`${caught} of ${chosen.length} planted bugs caught`)
    if (caught < chosen.length || chosen.length === 0) process.exitCode = 1
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

await main()
