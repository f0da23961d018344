/** npm run fuzz -- [PARSER] [--inputs N] [--seed N]: coverage-guided fuzzing of one parser, or of all. Findings are minimised and kept in test/fuzz/cases. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { fuzz } from '../test/fuzz/fuzzer.ts'
import { targets } from '../test/fuzz/targets.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { inputs: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
})
const chosen = targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
if (chosen.length === 0) {
  console.error(`parsers: ${targets.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
for (const target of chosen) {
  const startedMs = performance.now()
  const { inputs, corpus, findings } = await fuzz(target, {
    inputs: Number(values.inputs),
    seed: Number(values.seed),
    guided: true,
  })
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
  console.log(
    `${target.name.padEnd(13)} ${inputs} inputs in ${seconds} s, corpus of ${corpus}, ${findings.length} findings`,
  )
  for (const { input, message } of findings) {
    const hash = createHash('sha256').update(input).digest('hex').slice(0, 12)
    writeFileSync(new URL(`../test/fuzz/cases/${target.name}-${hash}.bin`, import.meta.url), input)
    console.log(`  ${message}\n  kept as test/fuzz/cases/${target.name}-${hash}.bin`)
    process.exitCode = 1
  }
}
process.exit()
