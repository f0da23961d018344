import { writeFileSync } from 'node:fs'
import process from 'node:process'
import type { Reporter, TestModule } from 'vitest/node'

/** What scripts/test.ts reads back. Vitest's own JSON drops the reason that a test gives to `ctx.skip('reason')`. */
export interface Tally {
  passed: number
  failed: number
  skipped: { name: string; reason: string }[]
}

/** Counts tests, and as one failure each: a file that could not be loaded, and an error outside of any test. */
export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const file = process.env['SPINDLE_TALLY']
    if (file === undefined) return
    const tally: Tally = { passed: 0, failed: unhandledErrors.length, skipped: [] }
    for (const module of modules) count(module, tally)
    writeFileSync(file, JSON.stringify(tally))
  }
}

function count(module: TestModule, tally: Tally): void {
  tally.failed += module.errors().length
  for (const suite of module.children.allSuites()) tally.failed += suite.errors().length
  for (const test of module.children.allTests()) {
    const result = test.result()
    if (result.state === 'passed') tally.passed++
    else if (result.state === 'failed') tally.failed++
    else {
      const reason = (result.state === 'skipped' && result.note) || 'no reason given'
      tally.skipped.push({ name: `${module.relativeModuleId} > ${test.fullName}`, reason })
    }
  }
}
