import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Not a measurement: small, in memory, from src/, in one process. It shows that every scenario runs to its end. */
function quickBench(...args: string[]): Promise<Ended> {
  const quick = ['--quick', '--engine', 'memory:', '--package', 'src/index.ts']
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--import', 'tsx', 'bench/run.ts', ...quick, ...args],
      { cwd: root },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

describe('npm run bench', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'spindle-bench-test-'))
  })

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it('measures every scenario and writes a page of tables, each cell of a rate filled', async () => {
    const out = join(folder, 'RESULTS.md')
    const { code, stderr } = await quickBench('--out', out)
    expect(code, stderr).toBe(0)

    const page = readFileSync(out, 'utf8')
    expect(headings(page)).toEqual([
      '# Bench results',
      '## Figures',
      '## Throughput against the disk',
      '## A backlog of 10,000 messages',
      '## Queues',
      '### Send, 100 B',
      '### Receive + ack, 100 B',
      '### Send + receive + ack, 100 B',
      '## Tasks',
    ])
    expect(page).toMatch(/^- Machine: \d+ cores \(.+\), \d+ GiB of memory, \w+ \w+, Node v\d+/m)
    expect(page).toMatch(/^- Date: \d{4}-\d\d-\d\d; commit: /m)
    expect(page).toMatch(/reaches \*\*\d+\.\d\d\*\* of the raw limit/)

    const rates = page.split('\n').filter((line) => /^\| (10*|100 B) \| (1|64) \|/.test(line))
    expect(rates).toHaveLength(3 * 4 + 1)
    const positive = '([1-9][\\d,]* \\| [\\d.]+ \\| [\\d.]+)' // rate, p50, p99
    for (const line of rates)
      expect(line).toMatch(new RegExp(`^\\| [^|]+ \\| [^|]+ \\| ${positive} \\| ${positive} \\|$`))
  })

  it('names each figure that it holds, and fails when one is missed', async () => {
    const { code, stdout, stderr } = await quickBench('throughput')
    const verdicts = stdout.split('\n').filter((line) => /^(met {3}|MISSED) /.test(line))
    expect(verdicts, stderr).toHaveLength(2)
    expect(code).toBe(verdicts.some((line) => line.startsWith('MISSED')) ? 1 : 0)
  })

  it('refuses what it does not know with its usage and exit code 2', async () => {
    const { code, stderr } = await quickBench('everthing')
    expect(code).toBe(2)
    expect(stderr).toContain("nothing to measure is called 'everthing'")
    expect(stderr).toContain('npm run bench -- [throughput | backlog]')
  })
})

function headings(page: string): string[] {
  return page.split('\n').filter((line) => line.startsWith('#'))
}
