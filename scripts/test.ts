import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Tally } from './vitest-tally.ts'

const USAGE = `npm test -- [--long] [--only STAGE]... [FILTER]...
  --long        longer simulations and histories (SPINDLE_TEST_LONG=1)
  --only STAGE  types, web, lint, walls, dead, package or vitest; may be repeated
  FILTER        part of a test file's path; runs vitest alone
  SPINDLE_SEED  draws the random examples of an earlier run again`

interface Check {
  readonly name: string
  readonly command: readonly [string, ...string[]]
}

/** Each counts as one test. Slowest first, so that two cores end together. */
const checks: readonly Check[] = [
  { name: 'package', command: [process.execPath, '--import', 'tsx', 'scripts/package.ts'] },
  { name: 'types', command: ['node_modules/.bin/tsc', '-p', 'tsconfig.json', '--pretty'] },
  { name: 'web', command: ['node_modules/.bin/tsc', '-p', 'web/tsconfig.json', '--pretty'] },
  { name: 'lint', command: ['node_modules/.bin/biome', 'check', '--error-on-warnings', '--colors=off', '.'] },
  {
    name: 'walls',
    command: ['node_modules/.bin/depcruise', '--config', '.dependency-cruiser.mjs', '--output-type', 'err-long', 'src'],
  },
  { name: 'dead', command: ['node_modules/.bin/knip', '--no-progress'] },
]
const CHECKS_AT_ONCE = 2
const CHECK_LIMIT_MS = 5 * 60_000
const VITEST_LIMIT_MS = 20 * 60_000
const LONG_VITEST_LIMIT_MS = 80 * 60_000

type Outcome = { readonly ok: boolean; readonly output: string }

function run(command: readonly [string, ...string[]], how: { show: boolean; limitMs: number }): Promise<Outcome> {
  return new Promise((resolve) => {
    const [program, ...args] = command
    const stdio = how.show ? 'inherit' : 'pipe'
    const child = spawn(program, args, { stdio: ['ignore', stdio, stdio], timeout: how.limitMs, env: process.env })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text) => (output += text))
    child.on('error', (error) => resolve({ ok: false, output: `${output}${error.message}\n` }))
    child.on('close', (code, signal) => {
      const end = signal === null ? '' : `ended by ${signal}; the limit is ${how.limitMs / 1000} s\n`
      resolve({ ok: code === 0, output: output + end })
    })
  })
}

function report(name: string, ok: boolean, startedMs: number): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.log(`${ok ? 'pass' : 'FAIL'}  ${name.padEnd(8)} ${seconds} s`)
}

async function runCheck({ name, command }: Check, tally: Tally): Promise<void> {
  const startedMs = performance.now()
  const { ok, output } = await run(command, { show: false, limitMs: CHECK_LIMIT_MS })
  if (ok) tally.passed++
  else tally.failed++
  report(name, ok, startedMs)
  if (!ok) console.log(output.trimEnd().replace(/^/gm, '      '))
}

async function runChecks(chosen: readonly Check[], tally: Tally): Promise<void> {
  const waiting = [...chosen]
  const lane = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) await runCheck(check, tally)
  }
  await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, lane))
}

async function runVitest(filters: readonly string[], long: boolean, tally: Tally): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-test-'))
  const file = join(folder, 'tally.json')
  process.env['SPINDLE_TALLY'] = file
  process.env['SPINDLE_SEED'] ??= String(randomInt(2 ** 31))
  console.log(
    `seed ${process.env['SPINDLE_SEED']}: SPINDLE_SEED=${process.env['SPINDLE_SEED']} draws the same examples`,
  )
  const startedMs = performance.now()
  const { ok, output } = await run(
    ['node_modules/.bin/vitest', 'run', '--reporter=default', '--reporter=./scripts/vitest-tally.ts', ...filters],
    { show: true, limitMs: long ? LONG_VITEST_LIMIT_MS : VITEST_LIMIT_MS },
  )
  const counted = readTally(file)
  rmSync(folder, { recursive: true, force: true })
  tally.passed += counted.passed
  // A run that failed without a failed test (no test found, killed at its limit, a worker crashed) is one failure.
  tally.failed += ok ? counted.failed : Math.max(1, counted.failed)
  tally.skipped.push(...counted.skipped)
  report('vitest', ok, startedMs)
  if (output !== '') console.log(output.trimEnd())
}

function readTally(file: string): Tally {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Tally // written by our own reporter
  } catch {
    return { passed: 0, failed: 1, skipped: [] } // it never got to its end
  }
}

function readArguments() {
  const stages = [...checks.map((check) => check.name), 'vitest']
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { long: { type: 'boolean', default: false }, only: { type: 'string', multiple: true } },
  })
  const only = values.only ?? (positionals.length > 0 ? ['vitest'] : stages)
  const unknown = only.find((stage) => !stages.includes(stage))
  if (unknown !== undefined) throw new TypeError(`no stage is called '${unknown}'`)
  return { long: values.long, only, filters: positionals }
}

async function main(): Promise<void> {
  const { long, only, filters } = readArguments()
  if (long) process.env['SPINDLE_TEST_LONG'] = '1'
  const tally: Tally = { passed: 0, failed: 0, skipped: [] }
  await runChecks(
    checks.filter((check) => only.includes(check.name)),
    tally,
  )
  if (only.includes('vitest')) await runVitest(filters, long, tally)

  for (const { name, reason } of tally.skipped) console.log(`skip  ${name}: ${reason}`)
  // The last line, in this form: CI reads it.
  console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped.length} skipped`)
  process.exitCode = tally.failed > 0 ? 1 : 0
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
main().catch((error: unknown) => {
  console.error(error instanceof TypeError ? `${error.message}\n\n${USAGE}` : error)
  process.exitCode = 2
})
